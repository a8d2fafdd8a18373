//! SQLite's result codes (sqlite.org/rescode.html) in the classes of `StoreError`.

use crate::StoreError;
use rusqlite::{Error, ffi};
use std::sync::Arc;

/// The low byte of an extended code is the primary one.
const PRIMARY: i32 = 0xff;

pub(crate) fn write_error(error: Error) -> StoreError {
    let Error::SqliteFailure(code, ref message) = error else {
        return StoreError::Database(Arc::new(error));
    };
    let gone = |reason| move |error: Error| StoreError::Unwritable { reason, source: Some(Arc::new(error)) };
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            return conflict(message.as_deref().unwrap_or_default());
        }
        _ => {}
    }
    match code.extended_code & PRIMARY {
        ffi::SQLITE_FULL => gone("the disk is full")(error),
        ffi::SQLITE_READONLY => gone("the database is read-only")(error),
        ffi::SQLITE_IOERR => gone("the disk does not answer")(error),
        ffi::SQLITE_CANTOPEN => gone("the database file cannot be opened")(error),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => gone("the database file is damaged")(error),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
            StoreError::Busy { reason: "another process holds the database", source: Some(Arc::new(error)) }
        }
        ffi::SQLITE_INTERRUPT => {
            StoreError::Busy { reason: "a statement took longer than it may", source: Some(Arc::new(error)) }
        }
        _ => StoreError::Database(Arc::new(error)),
    }
}

/// A reader that meets a write was given the wrong statement: our mistake, not the disk's.
pub(crate) fn read_error(error: Error) -> StoreError {
    if let Error::SqliteFailure(code, _) = &error
        && code.extended_code & PRIMARY == ffi::SQLITE_READONLY
    {
        return StoreError::ReadOnly;
    }
    write_error(error)
}

/// `UNIQUE constraint failed: secrets.tenant, secrets.id`, or `index 'name'`.
fn conflict(message: &str) -> StoreError {
    let constraint = message.split_once(": ").map_or(message, |(_, columns)| columns);
    let table = constraint.split('.').next().unwrap_or_default();
    StoreError::Conflict { table: table.to_owned(), constraint: constraint.to_owned() }
}
