//! What may be done with notices; each with its target.

use super::warn::{Warning, unknown};
use crate::Error;
use authority::{Act, Rule, Target, rules};
use model::{EventId, TenantId};

macro_rules! act {
    ($(#[$doc:meta])* $vis:vis $name:ident, $rule:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
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
    pub ListNotices, NOTICE_LIST, "notices"
}
act! {
    /// See a warning that one was sent.
    pub SeeNotice, NOTICE_SEE, "notice"
}
act! {
    /// Send oneself a notice, by every way that there is.
    pub TestNotices, NOTICE_TEST, "notices"
}
act! {
    /// Warn that something ends.
    pub(crate) WarnExpiry, EXPIRY_WARN, "expiry"
}
act! {
    /// Tell operators that something is wrong.
    pub(crate) RaiseAlarm, ALARM_RAISE, "alarm"
}

/// Take on what one was warned of.
#[derive(Debug, Clone)]
pub struct AckNotice {
    pub tenant: TenantId,
    pub warning: Warning,
}

impl Act for AckNotice {
    const RULE: &'static Rule = &rules::NOTICE_ACK;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("expiry/{}", self.warning.thing))
    }
}

impl ListNotices {
    /// The log of deliveries.
    #[must_use]
    pub fn log(tenant: TenantId) -> Self {
        Self { tenant, about: "log".to_owned() }
    }
}

impl TestNotices {
    #[must_use]
    pub fn test(tenant: TenantId) -> Self {
        Self { tenant, about: "test".to_owned() }
    }
}

impl SeeNotice {
    /// Of what somebody sent as the event of a warning.
    ///
    /// # Errors
    /// No event has such an id.
    pub fn of(tenant: TenantId, event: &str) -> Result<Self, Error> {
        let event = EventId::sent(event).ok_or_else(|| unknown(event))?;
        Ok(Self { tenant, about: event.to_string() })
    }
}
