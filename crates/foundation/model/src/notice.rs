//! What a notice is about, in one list for the record, the console and the command line.

/// What it is about, which decides who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// A request waits: those who may decide it.
    Waits,
    /// It was decided: whoever asked.
    Decided,
    /// Something ends soon: its owner, then the next person up.
    Expires,
    /// Authority was taken away: owner, team and operators.
    Revoked,
    /// Somebody joined a group that carries a role: all operators.
    Joined,
    /// Something is wrong with the platform, or was done past its rules: operators.
    Alarm,
}

impl NoticeKind {
    pub const ALL: [Self; 6] = [Self::Waits, Self::Decided, Self::Expires, Self::Revoked, Self::Joined, Self::Alarm];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Decided => "decided",
            Self::Expires => "expires",
            Self::Revoked => "revoked",
            Self::Joined => "joined",
            Self::Alarm => "alarm",
        }
    }
}

impl std::str::FromStr for NoticeKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}
