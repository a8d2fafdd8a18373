//! How a browser becomes signed in to an app, through the control origin, and signed out again.
//!
//! `/.bailiwick/…` on every app's origin is ours; no request for it reaches an app. A code that comes back counts only
//! in the browser that was sent away with the binding cookie.

use crate::{Gateway, arrival::Arrival, browser, cookies, journey::Turned, pages, route::Route};
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use seal::{Token, TokenHash};
use std::time::Duration;

const RESERVED: &str = "/.bailiwick";
/// As long as signing in takes a person, with a password that must be looked up.
const BINDING_LIFE: Duration = Duration::from_secs(300);

/// The rest of a path that is ours.
pub(crate) fn reserved(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(RESERVED)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn see_other(location: &str, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A path on the app's own origin, and not one of ours; anything else leads to its first page.
fn local(path: &str) -> &str {
    let printable = path.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    let local = path.starts_with('/') && !path.starts_with("//") && printable && !path.starts_with(RESERVED);
    if local { path } else { "/" }
}

fn code_of(query: Option<&str>) -> Option<String> {
    let pair = query?.split('&').find_map(|pair| pair.strip_prefix("code="))?;
    let code = percent_decode_str(pair).decode_utf8().ok()?;
    (!code.is_empty()).then(|| code.into_owned())
}

impl Gateway {
    /// Sends a browser to sign in; tells a program that it must.
    pub(crate) fn signed_out(&self, arrival: &Arrival, route: &Route, headers: &HeaderMap) -> Turned {
        if !browser::is_navigation(&arrival.method, headers) {
            return pages::signed_out().into();
        }
        let (location, cookie) = self.to_console(route, local(&arrival.address), "");
        Turned::Elsewhere(see_other(&location, [cookie]))
    }

    /// Sends a browser to confirm with a second factor, and back to the page that asks for it. What was sent to such
    /// a page is lost, and the page says so; a program is told.
    pub(crate) fn needs_more(&self, arrival: &Arrival, route: &Route, headers: &HeaderMap) -> Turned {
        if browser::is_navigation(&arrival.method, headers) {
            let (location, cookie) = self.to_console(route, local(&arrival.address), "&factor=second");
            return Turned::Elsewhere(see_other(&location, [cookie]));
        }
        let from = headers.get(header::REFERER).and_then(|from| from.to_str().ok());
        let back = from.and_then(|from| from.strip_prefix(route.url.as_str())).map_or("/", local);
        let (location, cookie) = self.to_console(route, back, "&factor=second");
        let mut response = pages::second_factor(location).respond(arrival.reader, &arrival.trace);
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Turned::Elsewhere(response)
    }

    /// The way to the console and back to `to`, and the cookie that ties the two together.
    fn to_console(&self, route: &Route, to: &str, more: &str) -> (String, Option<HeaderValue>) {
        // A fresh value each time: one that was here before could be someone else's.
        let binding = Token::generate();
        let location = format!(
            "{}/sign-in/app?app={}&env={}&bind={}&to={}{more}",
            self.config.control_url.trim_end_matches('/'),
            encoded(&route.name),
            route.app.env,
            TokenHash::of(binding.expose()),
            encoded(to),
        );
        (location, self.cookies.set(&self.cookies.binding, binding.expose(), BINDING_LIFE))
    }

    pub(crate) async fn own_path(
        &self,
        arrival: &Arrival,
        route: &Route,
        asked: &Parts,
        rest: &str,
    ) -> Result<Response<Body>, Turned> {
        self.stranger_counts(arrival).await?;
        match rest {
            "/signed-in" if arrival.method == Method::GET => self.come_back(arrival, route, asked).await,
            "/signed-in" => Err(pages::method("`GET`").into()),
            "/sign-out" if arrival.method == Method::POST => self.sign_out(arrival, route, &asked.headers).await,
            "/sign-out" => Err(pages::method("`POST`").into()),
            _ => Err(pages::not_found().into()),
        }
    }

    async fn come_back(&self, arrival: &Arrival, route: &Route, asked: &Parts) -> Result<Response<Body>, Turned> {
        let binding = cookies::one_cookie(&asked.headers, &self.cookies.binding);
        let (Some(binding), Some(code)) = (binding, code_of(asked.uri.query())) else {
            return Err(pages::sign_in_lost().into());
        };
        let device = arrival.device.as_deref();
        let redeemed = self.sign_ins.redeem(&route.app, &code, binding, device, arrival.origin()).await;
        let redeemed = redeemed.map_err(pages::sign_in_failed)?;
        let life = redeemed.expires_at.since(self.clock.now());
        let session = self.cookies.set(&self.cookies.session, &redeemed.cookie, life);
        let spent = self.cookies.set(&self.cookies.binding, "", Duration::ZERO);
        Ok(see_other(local(&redeemed.return_to), [session, spent]))
    }

    async fn sign_out(&self, arrival: &Arrival, route: &Route, headers: &HeaderMap) -> Result<Response<Body>, Turned> {
        if let Some(cookie) = cookies::one_cookie(headers, &self.cookies.session) {
            self.sign_ins.sign_out(cookie, &route.app, arrival.origin()).await.map_err(pages::sign_in_failed)?;
        }
        let mut response = pages::signed_off().respond(arrival.reader, &arrival.trace);
        if let Some(gone) = self.cookies.set(&self.cookies.session, "", Duration::ZERO) {
            response.headers_mut().append(header::SET_COOKIE, gone);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_paths_are_ours_and_no_others() {
        assert_eq!(reserved("/.bailiwick/signed-in"), Some("/signed-in"));
        assert_eq!(reserved("/.bailiwick"), Some(""));
        assert_eq!((reserved("/.bailiwickx"), reserved("/a/.bailiwick")), (None, None));
    }

    #[test]
    fn a_browser_returns_to_the_app_alone() {
        for path in ["/", "/a?b=c#d", "/x//y"] {
            assert_eq!(local(path), path);
        }
        for path in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "a", "/a\r\nb", "/.bailiwick/sign-out"]
        {
            assert_eq!(local(path), "/", "{path}");
        }
    }

    #[test]
    fn a_code_is_read_from_the_query() {
        assert_eq!(code_of(Some("a=b&code=x%2Dy")).as_deref(), Some("x-y"));
        assert_eq!((code_of(Some("code=")), code_of(Some("xcode=1")), code_of(None)), (None, None, None));
    }
}
