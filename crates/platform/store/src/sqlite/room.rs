//! Room on the disk of the database and of the log beside it (sqlite.org/wal.html): what only the log holds needs room in
//! the database once more, before the log can become small.
//!
//! Refuses before the disk is full, so that refusal does not depend on pages that the engine has left.

use super::{Sqlite, errors::read_error, statement};
use crate::{StoreError, sql};
use rusqlite::Connection;
use std::time::Duration;

/// So many reserves stay free beside what can be broken off and begun again: whoever else writes goes on with them.
const SPARED: u64 = 4;
/// Between two looks while something waits for others, who write meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How large the database is, with what only its log holds.
pub(super) fn size(conn: &Connection) -> Result<u64, StoreError> {
    let answer = statement::run(conn, sql::DATABASE_BYTES, &[]).map_err(|refused| refused.into_store(read_error))?;
    answer.rows.first().map_or(Ok(0), |row| row.uint(0))
}

impl Sqlite {
    pub(super) fn is_below_reserve(&self) -> Result<bool, StoreError> {
        Ok(self.free_bytes()? < self.reserve_bytes)
    }

    /// Whether the log could be brought into the database and leave half of what is free.
    pub(super) fn fits(&self, size: u64) -> Result<bool, StoreError> {
        Ok(self.lacks(size)? <= self.free_bytes()? / 2)
    }

    /// Refuses what would leave too little room for the log: it holds what makes the database as large as `size`.
    pub(crate) fn check_spared(&self, size: u64) -> Result<(), StoreError> {
        let wanted = self.lacks(size)?.saturating_add(self.reserve_bytes.saturating_mul(SPARED));
        if self.free_bytes()? < wanted {
            return Err(StoreError::NoRoom { path: self.folder.display().to_string() });
        }
        Ok(())
    }

    /// Ends with the refusal, once there is one.
    pub(super) async fn narrow(&self, look: &Connection) -> StoreError {
        loop {
            if let Err(error) = size(look).and_then(|size| self.check_spared(size)) {
                return error;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What the file is yet to grow by.
    fn lacks(&self, size: u64) -> Result<u64, StoreError> {
        let file = std::fs::metadata(self.place.path()).map_err(StoreError::file)?;
        Ok(size.saturating_sub(file.len()))
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        let space = rustix::fs::statvfs(&self.folder).map_err(|errno| StoreError::file(errno.into()))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}
