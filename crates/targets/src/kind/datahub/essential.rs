//! What of an event is written if the service rejects the whole: that its entities are there, their edges, and the run. Pure.
//!
//! Lineage of tables is what an event is for. A schema, an owner or column lineage that the service cannot have must not cost
//! it.

use super::proposal::{Aspect, Change, Proposal};

/// The patches that are edges between entities.
const EDGES: [&str; 3] = ["/inputDatasetEdges/", "/outputDatasetEdges/", "/upstreams/"];

/// The essential part of proposals, and the names of the aspects that it leaves out or cuts; `None` if all is essential.
pub(super) fn essential(proposals: &[Proposal]) -> Option<(Vec<Proposal>, Vec<&'static str>)> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for proposal in proposals {
        let essential = part(proposal);
        if essential.as_ref() != Some(proposal) {
            left_out.push(proposal.aspect.name());
        }
        kept.extend(essential);
    }
    left_out.sort_unstable();
    left_out.dedup();
    (!left_out.is_empty()).then_some((kept, left_out))
}

fn part(proposal: &Proposal) -> Option<Proposal> {
    match (proposal.aspect, &proposal.change) {
        (Aspect::JobInputOutput | Aspect::UpstreamLineage, Change::Patch(additions)) => {
            let is_edge = |path: &str| EDGES.iter().any(|edges| path.starts_with(edges));
            let edges = additions.iter().filter(|it| is_edge(&it.path)).cloned();
            Proposal::patch(&proposal.urn, proposal.aspect, edges.collect())
        }
        (
            Aspect::Status
            | Aspect::PlatformInstance
            | Aspect::FlowInfo
            | Aspect::JobInfo
            | Aspect::JobInputOutput
            | Aspect::UpstreamLineage
            | Aspect::RunProperties
            | Aspect::RunRelationships
            | Aspect::RunInput
            | Aspect::RunOutput
            | Aspect::RunEvent,
            _,
        ) => Some(proposal.clone()),
        (
            Aspect::DatasetProperties
            | Aspect::SchemaMetadata
            | Aspect::Ownership
            | Aspect::GlobalTags,
            _,
        ) => None,
    }
}
