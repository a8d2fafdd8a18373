//! Content that lies outside the database comes into a snapshot as if it lay in it: a backup is whole by itself, and is
//! restored wherever one likes.

use super::{Lines, Piece, Pieces, line, values};
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
    let closed = |_| StoreError::Closed;
    while let Some(piece) = from.recv().await {
        let piece = match (piece, columns) {
            (Piece::Table { name, columns: names }, _) => {
                columns = Columns::of(&names);
                Piece::Table { name, columns: names }
            }
            (Piece::Rows(rows), Some(columns)) => {
                // What was small may be large now.
                let mut lines = Lines::default();
                for row in rows {
                    if let Some(piece) = lines.add(brought(store, columns, row).await?) {
                        to.send(piece).await.map_err(closed)?;
                    }
                }
                lines.rest()
            }
            (piece @ (Piece::Rows(_) | Piece::Steps(_)), _) => piece,
        };
        to.send(piece).await.map_err(closed)?;
    }
    Ok(())
}

async fn brought(store: &Store, columns: Columns, text: String) -> Result<String, StoreError> {
    let mut row = values(&text).ok_or_else(|| StoreError::row(0, "a row of the table"))?;
    let Some(Value::Text(name)) = row.get(columns.outside).cloned() else { return Ok(text) };
    let content = store.content_once(&name).await?;
    for (at, value) in [(columns.bytes, Value::Bytes(content)), (columns.outside, Value::Null)] {
        if let Some(slot) = row.get_mut(at) {
            *slot = value;
        }
    }
    Ok(line(&Row::new(row)))
}
