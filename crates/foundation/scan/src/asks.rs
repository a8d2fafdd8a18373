//! What code asks of the platform in plain sight: addresses that it calls, collections that it uses, secrets that it names.
//!
//! It reads shapes, and runs nothing: what is put together at run time is not seen, and nothing is allowed or refused by
//! it. It lets the gates say before a release what the broker would say to its first user.

use crate::{code, text::Cursor};
use regex::{Captures, Regex};
use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

/// Modules longer than this are made by machines; looking for shapes in them says little.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Of each kind, in one module: what asks more often was put together by a machine.
const ASKS_MAX: usize = 500;
/// Longer than what a manifest can name.
const ASK_BYTES_MAX: usize = 400;
/// `method` stands in the options that follow the address.
const OPTIONS_CHARS: usize = 400;
/// A record that one person can picture, and how far its literal is read when no brace closes it.
const FIELDS_MAX: usize = 32;
const RECORD_CHARS: usize = 4 << 10;
/// Words by which people are recognised, in names of fields and in what is written into them.
const PERSONAL: [&str; 9] = ["email", "name", "person", "phone", "user", "address", "birth", "author", "owner"];

/// One thing that is asked for, and where, 1-based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub line: u32,
    /// Bytes of the file in which it stands.
    pub at: Range<usize>,
    pub what: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `fetch("https://host:port/path")`; the path ends in `**` where the code puts something in.
    Call { secure: bool, host: String, port: Option<u16>, method: String, path: String },
    /// `env.data.NAME`, with the fields that a record literal of `insert` has, and whether each seems personal.
    Collection { name: String, fields: BTreeMap<String, bool> },
    /// `env.NAME`.
    Secret { name: String },
}

static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\bfetch\s*\(\s*["'`](https?)://([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[^"'`?#\s$]*)?(["'`?#$])"#).ok()
});
static METHOD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\bmethod\s*:\s*["'`]([A-Za-z]+)["'`]"#).ok());
static COLLECTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^.\w$])env\.data\.([A-Za-z_]\w*)(\s*\.\s*insert\s*\(\s*\{)?").ok());
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:^|[^.\w$])env\.([A-Z][A-Z0-9_]*)\b").ok());

/// What a module asks for, from top to bottom; of each kind no more than a few hundred.
#[must_use]
pub fn asks(source: &[u8]) -> Vec<Ask> {
    let Some(source) = std::str::from_utf8(source).ok().filter(|source| source.len() <= SOURCE_BYTES_MAX) else {
        return Vec::new();
    };
    let code = without_comments(source);
    let mut found = Vec::new();
    for captures in captures(&CALL, &code) {
        let (Some(whole), Some(scheme), Some(host), Some(end)) =
            (captures.get(0), captures.get(1), captures.get(2), captures.get(5))
        else {
            continue;
        };
        let after: String = code.get(whole.end()..).unwrap_or_default().chars().take(OPTIONS_CHARS).collect();
        let after = after.split("fetch").next().unwrap_or_default();
        let method = METHOD.as_ref().and_then(|method| method.captures(after)?.get(1));
        let path = captures.get(4).map_or("/", |path| path.as_str());
        let path = if end.as_str() == "$" { open_ended(path) } else { path.to_owned() };
        let what = Asked::Call {
            secure: scheme.as_str() == "https",
            host: host.as_str().to_ascii_lowercase(),
            port: captures.get(3).and_then(|port| port.as_str().parse().ok()),
            method: method.map_or_else(|| "GET".to_owned(), |method| method.as_str().to_ascii_uppercase()),
            path,
        };
        found.push((whole.range(), what));
    }
    for captures in captures(&COLLECTION, &code) {
        if let Some(name) = captures.get(1) {
            let fields = captures.get(2).map(|open| fields(code.get(open.end()..).unwrap_or_default()));
            let fields = fields.unwrap_or_default();
            found.push((name.range(), Asked::Collection { name: name.as_str().to_owned(), fields }));
        }
    }
    for captures in captures(&SECRET, &code) {
        if let Some(name) = captures.get(1) {
            found.push((name.range(), Asked::Secret { name: name.as_str().to_owned() }));
        }
    }
    found.sort_by_key(|(at, _)| at.start);
    let places: Vec<_> = found.iter().map(|(at, _)| at.clone()).collect();
    let plain = code::code(source, &places).into_iter().zip(found).filter(|(is_code, _)| *is_code);
    let mut cursor = Cursor::new(source.as_bytes());
    plain.map(|(_, (at, what))| Ask { line: cursor.at(at.start).0, at, what }).collect()
}

/// Where a shape stands, as often as one module may ask.
fn captures<'c>(shape: &'static LazyLock<Option<Regex>>, code: &'c str) -> impl Iterator<Item = Captures<'c>> {
    let all = shape.iter().flat_map(move |shape| shape.captures_iter(code));
    all.filter(|captures| captures.get_match().len() <= ASK_BYTES_MAX).take(ASKS_MAX)
}

/// What the code adds to the path is anything below the last whole part.
fn open_ended(path: &str) -> String {
    let whole = path.rfind('/').map_or("", |at| path.get(..at).unwrap_or_default());
    format!("{whole}/**")
}

/// The same text, of the same length, with blanks where comments stand.
fn without_comments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let (mut quote, mut rest) = (None, source.chars().peekable());
    while let Some(letter) = rest.next() {
        match (quote, letter) {
            (None, '/') if rest.peek() == Some(&'/') => {
                out.push(' ');
                while let Some(gone) = rest.next_if(|next| *next != '\n') {
                    out.extend(std::iter::repeat_n(' ', gone.len_utf8()));
                }
            }
            (None, '/') if rest.peek() == Some(&'*') => {
                out.push(' ');
                let mut before = ' ';
                for gone in rest.by_ref() {
                    let shown = if gone == '\n' { '\n' } else { ' ' };
                    out.extend(std::iter::repeat_n(shown, gone.len_utf8()));
                    if before == '*' && gone == '/' {
                        break;
                    }
                    before = gone;
                }
            }
            (Some(_), '\\') => {
                out.push(letter);
                out.extend(rest.next());
            }
            _ => {
                match quote {
                    None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
                    // A quote that is left open on its line was none: part of a pattern, or of a page.
                    Some(open) if letter == open || (letter == '\n' && open != '`') => quote = None,
                    _ => {}
                }
                out.push(letter);
            }
        }
    }
    out
}

/// The keys of a record literal, of which `text` begins after its `{`.
fn fields(text: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let (mut depth, mut quote, mut part) = (0_u32, None, String::new());
    for letter in text.chars().take(RECORD_CHARS) {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth > 0 => depth -= 1,
            (None, ',' | '}') if depth == 0 => {
                if let Some((name, personal)) = field(&part) {
                    found.insert(name, personal);
                }
                part.clear();
                if letter == '}' || found.len() >= FIELDS_MAX {
                    break;
                }
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    found
}

/// `key: value`, or `key` alone.
fn field(part: &str) -> Option<(String, bool)> {
    let (name, value) = part.split_once(':').unwrap_or((part, ""));
    let name = name.trim().trim_matches(['"', '\'']);
    let word = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let said = part.to_ascii_lowercase();
    let personal = PERSONAL.iter().any(|word| said.contains(word)) || value.trim_start().starts_with("me.");
    word.then(|| (name.to_owned(), personal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(source: &str) -> Vec<(u32, Asked)> {
        asks(source.as_bytes()).into_iter().map(|ask| (ask.line, ask.what)).collect()
    }

    fn call(host: &str, port: Option<u16>, method: &str, path: &str) -> Asked {
        Asked::Call { secure: true, host: host.into(), port, method: method.into(), path: path.into() }
    }

    #[test]
    fn calls_are_read_with_method_and_path() {
        let source = "await fetch(\"https://Slack.com/api/x?y=1\", {\n  method: 'post' });\nfetch(`https://a.example:8443/v1/rooms/${id}`);\nfetch(`https://${host}/x`);\n// fetch('https://comment.example/')\n";
        assert_eq!(
            asked(source),
            [(1, call("slack.com", None, "POST", "/api/x")), (3, call("a.example", Some(8443), "GET", "/v1/rooms/**")),]
        );
        assert_eq!(asked("fetch('https://a.example')"), [(1, call("a.example", None, "GET", "/"))]);
    }

    #[test]
    fn collections_fields_and_secrets_are_read() {
        let source = "const me = env.user;\nawait env.data.votes.insert({ person: me.email, choice, at: f(1, { x: 2 }), ...more });\nenv.data.votes.list();\nuse(env.SLACK_TOKEN, process.env.HOME, \"env.NOT\");";
        let found = asked(source);
        let fields = [("at", false), ("choice", false), ("person", true)];
        let fields = fields.into_iter().map(|(name, personal)| (name.to_owned(), personal)).collect();
        assert_eq!(found[0], (2, Asked::Collection { name: "votes".into(), fields }));
        assert_eq!(found[1].0, 3);
        assert_eq!(found[2], (4, Asked::Secret { name: "SLACK_TOKEN".into() }));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(asked("/* env.data.x */ it's // env.data.y\n").is_empty());
    }
}
