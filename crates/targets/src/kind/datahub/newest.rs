//! Which event each aspect has its content from, by time, so that an event that is delivered late does not replace what a newer
//! one wrote. Pure but for its memory, which `gms.rs` asks before a call and tells after it.
//!
//! What the service has is not read: after a restart, and for what other processes write, the order of delivery decides.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use super::proposal::{Change, Proposal};

/// How many aspects and edges are remembered; of those, the older half is forgotten together. It takes some 10 MB.
const MOST: usize = 200_000;

/// The newest event of each aspect that is replaced, and of each edge.
#[derive(Debug, Default)]
pub(super) struct NewestTimes {
    times: Mutex<Times>,
    /// Keys are hashes: names have any length. It is seeded, so that nobody can choose names whose hashes are equal.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Times {
    recent: HashMap<u64, OffsetDateTime>,
    older: HashMap<u64, OffsetDateTime>,
}

impl NewestTimes {
    /// The proposals of an event of this time without those for which a newer event was written.
    pub(super) fn without_older(
        &self,
        proposals: &[Proposal],
        time: OffsetDateTime,
    ) -> Vec<Proposal> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newest = |key: Option<u64>| {
            let known =
                key.and_then(|key| times.recent.get(&key).or_else(|| times.older.get(&key)));
            known.is_none_or(|known| *known <= time)
        };
        let newest = proposals
            .iter()
            .filter_map(|proposal| match &proposal.change {
                Change::Upsert(_) => is_newest(self.key(proposal, "")).then(|| proposal.clone()),
                Change::Patch(additions) => {
                    let additions = additions.iter();
                    let additions = additions.filter(|it| is_newest(self.key(proposal, &it.path)));
                    let additions = additions.cloned().collect();
                    Proposal::patch(&proposal.urn, proposal.aspect, additions)
                }
            });
        newest.collect()
    }

    /// Remembers that the proposals of an event of this time were written.
    pub(super) fn record(&self, proposals: &[Proposal], time: OffsetDateTime) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for proposal in proposals {
            match &proposal.change {
                Change::Upsert(_) => times.record(self.key(proposal, ""), time),
                Change::Patch(additions) => {
                    for addition in additions {
                        times.record(self.key(proposal, &addition.path), time);
                    }
                }
            }
        }
    }

    /// What a proposal, or an addition of a patch, replaces; `None` if it is the same in each event that has it.
    fn key(&self, proposal: &Proposal, path: &str) -> Option<u64> {
        let is_constant = ["/fineGrainedLineages/", "/owners/", "/tags/"];
        let replaces = !proposal.aspect.is_time_series()
            && !is_constant.iter().any(|array| path.starts_with(array));
        replaces.then(|| self.hasher.hash_one((&proposal.urn, proposal.aspect, path)))
    }
}

impl Times {
    fn record(&mut self, key: Option<u64>, time: OffsetDateTime) {
        let Some(key) = key else {
            return;
        };
        let known = self.recent.get(&key).or_else(|| self.older.get(&key));
        let time = known.map_or(time, |known| time.max(*known));
        if self.recent.len() >= MOST / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, time);
    }
}
