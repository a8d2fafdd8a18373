//! The gateway: every byte that enters an app passes here.
//!
//! A request's host name leads to a route, its session or token to a caller; authority gives the permit, limits are
//! counted, what would let the app act as its user is taken out, and the sandbox answers. What comes back is held to
//! the manifest (what pages may reach, whose cookies they set) and judged piece by piece: a cut ends responses that are
//! on their way. Each request leaves exactly one event.
//!
//! Refuses: hosts that no app has, requests that can be read in two ways, changes that another site asks for, callers
//! that authority does not let in, uses above the limits, and to serve what cannot be recorded. In plain pages.

mod act;
mod allowances;
mod arrival;
mod assets;
mod body;
mod browser;
mod clients;
mod code;
mod config;
mod context;
mod cookies;
mod csp;
mod door;
mod gateway;
mod headers;
mod heard;
#[doc(hidden)]
pub mod hostile;
mod jobs;
mod journey;
mod lease;
mod live;
mod migrations;
mod outside;
mod page;
mod pages;
mod patience;
mod places;
mod rates;
mod record;
mod route;
mod routes;
mod run;
mod serve;
mod shares;
mod sign_in;
mod surface;
mod tls;
mod trace;
mod unshared;
mod validity;

pub use act::{UseApp, UsePublic};
pub use browser::Sender;
pub use clients::Clients;
pub use config::{Config, Limits, Scheme};
pub use cookies::{one_cookie, strip_ours};
pub use csp::own_origin_alone;
pub use gateway::{Error, Gateway, Rooms};
pub use lease::Lease;
pub use migrations::MIGRATIONS;
pub use outside::{Doors, Line, Log, Opened, Redeemed, SignIns, SignedIn, Told, Unremembered};
pub use serve::{Connection, Listening, serve};
pub use tls::{Certificates, Reloaded, Tls, TlsError, TlsFiles};
pub use trace::{TRACES, control_span, trace_of};
pub use validity::validity;
