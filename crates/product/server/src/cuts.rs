//! Cuts that the database may not show: kept at start, and written by the room whose they are.

use crate::Bailiwick;
use async_trait::async_trait;
use std::{
    error::Error,
    sync::{Arc, Weak},
};
use store::{CutNote, CutOf, CutRows, Tx};

impl Bailiwick {
    /// What stands in the journal is cut again before anything is served; the store writes it as soon as it can.
    pub(crate) async fn keep_cut(self: &Arc<Self>) {
        for note in self.store.standing() {
            tracing::warn!(act = note.rule().name, event = %note.event, "cut before this start, and not in the record yet");
            match &note.of {
                CutOf::Apps(_) => self.catalog.stand(&note).await,
                CutOf::Person(_)
                | CutOf::Session(_)
                | CutOf::Others { .. }
                | CutOf::AtProvider { .. }
                | CutOf::Provider { .. }
                | CutOf::Role { .. } => self.identity.stand(&note),
                CutOf::Secret { .. } => self.vault.stand(&note),
                CutOf::Done(_) => {}
            }
        }
        let this: Weak<Self> = Arc::downgrade(self);
        self.store.write_cuts_with(this);
    }

    /// Receipts that this node owes from a run that ended before every other node had said so.
    pub(crate) async fn finish_receipts(&self) {
        if self.is_recovering() {
            return;
        }
        if let Err(error) = self.catalog.finish_receipts(self.clock.now()).await {
            // Whichever node runs the jobs comes back to it.
            tracing::error!(error = &error as &dyn Error, "receipts of revokes could not be finished");
        }
    }

    fn room(&self, note: &CutNote) -> &dyn CutRows {
        match &note.of {
            CutOf::Apps(_) | CutOf::Done(_) => &*self.catalog,
            CutOf::Person(_)
            | CutOf::Session(_)
            | CutOf::Others { .. }
            | CutOf::AtProvider { .. }
            | CutOf::Provider { .. }
            | CutOf::Role { .. } => &*self.identity,
            CutOf::Secret { .. } => &*self.vault,
        }
    }
}

#[async_trait]
impl CutRows for Bailiwick {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.room(note).rows(note, tx).await
    }

    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.room(note).settled(note, epoch).await?;
        if note.owed.is_some() {
            // Written late, or it would have been settled by whoever asked: nobody else waits for the other nodes.
            let (catalog, event) = (Arc::clone(&self.catalog), note.event.clone());
            tokio::spawn(async move {
                if let Err(error) = catalog.finish_receipt(&event).await {
                    tracing::error!(error = &error as &dyn Error, "the receipt of a revoke could not be finished");
                }
            });
        }
        Ok(())
    }
}
