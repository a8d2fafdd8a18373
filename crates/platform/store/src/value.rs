//! What goes into a statement: four kinds of value that both engines store alike.
//!
//! Refuses text with NUL (PostgreSQL cannot hold it, so SQLite does not either).

use crate::StoreError;
use model::{
    AppId, Class, Env, EventId, Group, PersonId, ReleaseNumber, RequestId, SecretId, SessionId, TenantId, Timestamp,
    TraceId,
};

/// Why a text cannot be stored.
pub(crate) const NUL: &str = "text with NUL";

/// One parameter or one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The parameters of a statement: `params![&app, at, None::<i64>]` for `$1`, `$2`, `$3`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] as &[$crate::Value] };
}

impl Value {
    /// Refuses what one of the engines could not hold.
    pub(crate) fn check(values: &[Self]) -> Result<(), StoreError> {
        for (at, value) in values.iter().enumerate() {
            if let Self::Text(text) = value {
                Self::check_text(at + 1, text)?;
            }
        }
        Ok(())
    }

    /// The same of one text, which is to be the parameter of that number.
    pub(crate) fn check_text(position: usize, text: &str) -> Result<(), StoreError> {
        if text.contains('\0') { Err(StoreError::Param { position, why: NUL }) } else { Ok(()) }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    /// Counters and sizes: what is past 2⁶³ − 1 is stored as that.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

macro_rules! small_integers {
    ($($kind:ty),*) => { $(impl From<$kind> for Value {
        fn from(value: $kind) -> Self {
            Self::Int(i64::from(value))
        }
    })* };
}
small_integers!(i32, u32, u16, u8, bool);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Timestamp> for Value {
    /// Milliseconds since 1970.
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_ms())
    }
}

impl From<Env> for Value {
    fn from(value: Env) -> Self {
        Self::Text(value.as_str().to_owned())
    }
}

impl From<Class> for Value {
    fn from(value: Class) -> Self {
        Self::Text(value.as_str().to_owned())
    }
}

impl From<ReleaseNumber> for Value {
    fn from(value: ReleaseNumber) -> Self {
        Self::Int(i64::from(value.0))
    }
}

impl From<seal::Digest> for Value {
    /// `sha256:` and 64 hex digits.
    fn from(value: seal::Digest) -> Self {
        Self::Text(value.to_string())
    }
}

macro_rules! ids {
    ($($id:ty),*) => { $(
        impl From<$id> for Value {
            fn from(value: $id) -> Self {
                Self::Text(value.as_str().to_owned())
            }
        }
        impl From<&$id> for Value {
            fn from(value: &$id) -> Self {
                Self::Text(value.as_str().to_owned())
            }
        }
    )* };
}
ids!(AppId, EventId, Group, PersonId, RequestId, SecretId, SessionId, TenantId, TraceId);

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
