//! `secret`: credentials for apps. A value goes in by stdin or unseen typing, never by an argument, and never comes out.

use super::{Part, reason};
use crate::{
    client::{Client, Sent},
    exit::Exit,
    invocation::Invocation,
    prompt,
    typed::Typed,
    views::secrets::{RevokedView, SecretEnvsView, SecretView, SecretsView},
};
use jiff::civil::Date;
use model::{Env, Problem};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fmt, str::FromStr};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a value; it comes from stdin or a prompt
    Put(Put),
    /// List secrets, without their values
    List(Part),
    /// Show one, without its value
    Show { id: Id },
    /// Put a new value in place of the old one
    Rotate {
        id: Id,
        #[arg(long, value_name = "E")]
        env: Env,
    },
    /// End a secret
    Revoke {
        id: Id,
        /// In this environment alone
        #[arg(long, value_name = "E")]
        env: Option<Env>,
        /// Why; the record keeps it
        #[arg(long, value_parser = reason)]
        why: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Put {
    /// `team/name`
    id: Id,
    /// The app that may use it; without, the first approved deploy that names it
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    #[arg(long, value_name = "E")]
    env: Env,
    /// The person or group that answers for it
    #[arg(long, value_name = "P")]
    owner: String,
    /// What it is for
    #[arg(long, value_parser = reason)]
    purpose: String,
    /// The last day on which it may be used
    #[arg(long, value_name = "DATE")]
    expires: Date,
    /// Where it may go; may be given more than once
    #[arg(long = "host", value_name = "H", required = true)]
    hosts: Vec<String>,
    /// Where in a request it stands: bearer, basic, header:NAME, query:NAME
    #[arg(long, value_name = "POSITION", default_value = "bearer")]
    attach: String,
    /// What it would cost if it leaked
    #[arg(long, default_value = "high", value_parser = ["critical", "high", "low"])]
    sensitivity: String,
}

/// `team/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id {
    team: String,
    name: String,
}

impl FromStr for Id {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((team, name)) if !team.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { team: team.to_owned(), name: name.to_owned() })
            }
            _ => Err("an id is written `team/name`".to_owned()),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.team, self.name)
    }
}

/// Whether there is a value that a new one would take the place of.
async fn is_there(client: &Client, put: &Put) -> Result<bool, Problem> {
    let route = client.api(&["secrets", &put.id.team, &put.id.name])?;
    let answer = client.send(Method::GET, route, Sent::Nothing).await?;
    let secrets = answer.document.get("secret").and_then(Value::as_array).cloned().unwrap_or_default();
    let here = |secret: &Value| secret.get("env").and_then(Value::as_str) == Some(put.env.as_str());
    let kept = |secret: &Value| secret.get("state").and_then(Value::as_str) != Some("revoked");
    Ok(answer.is_accepted() && secrets.iter().any(|secret| here(secret) && kept(secret)))
}

pub(crate) async fn run(command: SecretCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    let route = |id: &Id, more: &[&str]| client.api(&[&["secrets", id.team.as_str(), id.name.as_str()], more].concat());
    match command {
        SecretCommand::Put(put) => {
            if invocation.asks() && is_there(&client, &put).await? {
                invocation
                    .confirm(&format!("put a new value over `{}` in {}, and lose the old one", put.id, put.env))?;
            }
            let value = prompt::secret_value(output)?;
            let body = json!({
                "app": put.app, "env": put.env, "owner": put.owner, "purpose": put.purpose, "expires": put.expires.to_string(),
                "hosts": put.hosts, "attach": put.attach, "sensitivity": put.sensitivity, "value": value,
            });
            let kept = client.put(route(&put.id, &[])?, body);
            output.show::<SecretView>(&invocation.during("keeping", kept).await?)?;
        }
        SecretCommand::List(part) => {
            let typed = Typed::new("secret list").limit(part.limit);
            let secrets = client.get(part.of(client.api(&["secrets"])?));
            let mut document = invocation.during("asking", secrets).await?;
            typed.within(&mut document, invocation);
            output.show::<SecretsView>(&document)?;
        }
        SecretCommand::Show { id } => {
            output.show::<SecretEnvsView>(&invocation.during("asking", client.get(route(&id, &[])?)).await?)?;
        }
        SecretCommand::Rotate { id, env } => {
            let value = prompt::secret_value(output)?;
            let rotated = client.post(route(&id, &["rotate"])?, json!({ "env": env, "value": value }));
            output.show::<SecretView>(&invocation.during("rotating", rotated).await?)?;
        }
        SecretCommand::Revoke { id, env, why } => {
            let place = env.map_or_else(|| "every environment".to_owned(), |env| env.to_string());
            invocation.confirm_if_there(&format!("end `{id}` in {place} and delete its value for good"))?;
            let revoked = client.post(route(&id, &["revoke"])?, json!({ "env": env, "why": why }));
            output.show::<RevokedView>(&invocation.during("revoking", revoked).await?)?;
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_two_parts() {
        assert_eq!("it/x".parse(), Ok(Id { team: "it".into(), name: "x".into() }));
        for odd in ["", "it", "/x", "it/", "it/x/y"] {
            assert!(odd.parse::<Id>().is_err(), "{odd}");
        }
    }
}
