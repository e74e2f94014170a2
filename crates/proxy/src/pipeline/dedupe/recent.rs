//! A map of bounded size that forgets the oldest entries first. Cheap to clone; clones share the entries.
//!
//! A cache that also counts uses and expires entries costs several times as much for each event.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

#[derive(Debug, Clone)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    state: Arc<Mutex<State<K, V>>>,
}

/// The entries are written side by side, and only their places are searched: with the entries in a map, each insertion misses the
/// processor's cache several times.
#[derive(Debug)]
struct State<K, V> {
    /// What was inserted, in a ring.
    ring: Vec<(K, V)>,
    /// The place of the next one: that of the oldest, once the ring is full.
    next: usize,
    /// The place of each entry. One that was removed has none; one that was inserted again has only its newest.
    places: HashTable<usize>,
    hasher: RandomState,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Creates a map of at most `capacity` entries, or of one if that is zero.
    pub(super) fn new(capacity: usize) -> Recent<K, V> {
        Recent {
            capacity,
            state: Arc::new(Mutex::new(State {
                ring: Vec::new(),
                next: 0,
                places: HashTable::new(),
                hasher: RandomState::new(),
            })),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub(super) fn insert(&self, key: K, value: V) {
        let state = &mut *self.lock();
        state.remove(&key);
        state.forget_oldest();
        state.add(key, value);
        state.next = match state.next + 1 < self.capacity {
            true => state.next + 1,
            false => 0,
        };
    }

    pub(super) fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().places.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> State<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        let is_it = |place: &usize| self.ring.get(*place).is_some_and(|(at, _)| at == key);
        let place = self.places.find(self.hasher.hash_one(key), is_it)?;
        self.ring.get(*place).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        let is_it = |place: &usize| self.ring.get(*place).is_some_and(|(at, _)| at == key);
        let hash = self.hasher.hash_one(key);
        if let Ok(found) = self.places.find_entry(hash, is_it) {
            found.remove();
        }
    }

    /// Makes room at the next place.
    fn forget_oldest(&mut self) {
        let Some((oldest, _)) = self.ring.get(self.next) else {
            return;
        };
        let hash = self.hasher.hash_one(oldest);
        if let Ok(found) = (self.places).find_entry(hash, |place| *place == self.next) {
            found.remove();
        }
    }

    /// Adds an entry at the next place. There is none with its key.
    fn add(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        match self.ring.get_mut(self.next) {
            Some(slot) => *slot = (key, value),
            None => self.ring.push((key, value)),
        }
        let hash_of = |place: &usize| {
            let at = self.ring.get(*place);
            at.map_or(0, |(key, _)| self.hasher.hash_one(key)) // each place is in the ring
        };
        self.places.insert_unique(hash, self.next, hash_of);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_has_the_last_entries_and_nothing_that_was_removed(
            steps in proptest::collection::vec((0u8..12, any::<bool>()), 0..80),
        ) {
            let recent = Recent::new(5);
            let mut inserted: Vec<(u8, usize)> = Vec::new();
            for (n, (key, inserts)) in steps.into_iter().enumerate() {
                match inserts {
                    true => {
                        recent.insert(key, n);
                        inserted.push((key, n));
                    }
                    false => {
                        recent.remove(&key);
                        inserted.iter_mut().filter(|it| it.0 == key).for_each(|it| it.0 = u8::MAX);
                    }
                }
                for key in 0..12 {
                    let newest = inserted.iter().rev().take(5).find(|it| it.0 == key);
                    prop_assert_eq!(recent.get(&key), newest.map(|it| it.1));
                }
            }
        }
    }
}
