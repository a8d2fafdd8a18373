//! The browser that is not signed in yet: the cookie that ties it to a sign-in which it began, and where it goes on.

use crate::Bailiwick;
use askama::Template;
use axum::http::StatusCode;
use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use gateway::one_cookie;
use seal::Token;
use std::time::Duration;

/// As long as a sign-in may take.
const BEGIN_LIFE: Duration = Duration::from_secs(600);
/// An address that is longer is none of ours.
const PATH_MAX_BYTES: usize = 2_000;

impl Bailiwick {
    fn begin_cookie_name(&self) -> String {
        match self.config.scheme() {
            gateway::Scheme::Https => "__Host-bailiwick-begin".to_owned(),
            gateway::Scheme::Http => format!("bailiwick-begin-{}", self.instance),
        }
    }

    /// What ties this browser to what it began, when it has it.
    pub(crate) fn begun_in(&self, headers: &HeaderMap) -> Option<String> {
        // INVARIANT: an empty one ties nothing, and what has none must never equal it.
        one_cookie(headers, &self.begin_cookie_name()).filter(|tie| !tie.is_empty()).map(str::to_owned)
    }

    /// A new tie, for the page that begins.
    pub(crate) fn tie(&self, response: &mut Response, value: &str) {
        let (name, life) = (self.begin_cookie_name(), BEGIN_LIFE.as_secs());
        self.set_cookie(response, &format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax"));
    }

    /// The session's cookie.
    pub(crate) fn set_session(&self, response: &mut Response, token: &Token) {
        let name = self.cookie_name();
        self.set_cookie(response, &format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", token.expose()));
    }

    pub(crate) fn set_cookie(&self, response: &mut Response, cookie: &str) {
        let secure = if self.config.scheme() == gateway::Scheme::Https { "; Secure" } else { "" };
        if let Ok(value) = HeaderValue::from_str(&format!("{cookie}{secure}")) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

/// A path of the console itself; anything else leads to its first page.
pub(crate) fn local(path: &str) -> &str {
    let printable = path.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    let ours = path.starts_with('/') && !path.starts_with("//") && path.len() <= PATH_MAX_BYTES;
    if ours && printable { path } else { "/" }
}

#[derive(Template)]
#[template(path = "sign_in/going_on.html")]
struct GoingOn<'a> {
    to: &'a str,
}

/// On to a page of the console. A form may not lead to another origin, and signing in to an app does: there the
/// browser goes on by itself.
pub(crate) fn go_on(to: &str) -> Response {
    let to = local(to);
    if to.starts_with("/sign-in/app?") {
        return crate::page::html(StatusCode::OK, &GoingOn { to });
    }
    Redirect::to(to).into_response()
}

/// Off to another origin after a form, which may not lead there by itself.
pub(super) fn off_from_a_form(address: &str) -> Response {
    crate::page::html(StatusCode::OK, &GoingOn { to: address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_within_the_console_alone() {
        for path in ["/", "/apps/x?a=b", "/sign-in/app?app=x"] {
            assert_eq!(local(path), path);
        }
        for path in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb", "/a b"] {
            assert_eq!(local(path), "/", "{path}");
        }
    }
}
