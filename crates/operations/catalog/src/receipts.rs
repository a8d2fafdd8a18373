//! Receipts of revokes, read from the record: what was cut, where, when. Reading one is an act, and an event.

use crate::{Catalog, Error, Kept, Receipt, apps};
use authority::{Act, Cut, CutState, Permit, Rule, Target, rules};
use model::{AppId, EventId, Group, PersonId, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::{EventFilter, Outcome};

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
}

/// What the event `app.revoke.done` keeps of a receipt.
#[derive(Debug, Deserialize)]
struct Stored {
    asked_at: Timestamp,
    done_at: Timestamp,
    event: EventId,
    surfaces: Vec<Cut>,
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
        let app = permit.act().app.clone();
        self.store.access(permit, Outcome::Allowed, json!({ "event": which }))?;
        self.stored_receipt(&app, which).await
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
            let receipt = Receipt {
                app: name.to_string(),
                app_id: app.clone(),
                why: shown.get("why").and_then(Value::as_str).unwrap_or_default().to_owned(),
                asked_at: stored.asked_at,
                done_at: stored.done_at,
                event: stored.event,
                done_event: found.id.clone(),
                recorded: true,
                kept: Kept::Record,
                surfaces: stored.surfaces,
            };
            return Ok(Some(ReceiptRead { receipt, by: found.person.clone() }));
        }
        Ok(None)
    }

    /// What was cut before, of an app that was off already: what a surface let go then, it does not tell again.
    pub(crate) async fn cut_before(&self, app: &AppId) -> Vec<Cut> {
        let standing = self.store.standing();
        let of_app = standing.iter().filter(|note| note.apps().iter().any(|one| one.id == *app));
        let told = of_app.flat_map(|note| note.also.iter().chain(&note.also_late));
        let lines = told.filter_map(|also| serde_json::from_value::<Lines>(also.detail.clone()).ok());
        if let Some(told) = lines.max_by_key(|told| told.surfaces.len()) {
            return told.surfaces;
        }
        match tokio::time::timeout(LOOK_WITHIN, self.stored_receipt(app, None)).await {
            Ok(Ok(read)) => read.map(|read| read.receipt.surfaces).unwrap_or_default(),
            // The receipt is shorter then; the app is as dead.
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
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
