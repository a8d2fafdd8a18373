//! One app: what it is, what it may touch, what it holds, what it used, and its releases.

use super::{
    View,
    apps::{AppLine, app_state},
    reach::Reach,
    waivers::WaiverView,
};
use crate::{
    ink::Tone,
    page::{Cell, Page, short},
    when,
};
use model::{Tier, Timestamp};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct AppView {
    app: AppLine,
    #[serde(default)]
    may: Vec<Sentence>,
    #[serde(default)]
    held: Vec<Held>,
    #[serde(default)]
    used: Vec<Used>,
    #[serde(default)]
    releases: Vec<Release>,
    #[serde(default)]
    waivers: Vec<WaiverView>,
    sent_back: Option<SentBack>,
}

/// A release that a person said no to.
#[derive(Debug, Deserialize)]
struct SentBack {
    release: u32,
    request: String,
    at: Timestamp,
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Sentence {
    pub(super) surface: String,
    #[serde(alias = "sentence")]
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
struct Held {
    surface: String,
    item: String,
    why: Option<String>,
    until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Used {
    surface: String,
    item: String,
    count: i64,
    last: Option<Timestamp>,
    since: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Release {
    release: u32,
    env: String,
    digest: String,
    tier: Option<Tier>,
    created_at: Timestamp,
    #[serde(default)]
    live: bool,
    approval: Option<Yes>,
}

/// How it was agreed to.
#[derive(Debug, Deserialize)]
struct Yes {
    exception: Option<String>,
    #[serde(default)]
    dependence: Vec<String>,
}

impl Release {
    /// What is shown for ever of the yes that it has.
    fn exception(&self) -> Cell {
        match &self.approval {
            Some(Yes { exception: Some(exception), .. }) => Cell::new(Tone::Bad, format!("EXCEPTION: {exception}")),
            Some(yes) if !yes.dependence.is_empty() => {
                Cell::new(Tone::Bad, format!("NOT INDEPENDENT: {}", yes.dependence.join(", ")))
            }
            Some(_) | None => "".into(),
        }
    }
}

impl View for AppView {
    fn show(&self, page: &mut Page) {
        let name = page.paint(Tone::Strong, &self.app.app);
        page.line(format!("{name}  of {}", self.app.team));
        if let Some(purpose) = &self.app.purpose {
            page.line(purpose);
        }
        self.environments(page);
        self.back(page);
        let is = |state: &str| self.app.environments.iter().any(|env| env.state == state);
        let waits = is("waiting");
        page.heading("may");
        page.rows(sentences(&self.may));
        if self.may.is_empty() {
            page.under(if waits {
                "nothing yet: its release waits for a yes"
            } else {
                "nothing: no release of it serves"
            });
        }
        self.held(page);
        self.used(page);
        self.releases(page);
        if !self.waivers.is_empty() {
            page.heading("waived");
            page.rows(self.waivers.iter().map(WaiverView::row).collect());
        }
        let app = &self.app.app;
        if is("live") {
            page.next(format!("bailiwick logs {app}"));
        } else if is("revoked") {
            page.next(format!("bailiwick restore {app} --why \"…\""));
        } else if waits {
            page.next("bailiwick requests");
        } else if self.sent_back.is_some() {
            page.next(format!("bailiwick deploy {app}"));
        }
    }
}

impl AppView {
    fn environments(&self, page: &mut Page) {
        if self.app.environments.is_empty() {
            return;
        }
        page.blank();
        let rows = self.app.environments.iter().map(|env| {
            vec![
                env.env.as_str().into(),
                Cell::state(app_state(&env.state)),
                env.release(),
                env.tier(),
                Cell::or_none(env.class.as_deref()),
                env.expires(page),
                env.url.as_str().into(),
            ]
        });
        let rows = rows.collect();
        page.table(&["environment", "state", "release", "tier", "class", "expires", "address"], rows);
    }

    /// What waits, and what came back.
    fn back(&self, page: &mut Page) {
        let waiting: Vec<&str> = self.app.environments.iter().filter_map(|env| env.request.as_deref()).collect();
        if !waiting.is_empty() || self.sent_back.is_some() {
            page.blank();
        }
        for request in waiting {
            page.under(format!("waits for a person's yes: request {request}"));
        }
        if let Some(back) = &self.sent_back {
            page.under(format!(
                "release {} was sent back {}: request {}",
                back.release,
                page.ago(back.at),
                back.request
            ));
            if let Some(why) = &back.why {
                page.quote("", why);
            }
        }
    }

    fn held(&self, page: &mut Page) {
        page.heading("holds");
        if self.held.is_empty() {
            page.under("nothing");
        }
        let rows = self.held.iter().map(|held| {
            let until = held.until.map(|until| page.ago(until));
            vec![
                Cell::new(Tone::Quiet, held.surface.as_str()),
                held.item.as_str().into(),
                until.map_or_else(|| "".into(), |until| format!("ends {until}").into()),
                held.why.as_deref().unwrap_or_default().into(),
            ]
        });
        let rows = rows.collect();
        page.rows(rows);
    }

    fn used(&self, page: &mut Page) {
        page.heading("used");
        if self.used.is_empty() {
            page.under("nothing yet");
        }
        let rows = self.used.iter().map(|used| {
            let last = used.last.map(|last| format!("last {}", page.ago(last)));
            // Said while it would mislead: of a use before that, or of none.
            let early = |since: &Timestamp| used.last.is_some_and(|last| last < *since);
            let since = used.since.filter(early).map(|since| format!(" since {}", page.ago(since))).unwrap_or_default();
            vec![
                Cell::new(Tone::Quiet, used.surface.as_str()),
                used.item.as_str().into(),
                format!("{}{since}", when::counted(used.count, "time")).into(),
                last.unwrap_or_default().into(),
            ]
        });
        let rows = rows.collect();
        page.rows(rows);
    }

    fn releases(&self, page: &mut Page) {
        if self.releases.is_empty() {
            return;
        }
        page.heading("releases");
        let rows = self.releases.iter().map(|release| {
            // The release that its environment is at; it serves while that is on.
            let env = self.app.environments.iter().find(|env| env.env == release.env);
            let state = env.map_or("live", |env| env.state.as_str());
            let serves = if release.live { Cell::state(app_state(state)) } else { "".into() };
            vec![
                release.release.to_string().into(),
                release.env.as_str().into(),
                Cell::or_none(release.tier.map(Tier::as_str)),
                page.ago(release.created_at).into(),
                Cell::new(Tone::Quiet, short(&release.digest)),
                serves,
                release.exception(),
            ]
        });
        let rows = rows.collect();
        page.rows(rows);
    }
}

pub(super) fn sentences(sentences: &[Sentence]) -> Vec<Vec<Cell>> {
    sentences
        .iter()
        .map(|line| vec![Cell::new(Tone::Quiet, line.surface.as_str()), line.text.as_str().into()])
        .collect()
}

/// What an app became when it was restored.
#[derive(Debug, Deserialize)]
pub(crate) struct RestoredView {
    app: String,
    status: String,
    #[serde(default)]
    environments: Vec<RestoredEnv>,
    #[serde(default)]
    waiting: Vec<RestoreWaits>,
    #[serde(default)]
    left_off: Vec<RestoreOff>,
    #[serde(default)]
    empty: Vec<RestoreEmpty>,
}

#[derive(Debug, Deserialize)]
struct RestoreEmpty {
    env: String,
    state: String,
}

impl RestoreEmpty {
    fn says(&self) -> &'static str {
        match self.state.as_str() {
            "expired" => "past its date: deploy it with a later `expires`",
            _ => "never served: it can be deployed",
        }
    }
}

#[derive(Debug, Deserialize)]
struct RestoreOff {
    env: String,
    release: u32,
    problem: Said,
}

#[derive(Debug, Deserialize)]
struct Said {
    why: String,
    fix: String,
}

#[derive(Debug, Deserialize)]
struct RestoreWaits {
    env: String,
    release: u32,
    request: String,
}

#[derive(Debug, Deserialize)]
struct RestoredEnv {
    env: String,
    release: u32,
    url: String,
}

impl View for RestoredView {
    fn show(&self, page: &mut Page) {
        let (state, how) = match (self.environments.is_empty(), self.waiting.is_empty()) {
            (false, _) => ("live", "with new credentials; what was issued before stays dead"),
            (true, false) => ("waiting", "needs a person's yes once more; its data is kept"),
            (true, true) => {
                (self.status.as_str(), "is not switched off any more, and serves nothing until it is deployed")
            }
        };
        let (state, app) = (page.state(state), page.paint(Tone::Strong, &self.app));
        page.line(format!("{state}  {app}  {how}"));
        let row = |env: &RestoredEnv| {
            vec![env.env.as_str().into(), format!("release {}", env.release).into(), env.url.as_str().into()]
        };
        let waits = |waits: &RestoreWaits| {
            let release = format!("release {}", waits.release);
            vec![waits.env.as_str().into(), release.into(), format!("waits: request {}", waits.request).into()]
        };
        let off = |off: &RestoreOff| {
            vec![off.env.as_str().into(), format!("release {}", off.release).into(), "stays off".into()]
        };
        let rows = self.environments.iter().map(row).chain(self.waiting.iter().map(waits));
        let empty = |empty: &RestoreEmpty| vec![empty.env.as_str().into(), "no release".into(), empty.says().into()];
        page.rows(rows.chain(self.left_off.iter().map(off)).chain(self.empty.iter().map(empty)).collect());
        for off in &self.left_off {
            page.under(&off.problem.why);
            page.under(&off.problem.fix);
        }
        if let Some(waits) = self.waiting.first() {
            page.under("somebody else than you says yes, in the console or with");
            page.under(format!("`bailiwick approve {} --why \"…\"`", waits.request));
            page.next(format!("bailiwick app {}", self.app));
        }
    }
}

/// The certificate of an app that is gone.
#[derive(Debug, Deserialize)]
pub(crate) struct RetiredView {
    app: String,
    event: Option<String>,
    #[serde(default)]
    deleted: Vec<String>,
    #[serde(flatten)]
    reach: Reach,
}

impl View for RetiredView {
    fn show(&self, page: &mut Page) {
        let (state, app) = (page.state("retired"), page.paint(Tone::Strong, &self.app));
        page.line(format!("{state}  {app}  for good; its record is kept"));
        self.deleted.iter().for_each(|deleted| page.under(format!("deleted  {deleted}")));
        self.reach.show(page);
        if let Some(event) = &self.event {
            page.next(format!("bailiwick audit prove {event}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn a_whole_app() {
        let document = json!({
            "app": { "app": "poll-notify", "app_id": "a1", "team": "people-ops", "purpose": "Finds a time that suits the team",
                "created_at": "2026-11-01T12:00:00.000Z", "environments": [{ "env": "prod", "state": "live",
                "url": "http://poll-notify.localhost:7070", "release": 2, "digest": "sha256:ab", "tier": "medium", "class": "personal",
                "expires_at": "2027-02-01T12:00:00.000Z", "changed_at": "2026-11-03T11:00:00.000Z" }] },
            "may": [{ "surface": "gateway", "text": "everyone who is signed in may use it" },
                    { "surface": "broker", "text": "may POST to `slack.com/api/chat.postMessage`" }],
            "held": [{ "surface": "vault", "item": "people-ops/slack-bot", "why": "Posts how the poll stands", "until": "2027-02-01T12:00:00.000Z" },
                     { "surface": "data", "item": "votes", "why": null, "until": null }],
            "used": [{ "surface": "broker", "item": "slack.com", "count": 12, "last": "2026-11-03T11:57:00.000Z" },
                     { "surface": "data", "item": "votes", "count": 1, "last": null }],
            "releases": [{ "release": 2, "env": "prod", "digest": "sha256:0123456789abcdef0123456789abcdef", "tier": "medium", "created_at": "2026-11-03T11:00:00.000Z", "live": true },
                         { "release": 1, "env": "prod", "digest": "sha256:ffff", "tier": "low", "created_at": "2026-11-01T12:00:00.000Z", "live": false }],
        });
        insta::assert_snapshot!(shown::<AppView>(&document), @r#"
        poll-notify  of people-ops
        Finds a time that suits the team

          environment   state    release   tier     class      expires      address
          prod          ● live   2         medium   personal   in 90 days   http://poll-notify.localhost:7070

        may
          gateway   everyone who is signed in may use it
          broker    may POST to `slack.com/api/chat.postMessage`

        holds
          vault   people-ops/slack-bot   ends in 90 days   Posts how the poll stands
          data    votes

        used
          broker   slack.com   12 times   last 3 minutes ago
          data     votes       1 time

        releases
          2   prod   medium   1 hour ago   sha256:0123456789ab…   ● live
          1   prod   low      2 days ago   sha256:ffff
        next: bailiwick logs poll-notify
        "#);
    }

    #[test]
    fn what_was_sent_back_says_why() {
        let env = json!([{ "env": "prod", "state": "rejected", "url": "http://hi.localhost:7070", "release": null,
            "expires_at": "2027-02-01T12:00:00.000Z" }]);
        let document = json!({ "app": { "app": "hi", "team": "it", "environments": env },
            "sent_back": { "request": "r1", "env": "prod", "release": 1, "by": "person:p1", "at": "2026-11-03T11:57:00.000Z", "why": "name the channel" } });
        insta::assert_snapshot!(shown::<AppView>(&document), @"
        hi  of it

          environment   state         release   tier   class   expires      address
          prod          ✕ sent back   –         –      –       in 90 days   http://hi.localhost:7070

          release 1 was sent back 3 minutes ago: request r1
          “name the channel”

        may
          nothing: no release of it serves

        holds
          nothing

        used
          nothing yet
        next: bailiwick deploy hi
        ");
    }

    #[test]
    fn a_release_serves_only_while_its_app_is_on() {
        let document = |state: &str, live: bool| {
            json!({
                "app": { "app": "hi", "team": "it", "purpose": null, "environments": [{ "env": "prod", "state": state,
                    "url": "http://hi.localhost:7070", "release": null, "tier": null, "class": null, "expires_at": "2027-02-01T12:00:00.000Z" }] },
                "releases": [{ "release": 1, "env": "prod", "digest": "sha256:ab", "tier": "low", "created_at": "2026-11-01T12:00:00.000Z", "live": live }],
            })
        };
        let revoked = shown::<AppView>(&document("revoked", true));
        assert!(!revoked.contains("live"), "{revoked}");
        assert!(revoked.contains("sha256:ab   ✕ switched off\n"), "{revoked}");
        let waiting = shown::<AppView>(&document("waiting", false));
        assert!(waiting.contains("nothing yet: its release waits for a yes"), "{waiting}");
        assert!(waiting.ends_with("next: bailiwick requests"), "{waiting}");
    }

    #[test]
    fn a_new_app_has_nothing_yet() {
        let document = json!({ "app": { "app": "hi", "team": "it", "purpose": null, "environments": [] }, "may": [], "held": [], "used": [], "releases": [] });
        insta::assert_snapshot!(shown::<AppView>(&document), @"
        hi  of it

        may
          nothing: no release of it serves

        holds
          nothing

        used
          nothing yet
        ");
    }

    #[test]
    fn restored_and_retired() {
        let restored = json!({ "app": "tinypoll", "app_id": "a", "status": "live", "environments": [{ "env": "prod", "release": 3, "url": "http://tinypoll.localhost:7070", "credential_epoch": 2 }], "event": "e" });
        insta::assert_snapshot!(shown::<RestoredView>(&restored), @"
        ● live  tinypoll  with new credentials; what was issued before stays dead
          prod   release 3   http://tinypoll.localhost:7070
        ");
        let waits = json!({ "app": "tinypoll", "app_id": "a", "status": "waiting", "environments": [], "waiting": [{ "env": "prod", "release": 3, "request": "r1" }], "event": "e" });
        insta::assert_snapshot!(shown::<RestoredView>(&waits), @r#"
        ◌ waiting  tinypoll  needs a person's yes once more; its data is kept
          prod   release 3   waits: request r1
          somebody else than you says yes, in the console or with
          `bailiwick approve r1 --why "…"`
        next: bailiwick app tinypoll
        "#);
        let retired = json!({ "app": "tinypoll", "app_id": "a", "retired_at": "2026-11-03T12:00:00.000Z", "deleted": ["collection `votes` in prod: 12 records"], "event": "0192" });
        insta::assert_snapshot!(shown::<RetiredView>(&retired), @"
        ○ retired  tinypoll  for good; its record is kept
          deleted  collection `votes` in prod: 12 records
        next: bailiwick audit prove 0192
        ");
    }
}
