//! The hashes from which a root follows: the perfect subtrees of a growing tree, largest first.
//!
//! Bounded: 64 hashes stand for any number of leaves.

use crate::Hash;

/// A tree that grows to the right, of which only its perfect subtrees are kept (RFC 6962, section 2.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    /// Height and hash of each perfect subtree, left to right. INVARIANT: heights fall strictly.
    subtrees: Vec<(u8, Hash)>,
}

impl Frontier {
    /// Appends a perfect subtree of 2^`height` leaves. Subtrees must come from left to right, and none higher than
    /// where the tree ends allows.
    pub(crate) fn push(&mut self, height: u8, hash: Hash) {
        self.size += 1u64.checked_shl(u32::from(height)).unwrap_or(0);
        let (mut height, mut hash) = (height, hash);
        while let Some((_, left)) = self.subtrees.pop_if(|(left, _)| *left == height) {
            hash = Hash::over(left, hash);
            height += 1;
        }
        self.subtrees.push((height, hash));
    }

    /// How many leaves it has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn root(&self) -> Hash {
        let from_the_right = self.subtrees.iter().rev().map(|(_, hash)| *hash);
        from_the_right.reduce(|right, left| Hash::over(left, right)).unwrap_or(Hash::EMPTY)
    }

    /// The root over hashes that are all of one height.
    pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
        let mut frontier = Self::default();
        for hash in hashes {
            frontier.push(0, *hash);
        }
        frontier.root()
    }
}
