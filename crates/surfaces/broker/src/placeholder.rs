//! Placeholders: how they look, and finding one where it must not be, across the borders of chunks, and in an address
//! or a header also URL-encoded or in base64.
//!
//! Refuses to let a single byte of what may be a placeholder go before it is known not to be one.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode;

/// How every placeholder starts; the vault makes them so.
pub const PLACEHOLDER_PREFIX: &str = "bw-ph-";
/// URL-safe characters after the prefix: 256 random bits in base64url.
pub const PLACEHOLDER_TAIL: usize = 43;

const LENGTH: usize = PLACEHOLDER_PREFIX.len() + PLACEHOLDER_TAIL;

/// Whether the bytes hold a whole placeholder.
#[must_use]
pub fn holds_placeholder(bytes: &[u8]) -> bool {
    bytes.windows(LENGTH).any(|window| window.first() == Some(&b'b') && may_start(window))
}

/// Both alphabets are read as one; a word may begin and end at any digit.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// Fewer digits hold no placeholder.
const BASE64_LENGTH: usize = LENGTH * 4 / 3;

/// Whether an address or a header holds one, plain or in a form in which code commonly puts credentials there.
///
/// No value could leak by it: nothing but its own place is ever filled. It is for whoever wrote the code, who would
/// otherwise look for the reason at the other side.
pub(crate) fn hides_placeholder(text: &[u8]) -> bool {
    holds_placeholder(text)
        || (text.contains(&b'%') && holds_placeholder(&percent_decode(text).collect::<Vec<u8>>()))
        || text.split(|c| !is_digit(*c)).filter(|word| word.len() >= BASE64_LENGTH).any(encodes_placeholder)
}

const fn is_digit(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'-' | b'_')
}

/// Whether a run of base64 digits holds one, at whichever digit it begins.
fn encodes_placeholder(word: &[u8]) -> bool {
    let plain = |c: &u8| match c {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    let word: Vec<u8> = word.iter().map(plain).collect();
    (0..4).any(|from| {
        let digits = word.get(from..).unwrap_or_default();
        // One digit alone is no byte.
        let whole = if digits.len() % 4 == 1 { digits.len() - 1 } else { digits.len() };
        let bytes = digits.get(..whole).and_then(|digits| BASE64.decode(digits).ok());
        bytes.is_some_and(|bytes| holds_placeholder(&bytes))
    })
}

/// Whether the bytes, at most a placeholder long, are one or could become one.
fn may_start(bytes: &[u8]) -> bool {
    let head = bytes.len().min(PLACEHOLDER_PREFIX.len());
    let (start, tail) = bytes.split_at(head);
    PLACEHOLDER_PREFIX.as_bytes().starts_with(start)
        && tail.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
}

/// A placeholder stands in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found;

/// Looks through a stream, and keeps back what could still become a placeholder.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    held: BytesMut,
}

impl Watch {
    /// What of the stream may go now.
    pub(crate) fn chunk(&mut self, chunk: Bytes) -> Result<Bytes, Found> {
        let mut all = if self.held.is_empty() {
            chunk
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(&chunk);
            joined.freeze()
        };
        if holds_placeholder(&all) {
            return Err(Found);
        }
        let from = all.len().saturating_sub(LENGTH - 1);
        let keep = (from..all.len()).find(|at| all.get(*at..).is_some_and(may_start)).unwrap_or(all.len());
        self.held = all.split_off(keep).into();
        Ok(all)
    }

    /// What was kept back, once the stream has ended.
    pub(crate) fn end(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placeholder() -> String {
        format!("{PLACEHOLDER_PREFIX}{}", "aZ0-_".repeat(9).get(..PLACEHOLDER_TAIL).unwrap_or_default())
    }

    #[test]
    fn a_placeholder_is_found_at_every_cut() {
        let text = format!("bw-{{\"token\": \"{}\"}}", placeholder());
        for cut in 0..text.len() {
            let (left, right) = text.as_bytes().split_at(cut);
            let mut watch = Watch::default();
            let found =
                watch.chunk(Bytes::copy_from_slice(left)).and_then(|_| watch.chunk(Bytes::copy_from_slice(right)));
            assert_eq!(found, Err(Found), "cut at {cut}");
        }
    }

    #[test]
    fn a_placeholder_is_found_byte_by_byte_and_none_of_it_goes() {
        let (mut watch, mut gone) = (Watch::default(), Vec::new());
        let text = format!("x{}", placeholder());
        let found = text.bytes().any(|byte| match watch.chunk(Bytes::copy_from_slice(&[byte])) {
            Ok(bytes) => {
                gone.extend_from_slice(&bytes);
                false
            }
            Err(Found) => true,
        });
        assert!(found);
        assert_eq!(gone, b"x");
    }

    #[test]
    fn one_in_disguise_is_found_and_nothing_else_is() {
        use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
        let one = placeholder();
        let every: String = one.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for before in ["", "u", "us", "user:", "a longer user:"] {
            let text = format!("{before}{one}");
            assert!(hides_placeholder(format!("Basic {}", BASE64_STANDARD.encode(&text)).as_bytes()), "{before}");
            assert!(hides_placeholder(format!("x{}.y", BASE64_URL_SAFE_NO_PAD.encode(&text)).as_bytes()), "{before}");
            assert!(!hides_placeholder(BASE64_STANDARD.encode(&text[..text.len() - 1]).as_bytes()), "{before}");
        }
        assert!(hides_placeholder(every.as_bytes()) && hides_placeholder(format!("a={one}").as_bytes()));
        assert!(!hides_placeholder(
            b"Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJibyIsImF1ZCI6InBvbGwifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
        ));
    }

    #[test]
    fn what_only_looks_like_one_passes() {
        for text in
            ["bw-ph-", "bw-ph-short", "bw-ph-aaaa aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bw-bw-bw-ph", "b"]
        {
            let mut watch = Watch::default();
            let mut out = watch.chunk(Bytes::copy_from_slice(text.as_bytes())).unwrap_or_default().to_vec();
            out.extend_from_slice(&watch.end());
            assert_eq!(out, text.as_bytes());
        }
    }

    proptest! {
        /// However a stream is cut, it comes out whole, or is refused exactly when it holds a placeholder.
        #[test]
        fn streams_come_out_whole(
            pieces in prop::collection::vec("(bw-|bw-ph-|ph-|[a-z-]{0,3}|bw-ph-[a-z]{20}|[a-z_-]{23})", 0..12),
            cuts in prop::collection::vec(1_usize..9, 1..40),
        ) {
            let text: String = pieces.concat();
            let (mut watch, mut out, mut rest, mut refused) = (Watch::default(), Vec::new(), text.as_bytes(), false);
            for cut in cuts.iter().cycle().take(text.len() + 1) {
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                match watch.chunk(Bytes::copy_from_slice(chunk)) {
                    Ok(bytes) => out.extend_from_slice(&bytes),
                    Err(Found) => { refused = true; break; }
                }
            }
            out.extend_from_slice(&watch.end());
            prop_assert_eq!(refused, holds_placeholder(text.as_bytes()));
            if !refused {
                prop_assert_eq!(out, text.as_bytes());
            }
        }
    }
}
