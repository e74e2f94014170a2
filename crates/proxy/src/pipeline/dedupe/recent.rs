//! A map of bounded size that forgets the oldest entries first. Cheap to clone; clones share the entries.
//!
//! A cache that also counts uses and expires entries costs several times as much for each event.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Clone)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    state: Arc<Mutex<State<K, V>>>,
}

#[derive(Debug)]
struct State<K, V> {
    /// Each entry, with its number.
    entries: HashMap<K, (u64, V)>,
    /// What was inserted, oldest first. May name what was removed or inserted again since.
    inserted: VecDeque<(u64, K)>,
    last: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(capacity: usize) -> Recent<K, V> {
        Recent {
            capacity,
            state: Arc::new(Mutex::new(State {
                entries: HashMap::new(),
                inserted: VecDeque::new(),
                last: 0,
            })),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let state = self.lock();
        let entry = state.entries.get(key);
        entry.map(|(_, value)| value.clone())
    }

    pub(super) fn insert(&self, key: K, value: V) {
        let state = &mut *self.lock();
        state.last += 1;
        state.inserted.push_back((state.last, key.clone()));
        state.entries.insert(key, (state.last, value));
        while state.inserted.len() > self.capacity {
            let Some((number, oldest)) = state.inserted.pop_front() else {
                break;
            };
            let is_same = |(current, _): &(u64, V)| *current == number;
            if state.entries.get(&oldest).is_some_and(is_same) {
                state.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn remove(&self, key: &K) {
        self.lock().entries.remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
