//! Writes that need no permit: a closed list of tables, and statements that can name no other.
//!
//! These rows say nothing about who may do what. A statement is checked when it is made, which is at compile time for
//! a `const`: it must begin with the table that it was given, so it can write to that table alone.

use crate::{Store, StoreError, Value, engine::GroupEnd, engine::Statement};

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The tables that may be written to without a permit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Table {
            $($(#[$doc])* $name,)*
        }

        impl Table {
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

tables! {
    /// The sequencer's: heads, tiles.
    LogHeads = "log_heads",
    Tiles = "tiles",
    /// The feed's: old positions are pruned.
    Feed = "feed",
    /// Which runs of a node ended cleanly.
    Runs = "runs",
    /// When a session was last used; the session itself is an act.
    SessionSeen = "session_seen",
    /// What somebody sent and was held up for a second factor, sealed; what it does is an act, once they send it again.
    CarriedForms = "carried_forms",
    /// Which nodes are alive, and what they have confirmed.
    NodeLeases = "node_leases",
    /// That deliveries were made of a notice, and its end; only the commit of an act makes one.
    Notices = "notices",
    /// What was sent to whom: mail, webhooks.
    NoticeDeliveries = "notice_deliveries",
    /// How often an alarm came again while it was told.
    Alarms = "alarms",
    /// What apps print.
    AppLogs = "app_logs",
    /// What was put outside the database, and no row names yet.
    ContentPuts = "content_puts",
    /// What the nodes have drawn of rate limits.
    RateDraws = "rate_draws",
}

/// A statement that writes to one table of the list.
#[derive(Debug, Clone, Copy)]
pub struct FreeWrite {
    sql: &'static str,
}

impl FreeWrite {
    /// `sql` must begin with `INSERT INTO t `, `UPDATE t ` or `DELETE FROM t `, with single spaces. Make it a
    /// `const`: then another table does not compile.
    ///
    /// # Panics
    /// When it begins otherwise.
    #[must_use]
    pub const fn new(table: Table, sql: &'static str) -> Self {
        assert!(
            begins(sql, "INSERT INTO ", table.as_str())
                || begins(sql, "UPDATE ", table.as_str())
                || begins(sql, "DELETE FROM ", table.as_str()),
            "a write without a permit must name its own table first"
        );
        Self { sql }
    }

    pub(crate) const fn sql(self) -> &'static str {
        self.sql
    }
}

const fn begins(sql: &str, verb: &str, table: &str) -> bool {
    let Some(rest) = strip(sql.as_bytes(), verb.as_bytes()) else {
        return false;
    };
    let Some(rest) = strip(rest, table.as_bytes()) else {
        return false;
    };
    matches!(rest.first(), Some(b' ' | b'\n'))
}

const fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (mut text, mut prefix) = (text, prefix);
    while let Some((wanted, prefix_rest)) = prefix.split_first() {
        match text.split_first() {
            Some((found, text_rest)) if *found == *wanted => text = text_rest,
            _ => return None,
        }
        prefix = prefix_rest;
    }
    Some(text)
}

/// Writes without a permit, to the tables of the list.
#[derive(Debug, Clone, Copy)]
pub struct Housekeeping<'a> {
    store: &'a Store,
}

impl Store {
    #[must_use]
    pub const fn housekeeping(&self) -> Housekeeping<'_> {
        Housekeeping { store: self }
    }
}

impl Housekeeping<'_> {
    /// How many rows were changed; durable when this returns.
    ///
    /// # Errors
    /// As `Tx::execute` and a commit.
    pub async fn execute(&self, write: FreeWrite, params: &[Value]) -> Result<u64, StoreError> {
        let mut tx = self.store.engine.begin().await?;
        let changed = tx.execute(write.sql, params).await?;
        tx.commit(GroupEnd::Join).await?;
        Ok(changed)
    }

    /// Several in one commit.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn batch(&self, writes: &[(FreeWrite, Vec<Value>)]) -> Result<(), StoreError> {
        let mut tx = self.store.engine.begin().await?;
        let batch: Vec<Statement> = writes.iter().map(|(write, params)| Statement::new(write.sql, params)).collect();
        tx.run(&batch).await?;
        tx.commit(GroupEnd::Join).await
    }

    /// The same of two that belong together: nothing is written unless each changes exactly one row. Whether it was.
    pub(crate) async fn pair(&self, writes: [(FreeWrite, &[Value]); 2]) -> Result<bool, StoreError> {
        let mut tx = self.store.engine.begin().await?;
        for (write, params) in writes {
            if tx.execute(write.sql, params).await? != 1 {
                return Ok(false);
            }
        }
        tx.commit(GroupEnd::Join).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_its_own_table() {
        const GOOD: FreeWrite = FreeWrite::new(Table::Runs, "UPDATE runs SET ended_at = $1");
        assert_eq!(GOOD.sql, "UPDATE runs SET ended_at = $1");
        for sql in [
            "UPDATE secrets SET a = 1",
            "UPDATE runs_of_others SET a = 1",
            "DELETE FROM  runs WHERE 1 = 1",
            "WITH x AS (DELETE FROM secrets RETURNING 1) UPDATE runs SET a = 1",
            "DROP TABLE runs ",
            "",
        ] {
            assert!(std::panic::catch_unwind(|| FreeWrite::new(Table::Runs, sql)).is_err(), "{sql}");
        }
    }
}
