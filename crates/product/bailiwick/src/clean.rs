//! Makes text that others wrote harmless for a terminal. Every document passes here before it is shown as text.
//!
//! Names, purposes and log lines come from apps and their builders: an escape sequence in one could repaint the screen,
//! and a change of writing direction could make one word look like another. In `--json` the same characters are escaped,
//! which leaves the document what it is: it may be read on a terminal, too.

use serde_json::Value;
use std::fmt::Write as _;

/// Every string of the document without what a terminal would act on.
pub(crate) fn document(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(self::text(text)),
        Value::Array(items) => Value::Array(items.iter().map(document).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (self::text(name), document(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Control characters become `␛` and the like; marks of direction become `·`.
pub(crate) fn text(text: &str) -> String {
    text.chars().filter_map(harmless).collect()
}

/// A document that was written as JSON, in which such characters stand in strings alone, escaped (RFC 8259, section 7).
pub(crate) fn json(text: String) -> String {
    let acted_on = |c: char| c != '\n' && harmless(c) != Some(c);
    if !text.contains(acted_on) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if acted_on(c) {
            // Infallible: the target is memory.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// What stands for a character; nothing for a carriage return.
pub(crate) fn harmless(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32),
        '\u{7f}' => Some('␡'),
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('·'),
        _ => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_on() {
        let hostile = "\u{1b}[2Jred\u{1b}]0;title\u{7} \u{202e}txt.exe\u{9b}31m\r\n\0ü";
        let shown = text(hostile);
        assert_eq!(shown, "␛[2Jred␛]0;title␇ ·txt.exe·31m\n␀ü");
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn json_is_escaped_and_stays_what_it_is() {
        let document = json!({ "a\u{9b}2J": ["\u{7f}", "\u{202e}txt.exe", "ü\n\u{1b}"] });
        let shown = json(format!("{document:#}\n"));
        assert!(shown.chars().all(|c| c == '\n' || harmless(c) == Some(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), document);
    }

    #[test]
    fn in_every_corner_of_a_document() {
        let cleaned = document(&json!({ "a\u{1b}": ["\u{1b}", { "b": "\u{7f}" }], "n": 3 }));
        assert_eq!(cleaned, json!({ "a␛": ["␛", { "b": "␡" }], "n": 3 }));
    }
}
