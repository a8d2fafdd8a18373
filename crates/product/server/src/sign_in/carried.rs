//! Step-up in place: a page's act that was refused for want of a second factor is asked for again, with everything
//! that was sent, once the person has confirmed: by a passkey here, or over the way to the provider (`waiting.rs`).
//! Nothing was done meanwhile.
//!
//! Never carries along: a secret's value, which is asked for again; a file.

use super::{
    browser::local,
    to_app::{NobodyHere, could_be_app, is_fresh},
};
use crate::{
    Bailiwick,
    page::{Told, Trouble, html, scripted},
    pages::Said,
};
use askama::Template;
use authority::{Factor, SECOND_FACTOR_FRESH};
use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use identity::{Begun, Method as CameBy, Session};
use model::{Env, Problem, ProblemKind, Timestamp};
use std::sync::{Arc, OnceLock};

/// Fields with these names are secret on every page: they are asked for again.
pub(super) const ASKED_AGAIN: [&str; 3] = ["value", "secret", "password"];
/// Ours, of a confirmation before.
const OWN_PREFIX: &str = "passkey-";
/// More than a form of a person; what is larger is sent anew.
pub(super) const CARRIED_MAX_BYTES: usize = 64 << 10;

/// What a request sent, left here by whoever read it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried(Arc<OnceLock<Sent>>);

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) body: Bytes,
}

impl Carried {
    pub(crate) fn leave(&self, sent: Sent) {
        // Read once; a second reader has nothing to add.
        let _first = self.0.set(sent);
    }
}

/// Marks an answer that a second factor would have changed.
#[derive(Debug, Clone)]
pub(crate) struct NeedsFactor(pub(crate) Problem);

/// What is known of a request before it is answered.
pub(super) struct At {
    pub(super) is_get: bool,
    pub(super) path: String,
    /// `to` of the query, on pages that lead somewhere.
    pub(super) to: Option<String>,
    pub(super) browser: Option<String>,
    is_form: bool,
    /// Where the person was, and goes who leaves it.
    back: String,
}

#[derive(Template)]
#[template(path = "sign_in/confirm.html")]
struct ConfirmPage {
    email: String,
    what: Said,
    /// Why single sign-on was not enough, for whoever was there just now.
    lacks: Option<&'static str>,
    begun: Option<Begun>,
    /// The person has no passkey, and signed in just now: one is made here.
    makes: bool,
    /// They have none, and signed in too long ago to make one.
    makes_later: bool,
    name: String,
    action: String,
    carried: Vec<(String, String)>,
    again: Vec<String>,
    over: Option<OverProvider>,
    otherwise: Said,
    back: String,
}

/// The way over the provider.
struct OverProvider {
    host: String,
    address: String,
    /// What was sent goes along; otherwise a page is asked for.
    carries: bool,
    after: &'static str,
}

/// Around every page: answers that say who is missing, or what proof, become pages that ask for it.
pub(crate) async fn around(State(server): State<Arc<Bailiwick>>, mut request: Request, next: Next) -> Response {
    let carried = Carried::default();
    let at = At::of(&server, &request);
    request.extensions_mut().insert(carried.clone());
    let response = next.run(request).await;
    if let Some(nobody) = response.extensions().get::<NobodyHere>().cloned() {
        return server.sign_in_page(&nobody, response, &at);
    }
    if is_bare(&response) {
        return in_our_words(response.status());
    }
    let needs = response.extensions().get::<NeedsFactor>().cloned();
    match (needs, carried.0.get().and_then(|sent| Some((sent, sent.session.as_ref()?)))) {
        (Some(NeedsFactor(problem)), Some((sent, session))) => {
            server.confirm_page(&problem, session, &sent.body, &at).await.unwrap_or(response)
        }
        (None, Some((_, session))) => server.told_within(session, response),
        _ => response,
    }
}

/// What the framework refuses by itself: a method that an address does not take, an address that cannot be read.
fn is_bare(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status().is_client_error() && kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn in_our_words(status: StatusCode) -> Response {
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            ProblemKind::Invalid,
            "page.method",
            "this address cannot be used like that",
            "it only shows something, or only takes what a page or a program sends to it",
            "open the page that you want, and do it there",
        ),
        _ => Problem::new(
            ProblemKind::Invalid,
            "page.address",
            "this address cannot be read",
            "a part of it is no text, or it is too long",
            "begin again where its link is: My apps leads to every app and page that is yours",
        ),
    };
    let mut response = Trouble(problem).into_response();
    *response.status_mut() = status;
    response
}

impl At {
    fn of(server: &Bailiwick, request: &Request) -> Self {
        let headers = request.headers();
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let to = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "to");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        // Only the path of the page before, and only of one of ours.
        let before = text(header::REFERER).and_then(|from| from.strip_prefix(server.config.public_url.as_str()));
        let before = before.map(page_before).filter(|before| *before != path).unwrap_or("/");
        let app = if request.uri().path() == "/sign-in/app" { app_before(server, query) } else { None };
        Self {
            is_get: matches!(*request.method(), Method::GET | Method::HEAD),
            to: to.filter(|_| request.uri().path() == "/sign-in").map(|(_, to)| to.into_owned()),
            browser: server.begun_in(headers),
            is_form: text(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")),
            back: app.unwrap_or_else(|| before.to_owned()),
            path,
        }
    }
}

/// A page that one can go back to: no step of signing in is one, and a link works once.
fn page_before(path: &str) -> &str {
    let step = ["/sign-in", "/welcome/"].iter().any(|step| path.starts_with(step));
    if step { "/" } else { local(path) }
}

/// The first page of the app that sent somebody here. Whether there is one of this name is not said.
fn app_before(server: &Bailiwick, query: &str) -> Option<String> {
    let of = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let app = of("app").filter(|name| !name.is_empty() && could_be_app(name))?;
    let env = of("env").and_then(|env| env.parse().ok()).unwrap_or(Env::Prod);
    Some(format!("{}/", server.catalog.url(&app, env)))
}

impl Bailiwick {
    /// A problem for somebody who is signed in keeps the navigation around it.
    fn told_within(&self, session: &Session, response: Response) -> Response {
        let told = response.extensions().get::<Told>().cloned();
        match (told, self.viewer_in(session)) {
            (Some(told), Some(viewer)) => told.within(&viewer, response.status()),
            _ => response,
        }
    }

    async fn confirm_page(&self, problem: &Problem, session: &Arc<Session>, body: &Bytes, at: &At) -> Option<Response> {
        let person = self.identity.person(&session.person)?;
        let repeats = at.is_get || (at.is_form && body.len() <= CARRIED_MAX_BYTES);
        let none = self.identity.passkeys_of(&session.person).await.ok()?.is_empty();
        let makes = none && self.identity.makes_first_passkey(session).await.ok()?;
        let begun = match (self.identity.passkeys_work(), none, makes) {
            (true, true, true) => self.identity.begin_passkey(session).await.ok(),
            (true, false, _) => self.identity.begin_confirm(session).await.ok(),
            (false, ..) | (true, true, false) => None,
        };
        let (carried, again) = if at.is_get || !repeats { (vec![], vec![]) } else { fields(body) };
        // What cannot be sent again as it was is done anew, on the page that it came from.
        let on = match (at.is_get, repeats) {
            (true, _) => format!("to={}", encoded(local(&at.path))),
            (false, true) => format!("then={}", encoded(local(&at.path))),
            (false, false) => format!("to={}", encoded(&at.back)),
        };
        let host = self.identity.provider_host();
        let over = host.map(|host| match (at.is_get, repeats) {
            (false, true) => over_with_form(host, &on, problem, &again, at),
            (true, _) => over_to_page(host, &on, "and come back to this page"),
            (false, false) => over_to_page(host, &on, "then repeat it"),
        });
        // What may not be is said by the page; a person is told why.
        let what = if problem.what.starts_with("you may not ") {
            format!("{}.", problem.why)
        } else {
            format!("{}: {}.", problem.what, problem.why)
        };
        let page = ConfirmPage {
            email: person.email.clone(),
            what: Said::sentence(&what),
            lacks: lacks(session, self.clock.now()),
            makes,
            makes_later: self.identity.passkeys_work() && none && !makes,
            name: "this device".to_owned(),
            action: format!("{}?{on}", if makes { "/me/passkeys" } else { "/sign-in/confirm" }),
            carried,
            again,
            over,
            otherwise: Said::sentence(&format!("{}.", problem.fix)),
            back: at.back.clone(),
            begun,
        };
        let status = StatusCode::FORBIDDEN;
        Some(if page.begun.is_some() { scripted(status, &page) } else { html(status, &page) })
    }
}

/// Off to the provider, and back to a page.
fn over_to_page(host: String, on: &str, after: &'static str) -> OverProvider {
    OverProvider { host, address: format!("/sign-in/provider?fresh=1&{on}"), carries: false, after }
}

/// Off to the provider, while the form waits; with what is said of it when its person is back.
fn over_with_form(host: String, on: &str, problem: &Problem, again: &[String], at: &At) -> OverProvider {
    let does = problem.what.strip_prefix("you may not ").unwrap_or_default();
    let address = format!(
        "/sign-in/provider?{on}&back={}&does={}&again={}",
        encoded(&at.back),
        encoded(does),
        encoded(&again.join(",")),
    );
    OverProvider { host, address, carries: true, after: "" }
}

/// Why a sign-in at the provider gave no second factor that counts; nothing, if there was none just now.
fn lacks(session: &Session, now: Timestamp) -> Option<&'static str> {
    if session.method != CameBy::Oidc || is_fresh(session, now) {
        return None;
    }
    match session.factor {
        Factor::Link => Some(
            "Single sign-on said nothing of a second factor when you signed in, so it does not count here as one. Use one there, or ask an operator whether the provider can say so.",
        ),
        Factor::Second { .. } if now.is_within(SECOND_FACTOR_FRESH, session.created_at) => Some(
            "Single sign-on says that your second factor there is older than ten minutes. Sign out there first, if it does not ask you anew.",
        ),
        Factor::Second { .. } => None,
    }
}

/// The fields to carry along, and the names of those to ask for again.
pub(super) fn fields(body: &Bytes) -> (Vec<(String, String)>, Vec<String>) {
    let all = url::form_urlencoded::parse(body).into_owned().filter(|(name, _)| !name.starts_with(OWN_PREFIX));
    // One that was left empty is no secret, and is not asked for.
    let (secret, carried): (Vec<_>, Vec<_>) =
        all.partition(|(name, value)| ASKED_AGAIN.contains(&name.as_str()) && !value.is_empty());
    (carried, secret.into_iter().map(|(name, _)| name).collect())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_carried_along() {
        let body = Bytes::from_static(b"why=because&value=hunter2&secret=x&passkey-answer=old&env=prod");
        let (carried, again) = fields(&body);
        assert_eq!(carried, [("why".into(), "because".into()), ("env".into(), "prod".into())]);
        assert_eq!(again, ["value", "secret"]);
        let (carried, again) = fields(&Bytes::from_static(b"issuer=a&secret="));
        assert_eq!((carried.len(), again.len()), (2, 0), "a public client has none to ask for");
    }

    #[test]
    fn nobody_is_sent_back_to_a_step_of_signing_in() {
        for page in ["/", "/requests/x", "/people?q=a", "/login?to=x"] {
            assert_eq!(page_before(page), page);
        }
        for page in
            ["/sign-in", "/sign-in/provider/back?code=x", "/welcome/token", "//evil.example", ".evil.example/", ""]
        {
            assert_eq!(page_before(page), "/", "{page}");
        }
    }
}
