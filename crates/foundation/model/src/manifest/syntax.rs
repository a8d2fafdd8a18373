//! TOML with every mistake at once: reads what can be read around a line that cannot, and says each mistake in plain words.

use super::{
    lookalike,
    mend::Mend,
    report::{FINDINGS_MAX, Report, Unread, Words, shown, words},
};
use toml::de::{DeTable, Error};

/// Stands in for a table header that could not be read, so that its keys are not taken for another table's.
pub(super) const UNREAD_TABLE: &str = "_";

/// More mistakes than this are not put into words: each costs a look at its line, and few are shown.
const SAID_MAX: usize = 2 * FINDINGS_MAX;

/// What a mistake is about stands at the start of its line.
const LOOKED_AT_MAX: usize = 200;

/// The text with the lines that TOML refuses blanked out; offsets stay as they were.
///
/// Reports each mistake of the original. The parser stops at some mistakes, so what comes after them is only seen by
/// parsing again without those lines.
pub(super) fn readable(text: &str, report: &mut Report<'_>) -> String {
    let (_, errors) = DeTable::parse_recoverable(text);
    let (again, broken): (Vec<_>, Vec<_>) = errors.iter().partition(|error| stands_twice(error));
    if broken.is_empty() {
        again.into_iter().take(SAID_MAX).for_each(|error| say(text, error, report));
        return text.to_owned();
    }
    broken.iter().take(SAID_MAX).for_each(|error| say(text, error, report));
    let mut bytes = text.as_bytes().to_vec();
    let mut lines = Vec::new();
    for error in &broken {
        let line = report.line_range(offset(text, error));
        if lines.last() != Some(&line) {
            blank(&mut bytes, line.clone());
            lines.push(line);
        }
    }
    let rest = String::from_utf8(bytes).unwrap_or_default();
    let (_, errors) = DeTable::parse_recoverable(&rest);
    let (again, broken): (Vec<_>, Vec<_>) = errors.iter().partition(|error| stands_twice(error));
    again
        .into_iter()
        .take(SAID_MAX)
        .filter(|error| spanned(&rest, error) != UNREAD_TABLE)
        .for_each(|error| say(text, error, report));
    let few = broken.is_empty() && lines.len() <= SAID_MAX;
    report.unread(if few { Unread::Lines(lines) } else { Unread::Rest });
    rest
}

fn blank(bytes: &mut [u8], line: std::ops::Range<usize>) {
    let Some(line) = bytes.get_mut(line) else {
        return;
    };
    let header = line.trim_ascii_start().starts_with(b"[");
    line.fill(b' ');
    let sentinel = format!("[{UNREAD_TABLE}]");
    if let Some(start) = line.get_mut(..sentinel.len()).filter(|_| header) {
        start.copy_from_slice(sentinel.as_bytes());
    }
}

fn offset(text: &str, error: &Error) -> usize {
    error.span().map_or(0, |span| span.start.min(text.len()))
}

fn spanned<'t>(text: &'t str, error: &Error) -> &'t str {
    error.span().and_then(|span| text.get(span)).unwrap_or_default()
}

fn stands_twice(error: &Error) -> bool {
    error.message() == "duplicate key" || error.message().starts_with("cannot extend value")
}

fn say(text: &str, error: &Error, report: &mut Report<'_>) {
    let at = offset(text, error);
    let words = if stands_twice(error) {
        words(
            "manifest.duplicate",
            format!("`{}` stands here a second time", shown(spanned(text, error))),
            "a key or table stands once; nobody could tell which of two is meant",
            "keep one of them",
        )
    } else {
        mistake(text, at, error, report)
    };
    report.block(at, words);
}

fn mistake(text: &str, at: usize, error: &Error, report: &Report<'_>) -> Words {
    let line = text.get(report.line_range(at)).unwrap_or_default();
    let line = line.get(..line.floor_char_boundary(LOOKED_AT_MAX)).unwrap_or_default().trim();
    let message = error.message().split(", expected").next().unwrap_or_default();
    let (what, fix) = in_plain_words(message, line);
    // A letter that only looks like a Latin one is the mistake that nobody sees, so it is named.
    let key = line.split('=').next().unwrap_or_default();
    let foreign = key.chars().find(|c| !c.is_ascii()).filter(|_| !key.starts_with(['#', '"', '\'']));
    match foreign {
        Some(c) if message.contains("unquoted key") || message.contains("key with no value") => words(
            "manifest.syntax",
            format!("`{}` has {}", shown(key.trim()), lookalike::named(c)),
            "keys are plain ASCII letters, digits, `-` and `_`",
            "type the word again with a plain keyboard",
        ),
        _ => words(
            "manifest.syntax",
            what,
            "the manifest is TOML (https://toml.io), and TOML cannot read this line",
            fix,
        )
        .mended(unquoted(text, at, message, report)),
    }
}

/// Puts a text that stands without quotes into them.
fn unquoted(text: &str, at: usize, message: &str, report: &Report<'_>) -> Option<Mend> {
    let rest = text.get(at..report.line_range(at).end)?;
    let value = rest.split('#').next()?.trim_end();
    let plain = !value.is_empty() && !value.contains(['"', '\'', '\\', '[', ']', '{', '}', ',']);
    let unquoted = message.starts_with("string values must be quoted") && plain;
    unquoted.then(|| Mend::Range(at..at + value.len(), format!("\"{value}\"")))
}

/// What the parser says → what happened, what to do. `{}` is the line's key.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("key with no value", "{} has no value", "write `key = value`"),
    ("missing value", "there is no value after `=`", "write one, such as a text in double quotes"),
    ("string values must be quoted", "a text stands here without quotes", "put it in double quotes: `\"…\"`"),
    (
        "invalid basic string",
        "a text is not closed, or holds a character that it may not",
        "close it with `\"` on the same line; write `\\\\` for a backslash",
    ),
    (
        "invalid literal string",
        "a text is not closed, or a value is missing",
        "close it with `'` on the same line, or write a value",
    ),
    ("invalid multi-line", "a text that was opened with three quotes is never closed", "close it with three quotes"),
    ("unclosed table", "a table's name is not closed", "close it with `]`"),
    ("unclosed array table", "a table's name is not closed", "close it with `]]`"),
    ("unclosed array", "a list is never closed", "close it with `]`"),
    ("unclosed inline table", "a `{` is never closed", "close it with `}`"),
    ("missing comma", "a comma is missing", "write `,` between the parts, and close the list or table above this line"),
    ("extra comma", "there is a comma too many", "take one out"),
    ("unexpected `=` in array", "there is `=` inside a list", "close the list with `]` before this line"),
    ("extra `=`", "there is `=` too many", "take one out"),
    ("unquoted keys cannot be empty", "a name is missing", "write a name before `=` or between the brackets"),
    ("invalid unquoted key", "a name holds a character that it may not", "use ASCII letters, digits, `-` and `_`"),
    (
        "carriage return must be followed by newline",
        "there is a lone carriage return (U+000D)",
        "save the file with ordinary line ends (LF or CRLF)",
    ),
    ("invalid comment character", "a comment holds a control character", "remove it"),
    ("unexpected leading zero", "a number starts with zero", "remove the zero, or put the text in double quotes"),
    ("cannot recurse further", "brackets are nested too deeply", "use fewer"),
    ("recursion limit", "a key has too many dots", "use fewer"),
];

fn in_plain_words(message: &str, line: &str) -> (String, String) {
    MISTAKES.iter().find(|(said, ..)| message.starts_with(said)).map_or_else(
        || {
            (
                format!("this line cannot be read: {}", shown(message)),
                "write `key = value`, with texts in double quotes".to_owned(),
            )
        },
        |(_, what, fix)| (what.replace("{}", &first_word(line)), (*fix).to_owned()),
    )
}

/// The longest key is `purpose`, the builder's own names are short; what is longer may be a value that was pasted.
const REPEATED_MAX: usize = 20;

/// The key that a line seems to start with. Never repeats what may be a credential.
fn first_word(line: &str) -> String {
    let word = line.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'')).next().unwrap_or_default();
    let key = word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-' | b'.'));
    if key && (1..=REPEATED_MAX).contains(&word.len()) { format!("`{word}`") } else { "this line".to_owned() }
}
