//! The provider at which people sign in, as the configuration names it.
//!
//! Refuses an issuer that is reached in clear, and a secret that cannot be read.

use super::{Reader, secret_file::secret_file};
use identity::Error;
use model::Group;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

/// `oidc` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OidcKeys {
    issuer: String,
    client_id: String,
    /// `file:PATH`, or the value itself.
    client_secret: Option<String>,
    groups_claim: Option<String>,
    #[serde(default)]
    groups: BTreeMap<String, Group>,
    #[serde(default)]
    everyone: Vec<Group>,
    second_factor: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
}

pub(super) fn oidc(reader: &mut Reader, folder: &Path) -> Option<identity::ProviderConfig> {
    let keys: OidcKeys = reader.take("sign_in.oidc", "`{ issuer = \"https://login.corp.example\", client_id = \"bailiwick\", client_secret = \"file:oidc.secret\" }`, with `groups_claim`, `groups`, `everyone`, `second_factor` and `scopes` as needed")?;
    let loopback = ["http://localhost", "http://127.0.0.1"]
        .iter()
        .any(|own| keys.issuer.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    if !keys.issuer.starts_with("https://") && !loopback {
        let why = "whoever is on the way could say that anyone is anyone";
        reader.wrong("sign_in.oidc", why, "give the issuer's `https://` address");
        return None;
    }
    let client_secret = match keys.client_secret.as_deref().map(|text| (text, text.strip_prefix("file:"))) {
        Some((_, Some(path))) => Some(secret_file(reader, folder, "sign_in.oidc", path)?.as_str().to_owned()),
        Some((text, None)) => Some(text.to_owned()),
        None => None,
    };
    if let Some(scopes) = &keys.scopes
        && let Err(Error::Refused(problem)) = identity::check_scopes(scopes)
    {
        reader.wrong("sign_in.oidc", problem.why, problem.fix);
        return None;
    }
    Some(identity::ProviderConfig {
        issuer: keys.issuer,
        client_id: keys.client_id,
        client_secret,
        groups_claim: keys.groups_claim.unwrap_or_else(|| "groups".to_owned()),
        groups: keys.groups,
        everyone: keys.everyone,
        second_factor: keys.second_factor.unwrap_or_else(|| vec!["mfa".to_owned()]),
        scopes: keys.scopes,
    })
}
