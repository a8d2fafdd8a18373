//! The parts that serving needs. Whoever runs them says which are ill; here is told of it.

use async_trait::async_trait;

/// What serving needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Record,
    Feed,
    Engine,
    Lease,
    Cuts,
    Continuity,
    Clock,
}

impl Part {
    pub const ALL: [Self; 7] =
        [Self::Record, Self::Feed, Self::Engine, Self::Lease, Self::Cuts, Self::Continuity, Self::Clock];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Feed => "feed",
            Self::Engine => "engine",
            Self::Lease => "lease",
            Self::Cuts => "cuts",
            Self::Continuity => "continuity",
            Self::Clock => "clock",
        }
    }
}

/// What this room asks of the whole: `server` answers.
#[async_trait]
pub trait Parts: Send + Sync {
    /// What is not well now.
    async fn ill(&self) -> Vec<Part>;

    /// The database is in doubt: the record takes nothing.
    fn is_recovering(&self) -> bool;

    /// A look came to its end, well or not.
    fn looked(&self, job: &'static str);
}
