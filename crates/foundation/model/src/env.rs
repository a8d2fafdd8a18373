//! The environments of an app: each has its own service account, secrets and data.

use crate::UnknownWord;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `staging` or `prod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Env {
    Staging,
    Prod,
}

impl Env {
    pub const ALL: [Self; 2] = [Self::Staging, Self::Prod];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Env {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|env| env.as_str() == word)
            .ok_or_else(|| UnknownWord { found: word.to_owned(), allowed: "staging, prod" })
    }
}
