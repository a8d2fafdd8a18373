//! Notices: what somebody is to be told of. The commit that writes an event writes its notice, from one table of acts:
//! there is no act that tells and forgets to, and nothing is told that did not happen.
//!
//! A notice holds ids, as its event does; who is told, and in which words, is decided when it is sent
//! (`notice_deliveries`, which needs no permit). Refuses free text: what a person wrote stays sealed in the event.

use crate::{Outcome, Row, StoreError, engine::Statement, event::Draft, params, sql};
use model::{AppId, Env, EventId, NoticeKind, PersonId, Timestamp};
use serde_json::Value as Json;

/// Which events of an act are told.
#[derive(Debug, Clone, Copy)]
enum When {
    Always,
    /// A field of the detail says this word.
    Says(&'static str, &'static str),
    /// A field of the detail names a group that carries a role.
    NamesRole(&'static str),
    /// A field of the detail is true.
    True(&'static str),
    /// It rests on an exception to the rules.
    Exception,
}

/// The acts that tell, and what.
const TELLS: &[(&str, Outcome, When, NoticeKind)] = &[
    ("app.deploy", Outcome::Allowed, When::Says("status", "waiting"), NoticeKind::Waits),
    ("release.rollback", Outcome::Allowed, When::Says("status", "waiting"), NoticeKind::Waits),
    ("app.restore", Outcome::Allowed, When::Says("status", "waiting"), NoticeKind::Waits),
    ("role.ask", Outcome::Allowed, When::Always, NoticeKind::Waits),
    ("release.approve", Outcome::Allowed, When::Always, NoticeKind::Decided),
    ("release.approve", Outcome::Allowed, When::Exception, NoticeKind::Alarm),
    ("release.reject", Outcome::Allowed, When::Always, NoticeKind::Decided),
    ("waiver.grant", Outcome::Allowed, When::Exception, NoticeKind::Alarm),
    ("role.grant", Outcome::Allowed, When::Always, NoticeKind::Decided),
    ("role.grant", Outcome::Allowed, When::NamesRole("role"), NoticeKind::Joined),
    ("role.refuse", Outcome::Allowed, When::Always, NoticeKind::Decided),
    ("person.add", Outcome::Allowed, When::NamesRole("groups"), NoticeKind::Joined),
    ("person.add", Outcome::Allowed, When::True("recovery"), NoticeKind::Revoked),
    ("person.groups", Outcome::Allowed, When::NamesRole("join"), NoticeKind::Joined),
    ("expiry.warn", Outcome::Allowed, When::Always, NoticeKind::Expires),
    ("app.revoke", Outcome::Allowed, When::Always, NoticeKind::Revoked),
    ("app.expire", Outcome::Allowed, When::Always, NoticeKind::Revoked),
    ("app.remove", Outcome::Allowed, When::Always, NoticeKind::Revoked),
    ("secret.revoke", Outcome::Allowed, When::Always, NoticeKind::Revoked),
    ("person.disable", Outcome::Allowed, When::Always, NoticeKind::Revoked),
    ("alarm.raise", Outcome::Allowed, When::Always, NoticeKind::Alarm),
    ("platform.recover", Outcome::Allowed, When::Always, NoticeKind::Alarm),
    ("provider.on", Outcome::Allowed, When::Always, NoticeKind::Alarm),
    ("provider.off", Outcome::Allowed, When::Always, NoticeKind::Alarm),
    ("links.switch", Outcome::Allowed, When::Always, NoticeKind::Alarm),
    ("record.gap", Outcome::Failed, When::Always, NoticeKind::Alarm),
    ("backup.done", Outcome::Failed, When::Always, NoticeKind::Alarm),
    ("backup.drill", Outcome::Failed, When::Always, NoticeKind::Alarm),
];

/// Groups that can change or see more than a builder: whoever joins one is told of.
const ROLE_GROUPS: [&str; 3] = ["reviewers", "operators", "auditors"];

impl When {
    fn holds(self, draft: &Draft<'_>) -> bool {
        let field = |name: &str| draft.detail.get(name);
        let carries = |value: &Json| value.as_str().is_some_and(|group| ROLE_GROUPS.contains(&group));
        match self {
            Self::Always => true,
            Self::Says(name, word) => field(name).and_then(Json::as_str) == Some(word),
            Self::NamesRole(name) => field(name)
                .is_some_and(|value| value.as_array().map_or_else(|| carries(value), |all| all.iter().any(carries))),
            Self::True(name) => field(name).and_then(Json::as_bool) == Some(true),
            Self::Exception => draft.exception.is_some(),
        }
    }
}

/// The acts whose events are told as alarms.
pub fn alarm_acts() -> impl Iterator<Item = &'static str> {
    TELLS.iter().filter(|(.., kind)| *kind == NoticeKind::Alarm).map(|(action, ..)| *action)
}

/// What the commit of this event writes beside it.
pub(crate) fn of(draft: &Draft<'_>) -> Vec<Statement> {
    let told = TELLS
        .iter()
        .filter(|(action, outcome, when, _)| *action == draft.action && *outcome == draft.outcome && when.holds(draft));
    told.map(|(.., kind)| {
        let detail = draft.detail.to_string();
        let row = params![
            &draft.target.tenant,
            &draft.id,
            kind.as_str(),
            draft.action,
            draft.app(),
            draft.env().map(Env::as_str),
            draft.resource().into_owned(),
            draft.caller.person(),
            draft.exception,
            detail,
            draft.at,
        ];
        Statement::new(sql::INSERT_NOTICE, row)
    })
    .collect()
}

/// One notice, as the commit left it.
#[derive(Debug, Clone)]
pub struct Notice {
    pub event: EventId,
    pub kind: NoticeKind,
    /// The act that told.
    pub action: String,
    pub app: Option<AppId>,
    pub env: Option<Env>,
    pub resource: String,
    /// Who did it, if a person did.
    pub by: Option<PersonId>,
    pub exception: Option<String>,
    /// What the event says; ids alone.
    pub detail: Json,
    pub at: Timestamp,
}

impl Notice {
    /// Reads the columns of a notice, from `from` on, in the order of the table.
    ///
    /// # Errors
    /// A row of another form.
    pub fn read(row: &Row, from: usize) -> Result<Self, StoreError> {
        Ok(Self {
            event: EventId::new(row.text(from)?),
            kind: row.parse(from + 1, "a kind of notice")?,
            action: row.text(from + 2)?.to_owned(),
            app: row.opt_text(from + 3)?.map(AppId::new),
            env: row.opt_text(from + 4)?.and_then(|text| text.parse().ok()),
            resource: row.text(from + 5)?.to_owned(),
            by: row.opt_text(from + 6)?.map(PersonId::new),
            exception: row.opt_text(from + 7)?.map(str::to_owned),
            detail: serde_json::from_str(row.text(from + 8)?).map_err(StoreError::json)?,
            at: row.time(from + 9)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use authority::ACTS;

    /// What the store itself records stands in no table of acts.
    const OWN: [&str; 1] = ["record.gap"];

    #[test]
    fn every_act_that_tells_is_an_act() {
        for (action, ..) in TELLS {
            let known = ACTS.iter().any(|rule| rule.name == *action) || OWN.contains(action);
            assert!(known, "`{action}` is no act");
        }
        for kind in NoticeKind::ALL {
            assert!(TELLS.iter().any(|(.., told)| *told == kind), "nothing tells `{}`", kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }

    /// Cuts of which nobody is told, and why not.
    const UNTOLD: [(&str, &str); 5] = [
        ("session.end", "of one's own sessions one knows"),
        ("session.end_others", "of one's own sessions one knows"),
        ("oidc.logout", "the provider ended one's own sessions"),
        ("app.revoke.done", "its beginning is told"),
        ("role.lapse", "its date was told when it was given"),
    ];

    /// Acts of these that take authority away, and of which `TELLS` and `UNTOLD` say nothing.
    fn forgotten(rules: &[&'static authority::Rule]) -> Vec<&'static str> {
        let cuts = rules.iter().filter(|rule| rule.durability == authority::Durability::Cut).map(|rule| rule.name);
        let told = |name: &str| TELLS.iter().any(|(action, ..)| *action == name);
        cuts.filter(|name| !told(name) && !UNTOLD.iter().any(|(action, _)| action == name)).collect()
    }

    #[test]
    fn what_takes_authority_from_others_is_told() {
        assert_eq!(forgotten(ACTS), [""; 0], "these take authority away and tell nobody");
        for (name, _) in UNTOLD {
            let cut = ACTS.iter().any(|rule| rule.name == name && rule.durability == authority::Durability::Cut);
            let told = TELLS.iter().any(|(action, ..)| *action == name);
            assert!(cut && !told, "`{name}` is no cut that is not told");
        }
    }

    #[test]
    fn a_new_cut_is_not_forgotten() {
        static NEW: authority::Rule = authority::Rule { name: "app.dim", ..authority::rules::APP_REVOKE };
        assert_eq!(forgotten(&[&NEW]), ["app.dim"]);
    }
}
