//! A try of what is set up: a whole way to the provider and back, by one operator, in one browser. It says who the
//! provider says they are and what would become of that, and changes nothing but that it was tried.
//!
//! Refuses to come back in another session than it began in, or to a draft that is another by now. INVARIANT: nothing
//! here connects an account or opens a session.

use super::{BackAt, CameBack, Failed, Fresh, OnTheWay, Provider, Said, Started, Wanted, sql, standing::Setting};
use crate::{Bound, Error, Identity, Session, ceremony::Opened, ceremony::Step, people};
use authority::{Act, Permit, Rule, Target, rules};
use model::{Group, Problem, ProblemKind, SessionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is shown of the groups that came.
const SHOWN_MAX: usize = 50;
const WORD_MAX_CHARS: usize = 120;

/// Try what is set up.
#[derive(Debug, Clone)]
pub struct TryProvider {
    pub tenant: TenantId,
}

impl Act for TryProvider {
    const RULE: &'static Rule = &rules::PROVIDER_TRY;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "provider")
    }
}

/// What a try is of, and whose; travels with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tries {
    digest: String,
    session: SessionId,
}

/// A try that came back; nothing is proven yet.
#[derive(Debug)]
pub struct Returned {
    tries: Tries,
    way: OnTheWay,
    ceremony: Opened<()>,
    code: String,
    iss: Option<String>,
}

/// A try that is over.
#[derive(Debug)]
pub struct Trial {
    digest: String,
    ceremony: Opened<()>,
    outcome: Result<Tried, Problem>,
}

/// What a sign-in would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Would {
    SignIn {
        email: String,
    },
    MakeAccount {
        email: String,
    },
    /// Refused: the address is another account's, which its person can connect.
    BeTaken {
        email: String,
    },
    BeSwitchedOff,
    /// Refused: without an address there is no account.
    LackEmail,
}

impl Would {
    /// Whether anybody could sign in by it.
    #[must_use]
    pub const fn works(&self) -> bool {
        !matches!(self, Self::LackEmail)
    }
}

/// What a try showed: words of the provider, cut to what is shown.
#[derive(Debug, Clone)]
pub struct Tried {
    pub digest: String,
    pub issuer: String,
    pub subject: String,
    pub email: Option<String>,
    /// As they are called there; how many there are in all.
    pub groups_there: Vec<String>,
    pub groups_count: usize,
    pub groups_here: Vec<Group>,
    pub auth_time: Option<Timestamp>,
    /// What `amr` and `acr` say.
    pub factors: Vec<String>,
    /// Whether that counts as a second factor here.
    pub second: bool,
    pub would: Would,
}

impl Identity {
    /// Where the browser goes to try it; it comes back at an address of its own.
    ///
    /// # Errors
    /// Nothing is set up, or it does not answer.
    pub async fn begin_trial(&self, browser: &str, session: &Session) -> Result<String, Error> {
        let (provider, digest) = self.drafted().await?;
        let wanted = Wanted { to: "/people/sign-in", fresh: Fresh::No, connect: None };
        let (started, way): (Started, OnTheWay) = provider.begin(wanted).await?;
        let way = OnTheWay { tries: Some(Tries { digest, session: session.id.clone() }), ..way };
        let state = self.begin(Step::Provider, Bound::Browser(browser), &way)?;
        provider.address(started, state)
    }

    async fn drafted(&self) -> Result<(Provider, String), Error> {
        let key = [(&self.config.tenant).into(), Setting::Draft.as_str().into()];
        let row = self.store.read_one(sql::SETTING, &key).await?.ok_or_else(nothing_to_try)?;
        let draft = self.standing.sealing.set_up(Setting::Draft, &row)?;
        let digest = draft.digest.clone();
        let redirect = BackAt::Try.under(&self.config.public_url);
        Ok((Provider { redirect, ..self.of_row(draft) }, digest))
    }

    /// Asks the provider who came back. What it says or fails to say is the outcome; only what was never a try of this
    /// draft, in this session, is an error.
    ///
    /// # Errors
    /// Another session than the one that began it; another draft by now.
    pub async fn finish_trial(&self, returned: Returned, session: &Session) -> Result<Trial, Error> {
        let Returned { tries, way, ceremony, code, iss } = returned;
        if tries.session != session.id {
            return Err(crate::ceremony::void());
        }
        let (provider, digest) = self.drafted().await?;
        if digest != tries.digest {
            return Err(other_draft());
        }
        self.unspent(&ceremony).await?;
        let outcome = match provider.claims(&code, iss.as_deref(), &way).await {
            Ok(claims) => {
                let said = provider.said(&claims, way.began_at);
                match said {
                    Ok(said) => Ok(self.tried(&provider, &claims, said, digest.clone()).await?),
                    Err(failed) => Err(failed.told()),
                }
            }
            Err(failed) => Err(failed.told()),
        };
        Ok(Trial { digest, ceremony, outcome })
    }

    async fn tried(&self, provider: &Provider, claims: &Value, said: Said, digest: String) -> Result<Tried, Error> {
        let all = |name: &str| claims[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        let there = all(&provider.config.groups_claim);
        let acr = claims["acr"].as_str().map(|acr| format!("acr: {acr}"));
        let factors = all("amr").map(|amr| format!("amr: {amr}")).chain(acr).map(|text| cut(&text));
        Ok(Tried {
            groups_there: there.clone().take(SHOWN_MAX).map(cut).collect(),
            groups_count: there.count(),
            auth_time: claims["auth_time"].as_i64().map(|secs| Timestamp::from_ms(secs.saturating_mul(1_000))),
            factors: factors.take(SHOWN_MAX).collect(),
            second: said.second_at.is_some(),
            would: self.would(&provider.config.issuer, &said).await?,
            digest,
            issuer: provider.config.issuer.clone(),
            subject: cut(&said.subject),
            email: said.email.as_deref().map(cut),
            groups_here: said.groups,
        })
    }

    async fn would(&self, issuer: &str, said: &Said) -> Result<Would, Error> {
        let subject = self.person_key("subject", &said.subject);
        let key = [(&self.config.tenant).into(), issuer.into(), subject.into()];
        if let Some(row) = self.store.read_one(sql::PERSON, &key).await? {
            let person = self.people.get(&model::PersonId::new(row.text(0)?)).filter(|person| person.enabled);
            return Ok(person.map_or(Would::BeSwitchedOff, |person| Would::SignIn { email: person.email.clone() }));
        }
        let Some(email) = said.email.as_deref().and_then(|email| people::email(email).ok()) else {
            return Ok(Would::LackEmail);
        };
        let known = self.person_by_email(&email).is_some();
        Ok(if known { Would::BeTaken { email } } else { Would::MakeAccount { email } })
    }

    /// Keeps that it was tried, and how it went; the answer counts once.
    ///
    /// # Errors
    /// The try itself, when it failed; one that came back before.
    pub async fn record_trial(&self, permit: Permit<TryProvider>, trial: &Trial) -> Result<Tried, Error> {
        let now = self.clock.now();
        let person = permit.caller().person().cloned();
        let (act, mut tx) = self.store.write(permit).await?;
        trial.ceremony.spend(&mut tx, now).await?;
        let worked = trial.outcome.as_ref().is_ok_and(|tried| tried.would.works());
        let draft = self.setting(&mut tx, Setting::Draft).await?;
        if draft.is_none_or(|draft| draft.digest != trial.digest) {
            return Err(other_draft());
        }
        if let (true, Some(person)) = (worked, &person) {
            let row = [(&act.tenant).into(), person.into(), trial.digest.as_str().into(), now.into()];
            tx.execute(sql::TRIED, &row).await?;
        }
        let digest = &trial.digest;
        let detail = match &trial.outcome {
            Ok(tried) => json!({
                "digest": digest, "worked": worked, "second_factor": tried.second, "groups": tried.groups_here,
            }),
            Err(problem) => json!({ "digest": digest, "worked": false, "failed": problem.code }),
        };
        tx.commit(detail, None).await?;
        trial.outcome.clone().map_err(Error::Refused)
    }
}

impl Returned {
    pub(super) fn new(tries: Tries, way: OnTheWay, ceremony: Opened<()>, back: CameBack<'_>) -> Self {
        Self { tries, way, ceremony, code: back.code.to_owned(), iss: back.iss.map(str::to_owned) }
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(WORD_MAX_CHARS).collect()
}

impl Failed {
    /// For an operator who can mend it. Whoever signs in is told less.
    fn told(self) -> Problem {
        let (why, fix) = match self {
            Self::Unreached => (
                "the provider did not answer, or not with what it should".to_owned(),
                "try again in a minute; the server's log has the cause",
            ),
            Self::NoToken(Some(code)) => (
                format!("the provider gave no token for the code: it said `{code}`"),
                "`invalid_client` is a wrong client id or secret, or a client that is registered as another kind; set it up again",
            ),
            Self::NoToken(None) => (
                "the provider gave no ID token for the code".to_owned(),
                "look at how the client is registered there: a web client, with authorization code and the scope `openid`",
            ),
            Self::Mixed => (
                "the answer that came back is another provider's, or does not say whose it is: its `iss` (RFC 9207) is not this issuer"
                    .to_owned(),
                "compare the issuer; a proxy before the provider must let the parameter `iss` through",
            ),
            Self::Unproven => (
                "the token that came is not one for us: its signature, issuer, audience, time or nonce does not fit"
                    .to_owned(),
                "compare issuer and client id, and the clocks of both machines; the server's log has the cause",
            ),
        };
        Problem::new(ProblemKind::Denied, "provider.try_failed", "the try did not work", why, fix)
    }
}

fn nothing_to_try() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.no_draft",
        "nothing is set up that could be tried",
        "it was switched on before, or never set up",
        "name the issuer and the client first",
    )
}

fn other_draft() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.other_draft",
        "something else is set up now than what you tried",
        "somebody set it up anew meanwhile",
        "load the page again, and try what stands there",
    )
}
