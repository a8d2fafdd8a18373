//! Who runs a job: leadership that ends with the node.

use crate::{
    Store, StoreError,
    engine::Engine,
    postgres::{Postgres, SessionLock},
};
use std::sync::Arc;

/// This node leads while this lives and `is_held`.
#[derive(Debug)]
pub struct Leadership(Option<SessionLock>);

impl Leadership {
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(SessionLock::is_held)
    }
}

impl Store {
    /// Leads `name` among the nodes, over a connection of its own; `None` while another node does. On SQLite the one
    /// node leads.
    ///
    /// # Errors
    /// `StoreError::Unwritable` when the database does not answer.
    pub async fn lead(&self, name: &str) -> Result<Option<Leadership>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(Some(Leadership(None))),
            Engine::Postgres(postgres) => {
                let lock = SessionLock::take(Arc::<Postgres>::as_ref(postgres), name).await?;
                Ok(lock.map(|lock| Leadership(Some(lock))))
            }
        }
    }
}
