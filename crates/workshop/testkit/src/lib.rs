//! A whole Bailiwick in a temporary folder, on either database, with browsers that keep cookies as browsers do.
//!
//! Loopback only. Compiled code is kept between runs, under a root key that only tests use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod browser;
mod cable;
mod chrome;
mod chromium;
mod passkey;
mod postgres;
mod provider;
mod town;
mod upstream;

pub use browser::{Answer, Browser};
pub use cable::Cable;
pub use chrome::Chrome;
pub use chromium::{Chromium, Light, Screen};
pub use passkey::{Form, Passkey};
pub use postgres::Postgres;
pub use provider::{Provider, Signed};
pub use town::{Disk, Engine, Town, bundle, root_key, template};
pub use upstream::{Arrived, Upstream};
