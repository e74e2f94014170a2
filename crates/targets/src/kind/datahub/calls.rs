//! Proposals as the bodies of `ingestProposalBatch`: merged, in order, and within the limits of a call. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::proposal::{Addition, Aspect, Change, Proposal};
use super::urn::Urn;

/// The most proposals in a call: DataHub's own client sends no more (`BATCH_INGEST_MAX_PAYLOAD_LENGTH`).
const MAX_PROPOSALS: usize = 200;

/// The largest body of a call, in bytes. The server accepts 16,000,000, and DataHub's own client sends no more than this
/// (`INGEST_MAX_PAYLOAD_BYTES` in `datahub/emitter/rest_emitter.py`).
const MAX_BYTES: usize = 15 * 1024 * 1024;

const START: &str = r#"{"proposals":["#;

/// The server answers when the proposals are written, and says if they are not.
const END: &str = r#"],"async":"false"}"#;

/// A proposal that no call can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proposal for the aspect {} is larger than {MAX_BYTES} bytes", .0.name())]
pub(super) struct CallError(Aspect);

/// The bodies of the calls that write these proposals, to be made one after the other.
pub(super) fn calls(proposals: Vec<Proposal>) -> Result<Vec<String>, CallError> {
    let mut calls = Calls::default();
    for proposal in merged(proposals) {
        calls.add(&proposal)?;
    }
    Ok(calls.finish())
}

/// The proposals with one for each aspect of an entity: a server that reads an aspect once for a call would lose the first of
/// two patches. The last replacement counts, and patches are joined. Datasets come first and runs last, so that a run that
/// is seen has its lineage.
fn merged(proposals: Vec<Proposal>) -> Vec<Proposal> {
    let mut merged: Vec<Proposal> = Vec::new();
    let mut places: BTreeMap<(Urn, Aspect), usize> = BTreeMap::new();
    for proposal in proposals {
        if proposal.aspect.is_time_series() {
            merged.push(proposal);
            continue;
        }
        let key = (proposal.urn.clone(), proposal.aspect);
        let earlier = places.get(&key).and_then(|place| merged.get_mut(*place));
        match (earlier.map(|earlier| &mut earlier.change), proposal.change) {
            (Some(Change::Patch(all)), Change::Patch(more)) => all.extend(more),
            (Some(earlier), change) => *earlier = change,
            (None, change) => {
                places.insert(key, merged.len());
                merged.push(Proposal { change, ..proposal });
            }
        }
    }
    for proposal in &mut merged {
        if let Change::Patch(additions) = &mut proposal.change {
            last_of_each_path(additions);
        }
    }
    merged.sort_by_key(|proposal| proposal.urn.entity);
    merged
}

/// Keeps the last value of each path: events of several runs add the same edges.
fn last_of_each_path(additions: &mut Vec<Addition>) {
    let mut later: BTreeSet<&str> = BTreeSet::new();
    let is_last = additions.iter().rev();
    let mut is_last: Vec<bool> = (is_last.map(|addition| later.insert(&addition.path))).collect();
    additions.retain(|_| is_last.pop().unwrap_or(true));
}

#[derive(Default)]
struct Calls {
    finished: Vec<String>,
    body: String,
    aspects: BTreeSet<(Urn, Aspect)>,
    count: usize,
}

impl Calls {
    fn add(&mut self, proposal: &Proposal) -> Result<(), CallError> {
        let json = proposal.to_json();
        if START.len() + json.len() + END.len() > MAX_BYTES {
            return self.add_in_parts(proposal);
        }
        let key = (proposal.urn.clone(), proposal.aspect);
        let is_full = self.count == MAX_PROPOSALS
            || self.body.len() + 1 + json.len() + END.len() > MAX_BYTES
            || (!proposal.aspect.is_time_series() && self.aspects.contains(&key));
        if is_full {
            self.end_call();
        }
        self.body
            .push_str(if self.count == 0 { START } else { "," });
        self.body.push_str(&json);
        self.count += 1;
        self.aspects.insert(key);
        Ok(())
    }

    /// A patch can be applied in parts.
    fn add_in_parts(&mut self, proposal: &Proposal) -> Result<(), CallError> {
        let Change::Patch(additions) = &proposal.change else {
            return Err(CallError(proposal.aspect));
        };
        if additions.len() < 2 {
            return Err(CallError(proposal.aspect));
        }
        for part in additions.chunks(additions.len().div_ceil(2)) {
            self.add(&Proposal {
                change: Change::Patch(part.to_vec()),
                ..proposal.clone()
            })?;
        }
        Ok(())
    }

    fn end_call(&mut self) {
        if self.count > 0 {
            self.body.push_str(END);
            self.finished.push(std::mem::take(&mut self.body));
        }
        self.count = 0;
        self.aspects.clear();
    }

    fn finish(mut self) -> Vec<String> {
        self.end_call();
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn urn(name: &str) -> Urn {
        Urn::dataset("p", name, "PROD").unwrap()
    }

    fn patch(name: &str, paths: &[&str]) -> Proposal {
        let additions = paths.iter().map(|path| Addition::new(&[path], json!(1)));
        Proposal::patch(&urn(name), Aspect::UpstreamLineage, additions.collect()).unwrap()
    }

    fn proposals(calls: &[String]) -> Vec<Vec<Value>> {
        let call = |call: &String| {
            let call: Value = serde_json::from_str(call).unwrap();
            assert_eq!(call["async"], "false");
            call["proposals"].as_array().unwrap().clone()
        };
        calls.iter().map(call).collect()
    }

    #[test]
    fn an_aspect_of_an_entity_is_in_a_call_once() {
        let upsert = |name, value| Proposal::upsert(&urn(name), Aspect::Status, json!(value));
        let run = Proposal::upsert(&Urn::run("r"), Aspect::RunEvent, json!({}));
        let all = vec![
            run.clone(),
            patch("a", &["x"]),
            upsert("a", 1),
            patch("a", &["y", "x"]),
            upsert("a", 2),
            upsert("b", 3),
            run,
        ];
        let calls = proposals(&calls(all).unwrap());
        let [call] = calls.as_slice() else {
            panic!("{calls:?}");
        };
        let seen: Vec<&str> = (call.iter())
            .map(|proposal| proposal["aspect"]["value"].as_str().unwrap())
            .collect();
        let operations =
            r#"[{"op":"add","path":"/y","value":1},{"op":"add","path":"/x","value":1}]"#;
        assert_eq!(seen, [operations, "2", "3", "{}", "{}"]);
    }

    #[test]
    fn a_call_has_so_many_proposals_and_bytes_at_most() {
        let names: Vec<String> = (0..450).map(|n| n.to_string()).collect();
        let many = names.iter().map(|name| patch(name, &["x"])).collect();
        let calls = proposals(&calls(many).unwrap());
        let sizes: Vec<usize> = calls.iter().map(Vec::len).collect();
        assert_eq!(sizes, [200, 200, 50]);
    }

    #[test]
    fn a_patch_that_is_too_large_is_sent_in_parts_and_a_replacement_is_an_error() {
        let long = "x".repeat(MAX_BYTES / 3);
        let paths: Vec<String> = (0..5).map(|n| format!("{n}{long}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let calls = calls(vec![patch("a", &paths)]).unwrap();
        assert!(calls.len() > 1 && calls.iter().all(|call| call.len() <= MAX_BYTES));
        let operations = calls.iter().map(|call| call.matches("\\\"op\\\"").count());
        assert_eq!(operations.sum::<usize>(), 5);
        let large = Proposal::upsert(
            &urn("a"),
            Aspect::SchemaMetadata,
            json!("x".repeat(MAX_BYTES)),
        );
        assert_eq!(
            super::calls(vec![large]),
            Err(CallError(Aspect::SchemaMetadata))
        );
    }
}
