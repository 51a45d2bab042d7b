//! A set of numbers that are given out mostly in sequence: log ids that were ever used.

use std::collections::BTreeMap;

/// Numbers as inclusive ranges, so that a million dropped logs cost a handful of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdSet {
    /// First of a range → last of it. Ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
}

impl IdSet {
    /// Whether the number is in the set.
    pub fn contains(&self, id: u64) -> bool {
        self.ranges.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Every number, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Adds a number. Returns whether it was not there.
    pub fn insert(&mut self, id: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        let before = self.ranges.range(..id).next_back().map(|(first, last)| (*first, *last));
        let joins_before = before.filter(|(_, last)| last.checked_add(1) == Some(id));
        let after = id.checked_add(1).and_then(|next| self.ranges.remove(&next));
        let first = joins_before.map_or(id, |(first, _)| first);
        self.ranges.insert(first, after.unwrap_or(id));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(ids in proptest::collection::vec(prop_oneof![0_u64..40, Just(u64::MAX), Just(u64::MAX - 1)], 0..80)) {
            let mut naive = HashSet::new();
            let mut set = IdSet::default();
            for id in ids {
                prop_assert_eq!(set.contains(id), naive.contains(&id));
                prop_assert_eq!(set.insert(id), naive.insert(id));
            }
            for id in 0..40 {
                prop_assert_eq!(set.contains(id), naive.contains(&id));
            }
        }
    }

    #[test]
    fn sequences_cost_one_entry() {
        let mut set = IdSet::default();
        for id in (0..1000).rev() {
            set.insert(id);
        }
        assert_eq!(set.ranges.len(), 1);
    }
}
