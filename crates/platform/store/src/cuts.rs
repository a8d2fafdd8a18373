//! Cuts on their way into the record: authority that was taken away, from the moment that it is until its event stands.
//!
//! A cut is done in memory first. Then it is written; when it cannot be, whatever the reason, it goes into the journal
//! beside the database with all that its event will say, ids included, and is written as soon as it can be. Until then
//! it *stands*: whoever reads rows into memory asks what stands, and lets none of it come back.
//!
//! Refuses an act that could give authority while a cut of this node is not in the database yet (`Store::write`).

mod note;
mod state;
mod write;

pub use note::{CutNote, CutOf};
pub(crate) use state::Cuts;
pub use state::JournalState;
pub use write::{CutRows, Cutting, Recorded};
