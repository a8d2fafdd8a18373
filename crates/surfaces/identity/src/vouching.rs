//! Where a person's say comes from: who added the account, who gave the role, whose link the session began with.

use crate::Identity;
use authority::{Caller, Role, Who};

/// What a person has from somebody: `person:ID`, `machine:USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    pub account: Option<String>,
    /// Of the roles that decide.
    pub roles: Vec<String>,
    pub link: Option<String>,
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
            link: session.and_then(|session| session.vouched_by.as_deref().map(str::to_owned)),
        })
    }
}
