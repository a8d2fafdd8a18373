//! Which refusals have an event of their own: the first few of each instance, and of each app in a minute.
//!
//! Refuses to let one app have more: a call that is refused costs it nothing, and the buffer of events is one for all.

use authority::{AppRef, Instance};
use model::Timestamp;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Of one instance: enough to see what an app tries, too little to fill anything.
const INSTANCE_MAX: u32 = 20;
/// Of all instances of an app in a minute: as many as the calls that may be granted to it by default.
const APP_MAX: u32 = 600;
const MINUTE_MS: i64 = 60_000;

/// Refusals of the minute that runs.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    /// Holds no more instances of an app than `APP_MAX`.
    apps: HashMap<AppRef, App>,
}

#[derive(Debug, Default)]
struct App {
    noted: u32,
    instances: HashMap<Arc<str>, u32>,
}

impl Refusals {
    /// Whether a further one of this instance has an event of its own. Counts it, if so.
    pub(crate) fn are_few(&self, instance: &Instance, now: Timestamp) -> bool {
        let number = now.as_ms().div_euclid(MINUTE_MS);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        let app = minute.apps.entry(instance.app.clone()).or_default();
        if app.noted >= APP_MAX {
            return false;
        }
        let noted = app.instances.entry(Arc::clone(&instance.id)).or_default();
        if *noted >= INSTANCE_MAX {
            return false;
        }
        *noted += 1;
        app.noted += 1;
        true
    }
}
