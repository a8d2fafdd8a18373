//! Records under a changed declaration: sealed or unsealed as their fields' classes are now, and indexed anew.
//!
//! Runs in the transaction that opens the release, so that no row is ever stored against its declared class. Opening
//! raises the authority epoch: a write that was prepared under the old declaration is refused at its commit.

use super::{Keys, Record, at, signed, sql, used};
use crate::{
    Error,
    act::Scope,
    collections::{Collection, Field},
};
use store::Tx;

/// Records held in memory at once: some 25 MiB if each were as large as can be.
const BATCH: i64 = 100;

impl Collection {
    /// Fields whose stored form may not be what is declared now.
    fn differing<'a>(&'a self, before: &Self) -> Vec<(&'a String, &'a Field)> {
        let differs = |(name, field): &(&String, &Field)| {
            before
                .field(name)
                .is_none_or(|was| was.class.encrypted() != field.class.encrypted() || was.kind != field.kind)
        };
        self.declared.fields.iter().filter(differs).collect()
    }

    /// Brings what is stored to this declaration. Retention is shortened at once, and never stretched.
    pub(crate) async fn apply(&self, tx: &mut Tx, keys: &Keys, scope: &Scope, before: &Self) -> Result<(), Error> {
        if self.declared.retain_ms < before.declared.retain_ms {
            tx.execute(sql::SHORTEN, at!(scope, self.declared.retain_ms)).await?;
        }
        let differing = self.differing(before);
        let dropped: Vec<&String> = before.declared.fields.keys().filter(|name| self.field(name).is_none()).collect();
        for name in &dropped {
            tx.execute(sql::DELETE_FIELD, at!(scope, *name)).await?;
        }
        if differing.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        let (mut last, mut more) = (String::new(), 0);
        loop {
            let rows = tx.query(sql::AFTER, at!(scope, &last, BATCH)).await?;
            let Some(end) = rows.last() else { break };
            last = end.text(0)?.to_owned();
            for row in &rows {
                // The version stays: what people see has not changed.
                let record = Record::opened(keys, scope, row.text(0)?, 0, row.bytes(1)?)?;
                let body = record.sealed(keys, scope, self)?;
                let takes = record.takes(self, &body);
                more += signed(takes) - row.int(2)?;
                tx.execute(sql::REWRITE, at!(scope, &record.id, takes, body)).await?;
                record.index(tx, keys, scope, differing.iter().copied()).await?;
            }
        }
        if more != 0 {
            used(tx, scope, 0, more).await?;
        }
        Ok(())
    }
}
