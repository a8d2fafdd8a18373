//! Headers on their way in and out: what would let an app act as its user, or pass for us, is taken out, and what would
//! have a cache on the way answer others with what one person was shown.

use crate::{cookies, csp, route::Route, trace};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::IpAddr;

/// Names that mean something between the house and an app's engine.
const OWN_PREFIX: &str = "bailiwick-";
const FORWARDED_PREFIX: &str = "x-forwarded-";
/// Meant for one connection (RFC 9110, section 7.6.1), or for the hop before us.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
];
/// What proxies say of whom they speak for; from anyone else it is made up.
const SAID_BY_PROXIES: &[&str] = &["forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];
/// How the names begin by which an answer has a proxy in front send a file of its own, ask another address, or keep
/// what it should not.
const STEERING_PROXIES: &[&str] =
    &["x-accel-", "x-sendfile", "x-lighttpd-send-file", "x-litespeed-location", "x-reproxy-"];

/// Of these, what steers nothing: whether a proxy hands an answer on piece by piece.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// By these a cache on the way goes before `cache-control`, as by all that end so (RFC 9213).
const FOR_CACHES: &str = "surrogate-control";
const FOR_CACHES_SUFFIX: &str = "-cache-control";

/// Whether the credential in `Authorization` was ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authorization {
    Used,
    TheApps,
}

/// What a request is known by, for the headers that are ours to write.
pub(crate) struct Inward<'a> {
    pub(crate) authorization: Authorization,
    /// Only behind a trusted proxy.
    pub(crate) client: Option<IpAddr>,
    pub(crate) scheme: &'static str,
    pub(crate) host: &'a str,
    pub(crate) trace: &'a trace::Trace,
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(connection) = headers.get(header::CONNECTION) {
        let named = connection.to_str().unwrap_or_default().split(',');
        let named: Vec<HeaderName> = named.filter_map(|name| name.trim().parse().ok()).collect();
        for name in named {
            // The framing of a body is never up for discussion.
            if name != header::CONTENT_LENGTH && name != header::HOST && name != header::COOKIE {
                headers.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

fn strip_prefixed(headers: &mut HeaderMap, prefix: &str) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// What the app sees of a request's headers.
pub(crate) fn inward(headers: &mut HeaderMap, of: &Inward<'_>) {
    strip_hop_by_hop(headers);
    strip_prefixed(headers, OWN_PREFIX);
    strip_prefixed(headers, FORWARDED_PREFIX);
    for name in SAID_BY_PROXIES {
        headers.remove(*name);
    }
    headers.remove(header::EXPECT);
    cookies::strip_ours(headers);
    if of.authorization == Authorization::Used || looks_issued(headers) {
        headers.remove(header::AUTHORIZATION);
    }
    if !of.trace.continued {
        headers.remove(trace::TRACESTATE);
    }
    let mut put = |name: HeaderName, value: Option<HeaderValue>| match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    };
    put(trace::TRACEPARENT, of.trace.header());
    put(header::HOST, HeaderValue::from_str(of.host).ok());
    if let Some(client) = of.client {
        put(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(&client.to_string()).ok());
        put(HeaderName::from_static("x-forwarded-proto"), Some(HeaderValue::from_static(of.scheme)));
        put(HeaderName::from_static("x-forwarded-host"), HeaderValue::from_str(of.host).ok());
    }
}

/// A bearer token in the shape of ours (RFC 7519) is not handed on even when it is of no use here: it may be of use
/// elsewhere.
fn looks_issued(headers: &HeaderMap) -> bool {
    let bearer = |value: &HeaderValue| {
        value.to_str().ok().and_then(bearer_of).is_some_and(|token| token.split('.').count() == 3)
    };
    headers.get_all(header::AUTHORIZATION).iter().any(bearer)
}

/// The token of `Bearer TOKEN` (RFC 6750).
pub(crate) fn bearer_of(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

/// Whether a path is open to strangers, and so may be embedded elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Openness {
    Public,
    SignedIn,
}

/// What a browser sees of an app's response headers.
pub(crate) fn outward(headers: &mut HeaderMap, route: &Route, openness: Openness) {
    strip_hop_by_hop(headers);
    strip_prefixed(headers, OWN_PREFIX);
    let buffering = headers.remove(&BUFFERING);
    for prefix in STEERING_PROXIES {
        strip_prefixed(headers, prefix);
    }
    headers.extend(buffering.map(|value| (BUFFERING, value)));
    cookies::drop_foreign(headers);
    csp::apply(headers, &route.csp);
    let mut put = |name: HeaderName, value: &'static str| drop(headers.insert(name, HeaderValue::from_static(value)));
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "same-origin");
    put(header::X_FRAME_OPTIONS, "SAMEORIGIN");
    put(header::X_DNS_PREFETCH_CONTROL, "off");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if openness == Openness::SignedIn {
        put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        keep_private(headers);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
}

/// Whatever the app says of it, no shared cache keeps what was answered to one person (RFC 9111, section 5.2.2).
fn keep_private(headers: &mut HeaderMap) {
    let is_for_caches = |name: &str| name == FOR_CACHES || name.ends_with(FOR_CACHES_SUFFIX);
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_for_caches(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
    let said = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let kept = said.flat_map(|text| text.split(',')).map(str::trim).filter(|directive| is_kept(directive));
    let kept: Vec<&str> = std::iter::once("private").chain(kept).collect();
    let value = HeaderValue::try_from(kept.join(", ")).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(header::CACHE_CONTROL, value);
}

/// What names fields in quotes is read in two ways where a comma stands between them, and holds for those fields alone.
fn is_kept(directive: &str) -> bool {
    let name = directive.split('=').next().unwrap_or_default().trim_end();
    let is_ours = ["public", "s-maxage", "private"].iter().any(|ours| name.eq_ignore_ascii_case(ours));
    !name.is_empty() && !is_ours && !directive.contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pairs: &[(&str, &str)], authorization: Authorization, client: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let trace = trace::Trace::of(&headers);
        let client = client.map(|client| client.parse().unwrap());
        inward(&mut headers, &Inward { authorization, client, scheme: "https", host: "poll.example", trace: &trace });
        headers
    }

    #[test]
    fn an_app_sees_nothing_that_it_could_act_with() {
        let found = seen(
            &[
                ("host", "POLL.example"),
                ("cookie", "bailiwick-app-i1=x; theme=dark"),
                ("authorization", "Bearer abc"),
                ("bailiwick-context", "{}"),
                ("Bailiwick-User", "root"),
                ("connection", "close, x-gone, cookie"),
                ("x-gone", "1"),
                ("upgrade", "websocket"),
                ("te", "trailers"),
                ("x-forwarded-for", "6.6.6.6"),
                ("forwarded", "for=6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
                ("tracestate", "a=b"),
                ("x-mine", "1"),
            ],
            Authorization::Used,
            None,
        );
        let mut names: Vec<_> = found.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cookie", "host", "traceparent", "x-mine"]);
        assert_eq!(
            (&found["cookie"], &found["host"]),
            (&HeaderValue::from_static("theme=dark"), &HeaderValue::from_static("poll.example"))
        );
    }

    #[test]
    fn an_apps_own_credential_passes_and_ours_never_does() {
        assert!(seen(&[("authorization", "Basic abc")], Authorization::TheApps, None).contains_key("authorization"));
        assert!(
            seen(&[("authorization", "Bearer opaque")], Authorization::TheApps, None).contains_key("authorization")
        );
        assert!(
            !seen(&[("authorization", "bearer a.b.c")], Authorization::TheApps, None).contains_key("authorization")
        );
    }

    #[test]
    fn no_cache_on_the_way_keeps_what_one_person_was_shown() {
        for (said, kept) in [
            ("", "private"),
            ("public, max-age=60", "private, max-age=60"),
            ("PUBLIC,S-MaxAge = 600 ,no-cache", "private, no-cache"),
            ("max-age=60|public", "private, max-age=60"),
            ("private=\"set-cookie, public\", must-revalidate", "private, must-revalidate"),
            ("private, no-cache", "private, no-cache"),
            ("no-store", "private, no-store"),
            (" , =", "private"),
        ] {
            let mut headers = HeaderMap::new();
            for value in said.split('|') {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
            }
            for name in ["surrogate-control", "cdn-cache-control"] {
                headers.append(name, HeaderValue::from_static("600"));
            }
            keep_private(&mut headers);
            assert_eq!((headers.len(), &headers["cache-control"]), (1, &HeaderValue::from_static(kept)), "{said:?}");
        }
    }

    #[test]
    fn behind_a_trusted_proxy_the_app_hears_who_asks() {
        let found = seen(&[("x-forwarded-for", "6.6.6.6, 198.51.100.1")], Authorization::TheApps, Some("198.51.100.1"));
        assert_eq!(found["x-forwarded-for"], "198.51.100.1");
        assert_eq!(
            (found["x-forwarded-proto"].to_str().unwrap(), found["x-forwarded-host"].to_str().unwrap()),
            ("https", "poll.example")
        );
    }
}
