//! Where problems are made, and through which functions their words come.

use super::{
    super::File,
    literals::{LITERALS, tables},
    tokens::{Token, arguments, closed, tokens},
    words::{Around, Said},
};
use anyhow::{Result, bail};
use std::collections::HashMap;

/// Functions hand words on to functions, this often at most: what goes on for longer is not followed, and fails.
const ROUNDS: usize = 5;
/// Tokens between the name of a constant and its `=`: a type, with its brackets and lifetimes.
const TYPE_TOKENS_MAX: usize = 12;
/// Tokens within which `self` stands: `&'a mut self`.
const SELF_TOKENS_MAX: usize = 4;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) code: String,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) fix: String,
}

/// One function.
struct Function {
    place: Place,
    name: String,
    /// Without `self`.
    parameters: Vec<String>,
    takes: Takes,
    body: Vec<Token>,
    /// Where its own begins: a closure sees what stands before it.
    from: usize,
}

/// Where a function stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    room: String,
    file: String,
}

/// Whether it is called on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Itself,
    Arguments,
}

/// A function through which problems are made: what each of code, what, why and fix is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Maker {
    /// Only within this room, and its own file goes before the others; everywhere when there is none.
    place: Option<Place>,
    takes: Takes,
    arity: usize,
    /// The word before `::`, if it must be this one.
    of: Option<&'static str>,
    name: String,
    parts: [Said; 4],
}

/// Every message of the house.
///
/// # Errors
/// Words that are handed on through more functions than are followed: nothing is left out unseen.
pub(super) fn messages(files: &[File]) -> Result<Vec<Message>> {
    let sources = files
        .iter()
        .filter(|file| file.is_house_rust() && !file.is_test() && !file.path.starts_with("crates/workshop/"));
    let (mut functions, mut constants) = (Vec::new(), HashMap::new());
    for file in sources {
        let room = file.path.split('/').take(3).collect::<Vec<_>>().join("/");
        let tokens = tokens(&file.text);
        constants_in(&tokens, &mut constants);
        let place = Place { room, file: file.path.clone() };
        functions_in(&tokens, &place, &mut functions);
        functions.extend(tables(&tokens).map(|(name, body)| Function {
            place: place.clone(),
            name,
            parameters: Vec::new(),
            takes: Takes::Arguments,
            body,
            from: 0,
        }));
    }
    let handed = Said::Handed;
    let said = |words: &str| Said::Words(words.to_owned());
    let mut makers = vec![
        first("Problem", 5, [handed(1), handed(2), handed(3), handed(4)]),
        // As `Denied` becomes a problem.
        alarm("of_node"),
        alarm("of_platform"),
        // What a page says after an act: title and lead; and what needs a look: one sentence.
        first("Done", 4, [said("done"), handed(2), handed(3), said("")]),
        first("Notice", 3, [said("page"), handed(2), said(""), said("")]),
        first("Denied", 4, [handed(1), Said::Words("you may not {do it}".to_owned()), handed(2), handed(3)]),
    ];
    let mut rounds = 0;
    loop {
        let (found, next) = round(&functions, &constants, &makers);
        let new: Vec<Maker> = next.into_iter().filter(|maker| !makers.contains(maker)).collect();
        let Some(further) = new.first() else { return Ok(found) };
        if rounds == ROUNDS {
            let file = further.place.as_ref().map_or("", |place| &place.file);
            bail!("`{}` in {file} hands the words of a problem on, past {ROUNDS} functions", further.name);
        }
        rounds += 1;
        makers.extend(new);
    }
}

/// As an alarm is told: its name, what is wrong, what to do.
fn alarm(name: &str) -> Maker {
    let why = Said::Words("this comes to you because you are an operator".to_owned());
    let parts = [Said::Words("alarm".to_owned()), Said::Handed(1), why, Said::Handed(2)];
    Maker { name: name.to_owned(), ..first("Alarm", 3, parts) }
}

fn first(of: &'static str, arity: usize, parts: [Said; 4]) -> Maker {
    Maker { place: None, takes: Takes::Arguments, arity, of: Some(of), name: "new".to_owned(), parts }
}

/// What these makers make, and which functions turn out to be makers themselves.
fn round(functions: &[Function], constants: &HashMap<String, String>, makers: &[Maker]) -> (Vec<Message>, Vec<Maker>) {
    let (mut found, mut next) = (Vec::new(), Vec::new());
    for function in functions {
        for (at, open, maker) in calls(function, functions, makers) {
            let around = Around {
                before: function.body.get(..at).unwrap_or_default(),
                parameters: &function.parameters,
                constants,
            };
            let given = arguments(&function.body, open);
            let parts = maker.parts.clone().map(|part| match part {
                Said::Words(words) => Said::Words(words),
                Said::Handed(place) => match given.get(place) {
                    Some(argument) => around.says(argument),
                    None => Said::Words("{…}".to_owned()),
                },
            });
            said_by(function, parts, &mut found, &mut next);
        }
        for literal in LITERALS {
            let around = |at: usize| Around {
                before: function.body.get(..at).unwrap_or_default(),
                parameters: &function.parameters,
                constants,
            };
            for parts in literal.written(&function.body, function.from, around) {
                said_by(function, parts, &mut found, &mut next);
            }
        }
    }
    (found, next)
}

/// A message, when its words are known here; else whoever calls this function makes it.
fn said_by(function: &Function, parts: [Said; 4], found: &mut Vec<Message>, next: &mut Vec<Maker>) {
    match words(&parts) {
        Some([code, what, why, fix]) => found.push(Message { code, what, why, fix }),
        None => next.push(Maker {
            place: Some(function.place.clone()),
            takes: function.takes,
            arity: function.parameters.len(),
            of: None,
            name: function.name.clone(),
            parts,
        }),
    }
}

fn words(parts: &[Said; 4]) -> Option<[String; 4]> {
    match parts {
        [Said::Words(code), Said::Words(what), Said::Words(why), Said::Words(fix)] => {
            Some([code.clone(), what.clone(), why.clone(), fix.clone()])
        }
        _ => None,
    }
}

/// Where a function calls a maker: where the call begins, and where its brackets open.
/// A function of its own file goes before one of that name elsewhere in the room, also when it makes nothing itself.
fn calls<'a>(function: &'a Function, functions: &[Function], makers: &'a [Maker]) -> Vec<(usize, usize, &'a Maker)> {
    let mut calls = Vec::new();
    for (index, token) in function.body.iter().enumerate().skip(function.from) {
        let (Token::Word(name), Some(Token::Mark('('))) = (token, function.body.get(index + 1)) else { continue };
        let before = |back: usize| index.checked_sub(back).and_then(|at| function.body.get(at));
        if before(1).is_some_and(|token| token.is_word("fn")) {
            continue;
        }
        let takes = if before(1).is_some_and(|token| token.is_mark('.')) { Takes::Itself } else { Takes::Arguments };
        let count = arguments(&function.body, index + 1).len();
        let fits = |maker: &&Maker| {
            let of = |of: &str| before(3).is_some_and(|token| token.is_word(of));
            maker.name == *name
                && maker.takes == takes
                && maker.arity == count
                && maker.place.as_ref().is_none_or(|place| place.room == function.place.room)
                && maker.of.is_none_or(|wanted| of(wanted) || (of("Self") && function.place.room.ends_with("/model")))
        };
        let found: Vec<&Maker> = makers.iter().filter(fits).collect();
        let own = |maker: &&&Maker| maker.place.as_ref().is_none_or(|place| place.file == function.place.file);
        let near: Vec<&Maker> = found.iter().filter(own).copied().collect();
        let hidden = near.is_empty()
            && !found.is_empty()
            && functions.iter().any(|other| {
                other.place.file == function.place.file
                    && (&other.name, other.takes, other.parameters.len()) == (name, takes, count)
            });
        if hidden {
            continue;
        }
        calls.extend((if near.is_empty() { found } else { near }).into_iter().map(|maker| (index, index + 1, maker)));
    }
    calls
}

fn constants_in(tokens: &[Token], constants: &mut HashMap<String, String>) {
    for (index, token) in tokens.iter().enumerate() {
        if !token.is_word("const") {
            continue;
        }
        let (Some(Token::Word(name)), Some(rest)) = (tokens.get(index + 1), tokens.get(index + 2..)) else { continue };
        let Some(equals) = rest.iter().take(TYPE_TOKENS_MAX).position(|token| token.is_mark('=')) else { continue };
        if let Some(Token::Text(text)) = rest.get(equals + 1) {
            constants.insert(name.clone(), text.clone());
        }
    }
}

/// Every function, those within others too: each is looked at by itself.
fn functions_in(tokens: &[Token], place: &Place, functions: &mut Vec<Function>) {
    let mut index = 0;
    while index < tokens.len() {
        let (Some(token), Some(Token::Word(name))) = (tokens.get(index), tokens.get(index + 1)) else {
            index += 1;
            continue;
        };
        if !token.is_word("fn") {
            index += 1;
            continue;
        }
        let Some(open) = parameters_open(tokens, index + 2) else { break };
        let end = closed(tokens, open);
        let given = arguments(tokens, open);
        let itself =
            given.first().is_some_and(|first| first.iter().take(SELF_TOKENS_MAX).any(|token| token.is_word("self")));
        let takes = if itself { Takes::Itself } else { Takes::Arguments };
        let parameters = given.into_iter().filter_map(parameter).collect();
        let body = tokens.iter().enumerate().skip(end).find(|(_, token)| token.is_mark('{') || token.is_mark(';'));
        let Some((start, _)) = body.filter(|(_, token)| token.is_mark('{')) else {
            index = end;
            continue;
        };
        let whole = tokens.get(start..closed(tokens, start)).unwrap_or_default();
        let body = without_closures(whole, place, functions);
        functions.push(Function { place: place.clone(), name: name.clone(), parameters, takes, body, from: 0 });
        index = closed(tokens, start);
    }
}

/// A function's own code. Each closure in it that has a name and parameters is a function like any other.
fn without_closures(whole: &[Token], place: &Place, functions: &mut Vec<Function>) -> Vec<Token> {
    let mut own = Vec::new();
    let mut index = 0;
    while let Some(token) = whole.get(index) {
        let Some((name, parameters, start)) = token.is_word("let").then(|| closure(whole, index)).flatten() else {
            own.push(token.clone());
            index += 1;
            continue;
        };
        let end = if whole.get(start).is_some_and(|token| token.is_mark('{')) {
            closed(whole, start)
        } else {
            start + statement(whole.get(start..).unwrap_or_default())
        };
        let mut body = own.clone();
        let from = body.len();
        body.extend(whole.get(start..end).unwrap_or_default().iter().cloned());
        functions.push(Function { place: place.clone(), name, parameters, takes: Takes::Arguments, body, from });
        index = end;
    }
    own
}

/// `let name = |a, b| …`: its name, its parameters, where its body begins.
fn closure(tokens: &[Token], at: usize) -> Option<(String, Vec<String>, usize)> {
    let mut next = at + 1;
    if tokens.get(next)?.is_word("mut") {
        next += 1;
    }
    let Token::Word(name) = tokens.get(next)? else { return None };
    if !tokens.get(next + 1)?.is_mark('=') {
        return None;
    }
    let mut open = next + 2;
    if tokens.get(open)?.is_word("move") {
        open += 1;
    }
    if !tokens.get(open)?.is_mark('|') {
        return None;
    }
    let inside = tokens.get(open + 1..)?;
    let close = inside.iter().position(|token| token.is_mark('|'))?;
    let parameters = inside.get(..close)?.split(|token| token.is_mark(',')).filter_map(parameter).collect();
    Some((name.clone(), parameters, open + close + 2))
}

/// How many tokens until the statement ends.
fn statement(tokens: &[Token]) -> usize {
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match token {
            Token::Mark('(' | '[' | '{') => index = closed(tokens, index),
            Token::Mark(';' | '}') => return index,
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => index += 1,
        }
    }
    index
}

/// Past the generics, whose brackets are no brackets here.
fn parameters_open(tokens: &[Token], from: usize) -> Option<usize> {
    let mut angle = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(from) {
        let arrow = index.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(|before| before.is_mark('-'));
        match token {
            Token::Mark('<') => angle += 1,
            Token::Mark('>') if !arrow => angle -= 1,
            Token::Mark('(') if angle <= 0 => return Some(index),
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => {}
        }
    }
    None
}

/// The name of one; `self` is none.
fn parameter(tokens: &[Token]) -> Option<String> {
    let colon = tokens.iter().position(|token| token.is_mark(':'));
    let named = tokens.get(..colon.unwrap_or(tokens.len()))?;
    if named.iter().any(|token| token.is_word("self")) {
        return None;
    }
    // A pattern has no name; it keeps its place.
    Some(match named.last() {
        Some(Token::Word(word)) => word.clone(),
        _ => "…".to_owned(),
    })
}
