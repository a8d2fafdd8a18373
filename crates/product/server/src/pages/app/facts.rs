//! What an app's page says of it: what needs attention, what was used and never used, who answers for it, what it keeps.

use super::Seen;
use crate::{
    Bailiwick,
    page::{Trouble, last_day},
    pages::{
        parts::{Moment, Said, counted},
        secrets::{Health, SOON, health},
        shell::Viewer,
    },
};
use authority::{AppState, Held, Used, rules};
use catalog::{AppView, Error, SentBack};
use model::{Env, Manifest, PersonId, Timestamp, manifest::SurfaceName};
use std::{collections::BTreeSet, time::Duration};
use watch::Notify;

/// More names than that are a group, not people who answer.
const NAMES_MAX: usize = 8;

/// A sentence that someone should read first.
pub(in crate::pages) struct Notice {
    /// `good`, `warn`, `bad`, or nothing.
    pub(in crate::pages) kind: &'static str,
    pub(in crate::pages) shape: &'static str,
    pub(in crate::pages) text: Said,
    pub(in crate::pages) links: Vec<(String, &'static str)>,
}

impl Notice {
    fn new(kind: &'static str, shape: &'static str, text: impl Into<String>) -> Self {
        Self { kind, shape, text: Said::new(text), links: vec![] }
    }

    fn to(mut self, href: String, label: &'static str) -> Self {
        self.links.push((href, label));
        self
    }
}

/// The lines of one surface.
pub(super) struct May {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Said>,
}

/// One thing that it holds, and what it did with it.
pub(in crate::pages) struct Use {
    pub(in crate::pages) what: String,
    pub(in crate::pages) why: Option<Said>,
    pub(in crate::pages) until: Option<Moment>,
    /// `12 times`, `3 records`; nothing for what is not counted.
    pub(in crate::pages) count: String,
    pub(in crate::pages) last: Option<Moment>,
    pub(in crate::pages) never: bool,
}

impl Use {
    pub(super) fn new(held: Held, used: Option<&Used>, last_request: Option<Timestamp>, now: Timestamp) -> Self {
        let number = used.map_or(0, |used| used.count);
        let is_route = held.surface == SurfaceName::Gateway && used.is_some();
        let last = if is_route { last_request } else { used.and_then(|used| used.last) };
        let (count, counts) = match held.surface {
            SurfaceName::Gateway => (String::new(), is_route),
            SurfaceName::Identity => (format!("{} so far", counted(number, "session")), false),
            SurfaceName::Data => (counted(number, "record"), true),
            SurfaceName::Vault | SurfaceName::Broker => (counted(number, "time"), true),
        };
        let never = counts && number == 0 && last.is_none();
        Self {
            count: if never { String::new() } else { count },
            what: held.item,
            why: held.why.map(Said::new),
            until: Moment::opt(held.until, now),
            last: Moment::opt(last, now),
            never,
        }
    }
}

/// One field of a collection.
pub(super) struct Kept {
    pub(super) collection: String,
    pub(super) field: String,
    pub(super) class: &'static str,
    pub(super) encrypted: bool,
    pub(super) retain: String,
}

impl Kept {
    pub(super) fn of(manifest: &Manifest) -> Vec<Self> {
        let fields = manifest.data.iter().flat_map(|(collection, kept)| {
            kept.fields.iter().map(move |(field, declared)| Self {
                collection: collection.clone(),
                field: field.clone(),
                class: declared.class.as_str(),
                encrypted: declared.class.encrypted(),
                retain: span(kept.retain),
            })
        });
        let mut fields: Vec<Self> = fields.collect();
        // The most sensitive first: that is what a reviewer looks for.
        fields.sort_by_key(|field| !field.encrypted);
        fields
    }
}

/// Somebody's own words. Backticks would be read as code.
fn said(why: &str) -> String {
    format!(": “{}”", why.trim_end_matches('.').replace('`', "'"))
}

fn span(retain: Duration) -> String {
    let secs = retain.as_secs();
    match secs {
        _ if secs >= 86_400 && secs.is_multiple_of(86_400) => counted(secs / 86_400, "day"),
        _ if secs >= 3_600 && secs.is_multiple_of(3_600) => counted(secs / 3_600, "hour"),
        _ => counted(secs / 60, "minute"),
    }
}

/// Who is asked when something is wrong.
pub(super) struct Answers {
    pub(super) team: String,
    pub(super) people: Vec<String>,
    pub(super) more: usize,
    pub(super) deployed_by: String,
    pub(super) deployed: Option<Moment>,
}

impl Bailiwick {
    pub(crate) fn name_of(&self, person: Option<&PersonId>) -> String {
        self.identity.name_of(person)
    }

    pub(super) async fn answers(&self, app: &AppView, now: Timestamp) -> Result<Answers, Error> {
        let releases = self.catalog.releases(&app.app_id).await?;
        let live = releases.iter().find(|release| release.live).or_else(|| releases.first());
        let facts = self.authority.facts(&self.tenant);
        let team = facts.people.values().filter(|person| person.enabled && person.is_in(&app.team));
        let mut people: Vec<String> = team.map(|person| person.email.to_string()).collect();
        people.sort();
        let more = people.len().saturating_sub(NAMES_MAX);
        people.truncate(NAMES_MAX);
        Ok(Answers {
            team: app.team.to_string(),
            people,
            more,
            deployed_by: live.map(|release| self.name_of(release.by.as_ref())).unwrap_or_default(),
            deployed: live.map(|release| Moment::new(release.created_at, now)),
        })
    }

    /// What is shown for ever of the yes that the release which serves has.
    async fn exceptions(&self, app: &AppView) -> Result<Vec<Notice>, Error> {
        let serves = app.environments.last().and_then(|env| env.release);
        let releases = self.catalog.releases(&app.app_id).await?;
        let live = releases.iter().find(|release| Some(release.release) == serves);
        let Some(yes) = live.and_then(|release| release.approval.as_ref()) else { return Ok(vec![]) };
        let mut notices = Vec::new();
        let link = || format!("/apps/{}/releases", app.app);
        if yes.exception.is_some() {
            let text = "EXCEPTION. Nobody but the local credential said yes to its release, with `--break-glass`.";
            notices.push(Notice::new("bad", "denied", text).to(link(), "Its releases"));
        }
        if !yes.independent {
            let what = yes.dependence.join(", ");
            let text = format!("Not independent. Whoever said yes to its release has their {what} from whoever asked.");
            notices.push(Notice::new("bad", "denied", text).to(link(), "Its releases"));
        }
        Ok(notices)
    }

    /// What was sent back, with the words for whoever asked.
    pub(in crate::pages) async fn back(&self, app: &AppView, now: Timestamp) -> Result<Option<Notice>, Error> {
        Ok(self.catalog.sent_back(app).await?.map(|back| self.told_back(&back, now)))
    }

    /// The same, with the way to the files that were sent back, for whoever may change them.
    async fn back_to_mend(&self, viewer: &Viewer, app: &AppView, now: Timestamp) -> Result<Option<Notice>, Error> {
        let Some(back) = self.catalog.sent_back(app).await? else { return Ok(None) };
        let notice = self.told_back(&back, now);
        // What is changed in the page goes to `prod`.
        if back.env != Env::Prod || !viewer.may(&rules::APP_SOURCE, Some(&app.team)) {
            return Ok(Some(notice));
        }
        Ok(Some(notice.to(format!("/apps/{}/edit?release={}", app.app, back.release), "Edit what was sent back")))
    }

    fn told_back(&self, back: &SentBack, now: Timestamp) -> Notice {
        let (by, at) = (self.actor(&back.by), Moment::new(back.at, now).relative);
        let words = back.why.as_deref().map(said).unwrap_or_default();
        let text =
            format!("Release {} was sent back by {by}, {at}{words}. Mend it, and deploy it again.", back.release);
        let link = format!("/requests/{}", back.request);
        Notice::new("warn", "rejected", text).to(link, "The request")
    }

    /// The secrets that it needs and that do not work, or not for long.
    async fn secrets_that_worry(&self, manifest: &Manifest, env: Env, now: Timestamp) -> Result<Vec<Notice>, Trouble> {
        let standings = self.vault.standings(manifest, env).await?;
        let mut notices = Vec::new();
        for id in manifest.secrets.values().map(|used| &used.id).collect::<BTreeSet<_>>() {
            let (kind, shape, says) = match standings.get(id).map(|standing| health(id, standing, now)) {
                None => {
                    let text = format!("Nobody has put the secret `{id}` yet: calls that need it are refused.");
                    notices.push(Notice::new("warn", "failed", text));
                    continue;
                }
                Some(Health::Good) => continue,
                Some(Health::Ends(says)) => ("warn", "waiting", says),
                Some(Health::Dead(says)) => ("bad", "dead", says),
            };
            let text = Said::sentence(&format!("{says}."));
            notices.push(Notice { kind, shape, text, links: vec![(format!("/secrets/{id}"), "The secret")] });
        }
        Ok(notices)
    }

    /// What needs attention, the worst first.
    pub(super) async fn notices(&self, viewer: &Viewer, seen: &Seen) -> Result<Vec<Notice>, Trouble> {
        let (app, now) = (&seen.app, self.clock.now());
        let mut notices = Vec::new();
        let Some(env) = app.environments.last() else { return Ok(notices) };
        match env.state {
            AppState::Revoked => {
                let receipts = format!("/apps/{}/receipts/latest", app.app);
                let who = match self.catalog.switched_off(&app.app_id).await? {
                    Some(off) => {
                        let (by, at) = (self.name_of(off.by.as_ref()), Moment::new(off.at, now).relative);
                        format!(", by {by} {at}{}", off.why.as_deref().map(said).unwrap_or_default())
                    }
                    None => String::new(),
                };
                let text =
                    format!("It is switched off{who}. Nothing of it runs, and nothing that was issued to it works.");
                notices.push(Notice::new("bad", "off", text).to(receipts, "The receipt"));
            }
            AppState::Expired => {
                let text = format!(
                    "It is past its last day, {}, and does not serve. Its team can deploy it again with a later `expires`.",
                    last_day(env.expires_at)
                );
                notices.push(Notice::new("bad", "expired", text));
            }
            AppState::Retired => {
                notices.push(Notice::new(
                    "",
                    "retired",
                    "It was ended for good. Its data is deleted; its name stays taken.",
                ));
            }
            AppState::Waiting | AppState::Live => {}
        }
        notices.extend(app.removed_from.map(|at| goes(at, now, &self.config.notify)));
        if viewer.may(&rules::REQUEST_LIST, None)
            && let Some(request) = self.catalog.waiting_request(&app.app_id).await?
        {
            let text = "A release of it waits for a person's yes.";
            notices
                .push(Notice::new("warn", "waiting", text).to(format!("/requests/{request}"), "Look at the request"));
        }
        notices.extend(self.back_to_mend(viewer, app, now).await?);
        notices.extend(self.exceptions(app).await?);
        if env.state == AppState::Live {
            if env.expires_at <= now.plus(SOON) {
                let text = format!(
                    "Its last day is {}: {}.",
                    last_day(env.expires_at),
                    Moment::new(env.expires_at, now).relative
                );
                notices.push(Notice::new("warn", "waiting", text));
            }
            if let Some(manifest) = &seen.manifest {
                notices.extend(self.secrets_that_worry(manifest, env.env, now).await?);
            }
        }
        if env.state != AppState::Retired
            && self.identity.group_sizes().get(&app.team).copied().unwrap_or_default() == 0
        {
            let text = format!("Nobody is in its team, `{}`: nobody answers for it.", app.team);
            notices.push(Notice::new("warn", "failed", text));
        }
        Ok(notices)
    }
}

/// When a suspended app ends for good. People are warned before, which can make it later.
fn goes(at: Timestamp, now: Timestamp, notify: &Notify) -> Notice {
    let text = if !notify.is_on() {
        "What it keeps stays for now: nothing is deleted until people can be told of it, and `[notify]` names no way."
            .to_owned()
    } else if now < at {
        let day: String = at.to_string().chars().take(10).collect();
        format!(
            "It ends for good on {day}, unless it is deployed again before: what it keeps is deleted on {day}, and the values of its secrets; its name stays taken."
        )
    } else {
        "It ends for good a day after its team was told of the day, unless it is deployed again: what it keeps is deleted then, and the values of its secrets; its name stays taken.".to_owned()
    };
    Notice::new("bad", "expired", text)
}
