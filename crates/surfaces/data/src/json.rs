//! JSON as guests send it, read strictly (RFC 8259, and I-JSON's rules, RFC 7493).
//!
//! Refuses: names that come twice in one object, nesting deeper than `DEPTH_MAX`, whole numbers that JavaScript could
//! not hold exactly, bytes that are not UTF-8. Text with NUL is a value like any other: it is only ever stored as bytes.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Levels of objects and lists: what an app's form or document has, far below what would exhaust a stack.
pub(crate) const DEPTH_MAX: usize = 16;
/// 2^53 - 1: past it a JavaScript number is another one (RFC 7493, section 2.2).
const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Reads one document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn below<E: Error>(&self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format_args!("it is nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

fn too_long<E: Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("the number {number} has more digits than a number can hold exactly; write it as text"))
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        if number > WHOLE_MAX {
            return Err(too_long(number));
        }
        Ok(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        if number.unsigned_abs() > WHOLE_MAX {
            return Err(too_long(number));
        }
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a name comes twice in one object"));
            }
            let value = entries.next_value_seed(self.below()?)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_where_guests_are_careless() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(read(&deep(DEPTH_MAX)).is_ok());
        for wrong in [
            &deep(DEPTH_MAX + 1)[..],
            &deep(100_000),
            b"",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":{\"b\":1,\"\\u0062\":2}}",
            b"9007199254740992",
            b"-9007199254740993",
            b"1e999",
            b"NaN",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"{} {}",
            b"\xef\xbb\xbf{}",
        ] {
            assert!(read(wrong).is_err(), "{}", String::from_utf8_lossy(wrong.get(..40.min(wrong.len())).unwrap()));
        }
        let odd = read(b"{\"__proto__\":{\"x\":1},\"n\":\"a\\u0000b\",\"f\":1e300}").unwrap();
        assert_eq!(odd["__proto__"]["x"], 1);
        assert_eq!(odd["n"], "a\0b");
    }
}
