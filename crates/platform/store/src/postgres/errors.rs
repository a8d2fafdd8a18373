//! PostgreSQL's states (documentation, appendix A) in the classes of `StoreError`.

use crate::StoreError;
use deadpool_postgres::{PoolError, TimeoutType};
use std::sync::Arc;
use tokio_postgres::{Error, error::SqlState};

pub(crate) fn write_error(error: Error) -> StoreError {
    let Some(state) = error.code().cloned() else {
        // Without an answer from the server: the connection is gone, or the answer did not decode.
        return if error.is_closed() || is_io(&error) {
            StoreError::Unwritable { reason: "the database does not answer", source: Some(Arc::new(error)) }
        } else {
            StoreError::Database(Arc::new(error))
        };
    };
    if state == SqlState::UNIQUE_VIOLATION {
        let detail = error.as_db_error();
        return StoreError::Conflict {
            table: detail.and_then(|detail| detail.table()).unwrap_or_default().to_owned(),
            constraint: detail.and_then(|detail| detail.constraint()).unwrap_or_default().to_owned(),
        };
    }
    let reason = match (state.code().get(..2), state.code()) {
        (_, "53100") => "the disk is full",
        (_, "25006") => "the database is read-only",
        (_, "40P01" | "40001" | "55P03" | "53300" | "57014") => {
            return StoreError::Busy { reason: "a lock was not given in time", source: Some(Arc::new(error)) };
        }
        (Some("53" | "58" | "XX"), _) => "the database is out of resources",
        (Some("08" | "57"), _) => "the database does not answer",
        _ => return StoreError::Database(Arc::new(error)),
    };
    StoreError::Unwritable { reason, source: Some(Arc::new(error)) }
}

/// Whether it is the answer of `sql::EPOCH_HELD` to an epoch that moved. Nothing else of the house divides.
pub(crate) fn is_epoch_moved(error: &StoreError) -> bool {
    let StoreError::Database(cause) = error else { return false };
    let cause: &(dyn std::error::Error + 'static) = &**cause;
    cause.downcast_ref::<Error>().and_then(Error::code) == Some(&SqlState::DIVISION_BY_ZERO)
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// A reader that meets a write was given the wrong statement: our mistake, not the server's.
pub(crate) fn read_error(error: Error) -> StoreError {
    if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) { StoreError::ReadOnly } else { write_error(error) }
}

pub(crate) fn pool_error(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => write_error(error),
        PoolError::Timeout(TimeoutType::Wait) => StoreError::busy("every connection is in use"),
        PoolError::Closed => StoreError::Closed,
        PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::Unwritable { reason: "the database does not answer", source: Some(Arc::new(error)) }
        }
    }
}
