//! One row of an answer.
//!
//! Refuses, by column, to read a value as what it is not; never panics.

use crate::{StoreError, Value};
use model::Timestamp;

/// Columns count from 0, in the order of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    pub(crate) const fn new(columns: Vec<Value>) -> Self {
        Self(columns)
    }

    fn column(&self, column: usize) -> Result<&Value, StoreError> {
        self.0.get(column).ok_or_else(|| StoreError::row(column, "in this answer"))
    }

    /// # Errors
    /// `StoreError::Row` when the column is missing, NULL or another kind; so do all the others.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| StoreError::row(column, "an integer"))
    }

    /// # Errors
    /// As `int`, except that NULL is `None`; so do all the other `opt_…`.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.column(column)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            Value::Text(_) | Value::Bytes(_) => Err(StoreError::row(column, "an integer")),
        }
    }

    /// A count or a size: refuses what is below zero.
    ///
    /// # Errors
    /// As `int`.
    pub fn uint(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::row(column, "a count"))
    }

    /// # Errors
    /// As `int`.
    pub fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_ms)
    }

    /// # Errors
    /// As `opt_int`.
    pub fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_ms))
    }

    /// # Errors
    /// As `int`.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.opt_text(column)?.ok_or_else(|| StoreError::row(column, "text"))
    }

    /// # Errors
    /// As `opt_int`.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.column(column)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            Value::Int(_) | Value::Bytes(_) => Err(StoreError::row(column, "text")),
        }
    }

    /// # Errors
    /// As `int`.
    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.opt_bytes(column)?.ok_or_else(|| StoreError::row(column, "bytes"))
    }

    /// # Errors
    /// As `opt_int`.
    pub fn opt_bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.column(column)? {
            Value::Null => Ok(None),
            Value::Bytes(value) => Ok(Some(value)),
            Value::Int(_) | Value::Text(_) => Err(StoreError::row(column, "bytes")),
        }
    }

    /// Text that parses: an id, an `Env`, a digest.
    ///
    /// # Errors
    /// As `int`; also when the text does not parse.
    pub fn parse<T: std::str::FromStr>(&self, column: usize, expected: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::row(column, expected))
    }

    /// The values as they are.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.0
    }
}
