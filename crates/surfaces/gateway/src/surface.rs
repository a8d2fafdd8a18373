//! plan · open · held · used · cut, for routes and jobs.
//!
//! What was used is counted in this node's memory since it started; the record has every request.

use crate::{
    Error, Gateway,
    live::PATIENCE,
    route::{Route, Stored},
};
use async_trait::async_trait;
use authority::{AppRef, Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
use model::{Manifest, Timestamp};
use store::{StoreError, Tx};

const NAME: SurfaceName = SurfaceName::Gateway;

fn failed(error: StoreError) -> SurfaceError {
    SurfaceError::Failed { surface: NAME, source: Box::new(Error::from(error)) }
}

fn counted(count: usize) -> String {
    match count {
        0 => "no request was under way".to_owned(),
        1 => "1 request stopped".to_owned(),
        many => format!("{many} requests stopped"),
    }
}

impl Gateway {
    fn line(&self, item: String, at: Timestamp, how: String) -> Cut {
        Cut {
            surface: NAME,
            item,
            state: CutState::Dead,
            dead_at: Some(at),
            dead_by: None,
            node: self.config.node.clone(),
            how,
        }
    }

    fn lines(&self, route: &Route, at: Timestamp, how: String) -> Vec<Cut> {
        let mut lines = vec![self.line(route.url.clone(), at, how)];
        for (job, _) in &route.jobs {
            lines.push(self.line(format!("job {job}"), at, "will not run again".to_owned()));
        }
        lines
    }
}

#[async_trait]
impl Surface<Tx> for Gateway {
    fn name(&self) -> SurfaceName {
        NAME
    }

    fn plan(&self, manifest: &Manifest) -> Vec<Planned> {
        let ours = manifest.sentences().into_iter().filter(|sentence| sentence.surface == NAME);
        ours.map(|sentence| Planned { surface: NAME, sentence: sentence.text }).collect()
    }

    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        Stored::put(tx, ask).await.map_err(failed)
    }

    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        let Some(route) = self.routes.of(app).filter(|route| !route.live.is_cut()) else { return Ok(vec![]) };
        let held = |item: String, why: Option<String>| Held { surface: NAME, item, why, until: None };
        let mut all = vec![held(route.url.clone(), None)];
        all.extend(route.rates.limits().map(|limit| held(limit.words(), None)));
        all.extend(route.jobs.iter().map(|(job, schedule)| held(format!("job {job}"), Some(schedule.clone()))));
        Ok(all)
    }

    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        let Some(route) = self.routes.of(app) else { return Ok(vec![]) };
        let (count, last) = route.live.used();
        Ok(vec![Used { surface: NAME, item: route.url.clone(), count, last, since: Some(self.started_at) }])
    }

    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        let Some(route) = self.routes.of(app) else { return vec![] };
        let now = self.clock.now();
        let Some(stopped) = route.live.cut(now) else {
            let at = route.live.cut_at().unwrap_or(now);
            return self.lines(&route, at, "route was closed before".to_owned());
        };
        route.live.drain(PATIENCE).await;
        self.lines(&route, self.clock.now(), format!("route closed; {}", counted(stopped)))
    }

    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError> {
        Stored::mark_cut(tx, app).await.map_err(failed)
    }

    async fn refresh(&self, app: &AppRef) -> Result<(), SurfaceError> {
        self.reload(app).await.map_err(|error| SurfaceError::Failed { surface: NAME, source: Box::new(error) })
    }

    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        // The row stays: whoever opens the old link is told that the app is no more.
        self.cut_rows(tx, app).await?;
        let url = self.routes.of(app).map(|route| route.url.clone());
        Ok(url.map(|url| format!("route `{url}` closed for good")).into_iter().collect())
    }
}
