//! Cookies on their way in and out: ours never reach an app, an app's never pass for ours.
//!
//! Refuses: an app's cookie for a whole domain, without a name, or under a name of ours; a request in which one of our
//! cookies stands twice, since one of the two was planted.

use crate::config::Scheme;
use http::{HeaderMap, HeaderValue, Request, header};
use std::{net::Ipv4Addr, time::Duration};

/// Names of ours begin so, after a prefix that browsers know.
const OURS: &str = "bailiwick";
/// What is said of cookies to take away: one at least, and so many bytes that proxies still take the answer's head. What
/// is left is taken away by the next answer.
const CLEARING_BYTES: usize = 6 << 10;
/// Where names are as long as cookies: browsers take four times as much.
const CLEARING_BYTES_MAX: usize = 64 << 10;
const HOSTS_MAX: usize = 5;
const PATHS_MAX: usize = 8;
const PREFIXES: [&str; 2] = ["__host-", "__secure-"];

/// The names of this instance's cookies.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Holds the session of a person with one app.
    pub(crate) session: String,
    /// Ties a sign-in to the browser that began it.
    pub(crate) binding: String,
    scheme: Scheme,
}

impl Names {
    pub(crate) fn new(scheme: Scheme, instance: &str) -> Self {
        let (session, binding) = match scheme {
            Scheme::Https => ("__Host-bailiwick-app".to_owned(), "__Host-bailiwick-bind".to_owned()),
            Scheme::Http => (format!("bailiwick-app-{instance}"), format!("bailiwick-bind-{instance}")),
        };
        Self { session, binding, scheme }
    }

    /// A cookie of ours; a life of zero takes it away.
    pub(crate) fn set(&self, name: &str, value: &str, life: Duration) -> Option<HeaderValue> {
        let secure = if self.scheme == Scheme::Https { "; Secure" } else { "" };
        let life = life.as_secs();
        HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

/// The value of a cookie of ours. Twice there is as good as not there: of two, one was planted.
#[must_use]
pub fn one_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = pairs(headers).filter(|(found, _)| *found == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        (name.trim(), value.trim())
    })
}

/// Leaves only what the app set itself.
pub fn strip_ours(headers: &mut HeaderMap) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        for pair in value.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            if pair.is_empty() || is_ours(name_of(pair)) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    headers.remove(header::COOKIE);
    if let Some(value) = Some(kept).filter(|kept| !kept.is_empty()).and_then(|kept| HeaderValue::from_bytes(&kept).ok())
    {
        headers.insert(header::COOKIE, value);
    }
}

/// A pair without `=` counts by its text: browsers send a cookie without a name as its value alone.
fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').map(<[u8]>::trim_ascii).find(|part| !part.is_empty()).unwrap_or_default()
}

fn is_ours(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix.as_bytes())).unwrap_or(&name);
    bare.starts_with(OURS.as_bytes())
}

/// What cookies take of a head.
pub(crate) fn bytes(headers: &HeaderMap) -> usize {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::len).sum()
}

/// Lines of `Set-Cookie` that take away the largest cookies, until those that are left have so many bytes. A page of any
/// app can set some for all hosts beside it, of which the server never sees for which host and path; so each is taken
/// away for all that it can have been set for. Ours are for one host: of their names only others' are taken away.
pub(crate) fn clearing<B>(request: &Request<B>, left: usize) -> Vec<HeaderValue> {
    let headers = request.headers();
    let values = headers.get_all(header::COOKIE).iter();
    let mut cookies: Vec<&[u8]> =
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii).collect();
    cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.len()));
    let named = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (hosts, paths) = (hosts(request.uri().host().or_else(named).unwrap_or_default()), paths(request.uri().path()));
    let (mut lines, mut said, mut rest) = (Vec::new(), 0, bytes(headers));
    for cookie in cookies {
        if rest <= left || said > CLEARING_BYTES {
            break;
        }
        rest = rest.saturating_sub(cookie.len() + "; ".len());
        let (pair, name) = expired(cookie);
        let own = is_ours(name);
        let places = paths.iter().flat_map(|path| hosts.iter().map(move |host| (path, host)));
        for (path, host) in places.filter(|(_, host)| !(own && host.is_empty())) {
            let line = [&pair, format!("; Path={path}; Max-Age=0{host}").as_bytes()].concat();
            said += line.len();
            if said > CLEARING_BYTES_MAX {
                break;
            }
            lines.extend(HeaderValue::from_bytes(&line));
        }
    }
    lines
}

/// The pair by which a cookie is taken away, and its name. One without a name needs a value, or it is none.
fn expired(cookie: &[u8]) -> (Vec<u8>, &[u8]) {
    let equals = cookie.iter().position(|byte| *byte == b'=');
    let name = cookie.get(..equals.unwrap_or(0)).unwrap_or_default().trim_ascii();
    let mut pair = [name, if name.is_empty() { b"=gone" } else { b"=" }].concat();
    let lower = name.to_ascii_lowercase();
    // Browsers take one of such a name with this alone.
    if PREFIXES.iter().any(|prefix| lower.starts_with(prefix.as_bytes())) {
        pair.extend_from_slice(b"; Secure");
    }
    (pair, name)
}

/// For this host alone, for it and what is below it, and for each domain above it that browsers take.
fn hosts(host: &str) -> Vec<String> {
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let mut hosts = vec![String::new()];
    let mut rest = Some(name.as_str()).filter(|name| !is_address && !name.is_empty());
    while let Some(domain) = rest.filter(|_| hosts.len() < HOSTS_MAX) {
        hosts.push(format!("; Domain={domain}"));
        let above = domain.split_once('.').map(|(_, above)| above);
        // Of `corp.example`, `example` is nobody's; of `app.localhost`, the other is the apps domain.
        rest = above.filter(|above| above.contains('.') || *above == "localhost");
    }
    hosts
}

/// The paths of cookies that come with a request for this one (RFC 6265, section 5.1.4).
fn paths(path: &str) -> Vec<&str> {
    let ends = path.char_indices().filter(|(_, c)| *c == '/').flat_map(|(at, _)| [at, at + 1]).chain([path.len()]);
    let mut paths: Vec<&str> = ends.filter_map(|end| path.get(..end)).filter(|path| !path.is_empty()).collect();
    paths.dedup();
    // What holds one could not be said; nor is it a path that a cookie can have.
    paths.retain(|path| !path.contains(';'));
    paths.truncate(PATHS_MAX);
    if paths.is_empty() { vec!["/"] } else { paths }
}

/// Drops what an app may not set.
pub(crate) fn drop_foreign(headers: &mut HeaderMap) {
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|value| may_set(value.as_bytes())).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.append(header::SET_COOKIE, value);
    }
}

fn may_set(cookie: &[u8]) -> bool {
    let mut parts = cookie.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { return false };
    let name = pair.get(..equals).unwrap_or_default().trim_ascii();
    let for_domain = parts.any(|part| {
        let key = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        key.trim_ascii().eq_ignore_ascii_case(b"domain")
    });
    !name.is_empty() && !is_ours(name) && !for_domain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookie(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn seen_by_the_app(values: &[&str]) -> Option<String> {
        let mut headers = cookie(values);
        strip_ours(&mut headers);
        headers.get(header::COOKIE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn an_app_sees_its_own_cookies_alone() {
        assert_eq!(seen_by_the_app(&["a=1; bailiwick-app-i1=secret; b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(seen_by_the_app(&["__Host-bailiwick-app=secret"]), None);
        assert_eq!(seen_by_the_app(&["a=1", "BAILIWICK-APP-i1=secret", "c=ü"]).as_deref(), Some("a=1; c=ü"));
        assert_eq!(seen_by_the_app(&["bailiwick-app-other=secret; =bailiwick-app-i1=x; __secure-bailiwick=1"]), None);
        assert_eq!(seen_by_the_app(&["theme=bailiwick-app-i1"]).as_deref(), Some("theme=bailiwick-app-i1"));
    }

    #[test]
    fn a_cookie_of_ours_stands_once() {
        assert_eq!(one_cookie(&cookie(&["a=1; s=x; b=2"]), "s"), Some("x"));
        assert_eq!(one_cookie(&cookie(&["s=x; s=y"]), "s"), None);
        assert_eq!(one_cookie(&cookie(&["s=x", "s=x"]), "s"), None);
        assert_eq!(one_cookie(&cookie(&["S=x"]), "s"), None);
    }

    #[test]
    fn an_app_sets_host_only_cookies_of_its_own() {
        for (text, kept) in [
            ("theme=dark; Path=/", true),
            ("theme=dark; Max-Age=10; SameSite=Lax; HttpOnly", true),
            ("x=domain; Path=/", true),
            ("x=1; Domain=localhost", false),
            ("x=1;domain = corp.example", false),
            ("bailiwick-app-i1=evil", false),
            ("__Host-bailiwick-app=evil; Secure; Path=/", false),
            ("Bailiwick-Bind-i1=evil", false),
            ("=bailiwick-app-i1=evil", false),
            ("bailiwick-app-i1", false),
            ("__Secure-bailiwick-x=1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::SET_COOKIE, HeaderValue::from_str(text).unwrap());
            drop_foreign(&mut headers);
            assert_eq!(headers.contains_key(header::SET_COOKIE), kept, "{text}");
        }
    }

    #[test]
    fn what_is_too_much_is_taken_away_largest_first_and_ours_never() {
        let lines = |cookies: &str, host: &str, path: &str, left: usize| {
            let request = Request::builder().uri(path).header("host", host).header("cookie", cookies).body(()).unwrap();
            let lines = clearing(&request, left);
            lines.iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let long = "x".repeat(100);
        assert_eq!(
            lines(&format!("a=1; bomb={long}; b=2"), "poll.localhost:7070", "/", 20),
            [
                "bomb=; Path=/; Max-Age=0",
                "bomb=; Path=/; Max-Age=0; Domain=poll.localhost",
                "bomb=; Path=/; Max-Age=0; Domain=localhost"
            ]
        );
        let ours = lines(&format!("bailiwick-app-i1={long}"), "poll.apps.corp.example", "/", 0);
        let domains = ["poll.apps.corp.example", "apps.corp.example", "corp.example"];
        assert_eq!(ours, domains.map(|domain| format!("bailiwick-app-i1=; Path=/; Max-Age=0; Domain={domain}")));
        assert!(lines("__Host-bailiwick-app=s", "a.example", "/", 0).iter().all(|line| line.contains("; Domain=")));
        assert_eq!(lines(&long, "[::1]:7070", "/", 0), ["=gone; Path=/; Max-Age=0"]);
        assert_eq!(
            lines(&format!("__Secure-x={long}"), "127.0.0.1", "/", 0),
            ["__Secure-x=; Secure; Path=/; Max-Age=0"]
        );
        // Over HTTP/2 the host stands in the address.
        let two = lines(&format!("bomb={long}"), "", "https://a.apps.example/", 0);
        assert_eq!(two, lines(&format!("bomb={long}"), "a.apps.example", "/", 0));
        assert_eq!(two.len(), 3);
        let name = "n".repeat(4_000);
        let bytes: usize = lines(&format!("{name}=1"), "a.example", "/a/b/c/d/e/f/g", 0).iter().map(String::len).sum();
        assert!((CLEARING_BYTES..CLEARING_BYTES_MAX).contains(&bytes), "{bytes}");
        assert_eq!(paths("/a/b"), ["/", "/a", "/a/", "/a/b"]);
        assert_eq!(paths("/a;b/c"), ["/"]);
        let many: String = (0..180).map(|n| format!("a{n}={long}; ")).collect();
        let bytes: usize = lines(&many, "poll.apps.corp.example", "/a/b/c/d/e/f", 0).iter().map(String::len).sum();
        assert!((CLEARING_BYTES..3 * CLEARING_BYTES).contains(&bytes), "{bytes}");
    }

    #[test]
    fn ours_are_host_only_and_out_of_scripts_reach() {
        let secure = Names::new(Scheme::Https, "i1");
        let set = secure.set(&secure.session, "v", Duration::from_secs(60)).unwrap();
        assert_eq!(set, "__Host-bailiwick-app=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(Names::new(Scheme::Http, "i1").session, "bailiwick-app-i1");
    }

    proptest! {
        #[test]
        fn nothing_of_ours_survives(before in "[ -~]{0,20}", after in "[ -~]{0,20}", prefix in "(__Host-|__secure-|)") {
            let text = format!("{before}; {prefix}bailiwick-app-i1=SECRET; {after}");
            let seen = seen_by_the_app(&[&text]).unwrap_or_default();
            prop_assert!(!seen.contains("SECRET"));
        }
    }
}
