//! From an argument to the words that it becomes.

use super::tokens::{Token, arguments, closed};
use std::collections::HashMap;

/// Names are followed this far.
const DEEP: usize = 6;

/// What an argument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Words, with `{…}` where something is filled in.
    Words(String),
    /// A parameter of the function around it, by place.
    Handed(usize),
}

/// What is known where an argument stands.
pub(super) struct Around<'a> {
    /// The function up to the argument.
    pub(super) before: &'a [Token],
    pub(super) parameters: &'a [String],
    pub(super) constants: &'a HashMap<String, String>,
}

impl Around<'_> {
    pub(super) fn says(&self, argument: &[Token]) -> Said {
        self.follow(argument, DEEP)
    }

    fn follow(&self, argument: &[Token], deep: usize) -> Said {
        let texts: Vec<&str> = texts(argument);
        if !texts.is_empty() {
            return Said::Words(texts.join(" | "));
        }
        let Some(name) = name(argument) else { return Said::Words(format!("{{{}}}", code(argument))) };
        if let Some(value) = self.local(name).filter(|_| deep > 0) {
            return self.follow(value, deep - 1);
        }
        if let Some(words) = self.one_of_several(name) {
            return Said::Words(words);
        }
        if let Some(place) = self.parameters.iter().position(|parameter| parameter == name) {
            return Said::Handed(place);
        }
        match self.constants.get(name) {
            Some(words) => Said::Words(words.clone()),
            None => Said::Words(format!("{{{}}}", code(argument))),
        }
    }

    /// What `let NAME = …;` gave last.
    fn local(&self, name: &str) -> Option<&[Token]> {
        let at = self.before.windows(2).rposition(|pair| match pair {
            [before, here] => (before.is_word("let") || before.is_word("mut")) && here.is_word(name),
            _ => false,
        })?;
        let rest = self.before.get(at + 2..)?;
        assigned(rest)
    }

    /// What `let (…, NAME, …) = …;` gave last: the words at its place in each list of as many.
    fn one_of_several(&self, name: &str) -> Option<String> {
        let opens = |at: &usize| self.before.get(*at + 1).is_some_and(|token| token.is_mark('('));
        let lets = self.before.iter().enumerate().filter(|(_, token)| token.is_word("let"));
        let (at, names) = lets.map(|(at, _)| at).filter(opens).rev().find_map(|at| {
            let names = arguments(self.before, at + 1);
            let known = |one: &&[Token]| matches!(one, [Token::Word(word)] if word == name);
            names.iter().any(known).then_some((at, names))
        })?;
        let place = names.iter().position(|one| matches!(one, [Token::Word(word)] if word == name))?;
        let value = assigned(self.before.get(closed(self.before, at + 1)..)?)?;
        let lists =
            value.iter().enumerate().filter(|(_, token)| token.is_mark('(')).map(|(open, _)| arguments(value, open));
        let mut words: Vec<&str> = Vec::new();
        for list in lists.filter(|list| list.len() == names.len()) {
            words.extend(list.get(place).into_iter().flat_map(|one| texts(one)));
        }
        (!words.is_empty()).then(|| words.join(" | "))
    }
}

/// The value of `… = value;`, as far as its semicolon.
fn assigned(rest: &[Token]) -> Option<&[Token]> {
    let equals = rest.iter().position(|token| token.is_mark('='))?;
    let value = rest.get(equals + 1..)?;
    let mut depth = 0_usize;
    let end = value.iter().position(|token| {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Token::Mark(';') if depth == 0 => return true,
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => {}
        }
        false
    });
    value.get(..end?)
}

/// Every string in it, but those that only join or compare.
fn texts(argument: &[Token]) -> Vec<&str> {
    let mut texts = Vec::new();
    for (index, token) in argument.iter().enumerate() {
        let Token::Text(text) = token else { continue };
        let method = index.checked_sub(2).and_then(|at| argument.get(at));
        let joins = method.is_some_and(|word| {
            ["join", "replace", "contains", "starts_with", "expect"].iter().any(|join| word.is_word(join))
        });
        if !joins && !text.is_empty() {
            texts.push(text.as_str());
        }
    }
    texts
}

/// `name`, `&name`, `&*name`, `name.into()`, `name.to_owned()`, `name.clone()`.
fn name(argument: &[Token]) -> Option<&str> {
    let rest = argument
        .iter()
        .position(|token| !(token.is_mark('&') || token.is_mark('*')))
        .and_then(|at| argument.get(at..))?;
    let (Token::Word(name), rest) = rest.split_first()? else { return None };
    let same = match rest {
        [] => true,
        [dot, method, ..] => {
            dot.is_mark('.')
                && rest.len() == 4
                && ["into", "to_owned", "clone", "to_string", "as_str", "as_ref"]
                    .iter()
                    .any(|known| method.is_word(known))
        }
        [_] => false,
    };
    same.then_some(name)
}

/// Code as it could stand in a line.
fn code(tokens: &[Token]) -> String {
    let mut code = String::new();
    let mut after_word = false;
    for token in tokens {
        match token {
            Token::Word(word) => {
                if after_word {
                    code.push(' ');
                }
                code.push_str(word);
            }
            Token::Text(text) => {
                code.push('"');
                code.push_str(text);
                code.push('"');
            }
            Token::Mark(mark) => code.push(*mark),
        }
        after_word = matches!(token, Token::Word(_));
    }
    code
}
