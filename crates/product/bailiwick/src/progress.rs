//! Says what is going on, once it takes longer than half a second, and only to a terminal.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use std::{pin::pin, time::Duration};

/// What is done sooner needs no word.
const PATIENCE: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// Waits for the work; `words` say what it is.
pub(crate) async fn during<F: Future>(output: &Output, words: &str, work: F) -> F::Output {
    watching(output, || words.to_owned(), work).await
}

/// The same; `words` say how far it is, whenever they are asked.
pub(crate) async fn watching<F: Future>(output: &Output, words: impl Fn() -> String, work: F) -> F::Output {
    if !output.draws() {
        return work.await;
    }
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let bar = ProgressBar::new_spinner().with_message(words());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed:.dim}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    let mut tick = tokio::time::interval(TICK);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = tick.tick() => bar.set_message(words()),
        }
    };
    bar.finish_and_clear();
    done
}
