//! Notices: people are told of what they should know, by mail and by a webhook. The commit of an act writes that it is to
//! be told (`store::Notice`); here is decided who is told, in which words, and it is sent, at least once.
//!
//! Warnings of what ends are acts of the system, with events of their own, and so are alarms. Refuses to hold up any act:
//! nothing here is awaited by one.

mod acts;
mod alarms;
mod certificate;
mod channels;
mod endings;
mod log;
mod send;
mod spread;
mod sql;
mod warn;
mod words;

pub(crate) use alarms::{Alarms, watch as watch_for_alarms};
pub(crate) use channels::Channels;
pub(crate) use log::{Sent, WhichNotices};
pub(crate) use send::Tested;
pub(crate) use warn::Warning;

use crate::Bailiwick;
use model::Problem;

impl Bailiwick {
    /// Spreads what was committed, and sends what is due.
    ///
    /// # Errors
    /// When rows cannot be read or written.
    pub(crate) async fn tell(&self) -> Result<(), Problem> {
        self.spread_notices().await?;
        self.send_due().await.map(drop)
    }
}
