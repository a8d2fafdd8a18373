//! Passkeys: offered, made, used to sign in and to confirm, removed.

use super::{
    browser::{go_on, local},
    links::as_stranger,
    to_app::signed_out,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, scripted},
    pages::Read,
    reply::Refusal,
    who::Asked,
};
use askama::Template;
use authority::{Act, Target};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use identity::{
    AddPasskey, Begun, Confirm, FirstPasskey, LastPasskey, Links, MadePasskey, Method, NewSession, RemovePasskey,
    Session, SignInWithPasskey, Unproven,
};
use serde::Deserialize;
use std::sync::Arc;

const SCRIPT: &str = include_str!("passkey.js");

#[derive(Template)]
#[template(path = "sign_in/offer.html")]
struct Offer {
    email: String,
    begun: Begun,
    first: bool,
    replaces: bool,
    name: String,
}

/// Where a step goes on: a page, or the very form that was sent before.
#[derive(Debug, Deserialize)]
pub(super) struct On {
    to: Option<String>,
    then: Option<String>,
}

impl On {
    /// 307 sends the same fields on to the same act (RFC 9110, section 15.4.8).
    fn response(&self, otherwise: &str) -> Response {
        match (&self.then, &self.to) {
            (Some(then), _) => Redirect::temporary(local(then)).into_response(),
            (None, Some(to)) => go_on(to),
            (None, None) => Redirect::to(otherwise).into_response(),
        }
    }
}

pub(super) async fn script() -> Response {
    crate::page::script(SCRIPT)
}

/// Offers a passkey: after the first sign-in, and whenever one more is wanted.
pub(super) async fn offer(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let first = server.identity.makes_first_passkey(session).await?;
    if !first {
        // Asked for now, so that nobody makes a passkey in vain.
        server.allowed(&asked, add(&server, session)).await.map(drop)?;
    }
    let has = !server.identity.passkeys_of(&session.person).await?.is_empty();
    let begun = server.identity.begin_passkey(session).await?;
    let email = server.identity.person(&session.person).map(|person| person.email.clone()).unwrap_or_default();
    let page = Offer { email, begun, first, replaces: first && has, name: device(asked.device()) };
    Ok(scripted(StatusCode::OK, &page))
}

fn add(server: &Bailiwick, session: &Session) -> AddPasskey {
    AddPasskey { tenant: server.tenant.clone(), person: session.person.clone() }
}

/// What a browser calls itself, in two words that its owner knows.
pub(super) fn device(agent: Option<&str>) -> String {
    let agent = agent.unwrap_or_default();
    let of =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let system = of(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Mac OS", "Mac"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
    ]);
    let browser = of(&[("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (None, Some(system)) => system.to_owned(),
        (Some(browser), None) => browser.to_owned(),
        (None, None) => "my passkey".to_owned(),
    }
}

/// Keeps the passkey that the browser made.
pub(super) async fn make(State(server): State<Arc<Bailiwick>>, Read(on): Read<On>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let (answer, ceremony) = (asked.field("passkey-answer"), asked.field("passkey-ceremony"));
    let name = asked.field("passkey-name");
    let made = MadePasskey { answer: &answer, ceremony: &ceremony, name: &name };
    let first = server.identity.makes_first_passkey(session).await?;
    let new: Result<NewSession, identity::Error> = server
        .store
        .again(|| async {
            if first {
                let act = FirstPasskey { tenant: server.tenant.clone(), person: session.person.clone() };
                let permit = server.permit(&asked.caller, act).await?;
                server.identity.make_passkey(permit, session, made).await
            } else {
                let permit = server.permit(&asked.caller, add(&server, session)).await?;
                server.identity.make_passkey(permit, session, made).await
            }
        })
        .await;
    let mut response = on.response(if first { "/" } else { "/me" });
    server.set_session(&mut response, &new?.token);
    Ok(response)
}

/// Removes one of one's own.
pub(super) async fn remove(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    let last = if server.identity.links() == Links::On { LastPasskey::MayGo } else { LastPasskey::Stays };
    let act = RemovePasskey { tenant: server.tenant.clone(), passkey: id };
    server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.remove_passkey(permit, last).await
        })
        .await?;
    Ok(Redirect::to("/me").into_response())
}

/// Signs in with a passkey: a new session, whatever session was there before.
pub(super) async fn sign_in(
    State(server): State<Arc<Bailiwick>>,
    Read(on): Read<On>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    let caller = as_stranger(&asked);
    let browser = server.begun_in(&headers).unwrap_or_default();
    let (answer, ceremony) = (asked.field("passkey-answer"), asked.field("passkey-ceremony"));
    let proven = match server.identity.prove_sign_in(&browser, &ceremony, &answer).await {
        Ok(proven) => proven,
        Err(unproven) => return Err(server.not_signed_in(&asked, unproven).await),
    };
    let new = server
        .store
        .again(|| async {
            let (tenant, person) = (server.tenant.clone(), proven.person.clone());
            let act = SignInWithPasskey { tenant, passkey: proven.passkey.clone(), person };
            let permit = server.permit(&caller, act).await?;
            server.identity.sign_in_with(permit, &proven, asked.device()).await
        })
        .await?;
    let mut response = on.response("/");
    server.set_session(&mut response, &new.token);
    Ok(response)
}

/// Confirms the session; then the act that asked for it goes on.
pub(super) async fn confirm(State(server): State<Arc<Bailiwick>>, Read(on): Read<On>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let act = Confirm { tenant: server.tenant.clone(), session: session.id.clone() };
    let (answer, ceremony) = (asked.field("passkey-answer"), asked.field("passkey-ceremony"));
    let proven = match server.identity.prove_confirm(session, &ceremony, &answer).await {
        Ok(proven) => proven,
        Err(unproven) => {
            let permit = server.allowed(&asked, act).await?;
            server.identity.passkey_refused(permit, &unproven).await?;
            return Err(Trouble::from(unproven.problem));
        }
    };
    let new = server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.confirm(permit, session, &proven).await
        })
        .await?;
    let mut response = on.response("/me");
    server.set_session(&mut response, &new.token);
    Ok(response)
}

impl Bailiwick {
    /// A failed sign-in: an event when the passkey is one of ours, counted when it is a stranger's.
    async fn not_signed_in(&self, asked: &Asked, unproven: Unproven) -> Trouble {
        let caller = as_stranger(asked);
        let recorded = match &unproven.about {
            None => {
                let target = Target::new(self.tenant.clone(), "passkey/unknown");
                self.store.count_sign_in(&caller, SignInWithPasskey::RULE.name, &target, Method::Passkey.as_str());
                Ok(())
            }
            Some(about) => {
                let (passkey, person) = (about.passkey.clone(), about.person.clone());
                let act = SignInWithPasskey { tenant: self.tenant.clone(), passkey, person };
                match self.permit(&caller, act).await {
                    Ok(permit) => self.identity.passkey_refused(permit, &unproven).await.map_err(Refusal::from),
                    Err(denied) => Err(Refusal(denied.into())),
                }
            }
        };
        match recorded {
            Ok(()) => Trouble::from(unproven.problem),
            Err(Refusal(problem)) => Trouble(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_what_its_owner_calls_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36";
        assert_eq!(device(Some(chrome)), "Chrome on Linux");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Safari/604.1";
        assert_eq!(device(Some(phone)), "Safari on iPhone");
        assert_eq!(device(None), "my passkey");
    }
}
