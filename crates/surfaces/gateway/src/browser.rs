//! What browsers say about a request, and the one rule against requests that other sites make in a person's name.

use http::{HeaderMap, HeaderName, Method, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Who will read a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Someone who looks at a page.
    Person,
    /// A script: `application/problem+json`.
    Program,
}

impl Reader {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepts.flat_map(|text| text.split(',')).any(|kind| kind.trim().starts_with("text/html")) {
            Self::Person
        } else {
            Self::Program
        }
    }
}

/// Whether a browser asks for the script of a service worker: no page can leave that unsaid, or say it of another request
/// (Service Workers, `Service-Worker` header).
pub(crate) fn is_for_worker(headers: &HeaderMap) -> bool {
    headers.contains_key("service-worker")
}

/// Whether a browser is on its way to a page, so that it can be sent to sign in.
pub(crate) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let mode = headers.get(SEC_FETCH_MODE);
    matches!(*method, Method::GET | Method::HEAD)
        && Reader::of(headers) == Reader::Person
        && mode.is_none_or(|mode| mode == "navigate")
}

/// What a browser says of the page that sent a request. Nothing rests on `SameSite`: console and apps may share a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A page of the same origin, or the person themselves.
    Own,
    /// A page of another, or it is said in two ways.
    Foreign,
    /// It says nothing: no browser, or one too old to.
    Unsaid,
}

impl Sender {
    /// `Sec-Fetch-Site` goes before `Origin`, which is `null` on forms of pages that send no referrer.
    #[must_use]
    pub fn of(headers: &HeaderMap, own_origin: &str) -> Self {
        let only = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            (values.next(), values.next().is_some())
        };
        let own = match (only(&SEC_FETCH_SITE), only(&header::ORIGIN)) {
            ((Some(site), twice), _) => !twice && (site == "same-origin" || site == "none"),
            ((None, _), (Some(origin), twice)) => {
                !twice && origin.as_bytes().eq_ignore_ascii_case(own_origin.as_bytes())
            }
            ((None, _), (None, _)) => return Self::Unsaid,
        };
        if own { Self::Own } else { Self::Foreign }
    }

    /// The same of a request that changes something; `None` for methods that do not.
    #[must_use]
    pub fn of_change(method: &Method, headers: &HeaderMap, own_origin: &str) -> Option<Self> {
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        (!safe).then(|| Self::of(headers, own_origin))
    }
}

/// Whether another site may have made this request in the name of whoever the cookie belongs to.
pub(crate) fn is_foreign(method: &Method, headers: &HeaderMap, own_origin: &str) -> bool {
    headers.contains_key(header::COOKIE)
        && Sender::of_change(method, headers, own_origin).is_some_and(|sender| sender != Sender::Own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const OWN: &str = "http://tinypoll.localhost:7070";

    #[test]
    fn a_cookie_with_an_unsafe_method_comes_from_the_app_itself() {
        let cookie = ("cookie", "bailiwick-app-i1=x");
        for (pairs, foreign) in [
            (vec![cookie, ("sec-fetch-site", "same-origin")], false),
            (vec![cookie, ("sec-fetch-site", "none")], false),
            (vec![cookie, ("sec-fetch-site", "same-site")], true),
            (vec![cookie, ("sec-fetch-site", "cross-site")], true),
            (vec![cookie, ("sec-fetch-site", "cross-site"), ("origin", OWN)], true),
            (vec![cookie, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], true),
            (vec![cookie, ("origin", OWN)], false),
            (vec![cookie, ("origin", "http://tinypoll.localhost:7071")], true),
            (vec![cookie, ("origin", "https://tinypoll.localhost:7070")], true),
            (vec![cookie, ("origin", "http://evil.localhost:7070")], true),
            (vec![cookie, ("origin", "null")], true),
            (vec![cookie, ("origin", OWN), ("origin", OWN)], true),
            (vec![cookie], true),
            (vec![("cookie", "theme=dark")], true),
            (vec![("origin", "http://evil.example")], false),
        ] {
            let found = headers(&pairs);
            for method in
                [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::from_bytes(b"PURGE").unwrap()]
            {
                assert_eq!(is_foreign(&method, &found, OWN), foreign, "{method} {pairs:?}");
            }
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                assert!(!is_foreign(&method, &found, OWN));
            }
        }
    }

    #[test]
    fn who_says_nothing_is_told_from_who_says_another() {
        let of = |pairs: &[(&'static str, &'static str)]| Sender::of(&headers(pairs), OWN);
        assert_eq!(of(&[]), Sender::Unsaid);
        assert_eq!(of(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), Sender::Own);
        assert_eq!(of(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]), Sender::Foreign);
        assert_eq!(of(&[("sec-fetch-site", "")]), Sender::Foreign);
        assert_eq!(of(&[("origin", OWN)]), Sender::Own);
        assert_eq!(of(&[("origin", "null")]), Sender::Foreign);
        assert_eq!(Sender::of_change(&Method::GET, &headers(&[("origin", "null")]), OWN), None);
    }

    #[test]
    fn only_a_browser_on_its_way_to_a_page_navigates() {
        let page = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        assert!(is_navigation(&Method::GET, &headers(&[page])));
        assert!(is_navigation(&Method::GET, &headers(&[page, ("sec-fetch-mode", "navigate")])));
        assert!(!is_navigation(&Method::GET, &headers(&[page, ("sec-fetch-mode", "cors")])));
        assert!(!is_navigation(&Method::POST, &headers(&[page])));
        assert!(!is_navigation(&Method::GET, &headers(&[("accept", "*/*")])));
        assert!(!is_navigation(&Method::GET, &headers(&[])));
    }
}
