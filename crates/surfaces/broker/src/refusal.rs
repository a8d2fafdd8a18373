//! Refusals as the guest sees them: a response that only the broker can make, with the problem in it.
//!
//! Holds the words for what is refused before or while a call goes out; those about grants stand with `grants`.

use crate::body::{Body, full};
use http::{HeaderValue, Response, StatusCode, header};
use model::{Problem, ProblemKind};

/// Marks a response as the broker's own; taken out of every answer that comes from outside.
pub const PROBLEM_HEADER: &str = "bailiwick-problem";

/// User words in messages are cut to this many characters.
const SHOWN_MAX: usize = 120;

/// A refusal as a response. Never an error towards the guest.
pub(crate) fn answer(problem: &Problem) -> Response<Body> {
    let mut response = Response::new(full(problem.document(problem.status()).to_string()));
    *response.status_mut() = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(PROBLEM_HEADER, HeaderValue::from_static("1"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// Words of a guest or of an upstream, cut, and with what nobody can see replaced.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String =
        text.chars().take(SHOWN_MAX).map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    out
}

pub(crate) fn denied(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Denied, code, what, why, fix)
}

fn upstream(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Upstream, code, what, why, fix)
}

pub(crate) fn url(why: &str, fix: &str) -> Problem {
    denied("egress.url", "this address cannot be called", why, fix)
}

pub(crate) fn header(name: &str, why: &str, fix: &str) -> Problem {
    denied("egress.header", format!("a request may not carry `{}` like this", shown(name)), why, fix)
}

pub(crate) fn placeholder(place: &str) -> Problem {
    denied(
        "secret.wrong_place",
        format!("the placeholder of a secret stands in {place}"),
        "a secret is attached in its one declared position, towards its own hosts, and nowhere else",
        "to send it to this host, add `secret = \"NAME\"`, with the variable that stands after `env.`, to the host's `[connect]` section of `bailiwick.toml`, then deploy again; it goes in the header that its entry declares, and nowhere else",
    )
}

pub(crate) fn fenced(host: &str, what: &str, port: u16, openable: bool) -> Problem {
    let fix = if openable {
        format!(
            "if the app should reach it, ask an operator to add its address with port {port} to `[broker] private`; \
                 the grant in `bailiwick.toml` stays as it is"
        )
    } else {
        "call another host; this one is closed to apps for good".to_owned()
    };
    denied("egress.address", format!("`{}` leads to {what}", shown(host)), "apps may reach public addresses only", fix)
}

/// The same for a host that the platform itself is to call.
pub(crate) fn fenced_for_us(host: &str, what: &str, port: u16, openable: bool) -> Problem {
    let fix = if openable {
        format!(
            "if it is yours, whoever has the configuration adds its address with port {port} to `[broker] private`, or \
                 names the whole in `config.toml`"
        )
    } else {
        "name another host; this one is closed for good".to_owned()
    };
    denied(
        "reach.address",
        format!("`{}` leads to {what}", shown(host)),
        "what is named in the console may lead to public addresses only: a page must not look into the network behind it",
        fix,
    )
}

pub(crate) fn unresolved_for_us(host: &str) -> Problem {
    upstream(
        "reach.unresolved",
        format!("`{}` has no address", shown(host)),
        "the name could not be resolved",
        "check how it is spelled; if it is right, try again later",
    )
}

pub(crate) fn plain_text(host: &str) -> Problem {
    denied(
        "egress.plain_text",
        format!("`{}` would be called without TLS over a public network", shown(host)),
        "`tls = false` holds only towards addresses in the operator's `[broker] private`",
        "remove `tls = false` from its section of `bailiwick.toml` and call it by `https`",
    )
}

pub(crate) fn unresolved(host: &str) -> Problem {
    upstream(
        "egress.unresolved",
        format!("`{}` has no address", shown(host)),
        "the name could not be resolved",
        "check how the host is spelled in `bailiwick.toml`; if it is right, try again later",
    )
}

pub(crate) fn unreachable(host: &str) -> Problem {
    upstream(
        "egress.unreachable",
        format!("`{}` cannot be reached", shown(host)),
        "no connection could be made to it",
        "try again later; if it never works, ask who runs the host",
    )
}

pub(crate) fn untrusted(host: &str) -> Problem {
    upstream(
        "egress.untrusted",
        format!("`{}` did not prove who it is", shown(host)),
        "its TLS certificate is not valid for this name, or not signed by an authority that is trusted here",
        "ask who runs the host; an operator can trust a company's own authority with `[broker] ca`",
    )
}

pub(crate) fn broken(host: &str) -> Problem {
    upstream(
        "egress.broken",
        format!("the answer of `{}` broke off or cannot be understood", shown(host)),
        "the connection ended early, or what came is not HTTP/1.1",
        "try again later; if it never works, ask who runs the host",
    )
}

pub(crate) fn encoded(host: &str) -> Problem {
    upstream(
        "egress.encoded",
        format!("`{}` sent a compressed answer to a call with a secret", shown(host)),
        "answers to such calls are searched for the secret, and this one cannot be",
        "ask who runs the host to honour `accept-encoding: identity`",
    )
}

pub(crate) fn switched(host: &str) -> Problem {
    upstream(
        "egress.upgrade",
        format!("`{}` wants to switch to another protocol", shown(host)),
        "only HTTP/1.1 requests and answers pass",
        "use the host's plain HTTP interface",
    )
}

pub(crate) fn timed_out(host: &str, what: &str) -> Problem {
    Problem::new(
        ProblemKind::TimedOut,
        "egress.timed_out",
        format!("`{}` {what} in time", shown(host)),
        "a call may take only so long, so that one slow host does not hold up the app",
        "try again later, or ask the host for less at once",
    )
}

pub(crate) fn too_large(what: &str, most: u64) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "egress.too_large",
        format!("{what} is larger than {most} bytes"),
        "one call may carry only so much",
        "split it into several calls",
    )
}

pub(crate) fn length() -> Problem {
    header("content-length", "it does not agree with the body that follows", "leave it out; it is set from the body")
}

pub(crate) fn too_many(limit: &str) -> Problem {
    Problem::new(
        ProblemKind::Limited,
        "egress.too_many",
        format!("the app makes more than {limit}"),
        "an app's calls are limited, so that one app cannot take the line from the others",
        "make fewer calls, or wait a moment and try again",
    )
}

pub(crate) fn cut(app: &str) -> Problem {
    Problem::new(
        ProblemKind::Gone,
        "egress.cut",
        format!("`{}` may call nothing any more", shown(app)),
        "the app was switched off, and its calls were stopped",
        "ask an operator; only they can restore it",
    )
}

pub(crate) fn redirects(why: &str, fix: &str) -> Problem {
    let fix = format!("{fix}; a host is reached once a `[connect]` section of `bailiwick.toml` names it");
    denied("egress.redirect", "the host sent the call elsewhere, and it was not followed", why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_are_cut_and_made_visible() {
        assert_eq!(shown("a\r\nb`c"), "a\u{fffd}\u{fffd}b\u{fffd}c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN_MAX + 1);
    }

    #[test]
    fn an_answer_carries_status_mark_and_problem() {
        let response = answer(&too_many("600 calls a minute"));
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[PROBLEM_HEADER], "1");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
