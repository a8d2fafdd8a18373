//! Versions of the secrets that an approval names: a secret whose host or position changed since is another secret.

use crate::Error;
use async_trait::async_trait;
use model::{Env, Manifest, Problem, SecretId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the catalog asks of the vault; the assembly joins them.
#[async_trait]
pub trait SecretVersions: Send + Sync {
    /// The versions that the manifest's secrets have now; 0 where nothing is put yet.
    async fn versions(&self, manifest: &Manifest, env: Env) -> Result<BTreeMap<SecretId, u64>, Problem>;
}

/// The versions at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Versions(pub(crate) BTreeMap<SecretId, u64>);

impl Versions {
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|_| Error::Manifest)
    }

    pub(crate) fn write(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|_| Error::Manifest)
    }

    /// Whether a yes to these holds for `now`: what was put then is unchanged. What was not put yet may be put.
    pub(crate) fn hold_for(&self, now: &Self) -> bool {
        self.0.iter().all(|(id, version)| *version == 0 || now.0.get(id) == Some(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_outlives_a_first_value_and_no_changed_one() {
        let of = |version| Versions([(SecretId::new("team/bot"), version)].into());
        assert!(of(0).hold_for(&of(1)) && of(1).hold_for(&of(1)));
        assert!(!of(1).hold_for(&of(2)) && !of(1).hold_for(&Versions::default()));
        assert_eq!(Versions::read(&of(3).write().unwrap()).unwrap(), of(3));
    }
}
