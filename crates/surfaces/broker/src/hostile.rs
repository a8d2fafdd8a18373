//! What a guest's bytes are read as, for tests that send many of them; nothing of the product calls it.
//!
//! Refuses to connect: it only reads.

use crate::{config::Limits, destination::Destination, headers, redirect};
use http::{HeaderMap, Method, StatusCode, Uri};

/// A destination that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub scheme: &'static str,
    pub host: String,
    pub port: u16,
    /// Decoded once.
    pub path: String,
    pub inside: bool,
}

/// An address as a guest gives it.
#[must_use]
pub fn destination(text: &str) -> Option<Read> {
    read(&text.parse().ok()?)
}

fn read(uri: &Uri) -> Option<Read> {
    let inside = |to: &Destination| to.is_inside();
    Destination::read(uri).ok().map(|to| Read {
        inside: inside(&to),
        scheme: to.scheme.as_str(),
        host: to.host,
        port: to.port,
        path: to.path,
    })
}

/// Where a `Location` leads from an address, and whether it can be called.
#[must_use]
pub fn redirected(from: &str, location: &[u8]) -> Option<Read> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::LOCATION, http::HeaderValue::from_bytes(location).ok()?);
    read(&redirect::next(&from.parse().ok()?, &Method::GET, StatusCode::FOUND, &headers).ok()?.uri)
}

/// A guest's headers as they go out.
#[must_use]
pub fn judged(mut headers: HeaderMap, to: &str) -> Option<HeaderMap> {
    let to = Destination::read(&to.parse().ok()?).ok()?;
    headers::judge(&mut headers, &Method::POST, &to, &Limits::default()).ok()?;
    Some(headers)
}
