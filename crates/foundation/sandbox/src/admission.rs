//! How many run at once: some run, as many again wait a moment, the rest are told to come back.

use crate::stopped::Stopped;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For each that runs, one may wait.
const WAITING_PER_RUNNING: usize = 1;

pub(crate) struct Admission {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    wait: Duration,
}

/// Leave to run, until it is dropped.
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(at_once: u32, wait: Duration) -> Self {
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS / 4);
        let places = at_once + at_once * WAITING_PER_RUNNING;
        Self { places: Arc::new(Semaphore::new(places)), running: Arc::new(Semaphore::new(at_once)), wait }
    }

    /// Whether whoever enters now would be told to come back.
    pub(crate) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    pub(crate) async fn enter(&self) -> Result<Place, Stopped> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Stopped::Busy)?;
        let running = Arc::clone(&self.running);
        let running = match Arc::clone(&running).try_acquire_owned() {
            Ok(running) => running,
            Err(_) => match tokio::time::timeout(self.wait, running.acquire_owned()).await {
                Ok(Ok(running)) => running,
                Ok(Err(_)) | Err(_) => return Err(Stopped::Busy),
            },
        };
        Ok(Place { _place: place, _running: running })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn some_run_some_wait_and_the_rest_are_refused() {
        let hasty = Admission::new(1, Duration::from_millis(1));
        let first = hasty.enter().await.unwrap();
        let (second, third) = tokio::join!(hasty.enter(), hasty.enter());
        assert_eq!((second.err(), third.err()), (Some(Stopped::Busy), Some(Stopped::Busy)));
        drop(first);
        assert!(hasty.enter().await.is_ok());

        let patient = Admission::new(1, Duration::from_secs(3600));
        let first = patient.enter().await.unwrap();
        let (next, ()) = tokio::join!(patient.enter(), async { drop(first) });
        assert!(next.is_ok());
    }
}
