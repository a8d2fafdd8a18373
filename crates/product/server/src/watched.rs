//! What the watch asks of the rest: what apps and actors are called, and which apps nobody keeps, and which
//! parts of the server are ill.

use crate::Bailiwick;
use async_trait::async_trait;
use catalog::Catalog;
use identity::Identity;
use model::{AppId, PersonId};
use std::sync::Arc;
use watch::{Names, Part, Parts, Removal};

pub(crate) struct Named {
    pub(crate) identity: Arc<Identity>,
    pub(crate) catalog: Arc<Catalog>,
}

impl Names for Named {
    fn app(&self, app: &AppId) -> Option<Arc<str>> {
        self.catalog.name_of(app)
    }

    fn actor(&self, actor: &str) -> Option<String> {
        actor_named(&self.identity, &self.catalog, actor)
    }

    fn removals(&self) -> Vec<Removal> {
        self.catalog.removals().into_iter().map(|removal| Removal { app: removal.app, at: removal.at }).collect()
    }
}

/// `person:ID` and `app:ID/ENV` by their names, where they are known.
pub(crate) fn actor_named(identity: &Identity, catalog: &Catalog, actor: &str) -> Option<String> {
    match actor.split_once(':')? {
        ("person", id) => Some(identity.person(&PersonId::new(id))?.email.clone()),
        ("app", place) => {
            let (id, env) = place.split_once('/')?;
            Some(format!("app/{} ({env})", catalog.name_of(&AppId::new(id))?))
        }
        _ => None,
    }
}

#[async_trait]
impl Parts for Bailiwick {
    async fn ill(&self) -> Vec<Part> {
        self.checks().await.into_iter().filter(|check| check.problem.is_some()).map(|check| check.part).collect()
    }

    fn is_recovering(&self) -> bool {
        self.is_recovering()
    }

    fn looked(&self, job: &'static str) {
        self.ended.count(job);
    }
}
