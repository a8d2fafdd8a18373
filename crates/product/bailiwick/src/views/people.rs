//! People and their groups.

use super::{View, reach::Reach};
use crate::{
    ink::Tone,
    page::{Cell, Page},
    typed::go_on,
    when,
};
use model::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct PeopleView {
    people: Vec<Person>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Person {
    email: String,
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "on")]
    enabled: bool,
}

const fn on() -> bool {
    true
}

impl Person {
    fn row(&self) -> Vec<Cell> {
        let state = if self.enabled { Cell::from("") } else { Cell::state("disabled") };
        vec![
            Cell::new(Tone::Strong, self.email.as_str()),
            Cell::or_none(self.name.as_deref()),
            Cell::or_none(Some(self.groups.join(", ").as_str()).filter(|groups| !groups.is_empty())),
            state,
        ]
    }
}

impl View for PeopleView {
    fn show(&self, page: &mut Page) {
        if self.people.is_empty() {
            page.line("nobody is here yet");
            page.next("bailiwick people add EMAIL --group builders");
            return;
        }
        let rows = self.people.iter().map(Person::row).collect();
        page.table(&["person", "name", "groups", ""], rows);
        if let Some(next) = &self.next {
            page.next(go_on(self.typed.as_deref(), "people list", next));
        }
    }
}

/// Groups and how many people are in each.
#[derive(Debug, Deserialize)]
pub(crate) struct GroupsView {
    #[serde(default)]
    groups: BTreeMap<String, i64>,
}

impl View for GroupsView {
    fn show(&self, page: &mut Page) {
        if self.groups.is_empty() {
            page.line("there are no groups yet");
            page.next("bailiwick people add EMAIL --group NAME");
        }
        let row = |(name, count): (&String, &i64)| {
            let people = if *count == 1 { "1 person".to_owned() } else { format!("{count} people") };
            vec![Cell::new(Tone::Strong, name.as_str()), people.into()]
        };
        page.rows(self.groups.iter().map(row).collect());
    }
}

/// Someone who was added, with the link that signs them in.
#[derive(Debug, Deserialize)]
pub(crate) struct AddedView {
    person: Person,
    link: String,
    expires_at: Timestamp,
}

impl View for AddedView {
    fn show(&self, page: &mut Page) {
        page.rows(vec![self.person.row()]);
        page.blank();
        page.under(&self.link);
        page.under(format!(
            "for {} alone: it signs in once, and ends {} ({})",
            self.person.email,
            page.soon(self.expires_at),
            when::day(self.expires_at)
        ));
    }
}

/// Someone who was changed.
#[derive(Debug, Deserialize)]
pub(crate) struct PersonView {
    person: Person,
}

impl View for PersonView {
    fn show(&self, page: &mut Page) {
        page.rows(vec![self.person.row()]);
    }
}

/// Someone whose account was switched off.
#[derive(Debug, Deserialize)]
pub(crate) struct DisabledView {
    person: Person,
    #[serde(flatten)]
    reach: Reach,
}

impl View for DisabledView {
    fn show(&self, page: &mut Page) {
        page.rows(vec![self.person.row()]);
        self.reach.show(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn ana(enabled: bool) -> serde_json::Value {
        json!({ "id": "p1", "email": "ana@example.test", "groups": ["builders", "staff"], "enabled": enabled, "created_at": "2026-11-03T11:00:00.000Z" })
    }

    #[test]
    fn a_list() {
        let bo = json!({ "id": "p2", "email": "bo@example.test", "name": "Bo", "groups": [], "enabled": true });
        insta::assert_snapshot!(shown::<PeopleView>(&json!({ "people": [ana(false), bo], "groups": {} })), @"
        person             name   groups
        ana@example.test   –      builders, staff   ✕ disabled
        bo@example.test    Bo     –
        ");
        insta::assert_snapshot!(shown::<PeopleView>(&json!({ "people": [], "groups": {} })), @"
        nobody is here yet
        next: bailiwick people add EMAIL --group builders
        ");
    }

    #[test]
    fn groups() {
        insta::assert_snapshot!(shown::<GroupsView>(&json!({ "people": [], "groups": { "staff": 2, "builders": 1 } })), @"
        builders   1 person
        staff      2 people
        ");
    }

    #[test]
    fn added() {
        let document = json!({ "person": ana(true), "link": "http://localhost:7070/welcome/abc", "expires_at": "2026-11-04T12:00:00.000Z" });
        insta::assert_snapshot!(shown::<AddedView>(&document), @"
        ana@example.test   –   builders, staff

        http://localhost:7070/welcome/abc
        for ana@example.test alone: it signs in once, and ends in 24 hours (2026-11-04)
        ");
    }

    #[test]
    fn changed() {
        insta::assert_snapshot!(shown::<PersonView>(&json!({ "person": ana(false) })), @"  ana@example.test   –   builders, staff   ✕ disabled");
    }

    #[test]
    fn disabled() {
        let done = shown::<DisabledView>(&json!({ "person": ana(false), "recorded": true, "everywhere": true }));
        assert!(done.contains("disabled") && !done.contains("everywhere") && !done.contains("record"), "{done}");
        assert_eq!(shown::<DisabledView>(&json!({ "person": ana(false) })), done, "by a server that says no more");
        let here = shown::<DisabledView>(&json!({ "person": ana(false), "recorded": true, "everywhere": false }));
        assert!(here.contains("not everywhere yet") && !here.contains("the record cannot"), "{here}");
        let kept = shown::<DisabledView>(&json!({ "person": ana(false), "recorded": false, "everywhere": false }));
        assert!(kept.contains("not everywhere yet") && kept.contains("the record cannot"), "{kept}");
    }
}
