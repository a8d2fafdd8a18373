//! From a stranger's bytes to text that is safe to parse: refuses what is too large, not text, or nested too deeply.

use super::report::{Report, Words, finding, words};
use crate::{Finding, Severity};
use toml_parser::{Source, lexer::TokenKind};

/// Far more than a manifest that a person reads; parsing this much takes a few milliseconds.
pub const MANIFEST_BYTES_MAX: usize = 64 << 10;

/// `data.answers.fields.person.class` has four dots; each dot is a level that is walked and freed by recursion.
const DOTS_MAX: usize = 8;

/// A manifest needs two (`fields = { person = { … } }`); each bracket is a level too.
const BRACKETS_MAX: usize = 16;

/// The text, without a byte order mark (which editors on Windows write, and which says nothing in UTF-8).
pub(super) fn read(bytes: &[u8]) -> Result<&str, Vec<Finding>> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(vec![finding(
            Severity::Block,
            None,
            words(
                "manifest.too_large",
                format!("the manifest has {} bytes", bytes.len()),
                format!("a manifest has at most {MANIFEST_BYTES_MAX} bytes, so that a person can read it"),
                "keep only what the app may do in it; long texts and data belong in other files",
            ),
        )]);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(vec![not_utf8(bytes, error.valid_up_to())]),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(text);
    if let Some(at) = text.find('\0') {
        report.block(
            at,
            words(
                "manifest.not_text",
                "there is a NUL character (U+0000) here",
                "a manifest is plain text",
                "remove it, or save the file as UTF-8 text again",
            ),
        );
        return Err(report.finish());
    }
    if let Some((at, words)) = too_deep(text) {
        report.block(at, words);
        return Err(report.finish());
    }
    Ok(text)
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Finding {
    let before = bytes.get(..valid_up_to).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()).saturating_add(1);
    let place = u32::try_from(line).ok().zip(u32::try_from(column).ok());
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let what = match bytes.get(valid_up_to) {
        _ if utf16 => "the manifest is in UTF-16".to_owned(),
        Some(byte) => format!("the byte 0x{byte:02x} here is not UTF-8"),
        None => "the manifest is not UTF-8".to_owned(),
    };
    let words = words("manifest.not_text", what, "a manifest is text in UTF-8", "save the file as UTF-8");
    finding(Severity::Block, place, words)
}

/// The parser's own limits (80 brackets, 80 dots in each key between them) multiply to a depth that overflows a
/// thread's stack when the tree is freed; so the same tokens are counted here first.
fn too_deep(text: &str) -> Option<(usize, Words)> {
    let (mut brackets, mut dots) = (0_usize, 0_usize);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                brackets += 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                brackets = brackets.saturating_sub(1);
                dots = 0;
            }
            TokenKind::Dot => dots += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline | TokenKind::Comment | TokenKind::Eof => dots = 0,
            TokenKind::Whitespace
            | TokenKind::LiteralString
            | TokenKind::BasicString
            | TokenKind::MlLiteralString
            | TokenKind::MlBasicString
            | TokenKind::Atom => {}
        }
        if brackets > BRACKETS_MAX || dots > DOTS_MAX {
            let (what, why) = if dots > DOTS_MAX {
                ("a key has too many dots", format!("no key of a manifest has more than {DOTS_MAX}"))
            } else {
                ("brackets are nested too deeply", format!("at most {BRACKETS_MAX} may be open at once"))
            };
            let fix = "a manifest needs at most two levels, as in `fields = { person = { class = \"personal\" } }`";
            return Some((token.span().start(), words("manifest.too_deep", what, why, fix)));
        }
    }
    None
}
