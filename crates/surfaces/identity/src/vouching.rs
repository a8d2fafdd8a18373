//! Where a person's say comes from: who added the account, who gave the role, whose link the session began with.

use crate::Identity;
use authority::{Caller, Role, Who};
use std::sync::Arc;

/// What a person has from somebody: `person:ID`, `machine:USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    pub account: Option<String>,
    /// Of the roles that decide.
    pub roles: Vec<String>,
    /// Whose links the session rests on: the one that it began with, that of the passkey which confirmed it, that of
    /// the session in which the account at the provider was connected.
    pub links: Vec<String>,
}

/// Two who vouch for one thing, one a line; one of them, when they are the same.
pub(crate) fn both(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> Option<Arc<str>> {
    match (one, other) {
        (Some(one), Some(other)) if one.lines().any(|known| known == &**other) => Some(Arc::clone(one)),
        (Some(one), Some(other)) => Some(format!("{one}\n{other}").into()),
        (one, other) => one.or(other).cloned(),
    }
}

impl Identity {
    /// Nothing for a caller who is no person.
    #[must_use]
    pub fn vouched(&self, caller: &Caller) -> Option<Vouched> {
        let Who::Person { id, session, .. } = &caller.who else { return None };
        let person = self.people.get(id)?;
        let decides = |role: &str| role == Role::Reviewer.group() || role == Role::Operator.group();
        let roles = person.roles.iter().filter(|held| decides(held.role.as_str()));
        let session = self.sessions.by_id(session, self.clock.now());
        Some(Vouched {
            account: person.added_by.clone(),
            roles: roles.filter_map(|held| held.given_by.clone()).collect(),
            links: session.iter().filter_map(|session| session.vouched_by.as_deref()).flat_map(each).collect(),
        })
    }
}

fn each(vouched_by: &str) -> impl Iterator<Item = String> + use<'_> {
    vouched_by.lines().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_vouched_once_is_never_forgotten() {
        let (a, b): (Arc<str>, Arc<str>) = ("person:a".into(), "person:b".into());
        let lines = |one, other| both(one, other).map(|both| each(&both).collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(lines(Some(&a), None), ["person:a"]);
        assert_eq!(lines(None, Some(&b)), ["person:b"]);
        assert_eq!(lines(Some(&a), Some(&b)), ["person:a", "person:b"]);
        let known = both(Some(&a), Some(&b));
        assert_eq!(lines(known.as_ref(), Some(&b)), ["person:a", "person:b"]);
        assert!(lines(None, None).is_empty());
    }
}
