//! Receipts of revokes: what was cut, where, when. Reading one is an act, and an event. One that is written is read from
//! the record; until then, one that waits for other nodes from its row, and one that waits for its record from the note
//! of its cut.

use crate::{Catalog, Error, Kept, Receipt, apps};
use authority::{Act, AppState, Cut, CutState, Permit, Rule, Target, rules};
use model::{AppId, EventId, Group, PersonId, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use store::{CutNote, EventFilter, Outcome, Recorded};

/// Old revokes of one app that are looked through for the one that is asked for.
const REVOKES_MAX: u32 = 1_000;
/// How long a revoke that follows another looks for what the first one cut: it is done, and whoever asked waits.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// Read the receipt of a revoke.
#[derive(Debug, Clone)]
pub struct ReadReceipt {
    pub tenant: TenantId,
    pub app: AppId,
    pub team: Group,
}

impl Act for ReadReceipt {
    const RULE: &'static Rule = &rules::RECEIPT_READ;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

/// A receipt, with who asked for the revoke.
#[derive(Debug, Clone)]
pub struct ReceiptRead {
    pub receipt: Receipt,
    pub by: Option<PersonId>,
    /// Whether its event stands: it is as it will be.
    pub written: bool,
    /// What became of the app since.
    pub since: Since,
}

/// What became of an app after a revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It is off by it still, or was ended.
    Off,
    /// It came back then, and was not switched off again.
    Back(Timestamp),
    /// It came back then, and is off again.
    OffAgain(Timestamp),
}

/// How an app was switched off last.
#[derive(Debug, Clone)]
pub struct SwitchedOff {
    /// `None`: the machine, or the system itself.
    pub by: Option<PersonId>,
    pub at: Timestamp,
    /// `None` when whoever said it was erased.
    pub why: Option<String>,
}

/// What the event `app.revoke.done` keeps of a receipt.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) asked_at: Timestamp,
    pub(crate) done_at: Timestamp,
    pub(crate) event: EventId,
    pub(crate) surfaces: Vec<Cut>,
}

/// The lines alone, of a receipt that is not written yet.
#[derive(Debug, Deserialize)]
struct Lines {
    surfaces: Vec<Cut>,
}

impl Catalog {
    /// Names the act.
    ///
    /// # Errors
    /// No such app.
    pub fn plan_receipt(&self, name: &str) -> Result<ReadReceipt, Error> {
        let (app, team) = self.find(name)?;
        Ok(ReadReceipt { tenant: self.tenant.clone(), app, team })
    }

    /// The receipt of one revoke, by the id of its event; without one, the newest.
    ///
    /// # Errors
    /// When the database cannot be read, or the record takes no more.
    pub async fn receipt(
        &self,
        permit: Permit<ReadReceipt>,
        which: Option<&EventId>,
    ) -> Result<Option<ReceiptRead>, Error> {
        let (app, detail) = (permit.act().app.clone(), json!({ "event": which }));
        if let Some(waiting) = self.waiting_receipt(&app, which) {
            self.store.access_late(permit, Outcome::Allowed, detail)?;
            return Ok(Some(waiting));
        }
        self.store.access(permit, Outcome::Allowed, detail)?;
        let Some(read) = self.known_receipt(&app, which).await? else { return Ok(None) };
        let since = self.since(&app, read.receipt.asked_at).await?;
        Ok(Some(ReceiptRead { since, ..read }))
    }

    /// How an app was switched off last; `None` while that is not on the record.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn switched_off(&self, app: &AppId) -> Result<Option<SwitchedOff>, Error> {
        let filter = EventFilter { limit: Some(1), ..allowed(app, &rules::APP_REVOKE) };
        let events = self.store.events(&self.tenant, &filter).await?;
        let Some(event) = events.into_iter().next() else { return Ok(None) };
        let why = self.store.fill(&event).await?.why;
        Ok(Some(SwitchedOff { by: event.person, at: event.at, why }))
    }

    /// An app that is off comes back by being restored, or by the yes that a restore had to ask for.
    async fn since(&self, app: &AppId, cut: Timestamp) -> Result<Since, Error> {
        let mut back: Option<Timestamp> = None;
        for act in [&rules::APP_RESTORE, &rules::RELEASE_APPROVE] {
            let filter = EventFilter { since: Some(cut), limit: Some(REVOKES_MAX), ..allowed(app, act) };
            for event in self.store.events(&self.tenant, &filter).await? {
                let opened = event.json()?.pointer("/detail/environments").and_then(Value::as_u64);
                if opened != Some(0) {
                    back = Some(back.map_or(event.at, |known| known.min(event.at)));
                }
            }
        }
        let apps = self.apps.all();
        let off = apps.get(app).is_some_and(|app| app.envs.values().any(|env| env.state == AppState::Revoked));
        Ok(match back {
            None => Since::Off,
            Some(at) if off => Since::OffAgain(at),
            Some(at) => Since::Back(at),
        })
    }

    /// As the database has it: written, or due.
    async fn known_receipt(&self, app: &AppId, which: Option<&EventId>) -> Result<Option<ReceiptRead>, Error> {
        // INVARIANT: what is due is read before what is written, or one that is written in between is found nowhere.
        let due = self.due_receipt(app, which).await?;
        if which.is_some() && due.is_some() {
            return Ok(due);
        }
        let stored = self.stored_receipt(app, which).await?;
        Ok(due.into_iter().chain(stored).max_by_key(|read| read.receipt.asked_at))
    }

    /// The receipt of a cut that this node could not write yet.
    fn waiting_receipt(&self, app: &AppId, which: Option<&EventId>) -> Option<ReceiptRead> {
        let name = self.name_of(app)?;
        let is_asked = |note: &CutNote| {
            which.is_none_or(|event| note.event == *event) && note.apps().iter().any(|one| one.id == *app)
        };
        let waiting = self.store.waiting_cuts().into_iter().rev().filter(|(note, _)| is_asked(note));
        let read = |(note, kept): (Arc<CutNote>, Recorded)| {
            let done = note.promised().find(|also| also.action == rules::APP_REVOKE_DONE.name)?;
            let stored: Stored = serde_json::from_value(done.detail.clone()).ok()?;
            let receipt = Receipt {
                app: name.to_string(),
                app_id: app.clone(),
                why: note.why.clone().unwrap_or_default(),
                asked_at: stored.asked_at,
                done_at: stored.done_at,
                event: note.event.clone(),
                done_event: done.id.clone(),
                recorded: false,
                kept: kept.into(),
                surfaces: stored.surfaces,
            };
            Some(ReceiptRead { receipt, by: note.person().cloned(), written: false, since: Since::Off })
        };
        waiting.filter_map(read).next()
    }

    /// Who asked for a revoke, and why.
    pub(crate) async fn asked(&self, revoke: &EventId) -> Result<Option<(Option<PersonId>, String)>, Error> {
        let Some(event) = self.store.event(&self.tenant, revoke).await? else { return Ok(None) };
        let why = why(&self.store.show(&event).await?);
        Ok(Some((event.person, why)))
    }

    async fn stored_receipt(&self, app: &AppId, which: Option<&EventId>) -> Result<Option<ReceiptRead>, Error> {
        let name = self.name_of(app).ok_or_else(|| Error::Refused(apps::unknown(app.as_str())))?;
        let filter = EventFilter {
            app: Some(app.clone()),
            action: Some(rules::APP_REVOKE_DONE.name.to_owned()),
            limit: Some(REVOKES_MAX),
            ..EventFilter::default()
        };
        for found in self.store.events(&self.tenant, &filter).await? {
            let shown = self.store.show(&found).await?;
            let stored = shown.get("detail").cloned().map(serde_json::from_value::<Stored>);
            let Some(Ok(stored)) = stored else { continue };
            if which.is_some_and(|event| *event != stored.event) {
                continue;
            }
            // With other nodes it is the system's own event: who asked, and why, stand with the revoke.
            let asked = match found.person {
                Some(_) => None,
                None => self.asked(&stored.event).await?,
            };
            let (by, why) = asked.unwrap_or_else(|| (found.person.clone(), why(&shown)));
            let receipt = Receipt {
                app: name.to_string(),
                app_id: app.clone(),
                why,
                asked_at: stored.asked_at,
                done_at: stored.done_at,
                event: stored.event,
                done_event: found.id.clone(),
                recorded: true,
                kept: Kept::Record,
                surfaces: stored.surfaces,
            };
            return Ok(Some(ReceiptRead { receipt, by, written: true, since: Since::Off }));
        }
        Ok(None)
    }

    /// What was cut before, of an app that was off already: what a surface let go then, it does not tell again.
    pub(crate) async fn cut_before(&self, app: &AppId) -> Vec<Cut> {
        let standing = self.store.standing();
        let of_app = standing.iter().filter(|note| note.apps().iter().any(|one| one.id == *app));
        let lines = of_app.flat_map(|note| {
            note.promised()
                .filter_map(|also| serde_json::from_value::<Lines>(also.detail.clone()).ok())
                .collect::<Vec<_>>()
        });
        if let Some(told) = lines.max_by_key(|told| told.surfaces.len()) {
            return told.surfaces;
        }
        match tokio::time::timeout(LOOK_WITHIN, self.known_receipt(app, None)).await {
            Ok(Ok(read)) => read.map(|read| read.receipt.surfaces).unwrap_or_default(),
            // The receipt is shorter then; the app is as dead.
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

/// Acts of one kind on an app that took place.
fn allowed(app: &AppId, act: &Rule) -> EventFilter {
    EventFilter {
        app: Some(app.clone()),
        action: Some(act.name.to_owned()),
        outcome: Some("allowed".to_owned()),
        ..EventFilter::default()
    }
}

fn why(shown: &Value) -> String {
    shown.get("why").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The lines that will not change any more.
pub(crate) fn over(mut lines: Vec<Cut>) -> Vec<Cut> {
    lines.retain(|line| line.state != CutState::Expiring);
    lines
}

/// The lines of before, and of now those that are about something else, or know better of what was not dead then.
pub(crate) fn together(before: Vec<Cut>, now: Vec<Cut>) -> Vec<Cut> {
    let same =
        |one: &Cut, other: &Cut| one.surface == other.surface && one.item == other.item && one.node == other.node;
    let mut lines = before;
    for line in now {
        match lines.iter_mut().find(|known| same(known, &line)) {
            Some(known) if known.state == CutState::Dead => {}
            Some(known) => *known = line,
            None => lines.push(line),
        }
    }
    lines.sort_by_key(|line| line.surface);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use authority::SurfaceName;

    #[test]
    fn what_was_dead_stays_dead_and_what_was_not_is_told_anew() {
        let line = |item: &str, node: &str, state: CutState, how: &str| Cut {
            surface: SurfaceName::Gateway,
            item: item.to_owned(),
            state,
            dead_at: None,
            dead_by: None,
            node: node.to_owned(),
            how: how.to_owned(),
        };
        let before = vec![
            line("a", "one", CutState::Dead, "first"),
            line("a", "two", CutState::Expiring, "first"),
            line("b", "one", CutState::Dead, "first"),
        ];
        let now = vec![
            line("a", "one", CutState::Dead, "again"),
            line("a", "two", CutState::Dead, "again"),
            line("c", "one", CutState::Dead, "again"),
        ];
        let told: Vec<_> = together(before, now).into_iter().map(|line| (line.item, line.node, line.how)).collect();
        let of = |item: &str, node: &str, how: &str| (item.to_owned(), node.to_owned(), how.to_owned());
        let all = [of("a", "one", "first"), of("a", "two", "again"), of("b", "one", "first"), of("c", "one", "again")];
        assert_eq!(told, all);
    }
}
