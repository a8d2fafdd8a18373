//! What the house decides once for all instances: folders, keys, and the most that any app may have.

use std::{path::PathBuf, sync::Arc, time::Duration};

/// Authenticates precompiled code, which is executed as it stands. An HMAC under a key that only this server has.
pub trait Authenticator: Send + Sync {
    /// The tag of `bytes` in `context`.
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32];
    /// Whether `tag` is right, in constant time.
    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool;
}

/// How a sandbox is made.
pub struct Config {
    /// Where precompiled code is kept; may be emptied at any time while the server is down.
    pub cache_dir: PathBuf,
    pub authenticator: Arc<dyn Authenticator>,
    pub maxima: Maxima,
}

/// The most that all apps together, or any one of them, may have.
#[derive(Debug, Clone)]
pub struct Maxima {
    /// Memory of one instance, whatever its manifest says.
    pub memory_bytes: u64,
    /// Instances that live at once, of all apps.
    pub instances: u32,
    /// Apps whose code stays mapped; the least recently used makes room.
    pub apps: usize,
    /// Threads that run guests.
    pub workers: usize,
    /// Bytes of one response body.
    pub response_bytes: u64,
    /// Requests of one instance that are on their way out at once; further ones wait.
    pub outgoing: u32,
    /// How long a request may wait for a place.
    pub queue: Duration,
}

impl Default for Maxima {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            instances: 256,
            // One file descriptor and three mappings each.
            apps: 512,
            workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            response_bytes: 64 << 20,
            outgoing: 16,
            queue: Duration::from_secs(1),
        }
    }
}
