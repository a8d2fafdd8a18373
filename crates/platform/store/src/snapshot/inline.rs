//! Content that lies outside the database comes into a snapshot as if it lay in it: a backup is whole by itself, and is
//! restored wherever one likes.

use super::{Piece, Pieces, line, values};
use crate::{Row, Store, StoreError, Value};
use tokio::sync::mpsc::Receiver;

const BYTES: &str = "bytes";
const OUTSIDE: &str = "outside";

/// Where a table says that its content is elsewhere: the columns of both.
#[derive(Debug, Clone, Copy)]
struct Columns {
    bytes: usize,
    outside: usize,
}

impl Columns {
    fn of(columns: &[String]) -> Option<Self> {
        let at = |name: &str| columns.iter().position(|column| column == name);
        Some(Self { bytes: at(BYTES)?, outside: at(OUTSIDE)? })
    }
}

/// Hands pieces on, with what lies outside put in.
pub(super) async fn bring(store: &Store, mut from: Receiver<Piece>, to: Pieces) -> Result<(), StoreError> {
    let mut columns = None;
    while let Some(piece) = from.recv().await {
        let piece = match piece {
            Piece::Table { name, columns: names } => {
                columns = Columns::of(&names);
                Piece::Table { name, columns: names }
            }
            Piece::Rows(lines) => match columns {
                Some(columns) => Piece::Rows(brought(store, columns, lines).await?),
                None => Piece::Rows(lines),
            },
            Piece::Steps(steps) => Piece::Steps(steps),
        };
        to.send(piece).await.map_err(|_| StoreError::Closed)?;
    }
    Ok(())
}

async fn brought(store: &Store, columns: Columns, mut lines: Vec<String>) -> Result<Vec<String>, StoreError> {
    for text in &mut lines {
        let mut row = values(text).ok_or_else(|| StoreError::row(0, "a row of the table"))?;
        let Some(Value::Text(name)) = row.get(columns.outside).cloned() else { continue };
        let content = store.content_once(&name).await?;
        for (at, value) in [(columns.bytes, Value::Bytes(content)), (columns.outside, Value::Null)] {
            if let Some(slot) = row.get_mut(at) {
                *slot = value;
            }
        }
        *text = line(&Row::new(row));
    }
    Ok(lines)
}
