//! The acts of sending a request to an app: what authority judges, and what the access event is about.

use authority::{Act, AppRef, Rule, Target, rules};
use model::TenantId;

/// Use an app: a signed-in person, or the app itself for its jobs.
#[derive(Debug, Clone)]
pub struct UseApp(Target);

/// Use a path of an app that its manifest opens to strangers.
#[derive(Debug, Clone)]
pub struct UsePublic(Target);

/// Requests are about the app as a whole; the path stands in the event's detail.
pub(crate) fn target(tenant: TenantId, app: &AppRef) -> Target {
    Target::within(tenant, app, format!("app/{}", app.id))
}

impl UseApp {
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self(target)
    }
}

impl UsePublic {
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self(target)
    }
}

impl Act for UseApp {
    const RULE: &'static Rule = &rules::APP_USE;
    fn target(&self) -> Target {
        self.0.clone()
    }
}

impl Act for UsePublic {
    const RULE: &'static Rule = &rules::APP_USE_PUBLIC;
    fn target(&self) -> Target {
        self.0.clone()
    }
}
