//! Tasks that go on for as long as the process: what panics has failed, as anything may, and nothing ends for good without
//! a word.
//!
//! Refuses to begin anew what held something that would be missed: then the process ends.

use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, time::Duration};

/// What panics at once again must not take the processor, nor fill the log; a lease lasts eight of these.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Whether it panicked; then it is told, and a moment has passed.
pub async fn panicked(task: &'static str, running: impl Future<Output = ()>) -> bool {
    let panicked = AssertUnwindSafe(running).catch_unwind().await.is_err();
    if panicked {
        tracing::error!(task, "a task of the system panicked; what it said stands on stderr");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    panicked
}

/// Begins anew whenever it panicked, until it ends by itself.
pub async fn forever<Task: Future<Output = ()>>(task: &'static str, mut begin: impl FnMut() -> Task) {
    while panicked(task, begin()).await {}
}

/// The same of what holds events that nobody else has: they are lost with it. The process ends as in a crash, so that the
/// start after it tells of the gap.
pub(crate) async fn or_crash(task: &'static str, running: impl Future<Output = ()>) {
    if panicked(task, running).await {
        tracing::error!(task, "what it held is lost: this process ends, and its next start says so in the record");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_begins_anew_until_it_ends_by_itself() {
        let mut begun = 0;
        let begin = || {
            begun += 1;
            let nth = begun;
            async move { assert!(nth > 2, "the first two panic") }
        };
        forever("test", begin).await;
        assert_eq!(begun, 3);
    }
}
