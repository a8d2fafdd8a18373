//! What may be done with notices; each with its target.

use authority::{Act, Rule, Target, rules};
use model::TenantId;

macro_rules! act {
    ($(#[$doc:meta])* $name:ident, $rule:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            pub(crate) tenant: TenantId,
            /// What it is about.
            pub(crate) about: String,
        }

        impl Act for $name {
            const RULE: &'static Rule = &rules::$rule;
            fn target(&self) -> Target {
                Target::new(self.tenant.clone(), format!(concat!($kind, "/{}"), self.about))
            }
        }
    };
}

act! {
    /// See what was sent to whom.
    ListNotices, NOTICE_LIST, "notices"
}
act! {
    /// See a warning that one was sent.
    SeeNotice, NOTICE_SEE, "notice"
}
act! {
    /// Take on what one was warned of.
    AckNotice, NOTICE_ACK, "expiry"
}
act! {
    /// Send oneself a notice, by every way that there is.
    TestNotices, NOTICE_TEST, "notices"
}
act! {
    /// Warn that something ends.
    WarnExpiry, EXPIRY_WARN, "expiry"
}
act! {
    /// Tell operators that something is wrong.
    RaiseAlarm, ALARM_RAISE, "alarm"
}
