//! Single sign-on: off to the provider and back, and what it says of sessions that have ended there.

use super::{
    browser::{go_on, local, off_from_a_form},
    links::as_stranger,
    to_app::signed_out,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble},
    pages::{self, Read},
    reply::{Refusal, Reply},
    who::Asked,
};
use authority::{Act, Target};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use identity::{
    Arrived, BackAt, CameBack, ConnectProvider, Fresh, Method, ProviderLogout, Session, SignInAtProvider, Vouch, Wanted,
};
use model::{Problem, ProblemKind};
use seal::Token;
use serde::Deserialize;
use std::sync::Arc;
use store::Outcome;

#[derive(Debug, Deserialize)]
pub(super) struct Off {
    to: Option<String>,
    fresh: Option<String>,
}

/// RFC 6749, section 4.1.2, with the issuer of RFC 9207.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Off to the provider. Changes nothing here: whoever is sent here from elsewhere only sees its sign-in page.
pub(super) async fn begin(
    State(server): State<Arc<Bailiwick>>,
    Read(off): Read<Off>,
    headers: HeaderMap,
    _asked: Asked,
) -> Page {
    let fresh = if off.fresh.is_some() { Fresh::Yes } else { Fresh::No };
    let wanted = Wanted { to: off.to.as_deref().map_or("/", local), fresh, connect: None };
    server.off(&headers, wanted, |address| Redirect::to(address).into_response()).await
}

/// The same, to connect the account there with this one. Only from our own page: another site could have signed the
/// browser in there as somebody else.
pub(super) async fn connect(State(server): State<Arc<Bailiwick>>, headers: HeaderMap, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let act = ConnectProvider { tenant: server.tenant.clone(), person: session.person.clone() };
    // Asked for now, so that nobody goes there in vain; the act itself asks again.
    server.allowed(&asked, act).await.map(drop)?;
    let wanted = Wanted { to: "/me", fresh: Fresh::Yes, connect: Some(&session.id) };
    server.off(&headers, wanted, off_from_a_form).await
}

/// Back from the provider: a new session, whatever session was there before; or the account connected.
pub(super) async fn back(
    State(server): State<Arc<Bailiwick>>,
    Read(back): Read<Back>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    arrived(&server, BackAt::SignIn, &back, &headers, asked).await
}

/// The same, from one that an operator tries. Nobody is signed in here.
pub(super) async fn back_from_try(
    State(server): State<Arc<Bailiwick>>,
    Read(back): Read<Back>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    arrived(&server, BackAt::Try, &back, &headers, asked).await
}

async fn arrived(server: &Arc<Bailiwick>, at: BackAt, back: &Back, headers: &HeaderMap, asked: Asked) -> Page {
    let caller = as_stranger(&asked);
    let browser = server.begun_in(headers).unwrap_or_default();
    let came = match (&back.code, &back.state) {
        (Some(code), Some(state)) => CameBack { code, state, iss: back.iss.as_deref() },
        _ => {
            server.provider_refused(&asked);
            return Err(Trouble(not_given(back.error.as_deref())));
        }
    };
    let vouch = match server.identity.back_from_provider(&browser, at, came).await {
        Ok(Arrived::Vouched(vouch)) => vouch,
        Ok(Arrived::Trying(returned)) => return pages::tried(server, asked, *returned).await,
        Err(error) => {
            server.provider_refused(&asked);
            return Err(Trouble::from(error));
        }
    };
    if vouch.connect.is_some() {
        return connected(server, &asked, &vouch).await;
    }
    let signed = server
        .store
        .again(|| async {
            let permit = server.permit(&caller, SignInAtProvider { tenant: server.tenant.clone() }).await?;
            server.identity.sign_in_at_provider(permit, &vouch, asked.device()).await
        })
        .await;
    let signed = signed.inspect_err(|_: &identity::Error| server.provider_refused(&asked))?;
    let mut response = go_on(&signed.to);
    server.set_session(&mut response, &signed.session.token);
    Ok(response)
}

/// Back in the session that wanted to be connected: its own act, with its own fresh second factor and event.
async fn connected(server: &Arc<Bailiwick>, asked: &Asked, vouch: &Vouch) -> Page {
    let wanted = asked.session.as_ref().filter(|session| vouch.connect.as_ref() == Some(&session.id));
    let Some(session) = wanted else {
        server.provider_refused(asked);
        return Err(Trouble(not_given(None)));
    };
    let act = ConnectProvider { tenant: server.tenant.clone(), person: session.person.clone() };
    let to = server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.connect_at_provider(permit, vouch, session).await
        })
        .await;
    let to = to.inspect_err(|_: &identity::Error| server.provider_refused(asked))?;
    Ok(go_on(&to))
}

/// What has ended at the provider ends here. The token is the proof: there is no cookie and no session.
pub(super) async fn logout(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let caller = as_stranger(&asked);
    let token = asked.field("logout_token");
    let ended = match server.permit(&caller, ProviderLogout { tenant: server.tenant.clone() }).await {
        Ok(permit) => server.identity.provider_logout(permit, &token).await,
        Err(denied) => Err(denied.into()),
    };
    match ended {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        Err(error) => {
            let target = Target::new(server.tenant.clone(), "provider");
            server.store.count(&caller, ProviderLogout::RULE.name, &target, Outcome::Denied);
            // OpenID Connect Back-Channel Logout 1.0, section 2.8.
            let Refusal(problem) = Refusal::from(error);
            Err(Refusal(Problem { kind: ProblemKind::Invalid, ..problem }))
        }
    }
}

impl Bailiwick {
    async fn off(&self, headers: &HeaderMap, wanted: Wanted<'_>, how: impl Fn(&str) -> Response + Send) -> Page {
        let known = self.begun_in(headers);
        let tie = known.clone().unwrap_or_else(|| Token::generate().expose().to_owned());
        let address = self.identity.begin_at_provider(&tie, wanted).await?;
        let mut response = how(&address);
        if known.is_none() {
            self.tie(&mut response, &tie);
        }
        Ok(response)
    }

    /// Off to try what is set up, from a form of our own page.
    pub(crate) async fn off_to_try(&self, headers: &HeaderMap, session: &Session) -> Page {
        let known = self.begun_in(headers);
        let tie = known.clone().unwrap_or_else(|| Token::generate().expose().to_owned());
        let mut response = off_from_a_form(&self.identity.begin_trial(&tie, session).await?);
        if known.is_none() {
            self.tie(&mut response, &tie);
        }
        Ok(response)
    }

    /// A sign-in at the provider that failed: nobody's yet, so it is counted.
    fn provider_refused(&self, asked: &Asked) {
        let target = Target::new(self.tenant.clone(), "provider");
        self.store.count_sign_in(&as_stranger(asked), SignInAtProvider::RULE.name, &target, Method::Oidc.as_str());
    }
}

fn not_given(error: Option<&str>) -> Problem {
    let why = match error {
        Some("access_denied") => "you, or a rule there, said no",
        Some("login_required" | "interaction_required") => "it wants you to sign in there first",
        Some(_) | None => "it sent you back without a proof of who you are",
    };
    Problem::new(
        ProblemKind::Denied,
        "provider.no",
        "the provider did not sign you in",
        why,
        "begin again from the sign-in page; if it stays, ask whoever runs the provider",
    )
}
