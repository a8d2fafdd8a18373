//! Answers in the place of every host that the app calls: what `mock/` says, or a plain yes; and tells what it was sent.

use crate::dev::{
    Happened, Say,
    mocks::{Found, Mocks},
};
use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Response, header},
};
use std::{collections::BTreeMap, sync::Arc};

/// As much of a body as is told.
const SHOWN_CHARS: usize = 200;
/// The broker lets no more out.
const BODY_BYTES_MAX: usize = 32 << 20;

/// What serves at this moment: mocks, and the made-up values of secrets.
pub(crate) type Serving = Arc<ArcSwap<Now>>;

#[derive(Debug, Default)]
pub(crate) struct Now {
    pub(crate) mocks: Mocks,
    /// By variable.
    pub(crate) secrets: BTreeMap<String, String>,
}

pub(crate) fn router(serving: &Serving, say: &Say) -> Router {
    let (serving, say) = (Arc::clone(serving), Arc::clone(say));
    Router::new().fallback(move |request: Request| {
        let (serving, say) = (Arc::clone(&serving), Arc::clone(&say));
        async move { answer(&serving.load_full(), &say, request).await }
    })
}

async fn answer(now: &Now, say: &Say, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let Found { answer, file } = now.mocks.answer(&host, &parts.method, parts.uri.path());
    let sent = |value: &String| {
        let query = parts.uri.query().is_some_and(|query| query.contains(value.as_str()));
        query || parts.headers.values().any(|header| carries(header.as_bytes(), value))
    };
    say(Happened::Call {
        host,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        status: answer.status.as_u16(),
        file,
        secrets: now.secrets.iter().filter(|(_, value)| sent(value)).map(|(name, _)| name.clone()).collect(),
        body: shown(&body),
    });
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// Whether a header holds the value, as it is or in `Authorization: Basic`.
fn carries(header: &[u8], value: &str) -> bool {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let Ok(text) = std::str::from_utf8(header) else { return false };
    let basic = text.strip_prefix("Basic ").and_then(|basic| BASE64_STANDARD.decode(basic).ok());
    text.contains(value) || basic.is_some_and(|basic| String::from_utf8_lossy(&basic).contains(value))
}

fn shown(body: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(body) else { return format!("({} bytes)", body.len()) };
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_seen_where_it_attaches() {
        use base64::prelude::{BASE64_STANDARD, Engine};
        assert!(carries(b"Bearer made-up-x", "made-up-x"));
        assert!(carries(format!("Basic {}", BASE64_STANDARD.encode("user:made-up-x")).as_bytes(), "made-up-x"));
        assert!(!carries(b"Bearer other", "made-up-x"));
        assert_eq!(shown(&[0xff, 0xfe]), "(2 bytes)");
        assert_eq!(shown("ä".repeat(201).as_bytes()).chars().count(), 201);
    }
}
