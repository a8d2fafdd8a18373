//! plan · open · held · used · cut, for collections.

use crate::{
    Data, Error,
    act::Scope,
    collections::Collection,
    records::{Usage, delete_all},
};
use async_trait::async_trait;
use authority::{AppRef, Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
use model::{Manifest, Problem};
use store::Tx;

const NAME: SurfaceName = SurfaceName::Data;

fn failed(error: Error) -> SurfaceError {
    match error {
        Error::Refused(problem) => SurfaceError::Refused(*problem),
        Error::Denied(denied) => SurfaceError::Refused(Problem::from(denied)),
        other @ (Error::Store(_) | Error::Seal(_) | Error::Json(_)) => {
            SurfaceError::Failed { surface: NAME, source: Box::new(other) }
        }
    }
}

impl Data {
    async fn open_collections(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        Collection::close_all(tx, tenant, ask.app).await?;
        for collection in Collection::declared_by(ask.manifest) {
            if let Some(before) = Collection::before(tx, tenant, ask.app, &collection.name).await? {
                let scope = Scope { tenant: tenant.clone(), app: ask.app.clone(), collection: collection.name.clone() };
                collection.apply(tx, &self.keys, &scope, &before).await?;
            }
            collection.open(tx, tenant, ask).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Surface<Tx> for Data {
    fn name(&self) -> SurfaceName {
        NAME
    }

    fn plan(&self, manifest: &Manifest) -> Vec<Planned> {
        let ours = manifest.sentences().into_iter().filter(|sentence| sentence.surface == NAME);
        ours.map(|sentence| Planned { surface: NAME, sentence: sentence.text }).collect()
    }

    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        self.open_collections(tx, ask).await.map_err(failed)
    }

    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        let Some(opened) = self.memory.find(app) else { return Ok(vec![]) };
        let held = |name: &String| Held { surface: NAME, item: name.clone(), why: None, until: None };
        Ok(opened.collections.keys().map(held).collect())
    }

    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        let usage = Usage::of(&self.store, &self.config.tenant, app).await.map_err(failed)?;
        let line = |Usage { collection, records, last_at, .. }: Usage| Used {
            surface: NAME,
            item: collection,
            count: records,
            last: last_at,
            since: None,
        };
        Ok(usage.into_iter().map(line).collect())
    }

    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        let Some((opened, under_way)) = self.memory.cut(app) else { return vec![] };
        let at = self.clock.now();
        let calls = match under_way {
            0 => "no call was under way".to_owned(),
            1 => "1 call stopped".to_owned(),
            many => format!("{many} calls stopped"),
        };
        let cut = |(place, name): (usize, &String)| Cut {
            surface: NAME,
            item: name.clone(),
            state: CutState::Dead,
            dead_at: Some(at),
            dead_by: None,
            node: self.config.node.clone(),
            // The calls are the app's, not one collection's: they are said once.
            how: if place == 0 { format!("collection closed; {calls}") } else { "collection closed".to_owned() },
        };
        opened.collections.keys().enumerate().map(cut).collect()
    }

    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError> {
        Collection::cut(tx, &self.config.tenant, app).await.map_err(failed)
    }

    async fn refresh(&self, app: &AppRef) -> Result<(), SurfaceError> {
        self.memory.refresh(&self.store, &self.config.tenant, app).await.map_err(failed)
    }

    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        let gone = delete_all(tx, &self.config.tenant, app).await.map_err(failed)?;
        Collection::delete_all(tx, &self.config.tenant, app).await.map_err(failed)?;
        let line = |usage: Usage| {
            let records = if usage.records == 1 { "1 record".to_owned() } else { format!("{} records", usage.records) };
            format!("`{}` ({}): {records} deleted, {} bytes", usage.collection, app.env, usage.bytes)
        };
        Ok(gone.into_iter().map(line).collect())
    }
}
