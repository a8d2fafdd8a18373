//! Rows of forms that wait for their person.

use store::{FreeWrite, Table};

pub(crate) const KEEP: FreeWrite = FreeWrite::new(
    Table::CarriedForms,
    "INSERT INTO carried_forms (tenant, id, person, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)",
);
pub(crate) const KEPT: &str =
    "SELECT person, sealed FROM carried_forms WHERE tenant = $1 AND id = $2 AND expires_at > $3";
pub(crate) const TAKE: FreeWrite = FreeWrite::new(
    Table::CarriedForms,
    "DELETE FROM carried_forms WHERE tenant = $1 AND id = $2 AND person = $3 AND expires_at > $4",
);
pub(crate) const DROP_OVER: FreeWrite =
    FreeWrite::new(Table::CarriedForms, "DELETE FROM carried_forms WHERE tenant = $1 AND expires_at <= $2");
/// With the one that comes now, eight.
pub(crate) const DROP_OLDEST: FreeWrite = FreeWrite::new(
    Table::CarriedForms,
    "DELETE FROM carried_forms WHERE tenant = $1 AND person = $2 AND id NOT IN (SELECT id FROM carried_forms WHERE tenant = $1 AND person = $2 ORDER BY expires_at DESC LIMIT 7)",
);
