//! The server's own log, on standard error: readable in a terminal, JSON elsewhere. No body, no value, no token.

use crate::telemetry;
use std::io::IsTerminal;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterExt as _, LevelFilter, filter_fn},
    fmt,
    layer::Filter,
    prelude::*,
};

/// What is said when nothing is asked for: libraries only when they warn.
const DEFAULT: &str = "warn";
/// Says each statement with all that is bound to it, at any level finer than this one.
const SAYS_VALUES: (&str, Level) = ("tokio_postgres", Level::INFO);

/// Sends events to standard error; `RUST_LOG` chooses which. Once for a process.
pub fn log_to_stderr() {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let layer = if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).with_target(false).compact().boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).json().boxed()
    };
    // A process that has a subscriber already keeps it.
    let _first = tracing_subscriber::registry()
        .with(telemetry::layer())
        .with(layer.with_filter(without_values(asked)))
        .try_init();
}

/// What is asked for, but for what would say values: a filter of its own, since any line of `RUST_LOG` that names more
/// than a target goes before one that names it.
fn without_values<S>(asked: EnvFilter) -> impl Filter<S> {
    let (target, finest) = SAYS_VALUES;
    // The hint holds nothing back: what is asked for is the one that does.
    let quiet = filter_fn(move |about| !about.target().starts_with(target) || *about.level() <= finest)
        .with_max_level_hint(LevelFilter::TRACE);
    asked.and(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_no_statement_is_said_with_its_values() {
        for asked in ["trace", "tokio_postgres=trace", "warn,tokio_postgres::query=debug"] {
            let layer = fmt::layer().with_writer(std::io::sink).with_filter(without_values(EnvFilter::new(asked)));
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                assert!(!tracing::enabled!(target: "tokio_postgres::query", Level::DEBUG), "{asked}");
                assert!(tracing::enabled!(target: "tokio_postgres::query", Level::INFO), "{asked}");
            });
        }
        let layer = fmt::layer().with_writer(std::io::sink).with_filter(without_values(EnvFilter::new("debug")));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            assert!(tracing::enabled!(target: "server", Level::DEBUG));
            assert!(!tracing::enabled!(target: "server", Level::TRACE));
        });
    }
}
