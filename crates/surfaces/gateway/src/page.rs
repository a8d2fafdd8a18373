//! How a refusal is shown: a small page for a person, `application/problem+json` (RFC 9457) for a program.
//!
//! No script, no image, nothing from elsewhere; the one style is named by its hash.

use crate::{browser::Reader, trace::Trace};
use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use model::{Problem, Said};
use std::sync::LazyLock;

const STYLE: &str = include_str!("page.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(seal::sha256(STYLE.as_bytes()));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What a browser keeps of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Everything,
    /// Pages and storage of the app go, service workers with them. Its cookies stay, which nobody reads any more:
    /// browsers clear those of the whole registrable domain, and the console may share it.
    Nothing,
}

/// A page; its words stand in `pages.rs`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) problem: Problem,
    pub(crate) leaves: Leaves,
    pub(crate) link: Option<(&'static str, String)>,
    /// What follows on this connection cannot be trusted to be a request.
    pub(crate) closes: bool,
    /// Lines of `Set-Cookie`.
    pub(crate) cookies: Vec<HeaderValue>,
}

impl From<Problem> for Box<Page> {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        Self::new(Page { status, problem, leaves: Leaves::Everything, link: None, closes: false, cookies: Vec::new() })
    }
}

impl Page {
    pub(crate) fn respond(&self, reader: Reader, trace: &Trace) -> Response<Body> {
        let (kind, text) = match reader {
            Reader::Person => ("text/html; charset=utf-8", self.html(trace)),
            Reader::Program => ("application/problem+json", self.json(trace)),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut put =
            |name: HeaderName, value: &'static str| drop(headers.insert(name, HeaderValue::from_static(value)));
        put(header::CONTENT_TYPE, kind);
        put(header::CACHE_CONTROL, "no-store");
        put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        put(header::REFERRER_POLICY, "no-referrer");
        put(header::X_FRAME_OPTIONS, "DENY");
        if self.leaves == Leaves::Nothing {
            put(HeaderName::from_static("clear-site-data"), r#""cache", "storage""#);
        }
        if self.closes {
            put(header::CONNECTION, "close");
        }
        if self.status == 401 {
            put(header::WWW_AUTHENTICATE, "Bearer");
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        for cookie in &self.cookies {
            headers.append(header::SET_COOKIE, cookie.clone());
        }
        if let Some(seconds) = self.problem.retry_after_secs() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn json(&self, trace: &Trace) -> String {
        let mut document = self.problem.document(self.status);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("trace_id".to_owned(), serde_json::json!(trace.id));
        }
        document.to_string()
    }

    fn html(&self, trace: &Trace) -> String {
        let Problem { what, why, fix, .. } = &self.problem;
        let link =
            self.link.as_ref().map(|(text, href)| format!("<a href=\"{}\">{}</a>\n", escaped(href), escaped(text)));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <header><svg viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path d=\"M16 2 28 9v14L16 30 4 23V9z\"/>\
             <circle cx=\"16\" cy=\"16\" r=\"5\"/></svg>Bailiwick</header>\n\
             <main>\n<h1>{what}</h1>\n<p>{why}.</p>\n<p class=\"fix\"><b>What to do</b>{fix}.</p>\n{link}</main>\n\
             <footer>{status} · if you ask someone, give them this: <code>{trace}</code></footer>\n</html>\n",
            title = escaped(&Said::sentence(what).plain()),
            what = Said::sentence(what),
            why = Said::sentence(why),
            fix = Said::sentence(fix),
            link = link.unwrap_or_default(),
            status = self.status,
            trace = trace.id,
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_small_and_named_by_its_hash() {
        assert!(STYLE.len() < 2048 && !STYLE.contains("</") && !STYLE.contains("url("));
        assert!(POLICY.to_str().unwrap().contains("style-src 'sha256-"));
    }
}
