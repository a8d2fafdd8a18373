//! A file as the rules see it: UTF-16 made UTF-8 where a byte-order mark says so, and text told from the rest.

use std::borrow::Cow;

/// A NUL this early means no text; later ones do not, so that one stray byte cannot hide a file from the loose rules.
const SNIFF_BYTES: usize = 8 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Pictures, fonts, compiled code: has no lines to point at.
    Binary,
}

pub(crate) struct Text<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) kind: Kind,
    /// Bytes of the file before these; none when these are not the file's own.
    pub(crate) skipped: Option<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let utf16 = match bytes {
            [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
            [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
            _ => None,
        };
        if let Some(text) = utf16 {
            return Self { bytes: Cow::Owned(text.into_bytes()), kind: Kind::Text, skipped: None };
        }
        let whole = bytes.len();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let skipped = Some(whole - bytes.len());
        let kind = if bytes.iter().take(SNIFF_BYTES).any(|&byte| byte == 0) { Kind::Binary } else { Kind::Text };
        Self { bytes: Cow::Borrowed(bytes), kind, skipped }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(unit));
    char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Counts lines and columns on one walk through the file, however long its lines are.
pub(crate) struct Cursor<'t> {
    rest: &'t [u8],
    passed: usize,
    line: u32,
    column: u32,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self { rest: bytes, passed: 0, line: 1, column: 1 }
    }

    /// Line and column, 1-based, the column in characters. Offsets must not go backwards.
    pub(crate) fn at(&mut self, offset: usize) -> (u32, u32) {
        let step = offset.saturating_sub(self.passed).min(self.rest.len());
        let (walked, rest) = self.rest.split_at(step);
        for &byte in walked {
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else if byte & 0b1100_0000 != 0b1000_0000 {
                self.column = self.column.saturating_add(1);
            }
        }
        self.rest = rest;
        self.passed += step;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_lines_start_at_one() {
        let mut cursor = Cursor::new("a\näö x\r\ny".as_bytes());
        assert_eq!(cursor.at(0), (1, 1));
        assert_eq!(cursor.at(7), (2, 4));
        assert_eq!(cursor.at(10), (3, 1));
        assert_eq!(cursor.at(99), (3, 2));
    }

    #[test]
    fn byte_order_marks_are_understood() {
        let little: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("kä€😀".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain("kä€😀".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [&little, &big] {
            let text = Text::of(bytes);
            assert_eq!((&*text.bytes, text.kind), ("kä€😀".as_bytes(), Kind::Text));
        }
        assert_eq!(&*Text::of(b"\xef\xbb\xbfkey").bytes, b"key");
        assert_eq!(Text::of(b"\0asm\x01").kind, Kind::Binary);
        // Half a unit and half a pair are not lost sleep over.
        assert_eq!(&*Text::of(b"\xff\xfea\0\x3d\xd8\0").bytes, "a\u{fffd}".as_bytes());
    }
}
