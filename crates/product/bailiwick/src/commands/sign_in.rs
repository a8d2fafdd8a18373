//! `sign-in`: how people sign in. A client secret comes from stdin or unseen typing, never from an argument.

use crate::{
    exit::Exit,
    invocation::Invocation,
    prompt,
    views::sign_in::{SignInView, SwitchedOff},
};
use model::{Problem, ProblemKind};
use serde_json::{Value, json};
use std::{collections::BTreeMap, str::FromStr};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SignInCommand {
    /// Say how people sign in
    Show,
    /// Set single sign-on up; nobody signs in by it before `on`
    Set(Set),
    /// Switch on what was set up, and tried on the page *How people sign in*
    On,
    /// Switch single sign-on off
    Off,
    /// Switch one-time links on or off
    Links { to: Switch },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// Its issuer, or the address of its discovery document
    issuer: String,
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The client is public and has no secret; without, the secret comes from stdin or a prompt
    #[arg(long)]
    public: bool,
    /// Keep the secret that is stored for this issuer and client
    #[arg(long, conflicts_with = "public")]
    keep_secret: bool,
    /// The claim that lists a person's groups
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    groups_claim: String,
    /// A group there, and what it is here; may be given more than once
    #[arg(long = "group", value_name = "THERE=HERE")]
    groups: Vec<Pair>,
    /// A group of everyone who signs in there; may be given more than once
    #[arg(long, value_name = "G")]
    everyone: Vec<String>,
    /// A word of `amr` or `acr` that says that there was one; may be given more than once
    #[arg(long, value_name = "WORD", default_value = "mfa")]
    second_factor: Vec<String>,
    /// A scope to ask for, instead of email, profile, and groups where it is listed; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

/// `THERE=HERE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    there: String,
    here: String,
}

impl FromStr for Pair {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once('=') {
            Some((there, here)) if !there.is_empty() && !here.is_empty() => {
                Ok(Self { there: there.to_owned(), here: here.to_owned() })
            }
            _ => Err("a group there and what it is here are written `THERE=HERE`".to_owned()),
        }
    }
}

pub(crate) async fn run(command: SignInCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    let route = |more: &[&str]| client.api(&[&["sign-in"], more].concat());
    let document = match command {
        SignInCommand::Show => invocation.during("asking", client.get(route(&[])?)).await?,
        SignInCommand::Set(set) => {
            let secret = if set.public || set.keep_secret { None } else { Some(prompt::secret_value(output)?) };
            let groups: BTreeMap<String, String> = set.groups.into_iter().map(|pair| (pair.there, pair.here)).collect();
            let body = json!({
                "issuer": set.issuer, "client_id": set.client_id, "client_secret": secret, "public": set.public,
                "groups_claim": set.groups_claim, "groups": groups, "everyone": set.everyone,
                "second_factor": set.second_factor, "scopes": set.scopes,
            });
            invocation.during("asking the provider", client.put(route(&["draft"])?, body)).await?
        }
        SignInCommand::On => {
            let now = invocation.during("asking", client.get(route(&[])?)).await?;
            let digest = now.pointer("/draft/digest").and_then(Value::as_str).ok_or_else(nothing_set_up)?;
            invocation.during("switching on", client.post(route(&["on"])?, json!({ "digest": digest }))).await?
        }
        SignInCommand::Off => {
            let document = invocation.during("switching off", client.post(route(&["off"])?, json!({}))).await?;
            output.show::<SwitchedOff>(&document)?;
            return Ok(Exit::Done);
        }
        SignInCommand::Links { to } => {
            let body = json!({ "on": to == Switch::On });
            invocation.during("switching", client.post(route(&["links"])?, body)).await?
        }
    };
    output.show::<SignInView>(&document)?;
    Ok(Exit::Done)
}

fn nothing_set_up() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "provider.no_draft",
        "nothing is set up that could be switched on",
        "it was switched on before, or never set up",
        "`bailiwick sign-in set ISSUER --client-id ID`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_both_names() {
        let pair = |there: &str, here: &str| Ok(Pair { there: there.into(), here: here.into() });
        assert_eq!("ops=people-ops".parse(), pair("ops", "people-ops"));
        assert_eq!("cn=it,dc=corp=it".parse(), pair("cn=it,dc=corp", "it"));
        for odd in ["", "ops", "=it", "ops="] {
            assert!(odd.parse::<Pair>().is_err(), "{odd}");
        }
    }
}
