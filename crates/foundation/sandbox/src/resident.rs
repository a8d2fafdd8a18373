//! Apps whose code is mapped: opened on demand, the least recently used given up.

use crate::guest::Guest;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Code that is ready to instantiate. Running instances keep theirs.
pub(crate) struct Loaded {
    pub(crate) pre: ProxyPre<Guest>,
    used_at: AtomicU64,
}

pub(crate) struct Residents {
    most: usize,
    now: AtomicU64,
    by_name: Mutex<HashMap<String, Arc<Loaded>>>,
}

impl Residents {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), now: AtomicU64::new(0), by_name: Mutex::default() }
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Loaded>> {
        let loaded = Arc::clone(self.lock().get(name)?);
        loaded.used_at.store(self.now.fetch_add(1, Relaxed), Relaxed);
        Some(loaded)
    }

    pub(crate) fn keep(&self, name: String, pre: ProxyPre<Guest>) -> Arc<Loaded> {
        let used_at = AtomicU64::new(self.now.fetch_add(1, Relaxed));
        let loaded = Arc::new(Loaded { pre, used_at });
        let mut residents = self.lock();
        if residents.len() >= self.most && !residents.contains_key(&name) {
            let oldest = residents.iter().min_by_key(|(_, loaded)| loaded.used_at.load(Relaxed));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                residents.remove(&oldest);
            }
        }
        residents.insert(name, Arc::clone(&loaded));
        loaded
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Loaded>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
