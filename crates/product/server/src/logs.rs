//! The server's own log, on standard error: readable in a terminal, JSON elsewhere. No body, no value, no token.

use crate::telemetry;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// What is said when nothing is asked for: libraries only when they warn.
const DEFAULT: &str = "warn";

/// Sends events to standard error; `RUST_LOG` chooses which. Once for a process.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let layer = if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).with_target(false).compact().boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).json().boxed()
    };
    // A process that has a subscriber already keeps it.
    let _first = tracing_subscriber::registry().with(telemetry::layer()).with(layer.with_filter(filter)).try_init();
}
