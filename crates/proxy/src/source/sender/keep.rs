//! Sets events and inputs aside that cannot be read because of a bug, so that their source goes on without them.
//!
//! Nothing is set aside while anything that was found with it is left: the source finds all of it again, and each time would be one
//! more dead letter.

use queue::SetAsideError;
use sources::UnreadInput;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::super::aside::{Content, Item};
use super::{FIRST_PAUSE, LAST_PAUSE, SendReport, Sender};
use crate::intake::RawEvent;
use crate::telemetry::text::{NAME, shown};

/// Where an event or an input is that cannot be read because of a bug.
enum Place {
    /// Set aside.
    Aside,
    /// Only where it was found.
    Source,
    /// Here: it is tried again.
    Again,
}

impl Sender {
    /// Sets inputs aside whose reading panicked. What is not set aside is unkept. `sent` is what became of the events that were
    /// found with them: while some are left the inputs are unsent, because their source finds all of it again.
    pub async fn keep(&self, inputs: Vec<UnreadInput>, sent: &mut SendReport) {
        if !sent.left.is_empty() {
            sent.leave(inputs.into_iter().map(|input| input.identity.uuid()));
            return;
        }
        for input in inputs {
            let id = input.identity.uuid();
            let item = Item {
                id,
                content: Content::Input,
                place: &input.place,
                bytes: &input.bytes,
            };
            match self.set_aside(item).await {
                Place::Aside => sent.tally.set_aside += 1,
                Place::Source | Place::Again => {
                    sent.tally.unkept += 1;
                    sent.left.insert(id);
                }
            }
        }
    }

    /// Sets events aside whose validation panics, unless others are left.
    pub(super) async fn keep_events(
        &self,
        mut events: Vec<RawEvent>,
        stop: &CancellationToken,
        sent: &mut SendReport,
    ) {
        let (mut pause, mut attempt) = (FIRST_PAUSE, 0);
        while sent.left.is_empty() && !events.is_empty() {
            let mut again = Vec::new();
            let mut unkept = Vec::new();
            for event in events {
                match self.set_aside(item(&event)).await {
                    Place::Aside => sent.tally.set_aside += 1,
                    Place::Source => unkept.push(event),
                    Place::Again => again.push(event),
                }
            }
            events = again;
            sent.tally.unkept += unkept.len() as u64;
            let unkept = unkept.into_iter().filter_map(|event| event.identity);
            sent.left.extend(unkept);
            attempt += 1;
            if events.is_empty() || self.is_over(attempt, stop) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
        sent.leave(events.into_iter().filter_map(|event| event.identity));
    }

    /// Sets something aside, and says so. Returns where it is.
    async fn set_aside(&self, item: Item<'_>) -> Place {
        let (source, what, id) = (&self.name, item.content.name(), item.id);
        let (place, bytes) = (shown(item.place, NAME), item.bytes.len());
        let Some(aside) = &self.aside else {
            error!(%source, %id, %place, bytes, "an {what} cannot be read because of a bug and is left to its source, please report it");
            return Place::Source;
        };
        match aside.put(source, item).await {
            Ok(file) => {
                error!(%source, %id, %place, file, "an {what} cannot be read because of a bug and is set aside, please report it");
                Place::Aside
            }
            Err(error) => {
                error!(%source, %id, %place, bytes, %error, "an {what} cannot be read because of a bug, and cannot be set aside, please report it");
                match error {
                    SetAsideError::Impossible => Place::Source,
                    SetAsideError::Unavailable(_) => Place::Again,
                }
            }
        }
    }
}

fn item(event: &RawEvent) -> Item<'_> {
    Item {
        id: event.identity.unwrap_or_default(),
        content: Content::Event,
        place: "",
        bytes: &event.bytes,
    }
}
