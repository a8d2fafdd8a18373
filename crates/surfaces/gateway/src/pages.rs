//! All words that the gateway says to people and programs, in one place.
//! size: one catalogue, so that its words are read and judged together.
//!
//! Each says what happened, why, and what to do next; none says anything of the inside of an app or of the platform.

use crate::{
    page::{Leaves, Page},
    shares::Crowded,
};
use authority::Denied;
use model::{Problem, ProblemKind};
use std::time::Duration;

type Refusal = Box<Page>;

fn page(
    kind: ProblemKind,
    code: &str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Refusal {
    Problem::new(kind, code, what, why, fix).into()
}

fn with_status(status: u16, mut page: Refusal) -> Refusal {
    page.status = status;
    page
}

fn closing(mut page: Refusal) -> Refusal {
    page.closes = true;
    page
}

fn later(wait: Duration, mut page: Refusal) -> Refusal {
    page.problem.retry_after = Some(wait);
    page
}

fn soon(page: Refusal) -> Refusal {
    later(Duration::from_secs(1), page)
}

fn forgotten(mut page: Refusal) -> Refusal {
    page.leaves = Leaves::Nothing;
    page
}

fn linked(text: &'static str, href: String, mut page: Refusal) -> Refusal {
    page.link = Some((text, href));
    page
}

// Where nothing is.

/// One answer for a name that nobody has and for one that waits: a stranger is not told which names there are.
pub(crate) fn unknown_host(control_url: &str) -> Refusal {
    let page = page(
        ProblemKind::NotFound,
        "app.unknown",
        "no app serves here",
        "the name may be misspelled, or the app is not live yet",
        "check the link; My apps shows yours",
    );
    linked("My apps", control_url.to_owned(), with_status(421, page))
}

pub(crate) fn not_found() -> Refusal {
    page(
        ProblemKind::NotFound,
        "path.unknown",
        "there is nothing at this address",
        "the app has no such page",
        "check the link, or start at the app's first page",
    )
}

pub(crate) fn elsewhere() -> Refusal {
    page(
        ProblemKind::NotFound,
        "app.external",
        "this app runs somewhere else",
        "it is governed here, and served by a system of its own",
        "ask the app's team for its address",
    )
}

// What cannot be taken.

pub(crate) fn malformed(why: &str) -> Refusal {
    closing(page(
        ProblemKind::Invalid,
        "request.malformed",
        "this request cannot be read",
        why,
        "open the app's address anew",
    ))
}

pub(crate) fn method(allowed: &str) -> Refusal {
    let page = page(
        ProblemKind::Invalid,
        "request.method",
        "this cannot be done here",
        format!("the address takes {allowed} and nothing else"),
        "go back, and use the app as it is shown",
    );
    with_status(405, page)
}

pub(crate) fn too_large(most_bytes: u64) -> Refusal {
    closing(page(
        ProblemKind::TooLarge,
        "request.too_large",
        "that is too large to send",
        format!("one request may carry {}", size(most_bytes)),
        "send a smaller file, or less at once",
    ))
}

pub(crate) fn address_too_long() -> Refusal {
    let page = page(
        ProblemKind::Invalid,
        "request.address",
        "this address is too long",
        "an address may have 8000 characters in its path, and 16000 in all",
        "send what is long in the body of the request",
    );
    closing(with_status(414, page))
}

pub(crate) fn headers_too_large() -> Refusal {
    let page = page(
        ProblemKind::Invalid,
        "request.headers",
        "this request brings too many headers",
        "cookies or other headers have grown larger than an app may be sent",
        "open the app again: the largest cookies were taken away; if that does not help, delete this site's cookies",
    );
    closing(with_status(431, page))
}

pub(crate) fn foreign() -> Refusal {
    page(
        ProblemKind::Denied,
        "request.foreign",
        "another site asked for this in your name",
        "a change counts only when it comes from the app's own pages",
        "open the app, and do it there",
    )
}

// Who asks.

pub(crate) fn service_worker(name: &str) -> Refusal {
    page(
        ProblemKind::Denied,
        "app.service_worker",
        format!("`{name}` cannot leave a service worker in a browser"),
        "it would see how people sign in, and go on after the app was switched off",
        "let `cache-control` say what browsers keep; other workers are fine",
    )
}

pub(crate) fn signed_out() -> Refusal {
    page(
        ProblemKind::Unauthenticated,
        "sign_in.needed",
        "nobody is signed in",
        "the app is for people whom it knows, and the session may have ended",
        "open the app in a browser and sign in, or send a token from `bailiwick token NAME`",
    )
}

pub(crate) fn sign_in_lost() -> Refusal {
    let page = page(
        ProblemKind::Invalid,
        "sign_in.lost",
        "this sign-in was not begun in this browser",
        "the last step works only in the browser that took the first, within five minutes",
        "open the app again",
    );
    linked("Open the app", "/".to_owned(), page)
}

pub(crate) fn sign_in_failed(problem: Problem) -> Refusal {
    linked("Open the app", "/".to_owned(), problem.into())
}

pub(crate) fn bad_token(problem: Problem) -> Refusal {
    problem.into()
}

pub(crate) fn signed_off() -> Refusal {
    let page = page(
        ProblemKind::Invalid,
        "sign_out.done",
        "you are signed out of this app",
        "other apps and the console are not affected",
        "close this page, or open the app to sign in again",
    );
    linked("Open the app", "/".to_owned(), with_status(200, page))
}

pub(crate) fn not_allowed(name: &str, denied: &Denied) -> Refusal {
    if denied.code == "app.not_for_you" {
        // Whoever clicked a link has no command line.
        let fix = "ask the app's team or an operator to let you in";
        return page(denied.kind, &denied.code, "this app is not open to you", denied.why.clone(), fix);
    }
    let what = format!("`{name}` is not open to you");
    page(denied.kind, &denied.code, what, denied.why.clone(), denied.fix.clone())
}

pub(crate) fn second_factor(confirm_url: String) -> Refusal {
    let page = page(
        ProblemKind::Denied,
        "second_factor.needed",
        "this page needs a second factor",
        "its app asks for more than a link or a password here, and this session has no more; nothing was done",
        "confirm with a passkey or by single sign-on, then send it again",
    );
    linked("Confirm that it is you", confirm_url, page)
}

// What is not there any more.

pub(crate) fn switched_off(name: &str) -> Refusal {
    forgotten(page(
        ProblemKind::Gone,
        "app.revoked",
        format!("`{name}` was switched off"),
        "someone who looks after apps here took away everything that it could do",
        "ask its team or an operator; only an operator can let it serve again",
    ))
}

pub(crate) fn retired(name: &str) -> Refusal {
    forgotten(page(
        ProblemKind::Gone,
        "app.retired",
        format!("`{name}` was ended for good"),
        "its team retired it, or did not deploy it again after its date, and its data was deleted",
        "ask its team what took its place",
    ))
}

pub(crate) fn expired(name: &str) -> Refusal {
    page(
        ProblemKind::Gone,
        "app.expired",
        format!("`{name}` is past its date"),
        "every app here lives until a day that its team chose, and then stops",
        "ask its team to deploy it again with a later date; its records are kept meanwhile for as long as its rules say",
    )
}

pub(crate) fn not_live(name: &str) -> Refusal {
    page(
        ProblemKind::NotFound,
        "app.not_live",
        format!("`{name}` is not live yet"),
        "it was uploaded, and no release of it was approved yet",
        "come back later, or ask its team",
    )
}

// Too much.

pub(crate) fn over_limit(limit: &str, wait: Duration) -> Refusal {
    let secs = wait.as_secs_f64().ceil().max(1.0) as u64;
    let seconds = if secs == 1 { "second" } else { "seconds" };
    later(
        wait,
        page(
            ProblemKind::Limited,
            "rate.over",
            "that was too much at once",
            format!("the limit is {limit}"),
            format!("wait {secs} {seconds}, then try again"),
        ),
    )
}

pub(crate) fn uncertified(name: &str) -> Refusal {
    let page = page(
        ProblemKind::Denied,
        "certificate.needed",
        format!("`{name}` asks for a certificate here"),
        "this connection showed none from the authority that counts here",
        "install the certificate that your organisation gave you, and open this again; a program shows it in its handshake",
    );
    // A browser that shares one connection among names opens another for this one.
    with_status(421, page)
}

pub(crate) fn crowded(whose: Crowded) -> Refusal {
    let (code, what, why) = match whose {
        Crowded::Parallel => return busy(),
        Crowded::Node => {
            ("node.busy", "this server has all hands full", "it serves as many requests as it can keep its word for")
        }
        Crowded::App => (
            "app.share",
            "many people use this app right now",
            "it has its part of what the server can do at once, and others need theirs",
        ),
        Crowded::Whom => (
            "caller.share",
            "you have many requests open here",
            "they are your part of what the server can do at once, and others need theirs",
        ),
    };
    soon(page(ProblemKind::Unavailable, code, what, why, "try again in a moment"))
}

pub(crate) fn uncounted() -> Refusal {
    soon(page(
        ProblemKind::Unavailable,
        "rate.uncounted",
        "this cannot be answered at the moment",
        "how often it may be used is counted for all servers together, and that count does not answer",
        "try again in a moment",
    ))
}

pub(crate) fn busy() -> Refusal {
    soon(page(
        ProblemKind::Unavailable,
        "app.busy",
        "many people use this app right now",
        "it is serving as many requests as it may at once",
        "try again in a moment",
    ))
}

// What went wrong inside an app. The app's log has the rest.

pub(crate) fn failed() -> Refusal {
    page(
        ProblemKind::Internal,
        "app.failed",
        "the app met an error",
        "its code did not finish; what went wrong stands in the app's log",
        "try again; if it happens again, give the app's team the trace id below",
    )
}

pub(crate) fn over_cpu() -> Refusal {
    spent("app.cpu", "it used more computing time than one request may")
}

pub(crate) fn over_memory() -> Refusal {
    spent("app.memory", "it needed more memory than one request may")
}

pub(crate) fn over_output() -> Refusal {
    spent("app.output", "its answer was larger than one may be")
}

fn spent(code: &str, why: &str) -> Refusal {
    page(
        ProblemKind::Unavailable,
        code,
        "the app was stopped at a limit",
        why,
        "ask for less at once, or give the app's team the trace id below",
    )
}

pub(crate) fn over_time() -> Refusal {
    page(
        ProblemKind::TimedOut,
        "app.time",
        "the app took too long",
        "it did not answer within the time that one request may take",
        "try again; if it happens again, give the app's team the trace id below",
    )
}

// What is wrong with the platform.

pub(crate) fn not_ready() -> Refusal {
    soon(page(
        ProblemKind::Unavailable,
        "app.not_ready",
        "the app is not ready at the moment",
        "its code is being made ready, or could not be",
        "try again in a moment; if it goes on, tell your operator",
    ))
}

pub(crate) fn unrecorded() -> Refusal {
    later(
        Duration::from_secs(2),
        page(
            ProblemKind::Unavailable,
            "record.unwritable",
            "nothing can be opened at the moment",
            "the record of what happens cannot be written, and no request is served without it",
            "try again in a moment; if it goes on, tell your operator",
        ),
    )
}

pub(crate) fn cut_off() -> Refusal {
    later(
        Duration::from_secs(2),
        page(
            ProblemKind::Unavailable,
            "node.cut_off",
            "this server cannot serve at the moment",
            "it is about to stop, or has lost touch with the others and may not know what was switched off meanwhile",
            "try again in a moment",
        ),
    )
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{browser::Reader, trace::Trace};

    fn all() -> Vec<Refusal> {
        vec![
            unknown_host("http://localhost:7070"),
            not_found(),
            elsewhere(),
            malformed("it has two lengths"),
            method("`GET`"),
            too_large(10 << 20),
            address_too_long(),
            headers_too_large(),
            foreign(),
            service_worker("tinypoll"),
            signed_out(),
            sign_in_lost(),
            signed_off(),
            second_factor("http://localhost:7070".to_owned()),
            switched_off("tinypoll"),
            retired("tinypoll"),
            expired("tinypoll"),
            not_live("tinypoll"),
            over_limit("60 requests a minute per user", Duration::from_millis(1500)),
            uncertified("tinypoll"),
            uncounted(),
            busy(),
            crowded(Crowded::Node),
            crowded(Crowded::App),
            crowded(Crowded::Whom),
            failed(),
            over_cpu(),
            over_memory(),
            over_output(),
            over_time(),
            not_ready(),
            unrecorded(),
            cut_off(),
        ]
    }

    #[test]
    fn every_page_in_words() {
        let line = |page: Refusal| format!("{} {}\n", page.status, page.problem);
        insta::assert_snapshot!(all().into_iter().map(line).collect::<String>());
    }

    #[test]
    fn every_page_says_what_to_do_and_nothing_of_the_inside() {
        for page in all() {
            let text = page.problem.to_string().to_lowercase();
            assert!(!page.problem.fix.is_empty() && !page.problem.why.is_empty());
            for inside in ["wasm", "rust", "sql", "panic", "trap", "instance"] {
                assert!(!text.contains(inside), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn a_page_as_a_browser_gets_it() {
        let mut headers = http::HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", http::HeaderValue::from_static(parent));
        let trace = Trace::of(&headers);
        for (name, reader) in [("person", Reader::Person), ("program", Reader::Program)] {
            let response = switched_off("tiny<poll>").respond(reader, &trace);
            let (head, body) = response.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.len() < 4096);
            insta::assert_snapshot!(name, format!("{} {:#?}\n{body}", head.status, head.headers));
        }
    }
}
