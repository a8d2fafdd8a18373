//! Takes a value out of what comes back: headers whole, bodies as a stream, across the borders of chunks.
//!
//! Keeps back only what could still become the value: six times its length (`\uXXXX` for each character), and an
//! eighth of that, at most.

use crate::needle::Needle;
use bytes::Bytes;
use http::HeaderValue;
use seal::Zeroizing;
use std::{fmt, sync::Arc};

/// Looks for one value in one answer.
pub struct Scrubber {
    needle: Arc<Needle>,
    held: Zeroizing<Vec<u8>>,
    /// How much of what is held belongs to a value for which the mark is already out.
    gone: usize,
    /// How much of what is held was searched already.
    searched: usize,
    hits: u64,
}

/// What is held of long values is searched again only when it has grown by an eighth: an answer that comes byte by
/// byte would cost the square of its length.
const SEARCH_AGAIN_BYTES: usize = 256;

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("hits", &self.hits).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    May,
    No,
}

impl Scrubber {
    pub(crate) fn new(value: &str) -> Self {
        Self::with(Arc::new(Needle::new(value)))
    }

    fn with(needle: Arc<Needle>) -> Self {
        Self { needle, held: Zeroizing::default(), gone: 0, searched: 0, hits: 0 }
    }

    /// A header without the value.
    #[must_use]
    pub fn header(&mut self, value: &HeaderValue) -> HeaderValue {
        let mut one = Self::with(Arc::clone(&self.needle));
        let clean = one.pass(value.as_bytes(), More::No);
        if one.hits == 0 {
            return value.clone();
        }
        self.hits += one.hits;
        HeaderValue::from_bytes(&clean).unwrap_or_else(|_| HeaderValue::from_static(self.needle.mark))
    }

    /// What of the body may go on now.
    #[must_use]
    pub fn chunk(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() && !(0..chunk.len()).any(|at| self.needle.at(&chunk, at) != Default::default()) {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        let grown = self.held.len() - self.searched.min(self.held.len());
        if self.searched >= SEARCH_AGAIN_BYTES && grown < self.searched / 8 {
            return Bytes::new();
        }
        let text = std::mem::take(&mut self.held);
        self.searched = 0;
        self.pass(&text, More::May).into()
    }

    /// What was kept back, once the body has ended.
    #[must_use]
    pub fn end(&mut self) -> Bytes {
        let text = std::mem::take(&mut self.held);
        self.pass(&text, More::No).into()
    }

    /// How often the value was found.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    fn pass(&mut self, text: &[u8], more: More) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        // Up to here the text is a value's.
        let mut end = std::mem::take(&mut self.gone);
        for (at, byte) in text.iter().enumerate() {
            let found = self.needle.at(text, at);
            if found.open && more == More::May {
                self.held = Zeroizing::new(text.get(at..).unwrap_or_default().to_vec());
                self.gone = end.saturating_sub(at);
                self.searched = self.held.len();
                return out;
            }
            if let Some(whole) = found.whole.filter(|whole| *whole > end) {
                // Forms that overlap become one mark.
                if at >= end {
                    out.extend_from_slice(self.needle.mark.as_bytes());
                    self.hits += 1;
                }
                end = whole;
            }
            if at >= end {
                out.push(*byte);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{
        Engine,
        prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
    };
    use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
    const COMPONENT: &AsciiSet = &FORM.remove(b'!').remove(b'~').remove(b'\'').remove(b'(').remove(b')');
    const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'%').add(b'+').add(b'&');

    fn lower(text: &str) -> String {
        let mut left = 0;
        let lowered = text.chars().map(|c| {
            left = if c == '%' { 3 } else { i32::max(left - 1, 0) };
            if left > 0 { c.to_ascii_lowercase() } else { c }
        });
        lowered.collect()
    }

    /// Every form of a value, by other means than the needle's: as it stands within a text around it.
    fn forms(value: &str) -> Vec<String> {
        let json = serde_json::to_string(value).unwrap();
        let json = json[1..json.len() - 1].to_owned();
        let unicode: String = value.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let every: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut forms = vec![
            value.to_owned(),
            json.replace('/', "\\/"),
            json,
            unicode.to_lowercase().replace("\\U", "\\u"),
            unicode,
        ];
        for set in [FORM, COMPONENT, QUERY] {
            let encoded = utf8_percent_encode(value, set).to_string();
            forms.extend([lower(&encoded), encoded.replace("%20", "+"), encoded]);
        }
        forms.extend([lower(&every), every, hex::encode(value), hex::encode_upper(value)]);
        forms
    }

    /// Base64 of the value among other bytes; and what of it is the value's alone.
    fn encoded(before: &[u8], value: &str, after: &[u8]) -> Vec<(String, String)> {
        let all = [before, value.as_bytes(), after].concat();
        let (from, to) = ((before.len() * 8).div_ceil(6), (before.len() + value.len()) * 8 / 6);
        [
            BASE64_STANDARD.encode(&all),
            BASE64_STANDARD_NO_PAD.encode(&all),
            BASE64_URL_SAFE.encode(&all),
            BASE64_URL_SAFE_NO_PAD.encode(&all),
        ]
        .into_iter()
        .map(|text| (text.clone(), text[from..to].to_owned()))
        .collect()
    }

    fn scrub(value: &str, text: &[u8], cuts: &[usize]) -> (Vec<u8>, u64) {
        let mut scrubber = Scrubber::new(value);
        let (mut out, mut rest) = (Vec::new(), text);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            out.extend_from_slice(&scrubber.chunk(Bytes::copy_from_slice(chunk)));
            assert!(scrubber.held.len() <= value.len() * 7 + 6);
        }
        out.extend_from_slice(&scrubber.end());
        (out, scrubber.hits())
    }

    fn holds(text: &[u8], part: &str) -> bool {
        text.windows(part.len()).any(|window| window == part.as_bytes())
    }

    const CANARY: &str = r#"xoxb-7/Q+ é%4\"0=~&z"#;

    #[test]
    fn every_form_goes_at_every_cut() {
        for form in forms(CANARY) {
            let text = format!("{{\"you sent\": \"{form}\"}} bye");
            for cut in 1..text.len() {
                let (out, hits) = scrub(CANARY, text.as_bytes(), &[cut, text.len()]);
                assert_eq!(String::from_utf8(out).unwrap(), "{\"you sent\": \"[redacted]\"} bye", "{form} at {cut}");
                assert_eq!(hits, 1);
            }
        }
    }

    #[test]
    fn base64_goes_at_every_alignment() {
        for before in 0..7 {
            for (text, core) in encoded(&[0xA5; 7][..before], CANARY, b"??>>") {
                let (out, hits) = scrub(CANARY, text.as_bytes(), &[5]);
                assert!(!holds(&out, &core), "{text}");
                assert_eq!(hits, 1);
                let (out, _) = scrub(CANARY, core.as_bytes(), &[3]);
                assert!(!holds(&out, &core), "{core}");
            }
        }
    }

    #[test]
    fn escapes_of_an_escape_character_are_found_in_any_mixture() {
        for (value, text) in [
            ("50%25-sure", "50%25-sure"),
            ("50%25-sure", "50%2525-sure"),
            ("50%25-sure", "%350%2525-%73ure"),
            ("a\\\\b\\c-key", "a\\\\\\\\b\\\\c-key"),
            ("a\\\\b\\c-key", "a\\\\b\\c-key"),
            ("a b c d e f", "a+b%20c d\\u0020e+f"),
        ] {
            let (out, hits) = scrub(value, text.as_bytes(), &[1]);
            assert_eq!((out.as_slice(), hits), (b"[redacted]".as_slice(), 1), "{text}");
        }
    }

    #[test]
    fn overlapping_values_go_whole() {
        let (out, hits) = scrub("abababab", b"xabababababy", &[1]);
        assert_eq!((out.as_slice(), hits), (b"x[redacted]y".as_slice(), 1));
        let (out, hits) = scrub("abcdefgh", b"abcdefghabcdefgh", &[4]);
        assert_eq!((out.as_slice(), hits), (b"[redacted][redacted]".as_slice(), 2));
        let (out, _) = scrub("aaaaaaaa", &[b'a'; 500], &[7]);
        assert_eq!(out, b"[redacted]");
    }

    #[test]
    fn the_mark_cannot_complete_a_value() {
        for value in ["]abcdefg", "d]abcdefg", "abcdefg[", "]abcdef<", "[abcdefg", ">abcdef["] {
            for text in [
                format!("{value}{}", &value[1..]),
                format!("{}{value}", &value[..value.len() - 1]),
                format!("{value}{value}"),
            ] {
                let (out, _) = scrub(value, text.as_bytes(), &[3]);
                assert!(!holds(&out, value), "{text}");
            }
        }
    }

    #[test]
    fn long_values_go_however_they_come() {
        let value: String = (0..900_u32).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
        for text in
            [value.clone(), format!("<{value}>"), format!("{}{value}", &value[..600]), format!("{}!", &value[..899])]
        {
            for cut in [1, 7, 300] {
                let (out, _) = scrub(&value, text.as_bytes(), &[cut]);
                assert_eq!(out, text.replace(&value, "[redacted]").into_bytes());
            }
        }
    }

    #[test]
    fn headers_are_searched_whole() {
        let mut scrubber = Scrubber::new("xoxb-canary");
        assert_eq!(scrubber.header(&HeaderValue::from_static("Bearer xoxb-canary;x")), "Bearer [redacted];x");
        let bytes = HeaderValue::from_bytes(b"caf\xe9 xoxb-canar").unwrap();
        assert_eq!(scrubber.header(&bytes), bytes);
        assert_eq!(scrubber.hits(), 1);
        assert!(!format!("{scrubber:?} {:?}", scrubber.needle).contains("canary"));
    }

    #[test]
    fn what_could_not_become_the_value_is_not_kept_back() {
        let mut scrubber = Scrubber::new("xoxb-canary");
        assert_eq!(scrubber.chunk(Bytes::from_static(b"{ ..., ")), "{ ..., ");
        assert_eq!(scrubber.chunk(Bytes::from_static(b"(xoxb-")), "(");
        assert_eq!(scrubber.chunk(Bytes::from_static(b"no)")), "xoxb-no)");
    }

    fn values() -> impl Strategy<Value = String> {
        prop_oneof!["[a-zA-Z0-9_-]{8,60}", "[ -~]{8,40}", "[a-c%\\\\+/ ]{8,20}", "\\PC{8,24}"]
            .prop_filter("refused at put", |value| !value.contains("redacted"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// However it is encoded, wherever it stands, however the stream is cut: the value does not come through.
        #[test]
        fn no_form_comes_through(
            value in values(),
            before in prop::collection::vec(any::<u8>(), 0..20),
            after in prop::collection::vec(any::<u8>(), 0..20),
            which in any::<prop::sample::Index>(),
            cuts in prop::collection::vec(1_usize..12, 1..8),
        ) {
            let mut all: Vec<(String, String)> = forms(&value).into_iter().map(|form| (form.clone(), form)).collect();
            all.extend(encoded(&before, &value, &after));
            let (form, core) = which.get(&all).clone();
            let text = [before, form.into_bytes(), after].concat();
            let (out, hits) = scrub(&value, &text, &cuts);
            prop_assert!(!holds(&out, &core));
            prop_assert!(hits >= 1);
        }

        /// What does not hold the value comes out byte for byte, parts of the value included.
        #[test]
        fn the_rest_is_unchanged(
            value in values(),
            pieces in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,6}"), 0..8),
            cuts in prop::collection::vec(1_usize..12, 1..8),
        ) {
            let forms = forms(&value);
            let piece = |(which, cut, between): &(prop::sample::Index, prop::sample::Index, String)| {
                let form = which.get(&forms).as_bytes();
                // Half of a form at most, so that two of them never make one.
                [&form[..cut.index(form.len() / 2 + 1)], between.as_bytes(), b"\x00"].concat()
            };
            let text: Vec<u8> = pieces.iter().flat_map(piece).collect();
            let needle = Needle::new(&value);
            prop_assume!((0..text.len()).all(|at| needle.at(&text, at).whole.is_none()));
            let (out, hits) = scrub(&value, &text, &cuts);
            prop_assert_eq!(out, text);
            prop_assert_eq!(hits, 0);
        }
    }
}
