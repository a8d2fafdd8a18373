//! Paths: what counts as normalised, and patterns over it. Refuses whatever two parsers could read as two paths.

use super::PathPattern;
use std::fmt;

/// Longer request paths are refused (RFC 9110, section 4.1 asks for 8000 octets at least for a whole URI).
pub const PATH_BYTES_MAX: usize = 8000;

/// Longer patterns are refused: a person reads each.
const PATTERN_BYTES_MAX: usize = 256;

/// Why a path is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    #[error("it does not start with `/`")]
    NoSlash,
    #[error("it is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    #[error("it has `?` or `#`, which end a path")]
    NotPath,
    #[error("it has `.` or `..` as a part")]
    Dots,
    #[error("it has an empty part (`//`)")]
    EmptyPart,
    #[error("it has an encoded `/`")]
    EncodedSlash,
    #[error("it has a backslash")]
    Backslash,
    #[error("it has a control character")]
    Control,
    #[error("it has `%` without two hexadecimal digits")]
    BadEscape,
    #[error("it is encoded twice")]
    EncodedTwice,
    #[error("it is not UTF-8 once decoded")]
    NotUtf8,
}

/// The path of a request, decoded once, as patterns are matched against it; the query is not part of it.
///
/// Normalised means: starts with `/`; percent-decoded exactly once (RFC 3986, section 2.1) to UTF-8; no part is empty,
/// but for one `/` at the end; no part is `.` or `..`, also not before a `;` (which some servers cut off); no
/// backslash, no control character; no escape is left that a second decoding would change. Case is kept.
///
/// # Errors
/// [`PathRefusal`] says what two parsers could read differently; such a path is refused, never mended.
pub fn normalise_path(raw: &str) -> Result<String, PathRefusal> {
    if raw.len() > PATH_BYTES_MAX {
        return Err(PathRefusal::TooLong);
    }
    if raw.contains(['?', '#']) {
        return Err(PathRefusal::NotPath);
    }
    if !raw.starts_with('/') {
        return Err(PathRefusal::NoSlash);
    }
    let (escapes, bad_escape) = escapes(raw);
    if bad_escape {
        return Err(PathRefusal::BadEscape);
    }
    if escapes.iter().any(|hex| hex.eq_ignore_ascii_case("2f")) {
        return Err(PathRefusal::EncodedSlash);
    }
    let path = percent_encoding::percent_decode_str(raw).decode_utf8().map_err(|_| PathRefusal::NotUtf8)?;
    if !self::escapes(&path).0.is_empty() {
        return Err(PathRefusal::EncodedTwice);
    }
    parts_are_plain(&path)?;
    Ok(path.into_owned())
}

/// The two digits of each `%XX`, and whether a `%` stands without them.
fn escapes(text: &str) -> (Vec<&str>, bool) {
    let mut found = Vec::new();
    let mut bad = false;
    for after in text.split('%').skip(1) {
        match after.get(..2).filter(|hex| hex.bytes().all(|c| c.is_ascii_hexdigit())) {
            Some(hex) => found.push(hex),
            None => bad = true,
        }
    }
    (found, bad)
}

fn parts_are_plain(path: &str) -> Result<(), PathRefusal> {
    if path.contains('\\') {
        return Err(PathRefusal::Backslash);
    }
    if path.contains(char::is_control) {
        return Err(PathRefusal::Control);
    }
    let inner = path.strip_prefix('/').ok_or(PathRefusal::NoSlash)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    // `//` leaves an empty inner text just as `/` does.
    if inner.is_empty() {
        return if path == "/" { Ok(()) } else { Err(PathRefusal::EmptyPart) };
    }
    for part in inner.split('/') {
        if part.is_empty() {
            return Err(PathRefusal::EmptyPart);
        }
        if matches!(part.split(';').next(), Some("." | "..")) {
            return Err(PathRefusal::Dots);
        }
    }
    Ok(())
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternRefusal {
    #[error(transparent)]
    Path(#[from] PathRefusal),
    #[error("it is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    #[error("it has `%`; a pattern is written decoded, as people read it")]
    Encoded,
    #[error("`*` stands beside other letters; it is one whole part of the path")]
    PartialStar,
    #[error("`**` is not the last part; it stands for any rest")]
    RestNotLast,
    #[error("it has a character that nobody can see")]
    Invisible,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternRefusal`], in words that go after 'because'.
    pub fn parse(text: &str) -> Result<Self, PatternRefusal> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternRefusal::TooLong);
        }
        if text.contains(['?', '#']) {
            return Err(PathRefusal::NotPath.into());
        }
        if !text.starts_with('/') {
            return Err(PathRefusal::NoSlash.into());
        }
        if escapes(text).0.iter().any(|hex| hex.eq_ignore_ascii_case("2f")) {
            return Err(PathRefusal::EncodedSlash.into());
        }
        if text.contains('%') {
            return Err(PatternRefusal::Encoded);
        }
        parts_are_plain(text)?;
        if text.contains(super::report::invisible) {
            return Err(PatternRefusal::Invisible);
        }
        let mut parts = text.split('/').skip(1).peekable();
        while let Some(part) = parts.next() {
            match part {
                "**" if parts.peek().is_some() => return Err(PatternRefusal::RestNotLast),
                "*" | "**" => {}
                _ if part.contains('*') => return Err(PatternRefusal::PartialStar),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a path from [`normalise_path`] is covered.
    ///
    /// `*` is one part, never empty; a last `**` is any number of parts, none too: `/v1/rooms/**` covers `/v1/rooms`.
    /// One `/` at the end makes no difference, since servers answer both forms alike.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if !path.starts_with('/') {
            return false;
        }
        let mut parts = parts(path);
        for wanted in self::parts(&self.0) {
            match (wanted, parts.next()) {
                ("**", _) => return true,
                (_, None) => return false,
                ("*", Some(part)) if !part.is_empty() => {}
                (wanted, Some(part)) if wanted == part => {}
                (_, Some(_)) => return false,
            }
        }
        parts.next().is_none()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.split('/').filter(move |_| !inner.is_empty())
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
