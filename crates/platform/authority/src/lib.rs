//! Authority: a known caller and policy in, a `Permit<Act>` out, or a denial that explains itself.
//!
//! Only this crate makes permits. It reads no database: what it knows of people and apps (`Facts`) is put into it by
//! the assembly, kept fresh by the change feed. Rego only narrows: tenant walls, the role matrix and
//! requester ≠ approver are Rust, and an error, a time-out or a missing bundle denies.

mod act;
mod acts;
mod answers;
mod authority;
#[cfg(test)]
mod authority_tests;
mod caller;
pub mod change;
mod denied;
mod explanation;
mod facts;
mod holds;
mod input;
mod instance;
mod judged;
#[cfg(test)]
mod matrix;
mod permit;
mod policy;
mod rehearsal;
mod surface;
mod waiver;

pub use act::{Act, BreakGlass, Durability, EpochEffect, Target};
pub use acts::{ACTS, MachineMay, May, Others, Role, Rule, SecondFactor, rules};
pub use authority::{Authority, SECOND_FACTOR_FRESH};
pub use caller::{AppRef, Caller, Factor, Origin, Who};
pub use denied::Denied;
pub use explanation::{Explanation, Question, Step};
pub use facts::{AppFacts, AppState, Facts, PersonFacts};
pub use instance::Instance;
pub use judged::Judged;
pub use permit::{Kept, Permit, Spent};
pub use policy::{Policy, PolicyError};
pub use rehearsal::{RehearsalOutcome, Rehearsed, rehearse};
pub use surface::{Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
pub use waiver::{HeldOff, Waiver};
