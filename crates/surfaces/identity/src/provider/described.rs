//! What a provider says of itself, read when an operator names it: where its endpoints are, what it can, and, in plain
//! words, what people will miss.
//!
//! Refuses an address that is no issuer, a document that is no discovery document or another issuer's, a redirect, an
//! endpoint without TLS, and a provider with which no sign-in could be proven.

use super::{ALGORITHMS, Provider, Unreached, keys, standing::Kept};
use crate::Error;
use model::{Problem, ProblemKind};
use openidconnect::HttpRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Longer addresses are nobody's issuer.
const ISSUER_MAX_BYTES: usize = 500;
/// What is kept of one list of the document.
const LISTED_MAX: usize = 60;
const WORD_MAX_CHARS: usize = 120;

/// What a provider said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    pub authorization: String,
    pub token: String,
    pub keys: String,
    /// Whether it says that it takes PKCE with S256.
    pub pkce: bool,
    /// Whether it tells us when somebody logs out there.
    pub logout: bool,
    pub scopes: Vec<String>,
    pub claims: Vec<String>,
    pub algorithms: Vec<String>,
    pub warnings: Vec<Warning>,
}

/// What people will miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: String,
    pub says: String,
}

/// An issuer as a person pastes it: its discovery document is as good a name of it.
pub(super) fn issuer(pasted: &str) -> Result<String, Error> {
    let text = pasted.trim();
    let text = text.strip_suffix(DISCOVERY).unwrap_or(text);
    let url = Url::parse(text).ok().filter(|url| text.len() <= ISSUER_MAX_BYTES && url.has_host());
    let plain = url.as_ref().is_some_and(|url| {
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
    });
    match url {
        Some(url) if plain && keys::is_safe(&url) => Ok(text.to_owned()),
        Some(url) if plain && url.scheme() == "http" => {
            Err(bad_issuer(text, "it begins with `http://`: whoever is on the way could say that anyone is anyone"))
        }
        Some(_) | None => Err(bad_issuer(text, "it is no `https://` address without a user, a `?` and a `#`")),
    }
}

impl Provider {
    /// Asks it, and judges what it says. Its own spelling of its name goes: some end with a slash, and people leave it
    /// out.
    pub(super) async fn describe(&mut self, kept: &mut Kept) -> Result<Described, Error> {
        let document = self.document(&kept.issuer).await?;
        let own = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if own != kept.issuer && own.trim_end_matches('/') != kept.issuer.trim_end_matches('/') {
            return Err(other_issuer(own));
        }
        own.clone_into(&mut kept.issuer);
        own.clone_into(&mut self.config.issuer);
        // Read once more as every sign-in reads it, with its keys.
        let metadata = self.metadata().await.map_err(|_| no_keys())?;
        if metadata.jwks().keys().is_empty() {
            return Err(no_keys());
        }
        let text = |name: &str| word(document.get(name).and_then(Value::as_str).unwrap_or_default());
        let listed = |name: &str| list(document.get(name));
        let algorithms = listed("id_token_signing_alg_values_supported");
        if !ALGORITHMS.iter().any(|ours| algorithms.iter().any(|theirs| *theirs == name_of(ours))) {
            return Err(unfit("no signature that it makes is accepted here", "let it sign with `RS256` or `ES256`"));
        }
        if !listed("response_types_supported").iter().any(|kind| kind == "code") {
            return Err(unfit("it gives no authorization codes", "use one that knows the response type `code`"));
        }
        let mut said = Described {
            authorization: text("authorization_endpoint"),
            token: text("token_endpoint"),
            keys: text("jwks_uri"),
            pkce: listed("code_challenge_methods_supported").iter().any(|method| method == "S256"),
            logout: document.get("backchannel_logout_supported") == Some(&Value::Bool(true)),
            scopes: listed("scopes_supported"),
            claims: listed("claims_supported"),
            algorithms,
            warnings: vec![],
        };
        said.warnings = warnings(&said, kept);
        Ok(said)
    }

    async fn document(&self, issuer: &str) -> Result<Value, Error> {
        let at = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = at.parse().map_err(|_| bad_issuer(issuer, "it is no address"))?;
        let answer = self.reach.reach(request).await.map_err(|error| not_reached(&at, error))?;
        let status = answer.status();
        if status.is_redirection() {
            let why = format!("it answers with a redirect ({status}), and none is followed");
            return Err(not_there(&at, &why, "paste the address that the document itself is at"));
        }
        if !status.is_success() {
            let why = format!("it answers {status}");
            return Err(not_there(&at, &why, "check the issuer: its discovery document stands below it"));
        }
        serde_json::from_slice::<Value>(answer.body()).ok().filter(Value::is_object).ok_or_else(|| {
            not_there(
                &at,
                "what is there is no JSON document",
                "check the issuer: its discovery document stands below it",
            )
        })
    }
}

fn word(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(WORD_MAX_CHARS * 4).collect()
}

fn list(value: Option<&Value>) -> Vec<String> {
    let words = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    words.take(LISTED_MAX).map(|text| text.chars().filter(|c| !c.is_control()).take(WORD_MAX_CHARS).collect()).collect()
}

fn name_of(algorithm: &impl Serialize) -> String {
    serde_json::to_value(algorithm).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// In the order in which they matter. What a document does not list, a provider may still do: the try shows it.
fn warnings(said: &Described, kept: &Kept) -> Vec<Warning> {
    let says = |claim: &str| said.claims.iter().any(|known| known == claim);
    let mut warnings = Vec::new();
    let mut warn = |when: bool, code: &str, says: String| {
        if when {
            warnings.push(Warning { code: code.to_owned(), says });
        }
    };
    let here = "the try shows whether it comes";
    warn(
        !said.pkce,
        "provider.no_pkce",
        "It does not say that it takes PKCE (`S256`). It is sent all the same; a provider that ignores it guards the code by the client secret alone.".to_owned(),
    );
    warn(
        kept.client_secret.is_none(),
        "provider.public",
        "There is no client secret: a public client. PKCE alone ties the code to this server.".to_owned(),
    );
    warn(
        !says("email"),
        "provider.no_email_claim",
        format!("It does not list the claim `email`. Without one nobody can sign in: {here}."),
    );
    warn(
        !says(&kept.groups_claim),
        "provider.no_groups",
        format!(
            "It does not list the claim `{}`. Without it people are only in the groups for everyone: {here}.",
            kept.groups_claim
        ),
    );
    warn(
        !says("auth_time"),
        "provider.no_auth_time",
        format!(
            "It does not list `auth_time`. Without it a second factor there does not count here, and nobody can connect an account that they have here already: {here}."
        ),
    );
    warn(
        !says("amr") && !says("acr"),
        "provider.no_factor",
        format!(
            "It lists neither `amr` nor `acr`. Without one of them there is no telling whether there was a second factor, and people need a passkey to decide things: {here}."
        ),
    );
    warn(
        !said.logout,
        "provider.no_logout",
        "It does not say when somebody logs out there (back-channel logout): their session here goes on until it ends by itself, or an operator switches the account off.".to_owned(),
    );
    warnings
}

fn bad_issuer(text: &str, why: &str) -> Error {
    let shown: String = text.chars().filter(|c| !c.is_control() && *c != '`').take(WORD_MAX_CHARS).collect();
    Error::refused(
        ProblemKind::Invalid,
        "provider.issuer",
        format!("`{shown}` cannot be an issuer"),
        why,
        "paste the issuer's `https://` address, as the provider shows it",
    )
}

fn not_there(at: &str, why: &str, fix: &str) -> Error {
    let what = format!("there is no discovery document at `{at}`");
    Error::refused(ProblemKind::Upstream, "provider.no_document", what, why, fix)
}

fn not_reached(at: &str, error: Unreached) -> Error {
    match error {
        Unreached::Refused(problem) => Error::Refused(Problem { at: Some("issuer".to_owned()), ..*problem }),
        Unreached::Failed(why) => {
            not_there(at, &why, "check the issuer, and that this server can reach it; then send it again")
        }
    }
}

fn other_issuer(own: &str) -> Error {
    let shown: String = own.chars().filter(|c| !c.is_control() && *c != '`').take(WORD_MAX_CHARS).collect();
    let what = if shown.is_empty() {
        "the discovery document names no issuer".to_owned()
    } else {
        format!("the discovery document is that of another issuer, `{shown}`")
    };
    Error::refused(
        ProblemKind::Invalid,
        "provider.other_issuer",
        what,
        "a document names the issuer that it stands below, so that none can speak for another",
        "if that is the one you mean, paste it",
    )
}

fn no_keys() -> Error {
    unfit(
        "its endpoints or keys cannot be used: one is missing, is not `https://`, or did not answer",
        "open its discovery document and the address `jwks_uri` in it; the server's log has the cause",
    )
}

fn unfit(why: &str, fix: &str) -> Error {
    Error::refused(ProblemKind::Unprocessable, "provider.unfit", "nobody could sign in at this provider", why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_address_that_nobody_reads() {
        for (pasted, read) in [
            ("https://login.corp.example", "https://login.corp.example"),
            (" https://corp.example/realms/a/ ", "https://corp.example/realms/a/"),
            ("https://corp.example/.well-known/openid-configuration", "https://corp.example"),
            ("http://localhost:9000", "http://localhost:9000"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ] {
            assert_eq!(issuer(pasted).unwrap(), read);
        }
        for pasted in [
            "",
            "login.corp.example",
            "http://login.corp.example",
            "http://localhost.evil.example",
            "ftp://corp.example",
            "file:///etc/passwd",
            "https://a@corp.example",
            "https://a:b@corp.example",
            "https://corp.example?x=1",
            "https://corp.example#x",
            "javascript:alert(1)",
        ] {
            let Err(Error::Refused(problem)) = issuer(pasted) else { panic!("{pasted}") };
            assert_eq!(problem.code, "provider.issuer", "{pasted}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut said = Described {
            authorization: String::new(),
            token: String::new(),
            keys: String::new(),
            pkce: true,
            logout: true,
            scopes: vec![],
            claims: ["email", "groups", "auth_time", "amr"].map(str::to_owned).to_vec(),
            algorithms: vec![],
            warnings: vec![],
        };
        let kept = Kept {
            issuer: "https://a.example".to_owned(),
            client_id: "x".to_owned(),
            client_secret: Some("s".to_owned()),
            groups_claim: "groups".to_owned(),
            groups: [].into(),
            everyone: vec![],
            second_factor: vec![],
            scopes: None,
        };
        assert_eq!(warnings(&said, &kept), []);
        (said.pkce, said.logout) = (false, false);
        said.claims.clear();
        let codes: Vec<String> = warnings(&said, &kept).into_iter().map(|warning| warning.code).collect();
        assert_eq!(
            codes,
            [
                "provider.no_pkce",
                "provider.no_email_claim",
                "provider.no_groups",
                "provider.no_auth_time",
                "provider.no_factor",
                "provider.no_logout"
            ]
        );
    }
}
