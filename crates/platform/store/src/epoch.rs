//! What the store asks of authority: which epoch its memory has reached.

use async_trait::async_trait;
use authority::Authority;
use model::TenantId;

/// Authority's memory, as the store sees it.
#[async_trait]
pub trait EpochWatch: Send + Sync + std::fmt::Debug {
    /// The epoch that memory has reached.
    fn epoch(&self, tenant: &TenantId) -> u64;

    /// Waits until memory has reached `epoch`; the store bounds the wait.
    async fn reached(&self, tenant: &TenantId, epoch: u64);
}

#[async_trait]
impl EpochWatch for Authority {
    fn epoch(&self, tenant: &TenantId) -> u64 {
        Self::epoch(self, tenant)
    }

    async fn reached(&self, tenant: &TenantId, epoch: u64) {
        Self::reached(self, tenant, epoch).await;
    }
}
