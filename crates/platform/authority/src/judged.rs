//! What policy judges of an act besides caller and target, in the policy engine's own form: made once by whoever names
//! the act, and handed on by reference however often it is decided.

use regorus::Value;
use serde::Deserialize;
use std::fmt;

/// Facts of an act. The same facts give the same decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged(Value);

impl Judged {
    pub(crate) fn value(&self) -> Value {
        self.0.clone()
    }
}

impl Default for Judged {
    /// Nothing besides caller and target.
    fn default() -> Self {
        Self(Value::Null)
    }
}

impl From<serde_json::Value> for Judged {
    fn from(json: serde_json::Value) -> Self {
        // What JSON can say, the engine can hold.
        Self(Value::deserialize(json).unwrap_or(Value::Undefined))
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
