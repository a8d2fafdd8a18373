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

mod apart;
mod borrowed;
mod browser;
mod cable;
mod callers;
mod canary;
mod chrome;
mod chromium;
mod keeper;
mod machine;
mod memory;
mod neighbours;
mod passkey;
mod postgres;
mod process;
mod provider;
mod rounds;
mod sql;
mod stream;
mod town;
mod upstream;
mod waiting;
mod wires;

pub use apart::{Own, elsewhere, mount, remount};
pub use borrowed::{DATABASE, copy_database, free_port, installed, noise, private_file};
pub use browser::{Answer, Browser};
pub use cable::Cable;
pub use callers::{closes, crowded, from, status};
pub use canary::Canary;
pub use chrome::Chrome;
pub use chromium::{Chromium, Light, Screen};
pub use keeper::{Kept, keeper, kept_by_apps};
pub use machine::{Machine, NOTES, ahead, archive, manifest, whole};
pub use memory::Memory;
pub use neighbours::Neighbours;
pub use passkey::{Form, Passkey};
pub use postgres::{Postgres, database_bytes, dump};
pub use process::Process;
pub use provider::{Provider, Signed};
pub use rounds::{Dice, rounds, soak_for, version_before};
pub use stream::{Streamed, reading, sent, streaming};
pub use town::{
    Disk, Engine, Places, Town, bundle, damage_events, mails_to_nowhere, one_step_back, root_key, root_key_file,
    template, unreadable_notices,
};
pub use upstream::{Arrived, Upstream};
pub use waiting::until;
pub use wires::{Cut, To, Wires};
