//! `login`, `logout`: another machine's Bailiwick, through the browser. Terminal and console show the same code; the
//! session that follows is this terminal's own, kept where only this person can read it.

use crate::{
    client::{Client, Sent},
    exit::Exit,
    invocation::Invocation,
    logins::Login,
    place::Place,
    views::login::{LoginView, LogoutView},
};
use identity::login_code;
use model::{Problem, ProblemKind, Timestamp};
use reqwest::Method;
use seal::Token;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How often the server is asked whether somebody confirmed.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// As long as a person takes to find the browser that is signed in.
const WAIT: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Address of the server
    url: String,
}

#[derive(Deserialize)]
struct Begun {
    address: String,
}

#[derive(Deserialize)]
struct Taken {
    token: String,
    session: String,
    person: Option<String>,
    expires_at: Timestamp,
}

pub(crate) async fn login(invocation: &Invocation, args: &LoginArgs) -> Result<Exit, Problem> {
    let place = Place::find(Some(&args.url), &invocation.environment)?;
    let server = place.origin();
    let client = Client::new(place, &invocation.environment)?;
    let secret = Token::generate();
    let code = login_code(&secret.hash());
    let Begun { address } = begun(&client, &secret).await?;
    // Asked rather than said: without these nobody can say yes, whatever stdout carries.
    let ask = "Open this in a browser where you are signed in, and compare the code:";
    invocation.output.ask(&format!("{ask}\n\n  {address}\n\n  {code}\n\n"));
    let taken = invocation.during("waiting for your yes", taken(&client, &secret)).await?;
    let login = Login {
        person: taken.person.unwrap_or_default(),
        session: taken.session,
        expires_at: taken.expires_at,
        token: taken.token,
        server,
    };
    login.keep(&invocation.environment)?;
    invocation.output.show::<LoginView>(&json!({
        "server": login.server,
        "person": login.person,
        "session": login.session,
        "expires_at": login.expires_at,
    }))?;
    Ok(Exit::Done)
}

/// The address to open, which the server makes out, so that it is good for ten minutes alone. It learns the secret's
/// hash. The code is this side's own: both sides show the same, or something is wrong.
async fn begun(client: &Client, secret: &Token) -> Result<Begun, Problem> {
    let sent = Sent::Json(json!({ "login": secret.hash() }));
    let document = client.send_openly(Method::POST, client.route(&["login", "begin"])?, sent).await?.accepted()?;
    serde_json::from_value(document).map_err(|_| unread())
}

/// Asks until somebody confirmed, or nobody did.
async fn taken(client: &Client, secret: &Token) -> Result<Taken, Problem> {
    let asking = async {
        let mut every = tokio::time::interval(ASK_EVERY);
        loop {
            every.tick().await;
            let route = client.route(&["login", "take"])?;
            let sent = Sent::Json(json!({ "secret": secret.expose() }));
            let document = client.send_openly(Method::POST, route, sent).await?.accepted()?;
            if document.get("waiting") == Some(&serde_json::Value::Bool(false)) {
                return serde_json::from_value(document).map_err(|_| unread());
            }
        }
    };
    tokio::time::timeout(WAIT, asking).await.unwrap_or_else(|_| Err(nobody()))
}

pub(crate) async fn logout(invocation: &Invocation) -> Result<Exit, Problem> {
    let place = invocation.place()?;
    let Some(login) = Login::load(&invocation.environment, &place.origin())? else { return Err(none(&place)) };
    let client = Client::new(place, &invocation.environment)?;
    let ended = invocation.during("ending it", client.post(client.api(&["logout"])?, json!({}))).await;
    // Forgotten here in any case: what the server could not end runs out by itself.
    login.forget(&invocation.environment);
    let ended_there = match ended {
        Ok(_) => true,
        Err(problem) if problem.code == "login.over" => true,
        Err(problem) => {
            invocation.output.problem(&problem);
            false
        }
    };
    let document = json!({ "server": login.server, "person": login.person, "ended": ended_there });
    invocation.output.show::<LogoutView>(&document)?;
    Ok(if ended_there { Exit::Done } else { Exit::Refused })
}

fn nobody() -> Problem {
    Problem::new(
        ProblemKind::TimedOut,
        "login.unconfirmed",
        "nobody confirmed the login",
        "a login waits ten minutes for a yes in the browser",
        "run `bailiwick login URL` again, and open the address that it prints",
    )
}

fn unread() -> Problem {
    Problem::new(
        ProblemKind::Upstream,
        "server.answer",
        "the server's answer could not be read",
        "it is of another version than this program",
        "use the same version as the server",
    )
}

fn none(place: &Place) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "login.none",
        format!("there is no login to `{}`", place.origin()),
        "you have not signed in there from here, or it ran out",
        "nothing needs to be done; `bailiwick whoami` says what is used instead",
    )
}
