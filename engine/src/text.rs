//! UTF-8, both ways, and form encoding. Invalid bytes become U+FFFD, or an error where the caller asked for `fatal`.
use rquickjs::{Ctx, Exception, Result, String as Text, TypedArray};
use url::form_urlencoded;

/// The bytes of an array, copied; empty for one that was transferred away.
pub(crate) fn copy_bytes(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: no JavaScript runs between reading the pointer and the end of the copy.
    unsafe { array.as_bytes() }.unwrap_or_default().to_vec()
}

/// A string as UTF-8 bytes. The caller has replaced lone surrogates.
pub(crate) fn encode(ctx: Ctx<'_>, text: String) -> Result<TypedArray<'_, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

/// Bytes as a string.
pub(crate) fn decode<'js>(
    ctx: Ctx<'js>,
    bytes: TypedArray<'js, u8>,
    fatal: bool,
) -> Result<Text<'js>> {
    // SAFETY: no JavaScript runs while the slice lives; `from_str` copies before anything else.
    let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default();
    if fatal {
        return match std::str::from_utf8(bytes) {
            Ok(text) => Text::from_str(ctx, text),
            Err(_) => Err(Exception::throw_type(&ctx, "the bytes are not valid UTF-8")),
        };
    }
    Text::from_str(ctx, &String::from_utf8_lossy(bytes))
}

/// Bytes as a string, each byte the code point of its number.
pub(crate) fn decode_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// A string of code points below 256 as bytes. The prelude has checked it.
pub(crate) fn encode_latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

/// `application/x-www-form-urlencoded` as a flat list: name, value, name, value …
pub(crate) fn parse_form(text: String) -> Vec<String> {
    form_urlencoded::parse(text.as_bytes())
        .flat_map(|(name, value)| [name.into_owned(), value.into_owned()])
        .collect()
}

/// The other way.
pub(crate) fn write_form(pairs: Vec<String>) -> String {
    let pairs = pairs
        .chunks_exact(2)
        .filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
