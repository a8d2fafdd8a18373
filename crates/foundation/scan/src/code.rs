//! What of a module is code, and what stands in a string or a comment. In a template, what stands in `${…}` is code.
//!
//! It reads shapes as an editor that colours does: a regular expression that holds a quote is taken for a string.

use std::ops::Range;

/// For each place whether it is code; `places` from top to bottom.
pub(crate) fn code(source: &str, places: &[Range<usize>]) -> Vec<bool> {
    let (mut within, mut answers) = (vec![Within::Code { braces: 0 }], vec![false; places.len()]);
    let mut next = 0;
    let mut rest = source.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        while let (Some(place), Some(answer)) = (places.get(next), answers.get_mut(next))
            && place.start <= at
        {
            *answer = place.start == at && matches!(within.last(), Some(Within::Code { .. }));
            next += 1;
        }
        let (follows, inner) = (rest.peek().map(|(_, letter)| *letter), within.len() > 1);
        match (within.last_mut(), letter) {
            (Some(Within::Code { .. }), '/') if follows == Some('/') => within.push(Within::Line),
            (Some(Within::Code { .. }), '/') if follows == Some('*') => within.push(Within::Block),
            (Some(Within::Code { .. }), '"' | '\'') => within.push(Within::Quotes(letter)),
            (Some(Within::Code { .. }), '`') => within.push(Within::Template),
            (Some(Within::Code { braces }), '{') => *braces += 1,
            (Some(Within::Code { braces: 0 }), '}') if inner => drop(within.pop()),
            (Some(Within::Code { braces }), '}') => *braces = braces.saturating_sub(1),
            (Some(Within::Quotes(_) | Within::Template), '\\') => drop(rest.next()),
            (Some(Within::Quotes(quote)), letter) if *quote == letter || letter == '\n' => drop(within.pop()),
            (Some(Within::Template), '`') => drop(within.pop()),
            (Some(Within::Template), '$') if follows == Some('{') => {
                rest.next();
                within.push(Within::Code { braces: 0 });
            }
            (Some(Within::Line), '\n') => drop(within.pop()),
            (Some(Within::Block), '*') if follows == Some('/') => {
                rest.next();
                within.pop();
            }
            _ => {}
        }
    }
    answers
}

/// What a letter stands in.
enum Within {
    Code { braces: usize },
    Quotes(char),
    Template,
    Line,
    Block,
}
