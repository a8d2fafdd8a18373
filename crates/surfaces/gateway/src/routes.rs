//! All routes of this node, by host name and by app: read at start and after changes, never on a request's way.

use crate::{
    config::Config,
    route::{Route, Stored},
};
use arc_swap::ArcSwap;
use authority::AppRef;
use std::{collections::HashMap, sync::Arc};
use store::{Store, StoreError};
use tokio::sync::Mutex;

#[derive(Debug, Default)]
struct Table {
    by_label: HashMap<String, Arc<Route>>,
    by_app: HashMap<AppRef, Arc<Route>>,
}

impl Table {
    fn new(by_app: HashMap<AppRef, Arc<Route>>) -> Self {
        let mut by_label: HashMap<String, Arc<Route>> = HashMap::with_capacity(by_app.len());
        for route in by_app.values() {
            // A name may have passed on from an app that is no more.
            let taken = by_label.get(&route.label).is_some_and(|other| !other.live.is_cut() && route.live.is_cut());
            if !taken {
                by_label.insert(route.label.clone(), Arc::clone(route));
            }
        }
        Self { by_label, by_app }
    }
}

/// Replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: ArcSwap<Table>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

impl Routes {
    pub(crate) fn at(&self, label: &str) -> Option<Arc<Route>> {
        self.table.load().by_label.get(label).cloned()
    }

    pub(crate) fn of(&self, app: &AppRef) -> Option<Arc<Route>> {
        self.table.load().by_app.get(app).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.table.load().by_app.values().cloned().collect()
    }

    /// Every route there is.
    pub(crate) async fn load_all(&self, store: &Store, config: &Config) -> Result<(), StoreError> {
        let reading = self.reading.lock().await;
        let stored = Stored::all(store, config).await?;
        let (before, now) = (self.table.load_full(), store.clock().now());
        let mut by_app = HashMap::with_capacity(stored.len());
        for row in stored {
            let known = before.by_app.get(&row.app);
            if let Some(route) = Route::new(row, config, known.map(AsRef::as_ref), now) {
                by_app.insert(route.app.clone(), Arc::new(route));
            }
        }
        for (app, at) in Stored::last_uses(store, config).await? {
            if let Some(route) = by_app.get(&app) {
                route.live.seen(at);
            }
        }
        // Rows that are gone take what runs with them.
        for (app, route) in &before.by_app {
            if !by_app.contains_key(app) {
                route.live.cut(now);
            }
        }
        self.table.store(Arc::new(Table::new(by_app)));
        drop(reading);
        for route in before.by_app.values() {
            route.ended().await;
        }
        Ok(())
    }

    /// One app's.
    pub(crate) async fn refresh(
        &self,
        store: &Store,
        config: &Config,
        app: &AppRef,
    ) -> Result<Option<Arc<Route>>, StoreError> {
        let reading = self.reading.lock().await;
        let stored = Stored::of_app(store, config, app).await?;
        let (before, now) = (self.table.load_full(), store.clock().now());
        let known = before.by_app.get(app);
        let route = stored.and_then(|row| Route::new(row, config, known.map(AsRef::as_ref), now)).map(Arc::new);
        let mut by_app = before.by_app.clone();
        match &route {
            Some(route) => drop(by_app.insert(app.clone(), Arc::clone(route))),
            None => {
                if let Some(gone) = by_app.remove(app) {
                    gone.live.cut(now);
                }
            }
        }
        self.table.store(Arc::new(Table::new(by_app)));
        drop(reading);
        if let Some(known) = known {
            known.ended().await;
        }
        Ok(route)
    }
}
