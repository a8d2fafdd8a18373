//! Runs one app instance with exactly its grants and limits. The only crate that knows wasmtime.
//!
//! An app is an [`Image`]: for JavaScript the memory of the shared engine after the app's modules ran once, for any
//! other language a `wasi:http` component. Each request gets a fresh instance on threads of the sandbox's own. All
//! that leaves an instance (requests, log lines, the account of what it used) passes the [`Door`] that the caller
//! gives with the request. The host speaks owned bytes and ids only, so that instances could move to other processes.
//!
//! Refuses: images of another engine, components that import more than is answered, precompiled code that it did not
//! write itself, and every use above the limits, each in plain words ([`Stopped`]).

#![allow(clippy::result_large_err, reason = "refusals carry their words; none is on a hot path")]

mod admission;
mod ahead;
mod app;
mod artefacts;
mod body;
mod clocks;
mod compiled;
mod component;
mod config;
mod cpu;
mod data_module;
mod door;
mod elsewhere;
mod error;
mod guest;
mod image;
mod init;
mod init_imports;
mod instance;
mod log;
mod machine;
mod memory;
mod outgoing;
mod positions;
mod prepare;
mod pruned;
mod resident;
mod response;
mod sandbox;
mod stop;
mod stopped;
mod template;
mod ticker;
mod typescript;
mod waited;

pub use app::{App, Run};
pub use artefacts::engine_id;
pub use body::{Body, BoxError, empty, full};
pub use config::{Authenticator, Config, Maxima};
pub use door::{Door, DoorError, Level, LogLine, Sending};
pub use elsewhere::{Compiler, compile_engine};
pub use error::Error;
pub use image::{Image, ImageKind};
pub use prepare::{Prepared, Source};
pub use sandbox::Sandbox;
pub use stop::{Stop, Switch};
pub use stopped::{Report, Stopped};
