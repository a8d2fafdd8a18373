//! Files that go from one look to the next: in the page while they are few, here when they would make it heavy.
//!
//! In memory, for whoever brought them and for nobody else. Refuses to grow: of one person the last few, of all together
//! no more than fit, the oldest go first, and none stays longer than a day's work. Where another node may answer the next
//! press, the files travel in the page, however large: it has nothing of what is kept here.

use super::nothing_sent;
use crate::Bailiwick;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{PersonId, Problem, ProblemKind, Timestamp};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// An archive of this size takes 32 kB of a page as text: with a file that is open beside it, the page stays below 100 kB.
const IN_PAGE_MAX_BYTES: usize = 24 << 10;
/// A step back, and an app in another tab; each is half a megabyte at most.
const OF_ONE_MAX: usize = 4;
/// 32 MiB at most.
const OF_ALL_MAX: usize = 64;
const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// Begins the name of what is kept here; no archive in a page has its last mark (RFC 4648, section 4).
const KEPT: &str = "kept:";

/// What is kept of drafts, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drafts(Arc<Mutex<VecDeque<Kept>>>);

#[derive(Debug)]
struct Kept {
    person: PersonId,
    name: String,
    archive: Bytes,
    until: Timestamp,
}

impl Drafts {
    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it, and says by which name.
    fn keep(&self, person: &PersonId, archive: Bytes, now: Timestamp) -> String {
        let name = format!("{KEPT}{}", hex::encode(seal::sha256(&archive)));
        let mut all = self.all();
        // Looked at again, it is the newest again.
        all.retain(|kept| kept.until > now && !(kept.person == *person && kept.name == name));
        if all.iter().filter(|kept| kept.person == *person).count() >= OF_ONE_MAX
            && let Some(oldest) = all.iter().position(|kept| kept.person == *person)
        {
            drop(all.remove(oldest));
        }
        if all.len() >= OF_ALL_MAX {
            drop(all.pop_front());
        }
        all.push_back(Kept { person: person.clone(), name: name.clone(), archive, until: now.plus(LIFE) });
        name
    }

    fn of(&self, person: &PersonId, name: &str, now: Timestamp) -> Option<Bytes> {
        let all = self.all();
        let found = all.iter().find(|kept| kept.person == *person && kept.name == name && kept.until > now);
        found.map(|kept| kept.archive.clone())
    }
}

impl Bailiwick {
    /// What a page carries for an archive: itself, or its name here.
    pub(in crate::pages) fn carry(&self, person: &PersonId, archive: Bytes) -> String {
        if archive.len() <= IN_PAGE_MAX_BYTES || self.store.is_shared() {
            return BASE64_STANDARD.encode(&archive);
        }
        self.drafts.keep(person, archive, self.clock.now())
    }

    /// The archive that a page carried.
    ///
    /// # Errors
    /// It is none, or is kept here no more.
    pub(super) fn brought(&self, person: &PersonId, carried: &str) -> Result<Bytes, Problem> {
        if carried.starts_with(KEPT) {
            return self.drafts.of(person, carried, self.clock.now()).ok_or_else(kept_no_more);
        }
        BASE64_STANDARD.decode(carried).map(Bytes::from).map_err(|_| nothing_sent())
    }
}

fn kept_no_more() -> Problem {
    Problem::new(
        ProblemKind::Gone,
        "draft.gone",
        "these files are kept here no more",
        "what is too large for a page is kept for twelve hours, until the server starts anew; of one person the last four, of all together the last 64",
        "open Edit on the app's page again, or choose the folder again under New app",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: usize) -> PersonId {
        PersonId::new(format!("p{number}"))
    }

    fn archive(number: usize) -> Bytes {
        Bytes::from(number.to_string())
    }

    #[test]
    fn of_one_person_the_last_few_and_nobody_gets_anothers() {
        let (drafts, now) = (Drafts::default(), Timestamp::from_ms(0));
        let names: Vec<String> = (0..=OF_ONE_MAX).map(|number| drafts.keep(&person(1), archive(number), now)).collect();
        assert_eq!(drafts.of(&person(1), &names[0], now), None, "the oldest went");
        assert_eq!(drafts.of(&person(1), &names[1], now), Some(archive(1)));
        assert_eq!(drafts.of(&person(2), &names[1], now), None);
        // Looked at again, it outlives what came after it.
        assert_eq!(drafts.keep(&person(1), archive(1), now), names[1]);
        drafts.keep(&person(1), archive(9), now);
        assert_eq!(drafts.of(&person(1), &names[1], now), Some(archive(1)));
        assert_eq!(drafts.of(&person(1), &names[2], now), None);
    }

    #[test]
    fn it_is_kept_for_a_days_work_and_of_so_many() {
        let (drafts, now) = (Drafts::default(), Timestamp::from_ms(0));
        let first = drafts.keep(&person(0), archive(0), now);
        let later = now.plus(LIFE);
        assert_eq!(drafts.of(&person(0), &first, later.minus(Duration::from_millis(1))), Some(archive(0)));
        assert_eq!(drafts.of(&person(0), &first, later), None);
        for number in 0..2 * OF_ALL_MAX {
            drafts.keep(&person(number), archive(number), later);
        }
        assert_eq!(drafts.all().len(), OF_ALL_MAX);
    }
}
