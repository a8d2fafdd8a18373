//! plan · open · held · used · cut, for secrets.

use crate::{Error, Vault, bindings, secrets};
use async_trait::async_trait;
use authority::{AppRef, Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
use model::{Manifest, Problem};
use store::Tx;

const NAME: SurfaceName = SurfaceName::Vault;

fn failed(error: Error) -> SurfaceError {
    match error {
        Error::Refused(problem) => SurfaceError::Refused(*problem),
        Error::Denied(denied) => SurfaceError::Refused(Problem::from(denied)),
        Error::Store(_) | Error::Seal(_) | Error::Json(_) => {
            SurfaceError::Failed { surface: NAME, source: Box::new(error) }
        }
    }
}

#[async_trait]
impl Surface<Tx> for Vault {
    fn name(&self) -> SurfaceName {
        NAME
    }

    fn plan(&self, manifest: &Manifest) -> Vec<Planned> {
        let ours = manifest.sentences().into_iter().filter(|sentence| sentence.surface == NAME);
        ours.map(|sentence| Planned { surface: NAME, sentence: sentence.text }).collect()
    }

    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        bindings::open(tx, &self.tenant, ask).await.map_err(failed)
    }

    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        let Some(bound) = self.memory.find(app) else {
            return Ok(vec![]);
        };
        let held = |(variable, binding): (&String, &bindings::Binding)| Held {
            surface: NAME,
            item: binding.secret.to_string(),
            why: Some(match &binding.entry {
                Some(entry) => format!("as `{variable}`: {}", entry.purpose),
                None => format!("as `{variable}`; nobody has put it yet"),
            }),
            until: binding.entry.as_ref().map(|entry| entry.expires_at),
        };
        Ok(bound.variables.iter().map(held).collect())
    }

    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        let uses = secrets::uses(&self.store, &self.tenant, app).await.map_err(failed)?;
        Ok(uses
            .into_iter()
            .map(|(item, count, last)| Used { surface: NAME, item, count, last: Some(last), since: None })
            .collect())
    }

    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        let bound = self.memory.cut(app);
        let instances = self.placeholders.cut(app);
        let at = self.clock.now();
        let ended = match instances {
            0 => "no instance held its placeholder".to_owned(),
            1 => "the placeholder of 1 instance dead".to_owned(),
            many => format!("the placeholders of {many} instances dead"),
        };
        let cut = |binding: &bindings::Binding| Cut {
            surface: NAME,
            item: binding.secret.to_string(),
            state: CutState::Dead,
            dead_at: Some(at),
            dead_by: None,
            node: self.node.clone(),
            how: format!("binding closed; {ended}"),
        };
        bound.iter().flat_map(|bound| bound.variables.values()).map(cut).collect()
    }

    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError> {
        bindings::cut_rows(tx, &self.tenant, app).await.map_err(failed)
    }

    async fn refresh(&self, app: &AppRef) -> Result<(), SurfaceError> {
        self.memory.refresh(&self.store, &self.tenant, app).await.map_err(failed)
    }

    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        bindings::delete(tx, &self.tenant, app).await.map_err(failed)?;
        match secrets::delete_of_app(tx, &self.tenant, app).await.map_err(failed)? {
            0 => Ok(vec![]),
            1 => Ok(vec![format!("1 secret in {}, its value deleted", app.env)]),
            many => Ok(vec![format!("{many} secrets in {}, their values deleted", app.env)]),
        }
    }
}
