//! Rows of kept searches.

pub(super) const INSERT: &str = "INSERT INTO saved_queries (tenant, id, owner, shared, name, filter, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (tenant, owner, name) DO UPDATE SET id = excluded.id, shared = excluded.shared, filter = excluded.filter";
pub(super) const DELETE: &str = "DELETE FROM saved_queries WHERE tenant = $1 AND id = $2 AND owner = $3";
pub(super) const OTHERS: &str = "SELECT COUNT(*) FROM saved_queries WHERE tenant = $1 AND owner = $2 AND name <> $3";
pub(super) const VISIBLE: &str = "SELECT id, owner, shared, name, filter FROM saved_queries
  WHERE tenant = $1 AND (owner = $2 OR shared = 1) ORDER BY name, id LIMIT 200";
