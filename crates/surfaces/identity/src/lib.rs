//! Identity: people, their links, passkeys and sessions, service accounts of apps, and the short-lived tokens of both.
//!
//! Refuses: a link or challenge spent twice or by a GET, a session of a disabled person, a token issued before the last
//! revoke, a service account whose name equals another's, a local credential that was used before. Values of links,
//! cookies and codes are stored as hashes alone.

mod accounts;
mod ceremony;
mod codes;
mod cuts;
mod error;
mod forms;
#[doc(hidden)]
pub mod hostile;
mod links;
mod logins;
mod machine;
mod migrations;
mod passkeys;
mod people;
mod provider;
mod roles;
mod sessions;
#[cfg(test)]
mod sessions_tests;
mod surface;
mod tokens;
mod vouching;

pub use accounts::Account;
pub use ceremony::Bound;
pub use codes::{Code, Redeemed, SignIn};
pub use error::Error;
pub use forms::KeptForm;
pub use links::{LinkFor, LinkMade, Links, SpendLink, Spent};
pub use logins::{ConfirmLogin, ConfirmWeakLogin, LoginBegun, TakeLogin, login_code};
pub use machine::{CREDENTIAL_FILE, MachineClaims, MachineKey, MachineProof, Signing};
pub use migrations::MIGRATIONS;
pub use openidconnect::{HttpRequest, HttpResponse};
pub use passkeys::{
    AddPasskey, Begun, Confirm, FirstPasskey, ForgetPasskeys, LastPasskey, MadePasskey, Passkey, Proven, RemovePasskey,
    SignInWithPasskey, Unproven,
};
pub use people::{AddPerson, Added, ChangeGroups, DisablePerson, Disabled, HeldRole, ListPeople, Person};
pub use provider::{
    Arrived, AtProvider, BackAt, CameBack, ClientSecretIs, ConnectProvider, Described, DraftProvider, Fresh, LeftOut,
    LinksView, ProviderConfig, ProviderLogout, ProviderView, Reach, Register, Returned, SaidIn, SeeSignIn, SetUpDone,
    Settings, SignInAtProvider, SignInView, SwitchLinks, SwitchProviderOff, SwitchProviderOn, SwitchedOff, Trial,
    Tried, TryProvider, Unreached, Vouch, Wanted, Warning, Would, check_scopes,
};
pub use roles::{AskRole, GrantRole, RefuseRole, RoleRequest};
pub use sessions::{
    EndOthers, EndSession, ListSessions, Method, NewSession, Place, Session, Unremembered, Whereabouts,
};
pub use tokens::{AppToken, AppTokenClaims, IssueAppToken, IssueToken, IssuedToken, PersonClaims, Tokens};
pub use vouching::Vouched;

use authority::{Authority, PersonFacts};
use codes::Codes;
use model::{Clock, PersonId, TenantId};
use seal::TenantKey;
use sessions::Sessions;
use std::{collections::HashMap, sync::Arc};
use store::Store;

/// What identity is built from.
#[derive(Debug)]
pub struct Config {
    pub tenant: TenantId,
    pub keys: TenantKey,
    /// The control origin: the issuer of tokens, and where links lead.
    pub public_url: String,
    pub node: String,
    /// Single sign-on as the configuration names it, and how its provider is reached.
    pub provider: Option<(ProviderConfig, Arc<dyn Reach>)>,
    /// How a provider is reached that operators name in the console.
    pub reach: Arc<dyn Reach>,
    /// What the configuration says of one-time links.
    pub links: Option<Links>,
}

/// People, accounts, sessions and tokens of one tenant.
#[derive(Debug)]
pub struct Identity {
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) people: people::Directory,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: accounts::Accounts,
    pub(crate) codes: Codes,
    pub(crate) passkeys: passkeys::Passkeys,
    pub(crate) standing: provider::Standing,
    tokens: Tokens,
}

impl Identity {
    #[must_use]
    pub fn new(store: Arc<Store>, authority: Arc<Authority>, clock: Arc<dyn Clock>, config: Config) -> Self {
        let tokens = Tokens::new(&config.keys, config.public_url.clone());
        let provider = config
            .provider
            .clone()
            .map(|(provider, reach)| provider::Provider::new(provider, reach, &config.public_url, Arc::clone(&clock)));
        Self {
            people: people::Directory::new(&config.keys),
            sessions: Sessions::default(),
            accounts: accounts::Accounts::default(),
            codes: Codes,
            passkeys: passkeys::Passkeys::new(&config.keys, &config.public_url),
            standing: provider::Standing::new(&config.keys, provider, config.links, Arc::clone(&config.reach)),
            tokens,
            store,
            authority,
            clock,
            config,
        }
    }

    /// Brings people, sessions and accounts into memory, at start and after the feed was lost.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_all(&self) -> Result<(), Error> {
        self.load_people().await?;
        self.load_sign_in().await?;
        // Accounts first: a session that is read later belongs to these credentials, or to newer ones.
        self.load_accounts().await?;
        self.load_sessions().await
    }

    /// After a change of people or groups: of one person, or, where the feed names none, of everyone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn refresh_people(&self, changed: &str) -> Result<(), Error> {
        if changed.is_empty() { self.load_people().await } else { self.load_person(&PersonId::new(changed)).await }
    }

    /// What authority needs to know of people.
    #[must_use]
    pub fn people_facts(&self) -> HashMap<PersonId, Arc<PersonFacts>> {
        self.people.facts()
    }

    /// Signing and checking of tokens.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}
