//! Places for connections: most are anyone's, and some are kept for whoever has to get in when all others are taken.
//!
//! One address holds at most as many as are still free, so that it never takes the last; a proxy that is trusted speaks for
//! many and may hold them all. Beyond, a connection is *crowded*: it has a moment to ask for one thing, and only the
//! console answers it. Refuses what would take the last of those too.

use crate::rates::network;
use ipnet::IpNet;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What an address may hold of the ordinary ones, however few are left: a browser opens six.
const LEAST: usize = 8;

/// What a connection came into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Ordinary,
    Crowded,
}

#[derive(Debug, Default)]
struct Held {
    all: [usize; 2],
    by: HashMap<(IpAddr, Room), usize>,
}

impl std::hash::Hash for Room {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
    }
}

#[derive(Debug)]
pub(crate) struct Places {
    most: [usize; 2],
    proxies: Vec<IpNet>,
    held: Mutex<Held>,
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    of: IpAddr,
    pub(crate) room: Room,
}

const fn slot(room: Room) -> usize {
    match room {
        Room::Ordinary => 0,
        Room::Crowded => 1,
    }
}

impl Places {
    pub(crate) fn new(ordinary: usize, crowded: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most: [ordinary.max(1), crowded], proxies, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when there is no room for this address.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let trusted = self.proxies.iter().any(|net| net.contains(&peer));
        // One household or machine, as for rates.
        let of = network(peer).parse().unwrap_or(peer);
        let mut held = self.held();
        let Held { all, by } = &mut *held;
        for (room, least) in [(Room::Ordinary, LEAST), (Room::Crowded, 1)] {
            let (Some(most), Some(taken)) = (self.most.get(slot(room)), all.get_mut(slot(room))) else { continue };
            let (free, own) = (most.saturating_sub(*taken), by.get(&(of, room)).copied().unwrap_or(0));
            if free > 0 && (trusted || own < free.max(least)) {
                *taken += 1;
                *by.entry((of, room)).or_default() += 1;
                return Some(Place { places: Arc::clone(self), of, room });
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(taken) = held.all.get_mut(slot(self.room)) {
            *taken = taken.saturating_sub(1);
        }
        let key = (self.of, self.room);
        if let Some(own) = held.by.get_mut(&key) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.by.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_never_takes_the_last_and_the_kept_ones_are_for_whoever_comes_late() {
        let places = Places::new(40, 4, vec!["10.0.0.0/8".parse().unwrap()]);
        let greedy: Vec<Place> = std::iter::from_fn(|| places.take(ip(1))).take(1_000).collect();
        let of = |room: Room| greedy.iter().filter(|place| place.room == room).count();
        assert_eq!((of(Room::Ordinary), of(Room::Crowded)), (20, 2));
        let others: Vec<Place> = (2..100).filter_map(|last| places.take(ip(last))).collect();
        assert_eq!(others.iter().filter(|place| place.room == Room::Ordinary).count(), 20);
        assert_eq!(others.iter().filter(|place| place.room == Room::Crowded).count(), 2);
        drop((greedy, others));
        assert_eq!(places.held().all, [0, 0]);
        assert!(places.held().by.is_empty());
        let proxied: Vec<Place> = std::iter::from_fn(|| places.take(IpAddr::from([10, 0, 0, 1]))).take(1_000).collect();
        assert_eq!(proxied.len(), 44);
    }
}
