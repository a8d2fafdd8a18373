//! Ids: opaque, unique everywhere, each its own type.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id that was made before; does not judge it.
            #[must_use]
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// A new one (UUID version 7, RFC 9562), ordered by time.
            #[must_use]
            pub fn generate() -> Self {
                Self(uuid::Uuid::now_v7().simple().to_string().into())
            }

            /// One that somebody sent: only what `generate` could have made, so that nothing else enters a record as an id.
            #[must_use]
            pub fn sent(text: &str) -> Option<Self> {
                let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                (text.len() == 32 && text.bytes().all(hex)).then(|| Self::new(text))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(/// An app in the catalog; never changes, while the app's name may.
    AppId);
id!(/// A person in the directory.
    PersonId);
id!(/// One audit record.
    EventId);
id!(/// Something that waits for a person's decision.
    RequestId);
id!(/// One request as it arrived, or one run of a job; several can be of one trace.
    CallId);
id!(/// An exception to one rule for one app.
    WaiverId);
id!(/// A signed-in browser or command line; the id that is shown, never the cookie's value.
    SessionId);
id!(/// `team/name` of a credential in the vault.
    SecretId);
id!(/// An organisation; every row belongs to one.
    TenantId);
id!(/// A group of people, by name, such as `people-ops`.
    Group);
id!(/// W3C trace id: 32 lower-case hex digits.
    TraceId);

impl TenantId {
    /// The tenant of a server that has one, and of the platform's own acts.
    #[must_use]
    pub fn main() -> Self {
        Self::new("main")
    }
}

/// Releases of one app count up from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u32);

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
