//! The catalog: every app that the caller may know of, and how each of its environments is.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    typed::go_on,
};
use model::{Tier, Timestamp};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct AppsView {
    apps: Vec<AppLine>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
}

/// One app, as lists and its own page show it.
#[derive(Debug, Deserialize)]
pub(crate) struct AppLine {
    pub(super) app: String,
    pub(super) team: String,
    pub(super) purpose: Option<String>,
    #[serde(default)]
    pub(super) environments: Vec<Environment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Environment {
    pub(super) env: String,
    pub(super) state: String,
    pub(super) url: String,
    pub(super) release: Option<u32>,
    pub(super) tier: Option<Tier>,
    pub(super) class: Option<String>,
    pub(super) expires_at: Timestamp,
    /// What waits for a person's yes.
    pub(super) request: Option<String>,
}

impl Environment {
    pub(super) fn release(&self) -> Cell {
        Cell::or_none(self.release.map(|release| release.to_string()).as_deref())
    }

    /// What was ended for good has no date any more.
    pub(super) fn expires(&self, page: &Page) -> Cell {
        Cell::or_none((self.state != "retired").then(|| page.ago(self.expires_at)).as_deref())
    }

    pub(super) fn tier(&self) -> Cell {
        Cell::or_none(self.tier.map(Tier::as_str))
    }
}

/// How an app is, in the words of the pages; a secret is revoked, an app is switched off.
pub(super) fn app_state(word: &str) -> &str {
    if word == "revoked" { "switched off" } else { word }
}

impl View for AppsView {
    fn show(&self, page: &mut Page) {
        if self.apps.is_empty() {
            page.line("there are no apps yet");
            page.next("bailiwick new hello && bailiwick deploy hello");
            return;
        }
        let rows = self.apps.iter().flat_map(|app| {
            app.environments.iter().map(|env| {
                vec![
                    Cell::new(Tone::Strong, app.app.as_str()),
                    env.env.as_str().into(),
                    Cell::state(app_state(&env.state)),
                    env.tier(),
                    app.team.as_str().into(),
                    env.expires(page),
                    env.url.as_str().into(),
                ]
            })
        });
        let rows = rows.collect();
        page.table(&["app", "environment", "state", "tier", "team", "expires", "address"], rows);
        match (&self.next, self.apps.first()) {
            (Some(next), _) => page.next(go_on(self.typed.as_deref(), "apps", next)),
            (None, Some(app)) => page.next(format!("bailiwick app {}", app.app)),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn what_was_retired_has_no_date_any_more() {
        let document = |state: &str| {
            let env = json!({ "env": "prod", "state": state, "url": "http://hi.localhost:7070", "release": null, "tier": null,
                "class": null, "expires_at": "2027-02-01T12:00:00.000Z", "request": null });
            let env = serde_json::from_value::<Environment>(env).unwrap();
            env.expires(&Page::new(crate::ink::Ink::None, "2026-11-03T12:00:00Z".parse().unwrap()))
        };
        assert_eq!(format!("{:?}", document("retired")), format!("{:?}", Cell::or_none(None)));
        assert_ne!(format!("{:?}", document("live")), format!("{:?}", Cell::or_none(None)));
    }

    #[test]
    fn a_list() {
        let env = |env: &str, state: &str, url: &str| {
            json!({ "env": env, "state": state, "url": url, "release": 1,
            "digest": "sha256:ab", "tier": "low", "class": "personal", "expires_at": "2027-02-01T00:00:00.000Z", "changed_at": "2026-11-03T11:00:00.000Z" })
        };
        let document = json!({ "apps": [
            { "app": "tinypoll", "app_id": "a1", "team": "people-ops", "purpose": "Asks", "created_at": "2026-11-03T11:00:00.000Z",
              "environments": [env("staging", "revoked", "http://tinypoll--staging.localhost:7070"), env("prod", "live", "http://tinypoll.localhost:7070")] },
            { "app": "hi", "app_id": "a2", "team": "it", "purpose": null, "created_at": "2026-11-03T11:00:00.000Z",
              "environments": [env("prod", "waiting", "http://hi.localhost:7070")] },
        ]});
        insta::assert_snapshot!(shown::<AppsView>(&document), @"
          app        environment   state            tier   team         expires      address
          tinypoll   staging       ✕ switched off   low    people-ops   in 89 days   http://tinypoll--staging.localhost:7070
          tinypoll   prod          ● live           low    people-ops   in 89 days   http://tinypoll.localhost:7070
          hi         prod          ◌ waiting        low    it           in 89 days   http://hi.localhost:7070
        next: bailiwick app tinypoll
        ");
    }

    #[test]
    fn an_empty_list_teaches() {
        insta::assert_snapshot!(shown::<AppsView>(&json!({ "apps": [] })), @"
        there are no apps yet
        next: bailiwick new hello && bailiwick deploy hello
        ");
    }
}
