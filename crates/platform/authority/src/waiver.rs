//! Waivers, as authority hears of them: an act that would bring something to life says which refusals of policy somebody
//! with a name took on for it. They hold a refusal off, and only such; the table of acts and every wall stand as they do.

use model::{Timestamp, WaiverId};

/// A waiver of one code, as the act that needs it tells of it. The newest of its code for that app, whether or not it
/// holds: one that does not is named in the denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub id: WaiverId,
    pub code: String,
    /// Who agreed: `person:ID`, `machine:USER`.
    pub by: String,
    /// It holds before this moment; of one that was ended early, when that was.
    pub until: Timestamp,
}

/// A refusal of policy that a waiver held off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOff {
    pub waiver: Waiver,
    pub why: String,
    pub fix: String,
}
