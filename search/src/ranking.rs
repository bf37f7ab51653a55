//! A sorted list that knows ranks: thousands of trials in order, and no thousands moved where one comes in.

use std::iter::Flatten;

/// Longest chunk: moving half of it costs about as much as adding up the lengths of a few hundred chunks.
const CHUNK: usize = 512;

/// Distinct values in ascending order, as a list of short sorted lists of which none is empty.
#[derive(Clone, Debug)]
pub(crate) struct Ranking<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Ranking<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

/// Equal where the values are: how they fall into chunks depends on the order in which they came.
impl<T: PartialEq> PartialEq for Ranking<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Ord> Ranking<T> {
    /// Adds a value; one that is there stays.
    pub(crate) fn insert(&mut self, value: T) {
        let at = self.chunk_of(&value);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![value]);
            return;
        };
        if let Err(place) = chunk.binary_search(&value) {
            chunk.insert(place, value);
        }
        if chunk.len() > CHUNK {
            let upper = chunk.split_off(CHUNK / 2);
            self.chunks.insert(at + 1, upper);
        }
    }

    /// Takes a value away, if it is there.
    pub(crate) fn remove(&mut self, value: &T) {
        let at = self.chunk_of(value);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        if let Ok(place) = chunk.binary_search(value) {
            chunk.remove(place);
        }
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// How many values are smaller.
    pub(crate) fn rank(&self, value: &T) -> usize {
        let at = self.chunk_of(value);
        let before: usize = self.chunks[..at].iter().map(Vec::len).sum();
        before + self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|other| other < value))
    }

    /// The first chunk whose last value is not smaller; if there is none, the last chunk.
    fn chunk_of(&self, value: &T) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last < value));
        at.min(self.chunks.len().saturating_sub(1))
    }
}

impl<T> Ranking<T> {
    /// The value of a rank, from 0.
    pub(crate) fn get(&self, mut rank: usize) -> Option<&T> {
        for chunk in &self.chunks {
            if rank < chunk.len() {
                return chunk.get(rank);
            }
            rank -= chunk.len();
        }
        None
    }

    /// The smallest value.
    pub(crate) fn first(&self) -> Option<&T> {
        self.chunks.first()?.first()
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// The values, ascending.
    pub(crate) fn iter(&self) -> Flatten<std::slice::Iter<'_, Vec<T>>> {
        self.chunks.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(changes in proptest::collection::vec((any::<bool>(), 0_u32..3000), 0..4000)) {
            let mut ranking = Ranking::default();
            let mut expected = BTreeSet::new();
            for (adds, value) in changes {
                if adds {
                    ranking.insert(value);
                    expected.insert(value);
                } else {
                    ranking.remove(&value);
                    expected.remove(&value);
                }
            }
            prop_assert_eq!(ranking.len(), expected.len());
            prop_assert_eq!(ranking.first(), expected.first());
            prop_assert!(ranking.iter().eq(expected.iter()));
            prop_assert!(ranking.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
            for (rank, value) in expected.iter().enumerate() {
                prop_assert_eq!(ranking.get(rank), Some(value));
                prop_assert_eq!(ranking.rank(value), rank);
                prop_assert_eq!(ranking.rank(&(value + 1)), rank + 1);
            }
            prop_assert_eq!(ranking.get(expected.len()), None);
            let mut in_order = Ranking::default();
            for value in expected {
                in_order.insert(value);
            }
            prop_assert!(in_order == ranking);
        }
    }
}
