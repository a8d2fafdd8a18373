//! The head of an answer: checked and stripped before the guest sees any of it.
//!
//! Refuses protocol switches, codings that cannot be searched, and lengths above the limit.

use crate::{config::Limits, headers, refusal, secrets::Scrub};
use http::{HeaderMap, StatusCode, header, response};
use model::Problem;

/// Judges and rewrites the head in place.
pub(crate) fn judge(
    host: &str,
    parts: &mut response::Parts,
    scrub: Option<&mut (dyn Scrub + 'static)>,
    limits: &Limits,
) -> Result<(), Problem> {
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal::switched(host));
    }
    let coded = |name, plain: &str| {
        parts.headers.get_all(name).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
    };
    if coded(header::TRANSFER_ENCODING, "chunked") {
        return Err(refusal::broken(host));
    }
    if scrub.is_some() && coded(header::CONTENT_ENCODING, "identity") {
        return Err(refusal::encoded(host));
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > limits.header_bytes {
        return Err(refusal::too_large("the head of the answer", limits.header_bytes as u64));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.response_bytes) {
        return Err(refusal::too_large("the answer", limits.response_bytes));
    }
    headers::strip(&mut parts.headers);
    if let Some(scrub) = scrub {
        // What is taken out of the body changes its length.
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers = scrubbed(&parts.headers, scrub);
    }
    Ok(())
}

fn scrubbed(headers: &HeaderMap, scrub: &mut dyn Scrub) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.clone(), scrub.header(value))).collect::<Vec<_>>().into_iter().fold(
        HeaderMap::with_capacity(headers.len()),
        |mut clean, (name, value)| {
            clean.append(name, value);
            clean
        },
    )
}
