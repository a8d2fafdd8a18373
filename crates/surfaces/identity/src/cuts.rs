//! Cuts of identity: people who were disabled, sessions that were ended. In memory first, then in the rows.

use crate::Identity;
use async_trait::async_trait;
use std::error::Error;
use store::{CutNote, CutOf, CutRows, Tx};

impl Identity {
    /// A cut that was made before this process began: memory shows it again. At start, after everything was read and
    /// before anything is served.
    pub fn stand(&self, note: &CutNote) {
        match &note.of {
            CutOf::Person(id) => drop(self.disable_until_written(&note.event, id)),
            CutOf::Session(_) => self.end_what_stands(),
            CutOf::Apps(_) | CutOf::Secret { .. } => {}
        }
    }
}

#[async_trait]
impl CutRows for Identity {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        match &note.of {
            CutOf::Person(id) => self.disable_rows(tx, id, note.at).await?,
            CutOf::Session(id) => self.end_rows(tx, id, note.at).await?,
            CutOf::Apps(_) | CutOf::Secret { .. } => {}
        }
        Ok(())
    }

    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let CutOf::Person(_) = &note.of {
            self.load_people().await?;
            self.authority.release(&note.event, epoch);
        }
        Ok(())
    }
}
