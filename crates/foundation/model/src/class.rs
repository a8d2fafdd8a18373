//! How sensitive data is (`Class`), and how much care an app needs (`Tier`).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A word that is not one of the few that are allowed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {allowed}")]
pub struct UnknownWord {
    /// What was written.
    pub found: String,
    /// The words that are allowed, as a person would list them.
    pub allowed: &'static str,
}

/// How sensitive a field or an app is: one scale, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Public,
    Internal,
    Personal,
    Confidential,
    Restricted,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::Public, Self::Internal, Self::Personal, Self::Confidential, Self::Restricted];

    /// The word as the manifest spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Personal => "personal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// Fields of class `personal` and above are encrypted at rest.
    #[must_use]
    pub fn encrypted(self) -> bool {
        self >= Self::Personal
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|class| class.as_str() == word).ok_or_else(|| UnknownWord {
            found: word.to_owned(),
            allowed: "public, internal, personal, confidential, restricted",
        })
    }
}

/// How much care an app needs; decides which gates and approvals apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Signed-in people, no destination, no secret, personal data kept 30 days at most.
    Low,
    /// Any destination or secret, or longer retention.
    Medium,
    /// Confidential or restricted data, public routes, payment, production systems.
    High,
}

impl Tier {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
