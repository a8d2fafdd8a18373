//! What an operator says of a provider, read strictly.
//!
//! Refuses what is no issuer, what is missing or endless, and groups that decide over others, which people give.

use super::{described, keys::Metadata, standing::Kept};
use crate::{Error, people};
use authority::Role;
use model::{Group, ProblemKind};
use openidconnect::Scope;
use std::collections::BTreeMap;

/// More than any provider's.
const TEXT_MAX_CHARS: usize = 2_000;
const GROUPS_MAX: usize = 200;
const SCOPES_MAX: usize = 20;
/// Always asked for.
const OPENID: &str = "openid";
/// What is asked for when nobody said what: address and name.
const USUAL: [&str; 2] = ["email", "profile"];
/// Asked for with them where the provider lists it: some tell groups to nobody who does not.
const GROUPS: &str = "groups";

/// The client secret as an operator gives it.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientSecretIs {
    New(String),
    /// The one that is stored for this issuer and client.
    Kept,
    /// A public client has none.
    None,
}

/// What an operator says of a provider.
#[derive(Clone)]
pub struct Settings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: ClientSecretIs,
    pub groups_claim: String,
    pub groups: BTreeMap<String, Group>,
    pub everyone: Vec<Group>,
    pub second_factor: Vec<String>,
    /// Nothing: those that people need, as far as the provider has them.
    pub scopes: Option<Vec<String>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// For the record, which seals it.
pub(super) fn about(kept: &Kept) -> String {
    format!("issuer `{}`, client `{}`", kept.issuer, kept.client_id)
}

/// What was said, without mistakes.
pub(super) fn kept(settings: &Settings) -> Result<Kept, Error> {
    let text = |what: &str, value: &str| {
        let value = value.trim();
        let fits = !value.is_empty() && value.chars().count() <= TEXT_MAX_CHARS && !value.contains(char::is_control);
        if fits { Ok(value.to_owned()) } else { Err(unsaid(what)) }
    };
    let words = |values: &[String]| -> Vec<String> {
        values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).take(GROUPS_MAX).collect()
    };
    let given = settings.groups.values().chain(&settings.everyone);
    for group in given {
        people::check_group(group)?;
        if decides(group) {
            return Err(decides_over_others(group));
        }
    }
    if settings.groups.len() > GROUPS_MAX || settings.everyone.len() > GROUPS_MAX {
        return Err(unsaid("groups (200 at most)"));
    }
    Ok(Kept {
        issuer: described::issuer(&settings.issuer)?,
        client_id: text("client id", &settings.client_id)?,
        client_secret: match &settings.client_secret {
            ClientSecretIs::New(secret) => Some(text("client secret", secret)?),
            ClientSecretIs::Kept | ClientSecretIs::None => None,
        },
        groups_claim: text("groups claim", &settings.groups_claim)?,
        groups: settings.groups.clone(),
        everyone: settings.everyone.clone(),
        second_factor: words(&settings.second_factor),
        scopes: settings.scopes.as_deref().map(words).filter(|scopes| !scopes.is_empty()).map(checked).transpose()?,
    })
}

fn checked(scopes: Vec<String>) -> Result<Vec<String>, Error> {
    check_scopes(&scopes).map(|()| scopes)
}

/// Whether these can be asked for.
///
/// # Errors
/// Too many, or one that is no scope's name.
pub fn check_scopes(scopes: &[String]) -> Result<(), Error> {
    // RFC 6749, section 3.3.
    let of_a_name = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let named = |scope: &String| !scope.is_empty() && scope.len() <= TEXT_MAX_CHARS && scope.bytes().all(of_a_name);
    if scopes.len() <= SCOPES_MAX && scopes.iter().all(named) { Ok(()) } else { Err(bad_scopes()) }
}

/// What is asked for beside `openid`.
pub(super) fn scopes(said: Option<&[String]>, metadata: &Metadata) -> Vec<Scope> {
    let listed = metadata.scopes_supported().into_iter().flatten().any(|scope| scope.as_str() == GROUPS);
    let usual = USUAL.into_iter().chain(listed.then_some(GROUPS)).map(str::to_owned);
    let asked: Vec<String> = said.map_or_else(|| usual.collect(), <[String]>::to_vec);
    asked.into_iter().filter(|scope| scope != OPENID).map(Scope::new).collect()
}

fn bad_scopes() -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.scopes",
        "these cannot be asked for as scopes",
        "a scope is one word without white space, quotes or backslashes, and there are 20 at most",
        "name them as the provider lists them: `email`, `profile`, `groups`",
    )
}

/// Whoever has one of these decides over others, or reads what they did.
fn decides(group: &Group) -> bool {
    Role::ALL.iter().any(|role| *role != Role::Builder && role.group() == group.as_str())
}

fn unsaid(what: &str) -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.unsaid",
        format!("the {what} cannot be used"),
        "it is missing, or longer than any provider's",
        "copy it from the provider's page for this client",
    )
}

fn decides_over_others(group: &Group) -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.role",
        format!("`{group}` is not given by a provider that is set up here"),
        "whoever sets a provider up could give it to themself, and nobody does that",
        "let people ask for the role on `/roles`, or have the provider named in `config.toml`",
    )
}
