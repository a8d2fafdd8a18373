//! Source as words, strings and marks, with its brackets matched. What is under `#[cfg(test)]` is left out.

use super::super::lexed::{Lexed, Piece};

/// One token of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// A string literal, as it is shown.
    Text(String),
    Mark(char),
}

impl Token {
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    pub(super) const fn is_mark(&self, mark: char) -> bool {
        matches!(self, Self::Mark(found) if *found == mark)
    }
}

/// The tokens of a source, without its tests.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let tests = Lexed::new(source).test_lines();
    let in_test = |line: usize| tests.iter().any(|lines| lines.contains(&line));
    let mut tokens = Vec::new();
    let mut word = String::new();
    for (line, piece) in Lexed::pieces(source) {
        if let Piece::Code(character) = piece
            && (character.is_alphanumeric() || character == '_')
        {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            let whole = std::mem::take(&mut word);
            if !in_test(line) {
                tokens.push(Token::Word(whole));
            }
        }
        match piece {
            Piece::Text(text) if !in_test(line) => tokens.push(Token::Text(shown(text))),
            Piece::Code(mark) if !mark.is_whitespace() && !in_test(line) => tokens.push(Token::Mark(mark)),
            Piece::Code(_) | Piece::Text(_) => {}
        }
    }
    tokens
}

/// A literal without its escapes; a line that is continued goes on in its words.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\\' {
            shown.push(if character == '\n' { ' ' } else { character });
            continue;
        }
        match rest.next() {
            Some('\n') => while rest.next_if(|next| next.is_whitespace()).is_some() {},
            Some('n' | 't' | 'r') => shown.push(' '),
            Some(other) => shown.push(other),
            None => {}
        }
    }
    shown
}

/// The index behind the bracket that closes the one at `open`.
pub(super) fn closed(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => {}
        }
    }
    tokens.len()
}

/// What stands between the brackets that open at `open`, at each comma of its own level.
pub(super) fn arguments(tokens: &[Token], open: usize) -> Vec<&[Token]> {
    let end = closed(tokens, open).saturating_sub(1);
    let mut arguments = Vec::new();
    let (mut start, mut index) = (open + 1, open + 1);
    while index < end {
        match tokens.get(index) {
            Some(Token::Mark('(' | '[' | '{')) => index = closed(tokens, index),
            Some(Token::Mark(',')) => {
                arguments.extend(tokens.get(start..index));
                index += 1;
                start = index;
            }
            _ => index += 1,
        }
    }
    arguments.extend(tokens.get(start..end).filter(|last| !last.is_empty()));
    arguments
}
