//! Runs one statement on one connection.
//!
//! `$1` is a *named* parameter in SQLite, numbered by first appearance: binding goes by name, never by position.

use crate::{Row, StoreError, Value, engine::Answer};
use rusqlite::{
    Connection, Result,
    types::{ToSqlOutput, ValueRef},
};

/// The most parameters that one statement takes.
const NAMES: [&str; 32] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16", "$17",
    "$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31", "$32",
];

/// Either the engine refused, or what was bound or read does not fit.
#[derive(Debug)]
pub(crate) enum Refused {
    Engine(rusqlite::Error),
    Ours(StoreError),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl Refused {
    pub(crate) fn into_store(self, classify: fn(rusqlite::Error) -> StoreError) -> StoreError {
        match self {
            Self::Engine(error) => classify(error),
            Self::Ours(error) => error,
        }
    }
}

pub(crate) fn run(conn: &Connection, sql: &str, params: &[Value]) -> Result<Answer, Refused> {
    let mut statement = conn.prepare_cached(sql)?;
    if statement.parameter_count() != params.len() {
        let why = "the statement takes another number of parameters";
        return Err(Refused::Ours(StoreError::Param { position: params.len(), why }));
    }
    for (value, name) in params.iter().zip(NAMES) {
        let Some(index) = statement.parameter_index(name)? else {
            let why = "parameters must be named `$1`, `$2`, … without a gap";
            return Err(Refused::Ours(StoreError::Param { position: params.len(), why }));
        };
        statement.raw_bind_parameter(index, value)?;
    }
    let columns = statement.column_count();
    if columns == 0 {
        let changed = statement.raw_execute()?;
        return Ok(Answer { rows: Vec::new(), changed: changed as u64 });
    }
    let mut rows = Vec::new();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next()? {
        rows.push(self::row(row, columns)?);
    }
    Ok(Answer { changed: conn.changes(), rows })
}

pub(crate) fn row(raw: &rusqlite::Row<'_>, columns: usize) -> Result<Row, Refused> {
    let values: Result<Vec<Value>, Refused> = (0..columns).map(|column| value(raw.get_ref(column)?, column)).collect();
    values.map(Row::new)
}

fn value(raw: ValueRef<'_>, column: usize) -> Result<Value, Refused> {
    Ok(match raw {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(_) => {
            return Err(Refused::Ours(StoreError::row(column, "an integer, text or bytes")));
        }
        ValueRef::Text(text) => Value::Text(
            std::str::from_utf8(text).map_err(|_| Refused::Ours(StoreError::row(column, "UTF-8")))?.to_owned(),
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
