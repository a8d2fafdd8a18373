//! Rows of releases.

pub(crate) const NEXT: &str =
    "SELECT CAST(COALESCE(MAX(number), 0) + 1 AS BIGINT) FROM releases WHERE tenant = $1 AND app_id = $2";
pub(crate) const INSERT: &str = "INSERT INTO releases (tenant, app_id, number, env, digest, grants, tier, manifest, findings, bundle, image, assets, by_actor, by_person, created_at, engine, files) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
pub(crate) const ONE: &str = "SELECT number, env, digest, grants, tier, manifest, findings, image, assets, by_person, created_at FROM releases WHERE tenant = $1 AND app_id = $2 AND number = $3";
pub(crate) const OF_APP: &str = "SELECT number, env, digest, grants, tier, manifest, findings, image, assets, by_person, created_at FROM releases WHERE tenant = $1 AND app_id = $2 ORDER BY number DESC LIMIT 100";
pub(crate) const SAME: &str = "SELECT number, env, digest, grants, tier, manifest, findings, image, assets, by_person, created_at FROM releases WHERE tenant = $1 AND app_id = $2 AND env = $3 AND digest = $4 ORDER BY number DESC LIMIT 1";
/// Made ready for another engine than this one; newest first.
pub(crate) const OTHER_ENGINE: &str = "SELECT app_id, env, number, bundle FROM releases WHERE tenant = $1 AND image IS NOT NULL AND engine <> $2 AND engine <> 'component' ORDER BY created_at DESC, number DESC";
pub(crate) const REBUILT: &str =
    "UPDATE releases SET image = $4, engine = $5 WHERE tenant = $1 AND app_id = $2 AND number = $3";
pub(crate) const BUNDLE: &str = "SELECT bundle FROM releases WHERE tenant = $1 AND app_id = $2 AND number = $3";
/// Of one release, or of two.
pub(crate) const FILES: &str =
    "SELECT number, files FROM releases WHERE tenant = $1 AND app_id = $2 AND number IN ($3, $4)";
