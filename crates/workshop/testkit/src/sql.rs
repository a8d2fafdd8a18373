//! What tests ask a database behind the product's back: its tables, all their rows, a copy of them.
//!
//! Refuses to be found in the product: names of tables and columns are put together here, from what the database says.

pub(crate) const POSTGRES_TABLES: &str =
    "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
/// As a row of a newer version might be: to a channel that this one does not know.
pub(crate) const TO_NOWHERE: &str = "UPDATE notice_deliveries SET channel = 'pager' WHERE channel = 'mail'";
pub(crate) const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, upper(data_type::text) FROM information_schema.columns WHERE table_schema = 'public'";
pub(crate) const SQLITE_COLUMNS: &str = "SELECT m.name, c.name, upper(c.type) FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

/// Every row, as text.
pub(crate) fn whole(table: &str) -> String {
    format!("SELECT t::text FROM {table} t")
}

/// A tenant's rows as text, in order.
pub(crate) fn postgres_rows(table: &str, columns: &[&str], tenant: &str) -> String {
    format!("SELECT ROW({})::text FROM {table} WHERE tenant = '{tenant}' ORDER BY 1", columns.join(", "))
}

/// The same on SQLite.
pub(crate) fn sqlite_rows(table: &str, columns: &[&str], tenant: &str) -> String {
    let all: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    format!("SELECT {} FROM {table} WHERE tenant = '{tenant}' ORDER BY 1", all.join(" || ',' || "))
}

/// A second set of the rows of `main`, with these values in these columns.
pub(crate) fn copy(table: &str, columns: &[&str], values: &[String]) -> String {
    let (columns, values) = (columns.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE tenant = 'main'")
}

/// A row of our own making.
pub(crate) fn insert(table: &str, columns: &[&str], values: &[String]) -> String {
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
}

/// SQLite: every stored event says something else.
pub(crate) const DAMAGE_EVENTS: &str =
    "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), '\"id\"', '\"di\"') AS BLOB) WHERE body IS NOT NULL";
