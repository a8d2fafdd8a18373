//! A value that is looked for where it must not be, in every form in which it could hide.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use std::fmt::Write;

/// A secret value made for a test, and everything that it can look like.
pub struct Canary {
    value: String,
    forms: Vec<(&'static str, Vec<u8>)>,
    search: AhoCorasick,
}

impl Canary {
    /// `value` is long enough that half of it occurs nowhere by chance.
    #[must_use]
    pub fn new(value: &str) -> Self {
        assert!(value.len() >= 32 && value.is_ascii(), "a canary is 32 characters at least");
        let (first, second) = value.split_at(value.len() / 2);
        let mut forms = Vec::new();
        for (part, all) in [("whole", value), ("first half", first), ("second half", second)] {
            let backwards: String = all.chars().rev().collect();
            forms.extend([(part, all.into()), (part, backwards.into())]);
            forms.extend(encoded(all).into_iter().map(|form| (part, form)));
        }
        let all = forms.iter().map(|(_, form)| form);
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(all).unwrap();
        Self { value: value.to_owned(), forms, search }
    }

    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// # Panics
    /// When it is there, naming the place and the form.
    pub fn is_not_in(&self, place: &str, bytes: &[u8]) {
        if let Some(found) = self.search.find(bytes) {
            let (part, form) = &self.forms[found.pattern().as_usize()];
            let around = &bytes[found.start().saturating_sub(80)..(found.end() + 40).min(bytes.len())];
            panic!(
                "the {part} of the value stands in {place} as `{}`: {}",
                String::from_utf8_lossy(form),
                String::from_utf8_lossy(around)
            );
        }
    }

    /// A text that holds the value in every usual form, as a careless destination would echo it.
    #[must_use]
    pub fn echo(value: &str) -> String {
        let mut text = value.to_owned();
        for form in encoded(value) {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(&form));
        }
        text
    }
}

/// Hexadecimal, percent-encoded, and base64 at all three alignments, without the characters that what stands beside
/// the value decides.
fn encoded(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![hex::encode(text), hex::encode_upper(text)];
    for keep in [&b"-._~"[..], b"*-._", b"-_.!~*'()", b""] {
        for upper in [true, false] {
            let mut form = String::new();
            for byte in text.bytes() {
                match (byte.is_ascii_alphanumeric() || keep.contains(&byte), upper) {
                    (true, _) => form.push(char::from(byte)),
                    (false, true) => write!(form, "%{byte:02X}").unwrap(),
                    (false, false) => write!(form, "%{byte:02x}").unwrap(),
                }
            }
            forms.push(form);
        }
    }
    for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
        for before in 0..3 {
            let whole = engine.encode(format!("{}{text}", "\0".repeat(before)));
            let whole = whole.trim_end_matches('=');
            // A character for which a neighbour's bits count too is no part of it.
            let first = (before * 8).div_ceil(6);
            let last = (before + text.len()) * 8 / 6;
            forms.push(whole[first..last].to_owned());
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().filter(|form| form != text).map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    const VALUE: &str = "xq7+Canary/4815162342=zebra~Fjord&09Kp%wV!never.seen";

    fn is_found(bytes: &[u8]) -> bool {
        catch_unwind(|| Canary::new(VALUE).is_not_in("a test", bytes)).is_err()
    }

    #[test]
    fn it_is_found_in_every_form_and_at_every_alignment() {
        let halves = VALUE.split_at(VALUE.len() / 2);
        for text in [VALUE, halves.0, halves.1] {
            assert!(is_found(format!("before {text} after").as_bytes()));
            for form in encoded(text) {
                assert!(is_found(&[b"<".to_vec(), form, b">".to_vec()].concat()));
            }
            for (before, after) in [("", ""), ("a", "bc"), ("ab", "c"), ("abc", "")] {
                for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
                    let hidden = engine.encode(format!("{before}{text}{after}"));
                    assert!(is_found(hidden.as_bytes()), "{hidden}");
                }
            }
        }
        assert!(is_found(hex::encode(format!("x{VALUE}y")).as_bytes()));
        assert!(!is_found(b"xq7+Canary/481516234 and zebra~Fjord&09Kp%wV!never"));
    }
}
