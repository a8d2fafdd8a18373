//! One-time links, and signing out.

use crate::{
    Bailiwick,
    page::{Page, html},
    who::Asked,
};
use askama::Template;
use authority::{Act, Caller, Who};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use identity::{EndSession, LinkFor, Links, Method, SpendLink};
use model::{Problem, ProblemKind};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in/welcome.html")]
struct Welcome {
    email: String,
    token: String,
}

impl Bailiwick {
    /// A link, looked at. One that does not work is a failed sign-in of a stranger: counted.
    async fn looked_at(&self, token: &str, asked: &Asked) -> Result<LinkFor, identity::Error> {
        let found = match self.identity.links() {
            Links::On => self.identity.link(token).await,
            Links::Off => Err(identity::Error::Refused(off())),
        };
        if found.is_err() {
            let stranger = as_stranger(asked);
            let target = authority::Target::new(self.tenant.clone(), "link/void");
            self.store.count_sign_in(&stranger, SpendLink::RULE.name, &target, Method::Link.as_str());
        }
        found
    }
}

fn off() -> Problem {
    Problem::new(
        ProblemKind::Gone,
        "links.off",
        "one-time links are switched off here",
        "people sign in by single sign-on, or with the passkey that they have",
        "sign in from the sign-in page; if you cannot, ask an operator",
    )
}

/// Who signs in is nobody yet, whatever session the browser had.
pub(super) fn as_stranger(asked: &Asked) -> Caller {
    Caller { who: Who::Stranger, ..asked.caller.clone() }
}

/// Who you would become: looked at, not spent.
pub(super) async fn welcome(State(server): State<Arc<Bailiwick>>, Path(token): Path<String>, asked: Asked) -> Page {
    let link = server.looked_at(&token, &asked).await?;
    Ok(html(StatusCode::OK, &Welcome { email: link.email, token }))
}

/// Spends the link: a new session, whatever session was there before. Then a passkey is offered.
pub(super) async fn spend(State(server): State<Arc<Bailiwick>>, Path(token): Path<String>, asked: Asked) -> Page {
    let link = server.looked_at(&token, &asked).await?;
    let caller = as_stranger(&asked);
    let spent = server
        .store
        .again(|| async {
            let (tenant, person) = (server.tenant.clone(), link.person.clone());
            let act = SpendLink { tenant, link: link.id.clone(), person };
            let permit = server.permit(&caller, act).await?;
            server.identity.spend(permit, link.clone(), asked.device()).await
        })
        .await?;
    let next = if server.identity.passkeys_work() { "/me/passkeys/new" } else { "/" };
    let mut response = Redirect::to(next).into_response();
    server.set_session(&mut response, &spent.session.token);
    Ok(response)
}

pub(super) async fn sign_out(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    if let Some(session) = &asked.session {
        server
            .store
            .again(|| async {
                let act = EndSession { tenant: server.tenant.clone(), session: session.id.clone() };
                let permit = server.permit(&asked.caller, act).await?;
                server.identity.end_session(permit).await.map(drop)
            })
            .await?;
    }
    // To a page that can be opened again, as by going back to it: this address takes the form alone.
    let mut response = Redirect::to("/sign-in").into_response();
    server.set_cookie(&mut response, &format!("{}=; Path=/; Max-Age=0", server.cookie_name()));
    Ok(response)
}
