//! Which refusals of an instance have an event of their own. One request could otherwise fill the record with what it
//! was refused by its own declaration.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Refusals of one instance with an event each: what a person needs to find a mistake. Further ones are counted.
const ALONE_MAX: u32 = 20;
/// Instances of one app that are remembered: as many as a manifest can let run at once.
const INSTANCES_MAX: usize = 64;

/// The instances of one app that were refused last, and how often.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<VecDeque<(Arc<str>, u32)>>);

impl Noted {
    /// Counts one; whether it has an event of its own.
    pub(crate) fn alone(&self, instance: &Arc<str>) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.iter().position(|(id, _)| id == instance).and_then(|place| last.remove(place));
        let (id, before) = known.unwrap_or_else(|| (Arc::clone(instance), 0));
        last.push_back((id, before.saturating_add(1)));
        if last.len() > INSTANCES_MAX {
            last.pop_front();
        }
        before < ALONE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_has_its_own_number_and_few_are_remembered() {
        let noted = Noted::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let alone = (0..50).filter(|_| noted.alone(&one)).count();
        assert_eq!((alone, noted.alone(&other)), (20, true));
        for number in 0..1000 {
            assert!(noted.alone(&format!("{number}").into()));
        }
        assert_eq!(noted.0.lock().unwrap().len(), INSTANCES_MAX);
    }
}
