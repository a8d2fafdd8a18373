//! How values compare: types, dates, and bytes that sort as the values do.
//!
//! Across types the order is null (or no such field), false, true, numbers, dates, text, then lists and objects, which
//! have no order among each other. Text sorts by its UTF-8 bytes; past the first 480 of them equal beginnings are in no
//! particular order. A date (RFC 3339) sorts by its moment in milliseconds; one without a time is its midnight, UTC.

use model::manifest::FieldType;
use serde_json::Value;

const NULL: u8 = 0x10;
const BOOLEAN: u8 = 0x20;
const NUMBER: u8 = 0x30;
const DATE: u8 = 0x40;
const TEXT: u8 = 0x50;
const OTHER: u8 = 0x70;
/// Above every plain value.
const KEYED: u8 = 0xe0;

/// Bytes of a text that the index holds; PostgreSQL's index rows end at about 2.7 KB.
const TEXT_KEY_BYTES_MAX: usize = 512;
/// What is left of them beside the digest that tells longer texts apart.
const TEXT_KEY_PREFIX_BYTES: usize = TEXT_KEY_BYTES_MAX - 32;
/// Text longer than this cannot be a bound, since the index does not hold that much of it.
pub(crate) const BOUND_BYTES_MAX: usize = TEXT_KEY_PREFIX_BYTES - 1;
/// The longest way to write a date that anyone uses.
const DATE_BYTES_MAX: usize = 40;

/// Bytes that compare as values do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

/// From `low` on, below `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) low: Vec<u8>,
    pub(crate) high: Vec<u8>,
}

impl Key {
    /// Whole: as long as the value.
    pub(crate) fn of(value: &Value, kind: Option<FieldType>) -> Self {
        let key = |tag: u8, rest: &[u8]| Self([&[tag], rest].concat());
        match value {
            Value::Null => key(NULL, &[]),
            Value::Bool(value) => key(BOOLEAN, &[u8::from(*value)]),
            Value::Number(number) => key(NUMBER, &ordered(number.as_f64().unwrap_or_default())),
            Value::String(text) => match (kind, date_ms(text)) {
                (Some(FieldType::Date), Some(ms)) => key(DATE, &moved(ms)),
                _ => key(TEXT, text.as_bytes()),
            },
            Value::Array(_) | Value::Object(_) => key(OTHER, &[]),
        }
    }

    /// As `data_index` holds it: cut, with a digest in place of what was cut.
    pub(crate) fn indexed(self) -> Vec<u8> {
        let limit = 1 + TEXT_KEY_BYTES_MAX;
        if self.0.len() <= limit {
            return self.0;
        }
        let digest = seal::sha256(&self.0);
        self.0.into_iter().take(1 + TEXT_KEY_PREFIX_BYTES).chain(digest).collect()
    }

    /// As `data_index` holds a keyed one.
    pub(crate) fn keyed(index: &[u8]) -> Vec<u8> {
        [&[KEYED], index].concat()
    }

    /// How long what `indexed` gives for the value is.
    pub(crate) fn indexed_len(value: &Value, kind: Option<FieldType>) -> usize {
        1 + match value {
            Value::Null | Value::Array(_) | Value::Object(_) => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 8,
            Value::String(text) if kind == Some(FieldType::Date) && date_ms(text).is_some() => 8,
            Value::String(text) => text.len().min(TEXT_KEY_BYTES_MAX),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether values of this type have an order that a range can name.
    pub(crate) fn ranges(&self) -> bool {
        matches!(self.0.first(), Some(&(NUMBER | DATE | TEXT)))
    }

    pub(crate) fn same_type(&self, other: &Self) -> bool {
        self.0.first() == other.0.first()
    }

    /// Every value of the same type.
    pub(crate) fn of_its_type(&self) -> Interval {
        let tag = self.0.first().copied().unwrap_or(OTHER);
        Interval { low: vec![tag], high: vec![tag + 1] }
    }
}

impl Interval {
    /// One value alone.
    pub(crate) fn exactly(key: Vec<u8>) -> Self {
        Self { high: after(&key), low: key }
    }
}

/// The least bytes above `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// IEEE 754's total order as unsigned bytes; minus zero is zero.
fn ordered(number: f64) -> [u8; 8] {
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    let sign = 1_u64 << 63;
    (if bits & sign == 0 { bits | sign } else { !bits }).to_be_bytes()
}

fn moved(ms: i64) -> [u8; 8] {
    (ms.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The moment of a date or date-time (RFC 3339), in milliseconds since 1970.
pub(crate) fn date_ms(text: &str) -> Option<i64> {
    let year = text.get(..4)?.bytes().all(|byte| byte.is_ascii_digit());
    if !year || text.len() > DATE_BYTES_MAX || text.contains('[') {
        return None;
    }
    if text.len() == "2026-01-31".len() {
        let day: jiff::civil::Date = text.parse().ok()?;
        return Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond());
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Whether a value may stand in a field of this type; null may stand in any.
pub(crate) fn fits(value: &Value, kind: Option<FieldType>) -> bool {
    match (kind, value) {
        (None, _) | (_, Value::Null) => true,
        (Some(FieldType::Text), value) => value.is_string(),
        (Some(FieldType::Number), value) => value.is_number(),
        (Some(FieldType::Boolean), value) => value.is_boolean(),
        (Some(FieldType::Date), value) => value.as_str().and_then(date_ms).is_some(),
        (Some(FieldType::List), value) => value.is_array(),
        (Some(FieldType::Object), value) => value.is_object(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn key(value: Value) -> Vec<u8> {
        Key::of(&value, None).indexed()
    }

    #[test]
    fn types_have_an_order() {
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-1),
            json!(0),
            json!(0.5),
            json!(2),
            json!(""),
            json!("a"),
            json!("a\0"),
            json!("b"),
            json!([1]),
        ];
        for pair in values.windows(2) {
            assert!(key(pair[0].clone()) < key(pair[1].clone()), "{pair:?}");
        }
        assert_eq!(key(json!(-0.0)), key(json!(0)));
        assert_eq!(key(json!(1)), key(json!(1.0)));
    }

    #[test]
    fn dates_are_moments() {
        let date = |text: &str| Key::of(&json!(text), Some(FieldType::Date)).indexed();
        assert_eq!(date("2026-01-31T10:00:00Z"), date("2026-01-31T11:00:00.000+01:00"));
        assert_eq!(date("2026-01-31"), date("2026-01-31T00:00:00Z"));
        assert!(date("1969-01-01") < date("2026-01-31"));
        for wrong in
            ["", "tomorrow", "2026-13-01", "2026-01-31T10:00:00", "2026-01-31T10:00:00Z[Europe/Berlin]", "é026-01-31"]
        {
            assert_eq!(date_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_keys_length_is_known_without_it() {
        let texts = [0, 1, 511, 512, 513, 9000].map(|length| json!("x".repeat(length)));
        let others =
            [json!(null), json!(true), json!(7), json!(0.5), json!([1]), json!({ "a": 1 }), json!("2026-01-31")];
        for value in texts.iter().chain(&others) {
            for kind in [None, Some(FieldType::Date), Some(FieldType::Text)] {
                assert_eq!(Key::indexed_len(value, kind), Key::of(value, kind).indexed().len(), "{value} {kind:?}");
            }
        }
    }

    #[test]
    fn long_texts_are_told_apart() {
        let long = "x".repeat(10_000);
        assert_ne!(key(json!(long)), key(json!(format!("{long}y"))));
        assert!(key(json!(long)).len() <= 1 + TEXT_KEY_BYTES_MAX);
        let bound = key(json!("x".repeat(BOUND_BYTES_MAX)));
        assert!(bound < key(json!(long)));
    }

    proptest! {
        #[test]
        fn numbers_sort(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite() && a != b);
            prop_assert_eq!(a < b, key(json!(a)) < key(json!(b)));
        }

        #[test]
        fn texts_sort(a in ".{0,40}", b in ".{0,40}") {
            prop_assert_eq!(a.as_bytes().cmp(b.as_bytes()), key(json!(a)).cmp(&key(json!(b))));
        }

        #[test]
        fn an_interval_holds_its_value_alone(a in "[ab\\x00]{0,6}", b in "[ab\\x00]{0,6}") {
            let Interval { low, high } = Interval::exactly(key(json!(a)));
            let found = key(json!(b));
            prop_assert_eq!(low <= found && found < high, a == b);
        }
    }
}
