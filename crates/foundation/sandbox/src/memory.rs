//! What one instance may hold, and the most it held.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use wasmtime::ResourceLimiter;

/// No toolchain makes a component of more; each takes a slot of the pool.
const MEMORIES: usize = 4;
const TABLES: usize = 16;
const INSTANCES: usize = 32;
/// Function tables are code, not data: 8 bytes an entry. The pool is built for this many.
pub(crate) const TABLE_ELEMENTS: usize = 50_000;

/// What an instance used of its memory, for those who outlive it.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    peak_bytes: AtomicU64,
    denied: AtomicBool,
}

impl Usage {
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Relaxed)
    }

    /// Whether the instance asked for more than it may have.
    pub(crate) fn denied(&self) -> bool {
        self.denied.load(Relaxed)
    }
}

/// Growth above the limit fails as `memory.grow` does, so that the language in the guest can say so itself.
pub(crate) struct MemoryLimit {
    limit_bytes: u64,
    total_bytes: u64,
    usage: Arc<Usage>,
}

impl MemoryLimit {
    pub(crate) fn new(limit_bytes: u64, usage: Arc<Usage>) -> Self {
        Self { limit_bytes, total_bytes: 0, usage }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let total = self.total_bytes.saturating_add(more);
        if total > self.limit_bytes || maximum.is_some_and(|maximum| desired > maximum) {
            self.usage.denied.store(true, Relaxed);
            return Ok(false);
        }
        self.total_bytes = total;
        self.usage.peak_bytes.fetch_max(total, Relaxed);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(TABLE_ELEMENTS).min(TABLE_ELEMENTS))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
