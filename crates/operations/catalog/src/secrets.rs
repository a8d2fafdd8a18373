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

/// Of a secret that nobody put yet.
const NOT_PUT: u64 = 0;
/// As it was put first; each change of hosts or position adds one.
const FIRST: u64 = 1;

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

    /// Whether a yes to these holds for `now`: what was put then is unchanged. What was not put yet may be put, once:
    /// with other hosts or another position than at first it is another secret, and nobody agreed to that one.
    pub(crate) fn hold_for(&self, now: &Self) -> bool {
        self.0.iter().all(|(id, version)| {
            let now = now.0.get(id).copied();
            if *version == NOT_PUT { now.unwrap_or(NOT_PUT) <= FIRST } else { now == Some(*version) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_outlives_a_first_value_and_no_changed_one() {
        let of = |version| Versions([(SecretId::new("team/bot"), version)].into());
        assert!(of(0).hold_for(&of(1)) && of(1).hold_for(&of(1)));
        assert!(of(0).hold_for(&of(0)) && of(0).hold_for(&Versions::default()));
        assert!(!of(1).hold_for(&of(2)) && !of(1).hold_for(&Versions::default()));
        assert!(!of(0).hold_for(&of(2)), "put, and then bound to another host");
        assert_eq!(Versions::read(&of(3).write().unwrap()).unwrap(), of(3));
    }
}
