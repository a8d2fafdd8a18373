//! plan · open · held · used · cut, for destinations.
//!
//! What was used comes from the record: events of allowed calls, counted by destination, at most a second behind.

use crate::{Broker, Error, Grant};
use async_trait::async_trait;
use authority::{AppRef, Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
use model::Manifest;
use store::{StoreError, Tx};

fn failed(error: StoreError) -> SurfaceError {
    SurfaceError::Failed { surface: SurfaceName::Broker, source: Box::new(Error::from(error)) }
}

#[async_trait]
impl Surface<Tx> for Broker {
    fn name(&self) -> SurfaceName {
        SurfaceName::Broker
    }

    fn plan(&self, manifest: &Manifest) -> Vec<Planned> {
        let ours = manifest.sentences().into_iter().filter(|sentence| sentence.surface == SurfaceName::Broker);
        ours.map(|sentence| Planned { surface: SurfaceName::Broker, sentence: sentence.text }).collect()
    }

    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        Grant::replace(tx, ask).await.map_err(failed)
    }

    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        let grants = self.live(app).map(|live| live.grants()).unwrap_or_default();
        let held = |grant: &std::sync::Arc<Grant>| Held {
            surface: SurfaceName::Broker,
            item: grant.item(),
            why: Some(grant.why.clone()),
            until: grant.until,
        };
        Ok(grants.iter().map(held).collect())
    }

    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        let uses = Grant::uses(&self.store, &self.tenant, app).await.map_err(failed)?;
        let used =
            |(item, count, last)| Used { surface: SurfaceName::Broker, item, count, last: Some(last), since: None };
        Ok(uses.into_iter().map(used).collect())
    }

    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        let Some((grants, stopped)) = self.lives.cut(app) else { return Vec::new() };
        let at = self.store.clock().now();
        let calls = match stopped {
            0 => "no call was under way".to_owned(),
            1 => "1 call stopped".to_owned(),
            many => format!("{many} calls stopped"),
        };
        let cut = |(place, grant): (usize, &std::sync::Arc<Grant>)| Cut {
            surface: SurfaceName::Broker,
            item: grant.item(),
            state: CutState::Dead,
            dead_at: Some(at),
            dead_by: None,
            node: self.store.node().to_owned(),
            // The calls are the app's, not one destination's: they are said once.
            how: if place == 0 { format!("destination closed; {calls}") } else { "destination closed".to_owned() },
        };
        grants.iter().enumerate().map(cut).collect()
    }

    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError> {
        Grant::mark_cut(tx, app).await.map_err(failed)
    }

    async fn refresh(&self, app: &AppRef) -> Result<(), SurfaceError> {
        let put = |grants: Vec<Grant>| self.lives.put(app, grants, self.config.limits);
        self.lives.renew(Grant::of_app(&self.store, &self.tenant, app), put).await.map_err(failed)
    }

    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        match Grant::delete(tx, app).await.map_err(failed)? {
            0 => Ok(Vec::new()),
            1 => Ok(vec!["1 destination".to_owned()]),
            many => Ok(vec![format!("{many} destinations")]),
        }
    }
}
