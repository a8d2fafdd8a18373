//! Whether a yes came from somebody independent: an approver whose account, role or link came from whoever asked is
//! shown as not independent, for ever. It refuses nothing: in a small house there may be nobody else.

use authority::Caller;
use serde::Serialize;

/// What an approver has from somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    Account,
    Role,
    Link,
}

impl From {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Role => "role",
            Self::Link => "link",
        }
    }
}

/// One thing that an approver has, and the actor whom it came from: `person:ID`, `machine:USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    pub what: From,
    pub by: String,
}

/// What the catalog asks of identity; the assembly joins them.
pub trait Vouchers: Send + Sync {
    /// What lets this caller decide, and whom each came from.
    fn vouchers(&self, caller: &Caller) -> Vec<Voucher>;
}

/// What the approver has from whoever asked: none, and the yes is independent.
pub(crate) fn dependence(vouchers: &[Voucher], requested_by: Option<&str>) -> Vec<&'static str> {
    let mut shared: Vec<&'static str> = vouchers
        .iter()
        .filter(|voucher| Some(voucher.by.as_str()) == requested_by)
        .map(|voucher| voucher.what.as_str())
        .collect();
    shared.sort_unstable();
    shared.dedup();
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_whoever_asked_is_named_once() {
        let of = |what, by: &str| Voucher { what, by: by.to_owned() };
        let vouchers = [
            of(From::Account, "person:r"),
            of(From::Role, "person:r"),
            of(From::Role, "person:r"),
            of(From::Link, "machine:root"),
        ];
        assert_eq!(dependence(&vouchers, Some("person:r")), ["account", "role"]);
        assert_eq!(dependence(&vouchers, Some("machine:root")), ["link"]);
        assert!(dependence(&vouchers, Some("person:x")).is_empty());
        assert!(dependence(&vouchers, None).is_empty());
    }
}
