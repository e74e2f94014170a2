//! A ledger of numbered events: which the proxy accepted, and which came out.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::events::{is_merged, numbered};

/// What was answered `200`, and what was delivered.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Numbers of the events that were answered `200`.
    pub accepted: HashSet<u64>,
    /// How often each event was delivered.
    pub delivered: HashMap<u64, u64>,
    /// The beginnings of deliveries that are none of the events that were sent.
    pub wrong: Vec<String>,
    /// Lines of a file that are not JSON: a power cut may leave anything of unsynced lines.
    pub torn: u64,
    /// Responses that a healthy proxy does not give.
    pub unexpected: Vec<String>,
}

impl Ledger {
    /// Enters a delivery: one event exactly as it was sent, or, where rules merge, several of one run.
    pub fn deliver(&mut self, text: &str) {
        let numbers: Vec<u64> = text
            .split(r#""name":"in "#)
            .skip(1)
            .filter_map(|rest| rest.split(' ').next()?.parse().ok())
            .collect();
        let is_right = match numbers.as_slice() {
            [] => false,
            [n] if text == numbered(*n) => true,
            [first, ..] => {
                is_merged(*first)
                    && numbers.iter().all(|n| n / 4 == first / 4)
                    && serde_json::from_str::<Value>(text).is_ok()
            }
        };
        if !is_right {
            self.wrong.push(text.chars().take(400).collect());
        }
        for n in numbers {
            *self.delivered.entry(n).or_default() += 1;
        }
    }

    /// Checks that every accepted event was delivered, and nothing that was not sent. Returns the number of duplicates.
    pub fn check(&self, case: &str) -> u64 {
        let is_lost = |n: &&u64| !self.delivered.contains_key(n);
        let lost: Vec<_> = self.accepted.iter().filter(is_lost).collect();
        let accepted = self.accepted.len();
        assert!(
            lost.is_empty(),
            "{case}: {} of {accepted} lost: {lost:?}",
            lost.len()
        );
        assert!(self.wrong.is_empty(), "{case}: {:#?}", self.wrong);
        assert!(self.unexpected.is_empty(), "{case}: {:#?}", self.unexpected);
        self.delivered.values().sum::<u64>() - self.delivered.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "1 of 2 lost: [2]")]
    fn an_accepted_event_that_did_not_come_out_is_lost() {
        let mut ledger = Ledger::default();
        ledger.accepted.extend([1, 2]);
        ledger.deliver(&numbered(1));
        ledger.check("case");
    }

    #[test]
    fn a_delivery_that_was_changed_is_wrong_and_one_that_comes_twice_a_duplicate() {
        let mut ledger = Ledger::default();
        ledger.accepted.extend([25, 26]);
        for _ in 0..2 {
            ledger.deliver(&numbered(25));
        }
        ledger.deliver(&numbered(26));
        assert_eq!(ledger.check("case"), 1);
        ledger.deliver(&numbered(26).replace("1.0", "1"));
        assert_eq!(ledger.wrong.len(), 1);
    }
}
