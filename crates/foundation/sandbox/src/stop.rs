//! The switch that ends requests while they run.

use tokio::sync::watch;

/// Ends every run that holds its [`Stop`], now and later. Dropping it ends nothing.
#[derive(Debug)]
pub struct Switch(watch::Sender<bool>);

/// The listening end of a [`Switch`].
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Switch {
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    #[must_use]
    pub fn signal(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// For work that nothing but its limits ends.
    #[must_use]
    pub fn never() -> Self {
        Switch::new().signal()
    }

    /// Returns once the switch was thrown, and never when it was dropped unthrown.
    pub async fn stopped(&mut self) {
        if self.0.wait_for(|thrown| *thrown).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
