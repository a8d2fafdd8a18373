//! Roles that somebody asks for, and what became of one.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct RolesView {
    roles: Vec<RoleView>,
}

/// One that was asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct RoleView {
    id: String,
    role: String,
    state: String,
    /// The person's address, where the directory still knows it.
    user: Option<String>,
    until: Timestamp,
    #[serde(default)]
    why: String,
}

impl View for RolesView {
    fn show(&self, page: &mut Page) {
        let Some(first) = self.roles.first() else {
            page.line("nobody asks for a role");
            return;
        };
        let rows = self.roles.iter().map(|role| {
            vec![
                Cell::or_none(role.user.as_deref()),
                Cell::new(Tone::Strong, role.role.as_str()),
                page.ago(role.until).into(),
                role.why.as_str().into(),
                Cell::new(Tone::Quiet, role.id.as_str()),
            ]
        });
        let rows = rows.collect();
        page.table(&["who", "role", "ends", "why", "request"], rows);
        page.next(format!("bailiwick roles grant {}", first.id));
    }
}

impl View for RoleView {
    fn show(&self, page: &mut Page) {
        let (state, role) = (page.state(&self.state), page.paint(Tone::Strong, &self.role));
        page.line(format!("{state}  {role}  ends {}", page.ago(self.until)));
        if self.state == "waiting" {
            page.under("an operator who is somebody else gives it, in the console or with");
            page.under(format!("`bailiwick roles grant {}`", self.id));
        }
    }
}

/// One that an operator said no to.
#[derive(Debug, Deserialize)]
pub(crate) struct RefusedView {
    request: String,
    state: String,
}

impl View for RefusedView {
    fn show(&self, page: &mut Page) {
        let state = page.state(&self.state);
        page.line(format!("{state}  request {}", self.request));
        page.under("nothing was changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::{Value, json};

    fn one(state: &str) -> Value {
        json!({ "id": "r1", "person": "p1", "user": "ana@example.test", "role": "reviewers", "state": state,
            "until": "2026-11-08T12:00:00.000Z", "why": "bea is away", "created_at": "2026-11-03T11:57:00.000Z" })
    }

    #[test]
    fn what_is_asked_for() {
        insta::assert_snapshot!(shown::<RolesView>(&json!({ "roles": [one("waiting")] })), @"
          who                role        ends        why           request
          ana@example.test   reviewers   in 5 days   bea is away   r1
        next: bailiwick roles grant r1
        ");
        insta::assert_snapshot!(shown::<RolesView>(&json!({ "roles": [] })), @"nobody asks for a role");
    }

    #[test]
    fn what_became_of_it() {
        insta::assert_snapshot!(shown::<RoleView>(&one("waiting")), @"
        ◌ waiting  reviewers  ends in 5 days
          an operator who is somebody else gives it, in the console or with
          `bailiwick roles grant r1`
        ");
        insta::assert_snapshot!(shown::<RoleView>(&one("granted")), @"● granted  reviewers  ends in 5 days");
    }
}
