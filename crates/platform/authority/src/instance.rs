//! A running instance: what the platform knows of the guest that it talks to, never what the guest sends.

use crate::{AppRef, Caller};
use model::{ReleaseNumber, Timestamp};
use std::sync::Arc;

/// One request or job of one app, in one sandbox.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Opaque, new for each instance.
    pub id: Arc<str>,
    pub app: AppRef,
    /// The app's name, for messages.
    pub name: Arc<str>,
    pub release: ReleaseNumber,
    /// The app for the person who is served, or the app itself.
    pub caller: Caller,
    /// When the person who is served showed a second factor in this session, if one did.
    pub proved: Option<Timestamp>,
    /// Which credentials it runs with: rises at each revoke and restore.
    pub credential_epoch: u64,
}
