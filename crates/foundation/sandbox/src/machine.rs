//! How wasmtime is set: pooled slots, copy-on-write memories, epochs. docs/adr/engine-quickjs.md has what was
//! measured with these.

use crate::{Error, config::Maxima, memory::TABLE_ELEMENTS};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Slots beyond the instances of requests: apps being prepared, and the engine's own first instance.
pub(crate) const PREPARING: u32 = 8;
/// Most instances need one memory; a component may bring more.
const MEMORIES_PER_INSTANCE: u32 = 2;
/// The template makes four core instances, other components up to twice that.
const CORE_INSTANCES_PER_INSTANCE: u32 = 8;
const TABLES_PER_INSTANCE: u32 = 4;
/// What a request dirties stays mapped for the next one. Without the scan that finds those pages it costs more
/// than it saves.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

pub(crate) fn engine(maxima: &Maxima) -> Result<Engine, Error> {
    let instances = maxima.instances.saturating_add(PREPARING);
    let memories = instances.saturating_mul(MEMORIES_PER_INSTANCE);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_INSTANCE))
        .total_memories(memories)
        .total_tables(instances.saturating_mul(TABLES_PER_INSTANCE))
        .total_stacks(instances)
        .max_memory_size(usize::try_from(maxima.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(memories);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>());
    }
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(Error::start)
}

/// Compiles on the thread that asks, for what builders send: a deploy must not take every core from those who use apps.
/// Runs nothing, so it has no slots.
// INVARIANT: what it compiles fits `engine`, of which the cache's names tell (`Engine::precompile_compatibility_hash`):
// neither slots nor threads are part of that.
pub(crate) fn compiler() -> Result<Engine, Error> {
    Engine::new(config().parallel_compilation(false)).map_err(Error::start)
}

/// What compiled code depends on.
fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(true).memory_init_cow(true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    #[test]
    fn what_builders_send_is_compiled_on_one_core_and_fits() {
        let (engine, compiler) = (engine(&Maxima::default()).unwrap(), compiler().unwrap());
        assert!(!compiler.get_parallel_compilation());
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&engine), hash(&compiler), "so says wasmtime that code of one runs in the other");
    }
}
