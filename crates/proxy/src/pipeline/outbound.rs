//! An event as it goes to the target, and the received events of which it is made.
//!
//! Made by `adapt.rs`, delivered by `delivery.rs`.

use std::slice;
use std::sync::Arc;

use openlineage::Event;

use super::adapt::TransformLog;
use super::outcome::PendingEvent;
use crate::queue::TokenSalt;

/// An event to deliver, and the events whose outcome is that of its delivery.
#[derive(Debug)]
pub(super) enum OutboundEvent {
    /// One event, as the rules made it.
    Single(TransformedEvent),
    /// What several events of a run were merged into.
    Merged(MergedEvent),
}

/// A received event, and the result of the rules.
#[derive(Debug)]
pub(super) struct TransformedEvent {
    pub(super) pending: PendingEvent,
    pub(super) transformed: Event,
    pub(super) log: TransformLog,
    /// Its index in the run.
    pub(super) index: usize,
}

/// An event with parts of several: their merge, or one of them that has taken over what others said.
#[derive(Debug)]
pub(super) struct MergedEvent {
    pub(super) id: Arc<str>,
    pub(super) event: Event,
    pub(super) parts: Vec<TransformedEvent>,
}

impl MergedEvent {
    /// Creates the event that `parts` were merged into, unless there are none.
    pub(super) fn new(event: Event, parts: Vec<TransformedEvent>) -> Option<MergedEvent> {
        let id = match parts.as_slice() {
            [] => return None,
            [part] => part.pending.record.id.clone(),
            parts => merged_id(parts).into(),
        };
        Some(MergedEvent { id, event, parts })
    }
}

/// Returns the same id for the same records, so that log lines of later attempts have it too.
fn merged_id(parts: &[TransformedEvent]) -> String {
    let ids = parts.iter().map(|part| &*part.pending.record.id);
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    openlineage::content_id(&ids.join("\n")).to_string()
}

impl OutboundEvent {
    /// The id of the event in logs.
    pub(super) fn id(&self) -> &str {
        match self {
            OutboundEvent::Single(part) => &part.pending.record.id,
            OutboundEvent::Merged(merged) => &merged.id,
        }
    }

    /// The event that the target gets.
    pub(super) fn event(&self) -> &Event {
        match self {
            OutboundEvent::Single(part) => &part.transformed,
            OutboundEvent::Merged(merged) => &merged.event,
        }
    }

    pub(super) fn parts(&self) -> &[TransformedEvent] {
        match self {
            OutboundEvent::Single(part) => slice::from_ref(part),
            OutboundEvent::Merged(merged) => &merged.parts,
        }
    }

    pub(super) fn into_parts(self) -> Vec<TransformedEvent> {
        match self {
            OutboundEvent::Single(part) => vec![part],
            OutboundEvent::Merged(merged) => merged.parts,
        }
    }

    /// What the target is to take it again by: if that was asked for any of its parts, by the last replay, whose salts sort
    /// behind those of earlier ones.
    pub(super) fn token_salt(&self) -> Option<&TokenSalt> {
        let salts = (self.parts().iter()).map(|part| &part.pending.record.token_salt);
        salts.flatten().max()
    }

    /// The most attempts of any of its parts.
    pub(super) fn attempts(&self) -> u32 {
        let attempts = self.parts().iter().map(|part| part.pending.attempts());
        attempts.max().unwrap_or(1)
    }
}
