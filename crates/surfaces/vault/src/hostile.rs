//! Where a guest's request holds a placeholder, for tests that send many; nothing of the product calls it.
//!
//! Refuses to know a value: what it puts in is given to it.

use crate::{
    Place,
    placeholder::{self, Found},
};
use http::request::Parts;

/// What a head holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Nothing,
    One(String),
    /// More than one, a part of one, or one in a disguise: the call would be refused.
    Odd,
}

/// The placeholder of a head.
#[must_use]
pub fn placeholder(head: &Parts) -> Held {
    match placeholder::find(head) {
        Found::None => Held::Nothing,
        Found::One(one) => Held::One(one),
        Found::Odd => Held::Odd,
    }
}

/// Puts the value in the placeholder's stead when it stands in that place; whether it did.
pub fn fill(place: &Place, head: &mut Parts, placeholder: &str, value: &str) -> bool {
    place.find(head, placeholder).and_then(|spot| spot.fill(head, value)).is_some()
}
