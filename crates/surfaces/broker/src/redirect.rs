//! Redirects by the Fetch standard's rules (HTTP-redirect fetch): what the next request is, before it is judged anew.
//!
//! Refuses places that cannot be read, and more than one of them.

use crate::refusal;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use model::Problem;
use url::Url;

/// What the guest wants done with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Follow,
    /// The redirect itself is the answer.
    Manual,
    /// A redirect is a failure.
    Error,
}

/// What becomes of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carry {
    Body,
    Nothing,
}

/// The next request, not judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) uri: Uri,
    pub(crate) method: Method,
    pub(crate) carry: Carry,
}

/// Whether an answer is a redirect: a redirect status (Fetch standard) with a place.
pub(crate) fn is_redirect(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.contains_key(header::LOCATION)
}

/// The request that follows a redirect.
pub(crate) fn next(from: &Uri, method: &Method, status: StatusCode, headers: &HeaderMap) -> Result<Next, Problem> {
    let bad = || {
        refusal::redirects(
            "the place that it named cannot be read",
            "tell who runs the host, or call the final address itself",
        )
    };
    let mut places = headers.get_all(header::LOCATION).iter();
    let place = places.next().and_then(|place| place.to_str().ok()).ok_or_else(bad)?;
    if places.next().is_some() {
        return Err(bad());
    }
    let base = Url::parse(&from.to_string()).map_err(|_| bad())?;
    let mut url = base.join(place).map_err(|_| bad())?;
    url.set_fragment(None);
    let uri: Uri = url.as_str().parse().map_err(|_| bad())?;
    let to_get = match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    };
    Ok(match to_get {
        true => Next { uri, method: Method::GET, carry: Carry::Nothing },
        false => Next { uri, method: method.clone(), carry: Carry::Body },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: Method, status: u16, place: &str) -> Result<Next, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, place.parse().unwrap());
        next(&"https://a.example/x/y?z".parse().unwrap(), &method, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn the_method_changes_as_the_standard_says() {
        for (method, status, then, carry) in [
            (Method::POST, 301, Method::GET, Carry::Nothing),
            (Method::POST, 302, Method::GET, Carry::Nothing),
            (Method::PUT, 302, Method::PUT, Carry::Body),
            (Method::PUT, 303, Method::GET, Carry::Nothing),
            (Method::HEAD, 303, Method::HEAD, Carry::Body),
            (Method::POST, 307, Method::POST, Carry::Body),
            (Method::DELETE, 308, Method::DELETE, Carry::Body),
        ] {
            let next = follow(method.clone(), status, "/next").unwrap();
            assert_eq!((next.method, next.carry), (then, carry), "{method} {status}");
        }
    }

    #[test]
    fn places_are_read_by_the_url_standard() {
        for (place, uri) in [
            ("next", "https://a.example/x/next"),
            ("//b.example/q", "https://b.example/q"),
            ("/a/../b#part", "https://a.example/b"),
            ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("\\\\evil.example/", "https://evil.example/"),
            ("file:///etc/passwd", ""),
            ("https://", ""),
        ] {
            assert_eq!(
                follow(Method::GET, 302, place).map(|next| next.uri.to_string()).unwrap_or_default(),
                uri,
                "{place}"
            );
        }
    }

    #[test]
    fn two_places_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::LOCATION, "/a".parse().unwrap());
        headers.append(header::LOCATION, "/b".parse().unwrap());
        assert!(next(&"https://a.example/".parse().unwrap(), &Method::GET, StatusCode::FOUND, &headers).is_err());
    }
}
