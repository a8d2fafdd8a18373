//! Kept searches of the record: a person keeps a search under a name, for themselves or for everyone who reads the record.
//!
//! Refuses addresses in rows: a person in a search is an id, and reads as their address again when it is shown.

mod sql;

use crate::{Bailiwick, reply::Refusal, who::Asked};
use authority::{Act, Rule, Target, rules};
use model::{AppId, EventId, PersonId, Problem, ProblemKind, TenantId};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Outcome, StoreError, params};

const NAME_MAX_CHARS: usize = 60;
/// More than these are found by nobody.
const OWN_MAX: u64 = 100;
/// What a search asks for, by the names of its parameters.
const FIELDS: [&str; 9] = ["app", "person", "action", "outcome", "trace", "secret", "resource", "since", "until"];

/// Who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Oneself,
    /// Everyone who may read the record.
    Auditors,
}

macro_rules! act {
    ($(#[$doc:meta])* $name:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        struct $name {
            tenant: TenantId,
            id: String,
        }

        impl Act for $name {
            const RULE: &'static Rule = &rules::$rule;
            fn target(&self) -> Target {
                Target::new(self.tenant.clone(), format!("query/{}", self.id))
            }
        }
    };
}

act! {
    /// See one's own and shared searches.
    ListQueries, QUERY_LIST
}
act! {
    /// Keep a search.
    SaveQuery, QUERY_SAVE
}
act! {
    /// Forget one's own.
    ForgetQuery, QUERY_FORGET
}

/// A kept search, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) shared: bool,
    /// Whether it is the caller's own, to forget.
    pub(crate) own: bool,
    pub(crate) owner: String,
    pub(crate) filter: BTreeMap<String, String>,
}

impl Bailiwick {
    /// One's own, and what others share; by name.
    pub(crate) async fn queries(&self, asked: &Asked) -> Result<Vec<Query>, Refusal> {
        let say = |error: StoreError| Refusal(error.problem());
        let permit = self.allowed(asked, ListQueries { tenant: self.tenant.clone(), id: "all".to_owned() }).await?;
        self.store.access(permit, Outcome::Allowed, Value::Null).map_err(say)?;
        let own = owner(asked);
        let rows = self.store.read(sql::VISIBLE, params![&self.tenant, own.as_str()]).await.map_err(say)?;
        let mut queries = Vec::with_capacity(rows.len());
        for row in &rows {
            let by = row.text(1).map_err(say)?;
            let filter: BTreeMap<String, String> = serde_json::from_str(row.text(4).map_err(say)?).unwrap_or_default();
            queries.push(Query {
                id: row.text(0).map_err(say)?.to_owned(),
                name: row.text(3).map_err(say)?.to_owned(),
                shared: row.int(2).map_err(say)? == 1,
                own: by == own,
                owner: self.named(by).unwrap_or_else(|| "this machine".to_owned()),
                filter: self.by_names(filter),
            });
        }
        Ok(queries)
    }

    /// Keeps a search under a name; one of the same name is replaced. Its id.
    pub(crate) async fn save_query(
        &self,
        asked: &Asked,
        name: &str,
        seen_by: For,
        which: &BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let say = |error: StoreError| Refusal(error.problem());
        let (name, own, id) = (named(name)?, owner(asked), EventId::generate().to_string());
        let permit = self.allowed(asked, SaveQuery { tenant: self.tenant.clone(), id: id.clone() }).await?;
        // Whether there is such a person or app is for those alone who may search.
        let filter = json!(self.by_ids(which)?).to_string();
        let (act, mut tx) = self.store.write(permit).await.map_err(say)?;
        let key = params![&self.tenant, own.as_str(), name.as_str()].to_vec();
        let others = tx.query_one(sql::OTHERS, &key).await.map_err(say)?;
        if others.map(|row| row.uint(0)).transpose().map_err(say)?.unwrap_or_default() >= OWN_MAX {
            return Err(too_many());
        }
        let shared = seen_by == For::Auditors;
        let row = params![&self.tenant, act.id.as_str(), own.as_str(), shared, name.as_str(), filter, tx.now()];
        tx.execute(sql::INSERT, row).await.map_err(say)?;
        tx.commit(json!({ "query": act.id, "shared": shared }), None).await.map_err(say)?;
        Ok(id)
    }

    /// Forgets one's own.
    pub(crate) async fn forget_query(&self, asked: &Asked, id: &str) -> Result<(), Refusal> {
        let say = |error: StoreError| Refusal(error.problem());
        let known = EventId::sent(id).ok_or_else(|| unknown(id))?;
        let permit = self.allowed(asked, ForgetQuery { tenant: self.tenant.clone(), id: known.to_string() }).await?;
        let (act, mut tx) = self.store.write(permit).await.map_err(say)?;
        let key = params![&self.tenant, act.id.as_str(), owner(asked).as_str()].to_vec();
        if tx.execute(sql::DELETE, &key).await.map_err(say)? == 0 {
            return Err(unknown(id));
        }
        tx.commit(json!({ "query": act.id }), None).await.map(drop).map_err(say)
    }

    /// What is stored: people and apps by their ids, which outlive their names.
    fn by_ids(&self, which: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
        let mut filter = BTreeMap::new();
        for (field, value) in which {
            if !FIELDS.contains(&field.as_str()) {
                return Err(no_field(field));
            }
            let value = value.trim();
            let value = match field.as_str() {
                _ if value.is_empty() => continue,
                "person" => self.identity.person_by_email(value).ok_or_else(|| nobody(value))?.id.to_string(),
                "app" => self.catalog.find(value)?.0.to_string(),
                _ => value.to_owned(),
            };
            filter.insert(field.clone(), value);
        }
        if filter.is_empty() { Err(asks_nothing()) } else { Ok(filter) }
    }

    fn by_names(&self, mut filter: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if let Some(person) = filter.get_mut("person") {
            let known = self.identity.person(&PersonId::new(person.as_str()));
            *person = known.map_or_else(|| "(erased)".to_owned(), |known| known.email.clone());
        }
        if let Some(app) = filter.get_mut("app")
            && let Some(name) = self.catalog.name_of(&AppId::new(app.as_str()))
        {
            *app = name.to_string();
        }
        filter
    }
}

/// Whose it is: `person:ID`, or `machine` for all who hold the local credential.
fn owner(asked: &Asked) -> String {
    asked.caller.subject()
}

fn named(name: &str) -> Result<String, Refusal> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = (1..=NAME_MAX_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then_some(name).ok_or_else(|| {
        let what = "that cannot be the name of a search";
        let why = format!("a name has 1 to {NAME_MAX_CHARS} characters on one line");
        Refusal(Problem::new(ProblemKind::Invalid, "query.name", what, why, "choose another name"))
    })
}

fn too_many() -> Refusal {
    let what = format!("you keep {OWN_MAX} searches already");
    Refusal(Problem::new(
        ProblemKind::Unprocessable,
        "query.many",
        what,
        "more are found by nobody",
        "forget one on the page Record, or keep this under a name that you use already, which it then replaces",
    ))
}

fn asks_nothing() -> Refusal {
    let what = "that search asks for nothing";
    let fix = "say what to look for first";
    Refusal(Problem::new(ProblemKind::Invalid, "query.empty", what, "all of the record needs no name", fix))
}

fn no_field(field: &str) -> Refusal {
    let what = format!("`{}` is nothing that a search asks for", field.replace('`', ""));
    let fix = format!("it asks for {}", FIELDS.map(|field| format!("`{field}`")).join(", "));
    Refusal(Problem::new(ProblemKind::Invalid, "query.field", what, "unknown fields are refused", fix))
}

fn nobody(email: &str) -> Refusal {
    let what = format!("nobody has the address `{}`", email.replace('`', ""));
    let fix = "`bailiwick people list` shows who is here";
    Refusal(Problem::new(
        ProblemKind::NotFound,
        "person.unknown",
        what,
        "a kept search names people by who they are",
        fix,
    ))
}

fn unknown(id: &str) -> Refusal {
    let what = format!("you keep no search `{}`", id.replace('`', ""));
    let fix = "`bailiwick audit queries` shows yours";
    Refusal(Problem::new(ProblemKind::NotFound, "query.unknown", what, "it is gone, or is someone else's", fix))
}
