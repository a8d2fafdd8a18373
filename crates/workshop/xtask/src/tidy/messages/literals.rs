//! Messages that are made by writing a value down, field by field: findings of gates, words of notices.

use super::{
    calls::Message,
    tokens::{Token, arguments, closed},
    words::{Around, Said},
};

/// What the fields of a value of this name are.
pub(super) struct Literal {
    name: &'static str,
    code: Code,
    what: &'static [&'static str],
    why: &'static str,
    fix: &'static str,
}

#[derive(Clone, Copy)]
enum Code {
    Field(&'static str),
    Always(&'static str),
}

/// Findings, words of the manifest's gate before they are one, notices, and what was done on the way to a page.
pub(super) static LITERALS: &[Literal] = &[
    Literal { name: "Finding", code: Code::Field("code"), what: &["what"], why: "why", fix: "fix" },
    Literal { name: "Words", code: Code::Field("code"), what: &["what"], why: "why", fix: "fix" },
    Literal { name: "Words", code: Code::Always("notice"), what: &["subject", "what"], why: "why", fix: "next" },
    Literal { name: "After", code: Code::Always("done"), what: &["what"], why: "next", fix: "" },
];

impl Literal {
    /// Each value of this kind in a body, from `from` on.
    pub(super) fn written<'a>(
        &'a self,
        body: &'a [Token],
        from: usize,
        around: impl Fn(usize) -> Around<'a> + 'a,
    ) -> impl Iterator<Item = [Said; 4]> + 'a {
        let here = move |at: &usize| {
            let word = |at: usize, word: &str| body.get(at).is_some_and(|token| token.is_word(word));
            let opens = body.get(at + 1).is_some_and(|token| token.is_mark('{'));
            let before = at.checked_sub(1);
            // `let Finding { … } =` and `impl Finding { … }` take apart, or declare.
            let made = !before.is_some_and(|at| ["let", "struct", "impl", "for"].iter().any(|other| word(at, other)));
            word(*at, self.name) && opens && made
        };
        (from..body.len()).filter(here).filter_map(move |at| {
            let fields = arguments(body, at + 1);
            let around = around(at);
            let said = |name: &str| field(&fields, name).map(|value| around.says(value));
            let code = match self.code {
                Code::Always(code) => Said::Words(code.to_owned()),
                Code::Field(name) => said(name)?,
            };
            // Copied whole from another message, which stands by itself.
            if matches!(&code, Said::Words(code) if code.starts_with('{')) {
                return None;
            }
            let what: Vec<Said> = self.what.iter().map(|name| said(name)).collect::<Option<_>>()?;
            let fix = if self.fix.is_empty() { Said::Words(String::new()) } else { said(self.fix)? };
            Some([code, joined(what), said(self.why)?, fix])
        })
    }
}

/// `name: value` or `name` alone.
fn field<'a>(fields: &[&'a [Token]], name: &str) -> Option<&'a [Token]> {
    fields.iter().find_map(|field| match field {
        [Token::Word(word)] if word == name => Some(*field),
        [Token::Word(word), colon, value @ ..] if word == name && colon.is_mark(':') => Some(value),
        _ => None,
    })
}

/// A subject and a sentence are one line; what is handed on stays what it is.
fn joined(parts: Vec<Said>) -> Said {
    let words: Option<Vec<String>> = parts
        .iter()
        .map(|part| match part {
            Said::Words(words) => Some(words.clone()),
            Said::Handed(_) => None,
        })
        .collect();
    match (words, parts.into_iter().next_back()) {
        (Some(words), _) => Said::Words(words.join(": ").trim_end_matches('.').to_owned()),
        (None, Some(last)) => last,
        (None, None) => Said::Words(String::new()),
    }
}

/// Alarms and the like stand in tables: each `static` is read as a function without parameters.
pub(super) fn tables(tokens: &[Token]) -> impl Iterator<Item = (String, Vec<Token>)> + '_ {
    tokens.iter().enumerate().filter(|(_, token)| token.is_word("static")).filter_map(|(at, _)| {
        let mark = |at: usize, mark: char| tokens.get(at).is_some_and(|token| token.is_mark(mark));
        let Some(Token::Word(name)) = tokens.get(at + 1) else { return None };
        // `static NAME: …`, and no lifetime.
        if !mark(at + 2, ':') || mark(at + 3, ':') {
            return None;
        }
        let equals = tokens.iter().skip(at).position(|token| token.is_mark('='))? + at;
        let open = (equals + 1..equals + 3).find(|at| mark(*at, '['))?;
        Some((name.clone(), tokens.get(open..closed(tokens, open))?.to_vec()))
    })
}

/// Rules that are data: what each format of a credential is called, why it matters, what to do.
pub(super) fn rules(text: &str) -> anyhow::Result<Vec<Message>> {
    let rules: toml::Table = text.parse()?;
    let all = rules.get("rule").and_then(toml::Value::as_array).into_iter().flatten();
    let word = |rule: &toml::Value, name: &str| rule.get(name).and_then(toml::Value::as_str).unwrap_or("").to_owned();
    Ok(all
        .map(|rule| Message {
            code: format!("secret.found: {}", word(rule, "id")),
            what: word(rule, "name"),
            why: word(rule, "why"),
            fix: word(rule, "mend"),
        })
        .collect())
}
