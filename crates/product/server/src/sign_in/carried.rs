//! Step-up in place: a page's act that was refused for want of a second factor is asked for again, with everything
//! that was sent, once the person has confirmed. Nothing was done meanwhile.
//!
//! Never carries along: a secret's value, which is asked for again; a file.

use super::{browser::local, to_app::NobodyHere};
use crate::{
    Bailiwick,
    page::{Told, Trouble, html, scripted},
};
use askama::Template;
use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use identity::{Begun, Session};
use model::{Problem, ProblemKind};
use std::sync::{Arc, OnceLock};

/// Fields with these names are secret on every page: they are asked for again.
const ASKED_AGAIN: [&str; 3] = ["value", "secret", "password"];
/// Ours, of a confirmation before.
const OWN_PREFIX: &str = "passkey-";
/// More than a form of a person; what is larger is sent anew.
const CARRIED_MAX_BYTES: usize = 64 << 10;

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
    referer: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in/confirm.html")]
struct ConfirmPage {
    email: String,
    what: String,
    begun: Option<Begun>,
    /// The person has no passkey: one is made here.
    makes: bool,
    name: String,
    action: String,
    carried: Vec<(String, String)>,
    again: Vec<String>,
    provider: Option<String>,
    otherwise: String,
    back: String,
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
            "this address does not take what was sent to it",
            "it shows a page, or takes the form of one, and this was neither",
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
        // Only the path of the page before, and only of one of ours.
        let referer = text(header::REFERER).and_then(|from| from.strip_prefix(server.config.public_url.as_str()));
        Self {
            is_get: matches!(*request.method(), Method::GET | Method::HEAD),
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            to: to.filter(|_| request.uri().path() == "/sign-in").map(|(_, to)| to.into_owned()),
            browser: server.begun_in(headers),
            is_form: text(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")),
            referer: referer.map(|path| local(path).to_owned()),
        }
    }

    /// Where the person goes who leaves it.
    fn back(&self) -> String {
        self.referer.clone().unwrap_or_else(|| "/".to_owned())
    }
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
        let makes = self.identity.passkeys_of(&session.person).await.ok()?.is_empty();
        let begun = match (self.identity.passkeys_work(), makes) {
            (false, _) => None,
            (true, true) => self.identity.begin_passkey(session).await.ok(),
            (true, false) => self.identity.begin_confirm(session).await.ok(),
        };
        let (carried, again) = if at.is_get || !repeats { (vec![], vec![]) } else { fields(body) };
        // What cannot be sent again as it was is done anew, on the page that it came from.
        let on = match (at.is_get, repeats) {
            (true, _) => format!("to={}", encoded(local(&at.path))),
            (false, true) => format!("then={}", encoded(local(&at.path))),
            (false, false) => format!("to={}", encoded(&at.back())),
        };
        // What may not be is said by the page; a person is told why.
        let what = if problem.what.starts_with("you may not ") {
            format!("{}.", crate::page::sentence(&problem.why))
        } else {
            format!("{}: {}.", crate::page::sentence(&problem.what), problem.why)
        };
        let page = ConfirmPage {
            email: person.email.clone(),
            what,
            makes,
            name: "this device".to_owned(),
            action: format!("{}?{on}", if makes { "/me/passkeys" } else { "/sign-in/confirm" }),
            carried,
            again,
            provider: self.identity.provider_host(),
            otherwise: format!("{}.", crate::page::sentence(&problem.fix)),
            back: at.back(),
            begun,
        };
        let status = StatusCode::FORBIDDEN;
        Some(if page.begun.is_some() { scripted(status, &page) } else { html(status, &page) })
    }
}

/// The fields to carry along, and the names of those to ask for again.
fn fields(body: &Bytes) -> (Vec<(String, String)>, Vec<String>) {
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
}
