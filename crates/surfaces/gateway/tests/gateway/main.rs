//! The gateway as strangers, people and operators meet it: through a real server on loopback, with a real store and a
//! real sandbox; only the neighbouring rooms are stand-ins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod apps;
mod client;
mod cutting;
mod entering;
mod files;
mod hostile;
mod house;
mod machine;
mod neighbours;
mod sql;
mod wire;
