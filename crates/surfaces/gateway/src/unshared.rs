//! What of the limit on strangers a node may let in without asking the database, so that a flood of addresses that each
//! come once asks it nothing; and what is left to be drawn there.
//!
//! INVARIANT: what all nodes let in on their own and what all of them drew is never more than the limit, within any span
//! of its length. What is set aside grows with the number of nodes, and a node lets nobody in on its own before it has
//! been among the others for so long that each of them draws from the smaller rest. What nodes that left had let in is
//! counted as long. Whoever does not know who was there sets aside the most.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use store::{LEASE, hold};

/// So often may an address come to one node before the others hear of it. A small limit is shared from the first on.
const HERE_MAX: u32 = 4;
/// At most this part of a limit.
const HERE_PART: u32 = 16;
/// All nodes together: this part of it.
const ASIDE_PART: u32 = 4;

/// How many nodes there were, as each renewal of the lease said.
#[derive(Debug, Default, Clone)]
pub(crate) struct Company {
    since: Option<Instant>,
    /// When so many were seen last; later entries are smaller.
    seen: VecDeque<(Instant, u32)>,
}

impl Company {
    pub(crate) fn saw(&mut self, nodes: u32, now: Instant) {
        self.since.get_or_insert(now);
        while self.seen.back().is_some_and(|(_, known)| *known <= nodes) {
            self.seen.pop_back();
        }
        self.seen.push_back((now, nodes));
    }

    /// The most at once within `span`; `None` before it has been watched for as long.
    pub(crate) fn most(&mut self, span: Duration, now: Instant) -> Option<u32> {
        while self.seen.len() > 1 && self.seen.front().is_some_and(|(at, _)| *at + span < now) {
            self.seen.pop_front();
        }
        let watched = self.since.is_some_and(|since| since + span <= now);
        self.seen.front().filter(|_| watched).map(|(_, nodes)| *nodes)
    }
}

/// For how long a node that came, or one that left, matters to a limit over `per`: until all others have heard of it,
/// which they do within a lease or serve nothing; until what they had drawn before has run out; and once around.
pub(crate) fn span(per: Duration) -> Duration {
    per + LEASE * 2 + hold(per)
}

fn each(count: u32) -> u32 {
    (count / HERE_PART).min(HERE_MAX)
}

/// How many of one key this node lets in without asking, of `count`, with so many nodes.
pub(crate) fn here(count: u32, nodes: Option<u32>) -> u32 {
    nodes.map_or(0, |nodes| each(count).min(count / ASIDE_PART / nodes.max(1)))
}

/// How many all nodes may draw of one key.
pub(crate) fn shared(count: u32, nodes: Option<u32>) -> u32 {
    let most = count / ASIDE_PART;
    let aside = match nodes {
        Some(nodes) => each(count).saturating_mul(nodes.max(1)).min(most),
        None if each(count) == 0 => 0,
        None => most,
    };
    count.saturating_sub(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use store::{Allowance, Window};

    const PER: Duration = Duration::from_secs(60);

    #[test]
    fn one_node_alone_has_all_and_more_nodes_less_each() {
        let of = |count, nodes| (here(count, nodes), shared(count, nodes));
        assert_eq!(of(120, Some(1)), (4, 116));
        assert_eq!(of(120, Some(2)), (4, 112));
        assert_eq!(of(120, Some(7)), (4, 92));
        assert_eq!(of(120, Some(8)), (3, 90));
        assert_eq!(of(120, Some(31)), (0, 90));
        assert_eq!(of(120, None), (0, 90));
        assert_eq!(of(15, None), (0, 15), "a small limit is shared from the first on");
    }

    #[test]
    fn the_most_at_once_is_remembered_for_the_span() {
        let (began, mut company) = (Instant::now(), Company::default());
        let at = |secs| began + Duration::from_secs(secs);
        assert_eq!(company.most(PER, at(0)), None);
        for (secs, nodes) in [(0, 2), (10, 5), (20, 3), (30, 1)] {
            company.saw(nodes, at(secs));
        }
        assert_eq!(company.most(PER, at(59)), None, "it came a moment ago");
        assert_eq!(company.most(PER, at(61)), Some(5));
        assert_eq!(company.most(PER, at(71)), Some(3));
        assert_eq!(company.most(PER, at(200)), Some(1));
    }

    /// A node as it is seen from here: what it counted on its own ends with it.
    #[derive(Default)]
    struct Node {
        company: Company,
        own: Window,
        lease_until: u64,
        /// As the database has it, which is later than what the node knows.
        row_until: u64,
    }

    const TICK_US: u64 = 250_000;

    proptest! {
        /// Nodes come, go, crash, are cut off and renew late; one address knocks on all of them.
        #[test]
        fn no_span_lets_more_in_than_the_limit(
            count in prop::sample::select(vec![16_u32, 20, 64, 120, 200]),
            // Mostly at once, so that the limit is reached; at times a pause, so that nodes grow old.
            happens in prop::collection::vec(
                (0_usize..12, 0_u8..100, prop_oneof![8 => 0_u64..3, 1 => 0_u64..300], 1_u32..40),
                50..300,
            ),
        ) {
            let began = Instant::now();
            let instant = |us: u64| began + Duration::from_micros(us);
            let lease_us = u64::try_from(LEASE.as_micros()).unwrap();
            let counted = |count| Allowance { count, per: PER + hold(PER) };
            let mut nodes: Vec<Node> = (0..12).map(|_| Node::default()).collect();
            let (mut drawn, mut let_in, mut now) = (Window::default(), Vec::new(), 1_u64);
            for (index, what, ticks, times) in happens {
                for _ in 0..ticks {
                    now += TICK_US;
                    // Whoever holds a lease renews it when half of it is gone, or is late with it.
                    for renewing in 0..nodes.len() {
                        let late = (now / TICK_US + renewing as u64).is_multiple_of(7);
                        if nodes[renewing].lease_until > now && nodes[renewing].lease_until < now + lease_us / 2 && !late {
                            renew(&mut nodes, renewing, now, lease_us, instant(now));
                        }
                    }
                }
                match what {
                    // A start, or a restart that forgets.
                    0..10 => {
                        nodes[index] = Node { row_until: nodes[index].row_until, ..Node::default() };
                        renew(&mut nodes, index, now, lease_us, instant(now));
                    }
                    // It leaves: its row is gone at once.
                    10..14 => nodes[index] = Node::default(),
                    // It is cut off, and remembers when it comes back.
                    14..18 => nodes[index].lease_until = now,
                    18..24 if nodes[index].lease_until <= now => renew(&mut nodes, index, now, lease_us, instant(now)),
                    _ => {
                        let node = &mut nodes[index];
                        for _ in 0..times {
                            if node.lease_until <= now {
                                break;
                            }
                            let known = node.company.most(span(PER), instant(now));
                            let Ok(_) = node.own.take(Allowance { count, per: PER }, 1, now) else { break };
                            let came = count - node.own.left(Allowance { count, per: PER }, now);
                            let alone = came <= here(count, known);
                            if alone || drawn.take(counted(shared(count, known)), 1, now).is_ok() {
                                let_in.push(now);
                            }
                        }
                    }
                }
                let span_us = u64::try_from(PER.as_micros()).unwrap();
                let within = let_in.iter().filter(|at| **at + span_us > now).count();
                prop_assert!(within <= count as usize, "{within} of {count}");
            }
        }
    }

    fn renew(nodes: &mut [Node], index: usize, now: u64, lease_us: u64, instant: Instant) {
        let others = nodes.iter().enumerate().filter(|(other, node)| *other != index && node.row_until > now).count();
        let node = &mut nodes[index];
        if node.lease_until <= now {
            node.company = Company::default();
        }
        node.company.saw(u32::try_from(others).unwrap() + 1, instant);
        (node.lease_until, node.row_until) = (now + lease_us, now + lease_us + 1);
    }
}
