//! What comes over a connection: whole requests as they are read from the wire, and cookies both ways.

use gateway::hostile;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

/// Timers of connections need a runtime to stand in; nothing is waited for.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

/// Headers that an app never gets, whatever was sent.
const NEVER: &[&str] = &[
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-authorization",
    "expect",
    "forwarded",
    "x-real-ip",
    "http2-settings",
];

/// Whatever is sent: an app gets requests that can be read in one way, and what goes back is HTTP.
pub(crate) fn connection(bytes: &[u8]) {
    let _inside = RUNTIME.enter();
    let outcome = hostile::connection(bytes);
    for arrived in &outcome.arrived {
        inward(&arrived.headers);
        assert!(arrived.path.starts_with('/') && !arrived.path.contains('\\'), "{arrived:?}");
        assert!(arrived.path.split('/').all(|part| part != "." && part != ".."), "{arrived:?}");
        assert!(!arrived.path.chars().any(char::is_control), "{arrived:?}");
        assert!(!matches!(arrived.method.as_str(), "CONNECT" | "TRACE"), "{arrived:?}");
        assert!(arrived.headers.get_all(header::HOST).iter().count() == 1, "{arrived:?}");
        assert!(arrived.headers.get_all(header::CONTENT_LENGTH).iter().count() <= 1, "{arrived:?}");
        if let (Some(length), Some(body)) = (arrived.headers.get(header::CONTENT_LENGTH), arrived.body) {
            assert_eq!(length.to_str().unwrap().parse::<usize>().unwrap(), body, "{arrived:?}");
        }
    }
    assert!(outcome.refused.iter().all(|status| (400..500).contains(status)), "{outcome:?}");
    if !outcome.answered.is_empty() {
        assert!(outcome.answered.starts_with(b"HTTP/1."), "{outcome:?}");
    }
    // A chunked body ends its connection: nothing behind it is a request.
    let chunked = |bytes: &[u8]| bytes.to_ascii_lowercase().windows(8).any(|window| window == b"chunked\r");
    if outcome.arrived.len() > 1 {
        let first = &bytes[..bytes.len().min(64)];
        assert!(!chunked(first) || outcome.arrived.iter().all(|arrived| arrived.body.is_some()), "{outcome:?}");
    }
}

fn inward(headers: &HeaderMap) {
    for (name, value) in headers {
        let name = name.as_str();
        assert!(
            !NEVER.contains(&name) && !name.starts_with("bailiwick-") && !name.starts_with("x-forwarded-"),
            "{name}"
        );
        assert!(name != "cookie" || !ours(value.as_bytes()), "{value:?}");
    }
}

/// Whether a line of cookies holds one under a name of ours, as the most lenient reader would split it.
fn ours(line: &[u8]) -> bool {
    line.split(|byte| *byte == b';').any(|pair| {
        let name: Vec<u8> =
            pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        [&b""[..], b"__host-", b"__secure-"]
            .iter()
            .filter_map(|prefix| name.strip_prefix(*prefix))
            .any(|name| name.starts_with(b"bailiwick"))
    })
}

/// One header a line. An app never gets our cookies, and no browser gets one of ours from an app.
pub(crate) fn cookies(bytes: &[u8]) {
    let (mut sent, mut set, mut any) = (HeaderMap::new(), HeaderMap::new(), HeaderMap::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        sent.append(header::COOKIE, value.clone());
        set.append(header::SET_COOKIE, value);
        let mut parts = line.splitn(2, |byte| *byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        {
            any.append(name, value);
        }
    }
    inward(&hostile::inward(sent.clone()));
    inward(&hostile::inward(any));
    for kept in hostile::outward(set).get_all(header::SET_COOKIE) {
        assert!(!ours(kept.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default()), "{kept:?}");
        let parts = kept.as_bytes().split(|byte| *byte == b';').skip(1);
        for part in parts {
            let key = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            assert!(!key.eq_ignore_ascii_case(b"domain"), "{kept:?}");
        }
    }
    if let Some(session) = hostile::session(&sent) {
        let lines = sent.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let named = lines.flat_map(|line| line.split(';')).filter(|pair| {
            pair.split_once('=')
                .is_some_and(|(name, value)| name.trim() == "bailiwick-app-i1" && value.trim() == session)
        });
        assert_eq!(named.count(), 1);
    }
}
