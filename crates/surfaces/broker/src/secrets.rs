//! Secrets as the broker meets them: attached by someone else at the last moment, and looked for in what comes back.
//!
//! The broker never holds a value longer than the request that carries it.

use crate::Grant;
use async_trait::async_trait;
use authority::Instance;
use bytes::Bytes;
use http::{HeaderValue, request};
use model::Problem;

/// Puts values in the place of placeholders. The assembly implements it over the vault.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Called once the connection stands, for a grant that names a secret. Replaces the placeholder in its declared
    /// position, or leaves the request as it is and gives `None` when there is no placeholder in it. May change
    /// headers and the query, nothing else.
    ///
    /// # Errors
    /// A refusal, for the guest.
    async fn attach(
        &self,
        instance: &Instance,
        grant: &Grant,
        parts: &mut request::Parts,
    ) -> Result<Option<Box<dyn Scrub>>, Problem>;

    /// Asked last, right before the first byte of every call, with a secret or without: whether this node still knows
    /// what was taken back. It may have stood still since the call was permitted.
    ///
    /// # Errors
    /// A refusal, for the guest.
    fn may_leave(&self) -> Result<(), Problem>;
}

/// Takes a value that was attached out of the answer, across the borders of chunks.
pub trait Scrub: Send {
    fn header(&mut self, value: &HeaderValue) -> HeaderValue;
    /// What of the body may go to the guest now.
    fn chunk(&mut self, chunk: Bytes) -> Bytes;
    /// What was kept back, once the body has ended.
    fn end(&mut self) -> Bytes;
    /// How often the value was found.
    fn hits(&self) -> u64;
}

/// For places that have no vault: nothing is ever attached.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn attach(
        &self,
        _instance: &Instance,
        _grant: &Grant,
        _parts: &mut request::Parts,
    ) -> Result<Option<Box<dyn Scrub>>, Problem> {
        Ok(None)
    }

    fn may_leave(&self) -> Result<(), Problem> {
        Ok(())
    }
}
