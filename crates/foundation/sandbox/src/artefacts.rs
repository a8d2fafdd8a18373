//! The engine as it was built and checked in: the template component and the memory it starts from.

/// The component that holds the engine's code and imports an app's memory as the core module `data`.
pub(crate) const TEMPLATE: &[u8] = include_bytes!("../engine/template.wasm");
/// The engine's memory before any app ran in it.
pub(crate) const BASE_DATA: &[u8] = include_bytes!("../engine/base-data.wasm");
const ENGINE_ID: &str = include_str!("../engine/engine.id");

/// Which engine this binary holds; an image of another engine is refused.
#[must_use]
pub fn engine_id() -> &'static str {
    ENGINE_ID.trim_ascii()
}
