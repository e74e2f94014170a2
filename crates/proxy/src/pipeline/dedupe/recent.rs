//! A map of bounded size from hashes that nobody can choose, which forgets the oldest entries first. Cheap to clone; clones share the
//! entries.
//!
//! A cache that also counts uses and expires entries costs several times as much for each event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

/// A hash: all of its bits are equally likely.
pub(super) type Key = [u8; 16];

#[derive(Debug, Clone)]
pub(super) struct Recent<V> {
    capacity: u32,
    state: Arc<Mutex<State<V>>>,
}

/// The entries are written side by side, and only their places are searched: with the entries in a map, each insertion misses the
/// processor's cache several times.
#[derive(Debug)]
struct State<V> {
    /// What was inserted, in a ring.
    ring: Vec<(Key, V)>,
    /// The place of the next one: that of the oldest, once the ring is full.
    next: u32,
    /// The place of each entry. One that was removed has none; one that was inserted again has only its newest.
    places: HashTable<u32>,
}

impl<V: Clone> Recent<V> {
    /// Creates a map of at most `capacity` entries, or of one if that is zero.
    pub(super) fn new(capacity: u32) -> Recent<V> {
        Recent {
            capacity,
            state: Arc::new(Mutex::new(State {
                ring: Vec::new(),
                next: 0,
                places: HashTable::new(),
            })),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub(super) fn insert(&self, key: Key, value: V) {
        let state = &mut *self.lock();
        state.remove(&key);
        state.forget_oldest();
        state.add(key, value);
        state.next = match state.next + 1 < self.capacity {
            true => state.next + 1,
            false => 0,
        };
    }

    pub(super) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().places.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> State<V> {
    fn get(&self, key: &Key) -> Option<&V> {
        let is_it = |place: &u32| entry(&self.ring, *place).is_some_and(|(at, _)| at == key);
        let place = self.places.find(table_hash(key), is_it)?;
        entry(&self.ring, *place).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &Key) {
        let is_it = |place: &u32| entry(&self.ring, *place).is_some_and(|(at, _)| at == key);
        if let Ok(found) = self.places.find_entry(table_hash(key), is_it) {
            found.remove();
        }
    }

    /// Makes room at the next place.
    fn forget_oldest(&mut self) {
        let Some((oldest, _)) = entry(&self.ring, self.next) else {
            return;
        };
        let hash = table_hash(oldest);
        if let Ok(found) = (self.places).find_entry(hash, |place| *place == self.next) {
            found.remove();
        }
    }

    /// Adds an entry at the next place. There is none with its key.
    fn add(&mut self, key: Key, value: V) {
        match self.ring.get_mut(self.next as usize) {
            Some(slot) => *slot = (key, value),
            None => self.ring.push((key, value)),
        }
        let hash_of = |place: &u32| {
            let at = entry(&self.ring, *place);
            at.map_or(0, |(key, _)| table_hash(key)) // each place is in the ring
        };
        self.places
            .insert_unique(table_hash(&key), self.next, hash_of);
    }
}

fn entry<V>(ring: &[(Key, V)], place: u32) -> Option<&(Key, V)> {
    ring.get(place as usize)
}

/// The hash for the table: a part of the key, which is a hash already.
fn table_hash(key: &Key) -> u64 {
    u128::from_le_bytes(*key) as u64
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
                        recent.insert([key; 16], n);
                        inserted.push((key, n));
                    }
                    false => {
                        recent.remove(&[key; 16]);
                        inserted.iter_mut().filter(|it| it.0 == key).for_each(|it| it.0 = u8::MAX);
                    }
                }
                for key in 0..12u8 {
                    let newest = inserted.iter().rev().take(5).find(|it| it.0 == key);
                    prop_assert_eq!(recent.get(&[key; 16]), newest.map(|it| it.1));
                }
            }
        }
    }
}
