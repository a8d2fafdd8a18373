//! A value as it comes in: judged, and sealed for its one row.
//!
//! Refuses what could not be attached in its place, and what could not be found again in an answer.

use crate::{Place, SecretString, refusal};
use model::{Env, Problem, SecretId};
use seal::Context;
use secrecy::ExposeSecret;

/// Shorter texts occur by chance: they could not be taken out of answers without harm.
pub const VALUE_BYTES_MIN: usize = 8;
/// Far above every credential; a request's head is smaller.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// What stands in the place of a value in answers holds it; a value with it could come together again around it.
const RESERVED: &str = "redacted";

/// Says what is wrong with a value, never the value.
pub(crate) fn judge(value: &SecretString, place: &Place) -> Result<(), Problem> {
    let text = value.expose_secret();
    let plain = |c: u8| (0x20..0x7f).contains(&c);
    let trimmed = text.trim().len() == text.len();
    let fits = match place {
        Place::Bearer => text.bytes().all(|c| c.is_ascii_graphic()),
        Place::Header { .. } => text.bytes().all(plain) && trimmed,
        Place::Basic | Place::Query { .. } => !text.chars().any(char::is_control),
    };
    match text.len() {
        0 => Err(refusal::value("it is empty", "give the value on standard input, or at the prompt")),
        1..VALUE_BYTES_MIN => Err(refusal::value(
            "it is shorter than 8 bytes: so short a text occurs by chance, and could not be taken out of answers",
            "ask the other side for a longer credential",
        )),
        VALUE_BYTES_MIN..=VALUE_BYTES_MAX if !fits && place.is_plain_header() => Err(refusal::value(
            "it has characters that a header cannot carry, such as a line break, a space at an end, or letters outside ASCII",
            "give the credential alone, without quotes, line breaks or spaces around it",
        )),
        VALUE_BYTES_MIN..=VALUE_BYTES_MAX if !fits => Err(refusal::value(
            "it has control characters, such as a line break",
            "give the credential alone, on one line",
        )),
        VALUE_BYTES_MIN..=VALUE_BYTES_MAX if text.contains(RESERVED) => Err(refusal::value(
            "it holds the word that stands in the place of a value in answers",
            "ask the other side for another credential",
        )),
        VALUE_BYTES_MIN..=VALUE_BYTES_MAX => Ok(()),
        _ => Err(refusal::value("it is longer than 64 KiB", "give the credential alone, not a file around it")),
    }
}

/// Which row and which value: an envelope opens nowhere else.
pub(crate) fn context(id: &SecretId, env: Env, value_number: u64) -> Context {
    Context::table("vault_secrets")
        .column("sealed")
        .row(id.as_str())
        .with("env", env.as_str())
        .with("value", value_number.to_be_bytes())
}
