//! How a credential goes out of code: the literal that holds it becomes `env.NAME`, its placeholder.
//!
//! A constant of the module goes with it, since `env` is there only while a request is answered: its uses become the
//! placeholder. Refuses to touch what is not plainly a literal of JavaScript or TypeScript on one line.

use crate::{
    code::code,
    text::{Kind, Text},
};
use model::Edit;
use std::ops::Range;

const CODE: [&str; 4] = [".js", ".mjs", ".ts", ".mts"];
const DECLARES: [&str; 3] = ["const ", "let ", "var "];
/// Constants that are used more often than this are looked at by a person.
const USES_MAX: usize = 50;
/// Each credential has the whole file read for it; code that people write is shorter.
const SOURCE_BYTES_MAX: usize = 128 << 10;

/// What a machine may write in place of the value; nothing when a person has to.
pub(crate) fn edits(path: &str, text: &Text<'_>, value: &Range<usize>, variable: &str) -> Vec<Edit> {
    let (Kind::Text, Some(skipped)) = (text.kind, text.skipped) else { return Vec::new() };
    if !CODE.iter().any(|ending| path.ends_with(ending)) || text.bytes.len() > SOURCE_BYTES_MAX {
        return Vec::new();
    }
    let Ok(source) = std::str::from_utf8(&text.bytes) else { return Vec::new() };
    let Some(literal) = Literal::around(source, value) else { return Vec::new() };
    let placeholder = format!("env.{variable}");
    let found = match literal.constant(source) {
        // `env` is not there yet where a module's constants are made.
        Some(_) if !literal.is_all(value) => Vec::new(),
        Some((name, line)) => match uses(source, name, &line) {
            Some(uses) => {
                let uses = uses.into_iter().map(|range| (range, placeholder.clone()));
                std::iter::once((line, String::new())).chain(uses).collect()
            }
            None => Vec::new(),
        },
        None => vec![literal.replaced(value, &placeholder)],
    };
    let shifted = |range: Range<usize>| range.start + skipped..range.end + skipped;
    found.into_iter().map(|(range, text)| Edit::replace(path, shifted(range), text)).collect()
}

/// A literal on one line, with its quotes.
struct Literal {
    range: Range<usize>,
    quote: char,
    line: Range<usize>,
}

impl Literal {
    fn around(source: &str, value: &Range<usize>) -> Option<Self> {
        let before = source.get(..value.start)?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = source.get(value.end..)?.find('\n').map_or(source.len(), |at| value.end + at);
        let line = source.get(start..end)?;
        let (mut open, mut escaped) = (None, false);
        for (at, letter) in line.char_indices() {
            let here = start + at;
            match (letter, open) {
                _ if escaped => escaped = false,
                ('\\', _) => escaped = true,
                ('"' | '\'' | '`', None) => open = Some((letter, here)),
                (letter, Some((quote, from))) if letter == quote => {
                    if from < value.start && here >= value.end {
                        return Some(Self { range: from..here + 1, quote, line: start..end });
                    }
                    open = None;
                }
                // What follows is a comment: nothing of it runs.
                ('/', None) if line.get(at..)?.starts_with("//") => return None,
                _ => {}
            }
        }
        None
    }

    /// The name of the module's constant that this literal is all of, and the whole line with its end.
    fn constant<'s>(&self, source: &'s str) -> Option<(&'s str, Range<usize>)> {
        let before = source.get(self.line.start..self.range.start)?;
        let name = DECLARES.iter().find_map(|word| before.strip_prefix(word))?.split_once('=')?;
        let name = name.1.trim().is_empty().then_some(name.0.trim())?;
        let after = source.get(self.range.end..self.line.end)?.trim();
        let plain = name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$'));
        let end = source.len().min(self.line.end + 1);
        (plain && !name.is_empty() && matches!(after, "" | ";")).then_some((name, self.line.start..end))
    }

    fn is_all(&self, value: &Range<usize>) -> bool {
        value.start == self.range.start + 1 && value.end + 1 == self.range.end
    }

    /// The placeholder joined with what else stands in the literal.
    fn replaced(&self, value: &Range<usize>, placeholder: &str) -> (Range<usize>, String) {
        let (first, last) = (value.start == self.range.start + 1, value.end + 1 == self.range.end);
        let (quote, start, end) = (self.quote, self.range.start, self.range.end);
        match (first, last) {
            (true, true) => (start..end, placeholder.to_owned()),
            _ if quote == '`' => (value.clone(), format!("${{{placeholder}}}")),
            (true, false) => (start..value.end, format!("{placeholder} + {quote}")),
            (false, true) => (value.start..end, format!("{quote} + {placeholder}")),
            (false, false) => (value.clone(), format!("{quote} + {placeholder} + {quote}")),
        }
    }
}

/// Where else the name stands as a word of its own; `None` when that is too often, or one of them is no plain use: in a
/// string or a comment, assigned to, or a property's name and value in one.
fn uses(source: &str, name: &str, declared: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let mut found = Vec::new();
    for (at, _) in source.match_indices(name) {
        let before = source.get(..at).and_then(|text| text.chars().next_back());
        let after = source.get(at + name.len()..).and_then(|text| text.chars().next());
        let alone = !before.is_some_and(|letter| part(letter) || letter == '.') && !after.is_some_and(part);
        if alone && !declared.contains(&at) {
            found.push(at..at + name.len());
        }
    }
    let code = code(source, &found);
    let plain = |(at, code): (&Range<usize>, bool)| code && is_plain(source, at);
    (found.len() <= USES_MAX && found.iter().zip(code).all(plain)).then_some(found)
}

fn is_plain(source: &str, at: &Range<usize>) -> bool {
    let before = source.get(..at.start).unwrap_or_default().trim_end();
    let after = source.get(at.end..).unwrap_or_default().trim_start();
    let listed = before.ends_with(['{', ',']) && !before.ends_with("${") && after.starts_with(['}', ',']);
    let assigned = after.starts_with('=') && !after.starts_with("==");
    !listed && !assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `§` stands for the credential.
    fn mended(path: &str, source: &str) -> Option<String> {
        let value = "xoxb-1234";
        let source = source.replace('§', value);
        let text = Text::of(source.as_bytes());
        let at = std::str::from_utf8(&text.bytes).unwrap().find(value).unwrap();
        let made = edits(path, &text, &(at..at + value.len()), "TOKEN");
        let out = model::edited(path, source.as_bytes(), &made).unwrap();
        (!made.is_empty()).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_literal_becomes_the_placeholder() {
        for (before, after) in [
            ("f('§');", "f(env.TOKEN);"),
            ("f(\"Bearer §\", 1);", "f(\"Bearer \" + env.TOKEN, 1);"),
            ("f(\"§/x\");", "f(env.TOKEN + \"/x\");"),
            ("f('a=§&b');", "f('a=' + env.TOKEN + '&b');"),
            ("  f(`Bearer §`);", "  f(`Bearer ${env.TOKEN}`);"),
            ("\u{feff}f('§');", "\u{feff}f(env.TOKEN);"),
            ("  const token = '§';\n  use(token);", "  const token = env.TOKEN;\n  use(token);"),
            ("const KEY = \"§\";\nuse(`a${KEY}b`, KEY == x);", "use(`a${env.TOKEN}b`, env.TOKEN == x);"),
            (
                "const KEY = \"§\";\nexport default { fetch: () => send(KEY, x.KEY, MONKEY) };\n",
                "export default { fetch: () => send(env.TOKEN, x.KEY, MONKEY) };\n",
            ),
        ] {
            assert_eq!(mended("app.js", before).as_deref(), Some(after), "{before}");
        }
        for left in [
            "// it is '§'",
            "§",
            "f(`\n§`);",
            // The rest of the literal would be lost, and `env` is not there yet.
            "const AUTH = \"Bearer §\";\nuse(AUTH);",
            "const DB = 'postgres://u:§@host/db';",
            // Uses that are no plain use.
            "const KEY = \"§\";\nuse({ KEY });",
            "const KEY = \"§\";\nuse({ a, KEY });",
            "const KEY = \"§\";\nuse(\"KEY\");",
            "const KEY = \"§\";\nuse(KEY); // KEY is old",
            "const KEY = \"§\";\nuse(`KEY`);",
            "let KEY = \"§\";\nKEY = other();",
        ] {
            assert_eq!(mended("app.js", left), None, "{left}");
        }
        assert_eq!(mended("notes.txt", "f('§');"), None);
    }
}
