//! The acts of data: what an app asks of its collections, and what the retention job does.
//!
//! A target is always within the app and environment of the running instance.

use authority::{Act, AppRef, Judged, Rule, Target, rules};
use model::TenantId;
use serde_json::json;

/// What app code calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Insert,
    Get,
    List,
    Count,
    Update,
    Delete,
    Export,
}

impl Verb {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Get => "get",
            Self::List => "list",
            Self::Count => "count",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Export => "export",
        }
    }
}

/// One collection of one app in one environment.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) app: AppRef,
    pub(crate) collection: String,
}

impl Scope {
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("collection/{}", self.collection))
    }

    fn facts(&self, verb: &str) -> Judged {
        json!({ "collection": self.collection, "verb": verb }).into()
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $rule:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            pub(crate) scope: Scope,
            pub(crate) verb: Verb,
        }

        impl Act for $name {
            const RULE: &'static Rule = &rules::$rule;

            fn target(&self) -> Target {
                self.scope.target()
            }

            fn facts(&self) -> Judged {
                self.scope.facts(self.verb.as_str())
            }
        }
    )* };
}

acts! {
    /// Read records: get, list, count.
    ReadData = DATA_READ;
    /// Write a record: insert, update, delete.
    WriteData = DATA_WRITE;
    /// Take a whole collection out.
    ExportData = DATA_EXPORT;
}

/// Delete what is past its retention, one batch of one collection.
#[derive(Debug)]
pub struct ExpireData {
    pub(crate) scope: Scope,
}

impl Act for ExpireData {
    const RULE: &'static Rule = &rules::DATA_EXPIRE;

    fn target(&self) -> Target {
        self.scope.target()
    }

    fn facts(&self) -> Judged {
        self.scope.facts("expire")
    }
}
