//! How a page is sent: HTML under a strict policy, no outside request, not framed, not cached; no script but our
//! own two: one asks the browser for a passkey, one follows a log, each on the pages that do.

use crate::{
    pages::{Here, Said, Shell, Viewer},
    reply::{Refusal, come_back},
    sign_in::NeedsFactor,
};
use askama::Template;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Problem, Timestamp};
use std::sync::LazyLock;

const CSP: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same, with our own script files: for the pages that ask for a passkey.
const CSP_SCRIPTED: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same, for a page that goes on while it is open: its script may ask this server, and no other.
const CSP_LIVE: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("../templates/style.css");
/// What browsers show beside the title.
pub(crate) const ICON: &str = include_str!("../templates/icon.svg");

/// The style sheet's address: another one when it changes, so that browsers may keep it for ever.
pub(crate) fn style_href() -> &'static str {
    static HREF: LazyLock<String> = LazyLock::new(|| {
        let hash = seal::sha256(STYLE.as_bytes());
        let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("/style.css?v={short}")
    });
    &HREF
}

/// A page, or a problem shown as one.
pub(crate) type Page = Result<Response, Trouble>;

/// A problem, shown as a page.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) Problem);

impl<E> From<E> for Trouble
where
    Refusal: From<E>,
{
    fn from(error: E) -> Self {
        let Refusal(problem) = Refusal::from(error);
        Self(problem)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    what: Said,
    why: Said,
    fix: Said,
    at: Option<&'a str>,
    code: &'a str,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let problem = self.0;
        let page = ProblemPage {
            what: Said::sentence(&problem.what),
            why: Said::sentence(&problem.why),
            fix: Said::sentence(&problem.fix),
            at: problem.at.as_deref(),
            code: &problem.code,
        };
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = html(status, &page);
        come_back(&mut response, &problem);
        if problem.code == "second_factor.needed" {
            response.extensions_mut().insert(NeedsFactor(problem));
        } else {
            response.extensions_mut().insert(Told(problem));
        }
        response
    }
}

/// Marks an answer that is a problem and nothing else, so that whoever is signed in gets it with the way on around it.
#[derive(Debug, Clone)]
pub(crate) struct Told(Problem);

#[derive(Template)]
#[template(path = "problem_within.html")]
struct ProblemWithin<'a> {
    shell: Shell,
    what: Said,
    why: Said,
    fix: Said,
    at: Option<&'a str>,
    code: &'a str,
}

impl Told {
    /// The same, within the console.
    pub(crate) fn within(&self, viewer: &Viewer, status: StatusCode) -> Response {
        let problem = &self.0;
        let page = ProblemWithin {
            shell: viewer.shell(Here::Elsewhere),
            what: Said::sentence(&problem.what),
            why: Said::sentence(&problem.why),
            fix: Said::sentence(&problem.fix),
            at: problem.at.as_deref(),
            code: &problem.code,
        };
        let mut response = html(status, &page);
        come_back(&mut response, problem);
        response
    }
}

/// The page with its headers.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(body) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, body).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page that may run the script which asks for a passkey.
pub(crate) fn scripted(status: StatusCode, page: &impl Template) -> Response {
    let mut response = html(status, page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_SCRIPTED));
    response
}

/// A page whose script follows something as it comes.
pub(crate) fn live(status: StatusCode, page: &impl Template) -> Response {
    let mut response = html(status, page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_LIVE));
    response
}

/// A script of our own.
pub(crate) fn script(text: &'static str) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    ([kind, cache], text).into_response()
}

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // To our own pages alone: a page that holds somebody up knows where they were.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The last day on which something serves, when `end` is the first moment after it.
pub(crate) fn last_day(end: Timestamp) -> String {
    end.minus(std::time::Duration::from_millis(1)).to_string().chars().take(10).collect()
}
