//! What was found already: by its position, since windows overlap, and by its text, since the same event is printed more
//! than once. Used by `scanner.rs`, and kept in cursors.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::Identity;

/// The last things that were found. Bounded: the oldest are forgotten.
#[derive(Debug, Clone)]
pub struct Seen {
    limit: usize,
    order: VecDeque<Entry>,
    /// How many entries have this position, or this text: more than one, once one was forgotten and came again.
    counts: HashMap<u64, u32>,
}

/// `text` is zero for what is no text: a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    timestamp: i64,
    position: u64,
    text: u64,
}

/// A cursor that no scanner wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("element {0} is not [time, position, text]")]
pub struct UnreadableSeen(usize);

impl Seen {
    /// Nothing yet, and never more than `limit` things.
    pub fn new(limit: usize) -> Seen {
        Seen {
            limit,
            order: VecDeque::new(),
            counts: HashMap::new(),
        }
    }

    /// Reads what [`Seen::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn from_json(json: &[Value], limit: usize) -> Result<Seen, UnreadableSeen> {
        let mut seen = Seen::new(limit);
        for (number, value) in json.iter().enumerate() {
            let entry = Entry::from_json(value).ok_or(UnreadableSeen(number))?;
            seen.push(entry);
        }
        Ok(seen)
    }

    /// Writes it, oldest first.
    pub fn to_json(&self) -> Vec<Value> {
        let hex = |number: u64| Value::from(format!("{number:016x}"));
        let entries = self.order.iter();
        let entry =
            |entry: &Entry| vec![entry.timestamp.into(), hex(entry.position), hex(entry.text)];
        entries.map(|e| Value::from(entry(e))).collect()
    }

    /// Forgets what was logged before a time.
    pub fn forget_before(&mut self, timestamp: i64) {
        let all = std::mem::take(&mut self.order);
        self.counts.clear();
        for entry in all {
            if entry.timestamp >= timestamp {
                self.push(entry);
            }
        }
    }

    /// How many things are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn has_position(&self, position: Identity) -> bool {
        self.counts.contains_key(&short(position))
    }

    pub(super) fn has_text(&self, text: Identity) -> bool {
        self.counts.contains_key(&short(text))
    }

    pub(super) fn remember(&mut self, timestamp: i64, position: Identity, text: Option<Identity>) {
        self.push(Entry {
            timestamp,
            position: short(position),
            text: text.map_or(0, short),
        });
    }

    fn push(&mut self, entry: Entry) {
        if self.order.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            for key in oldest.keys() {
                if let Some(count) = self.counts.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.counts.remove(&key);
                    }
                }
            }
        }
        for key in entry.keys() {
            *self.counts.entry(key).or_default() += 1;
        }
        self.order.push_back(entry);
    }
}

impl Entry {
    fn from_json(value: &Value) -> Option<Entry> {
        let [timestamp, position, text] = value.as_array()?.as_slice() else {
            return None;
        };
        let hex = |value: &Value| {
            let digits = value.as_str().filter(|digits| digits.len() == 16)?;
            u64::from_str_radix(digits, 16).ok()
        };
        Some(Entry {
            timestamp: timestamp.as_i64()?,
            position: hex(position)?,
            text: hex(text)?,
        })
    }

    fn keys(self) -> impl Iterator<Item = u64> {
        let text = Some(self.text).filter(|text| *text != 0);
        std::iter::once(self.position).chain(text)
    }
}

/// 64 bits tell some thousands of things apart: two of 10,000 are the same once in 10^11 cursors.
fn short(identity: Identity) -> u64 {
    identity.uuid().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Identity {
        Identity::of(&[name])
    }

    #[test]
    fn it_survives_a_cursor() {
        let mut seen = Seen::new(10);
        seen.remember(5, id("p"), Some(id("t")));
        seen.remember(7, id("finding"), None);
        let again = Seen::from_json(&seen.to_json(), 10).unwrap();
        assert_eq!(again.to_json(), seen.to_json());
        assert!(
            again.has_position(id("p"))
                && again.has_text(id("t"))
                && again.has_position(id("finding"))
        );
        assert!(!again.has_text(id("u")));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut seen = Seen::new(2);
        for name in ["a", "b", "a", "c"] {
            seen.remember(0, id(name), None);
        }
        assert!(
            seen.has_position(id("a")) && seen.has_position(id("c")) && !seen.has_position(id("b"))
        );
        seen.remember(9, id("d"), None);
        seen.forget_before(5);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_foreign_list_is_an_error_that_names_its_place() {
        let good = serde_json::json!([1, "0000000000000001", "0000000000000000"]);
        for bad in [
            serde_json::json!(1),
            serde_json::json!([1, "x", "y"]),
            serde_json::json!([]),
        ] {
            assert_eq!(
                Seen::from_json(&[good.clone(), bad], 5).unwrap_err(),
                UnreadableSeen(1)
            );
        }
    }
}
