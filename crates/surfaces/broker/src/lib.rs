//! The broker: every byte that leaves an app passes here, and nothing leaves that no grant covers.
//!
//! A call is read strictly (`destination`), covered by a grant (`grants`), permitted by authority, resolved once,
//! judged by address (`special`), connected to the very address that was judged, given its secret at the last
//! moment, and searched for it on the way back. Redirects begin anew. A refusal is a response that names the line of
//! `bailiwick.toml` that would allow the call.
//!
//! Refuses: whatever two parsers could read as two things, private and special addresses, placeholders outside their
//! place, answers that cannot be searched, and calls above the limits. No proxy, no environment, no other socket.
//!
//! One connection serves one call: none is shared between apps or kept with a credential's traces on it.

#![allow(
    clippy::result_large_err,
    reason = "a refusal is a `Problem`, made once for a call and sent to the guest as it is"
)]

mod act;
mod answer;
mod body;
mod broker;
mod call;
mod config;
mod connect;
mod destination;
mod error;
mod grants;
mod headers;
mod hop;
#[doc(hidden)]
pub mod hostile;
mod inside;
mod live;
mod migrations;
mod placeholder;
mod received;
mod record;
mod redirect;
mod refusal;
mod refusals;
mod resolve;
mod secrets;
mod sent;
mod special;
mod surface;

pub use act::EgressCall;
pub use body::{Body, BoxError, empty, full};
pub use broker::{Broker, Rooms};
pub use config::{EgressConfig, Limits};
pub use error::Error;
pub use grants::Grant;
pub use inside::Inside;
pub use migrations::MIGRATIONS;
pub use placeholder::{PLACEHOLDER_PREFIX, PLACEHOLDER_TAIL, holds_placeholder};
pub use refusal::PROBLEM_HEADER;
pub use resolve::{Dns, Resolve, Unresolved};
pub use secrets::{NoSecrets, Scrub, Secrets};
pub use special::Own;
