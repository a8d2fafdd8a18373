//! Cuts that facts must show however old the rows are that they were made from.
//!
//! A cut is in memory before it is in the database. Facts that are read meanwhile do not know of it: each hold is put
//! over them again, until facts come of an epoch at which the rows say the same.

use crate::{Authority, Facts};
use model::{EventId, TenantId};
use std::{
    fmt,
    sync::{Arc, MutexGuard, PoisonError},
};

type Edit = Arc<dyn Fn(&mut Facts) + Send + Sync>;

/// One cut, by the event that records it.
pub(crate) struct Hold {
    tenant: TenantId,
    event: EventId,
    edit: Edit,
    /// From this epoch on, the rows say it.
    until: Option<u64>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("event", &self.event).field("until", &self.until).finish_non_exhaustive()
    }
}

impl Authority {
    fn held(&self) -> MutexGuard<'_, Vec<Hold>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes authority away now, and keeps it away until `release`.
    pub fn hold(&self, tenant: &TenantId, event: &EventId, edit: impl Fn(&mut Facts) + Send + Sync + 'static) {
        let edit: Edit = Arc::new(edit);
        let mut holds = self.held();
        if !holds.iter().any(|hold| hold.event == *event) {
            let hold = Hold { tenant: tenant.clone(), event: event.clone(), edit: Arc::clone(&edit), until: None };
            holds.push(hold);
        }
        // Still locked: no older facts come in between.
        self.narrow(tenant, |facts| edit(facts));
    }

    /// The cut stands in the rows of `epoch` and later.
    pub fn release(&self, event: &EventId, epoch: u64) {
        let mut holds = self.held();
        for hold in holds.iter_mut().filter(|hold| hold.event == *event) {
            hold.until = Some(epoch);
        }
        holds.retain(|hold| hold.until.is_none_or(|until| self.epoch(&hold.tenant) < until));
    }

    /// Facts as they were read, with every cut that they may not know of. The guard keeps others from coming between.
    pub(crate) fn with_holds(&self, tenant: &TenantId, facts: &mut Facts) -> MutexGuard<'_, Vec<Hold>> {
        let mut holds = self.held();
        holds.retain(|hold| hold.tenant != *tenant || hold.until.is_none_or(|until| facts.epoch < until));
        for hold in holds.iter().filter(|hold| hold.tenant == *tenant) {
            (hold.edit)(facts);
        }
        holds
    }
}
