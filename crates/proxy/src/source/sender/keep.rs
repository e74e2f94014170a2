//! Sets events and inputs aside that cannot be read because of a bug, so that their source goes on without them.
//!
//! Nothing is set aside while anything that was found with it is left: the source finds all of it again, and each time would be one
//! more dead letter. So nothing is set aside beside what can never be, either.

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
    /// Sets inputs aside whose reading panicked, where no events were found with them.
    pub async fn keep(&self, inputs: Vec<UnreadInput>) -> SendReport {
        let mut sent = SendReport::default();
        let stop = CancellationToken::new();
        self.keep_all(Vec::new(), inputs, &stop, &mut sent).await;
        sent
    }

    /// Sets events aside whose validation panics, and inputs whose reading panicked. `sent` is what became of the events that
    /// were found with them: while some of them are left all of these are unsent. What is not set aside is unkept.
    pub(super) async fn keep_all(
        &self,
        events: Vec<RawEvent>,
        inputs: Vec<UnreadInput>,
        stop: &CancellationToken,
        sent: &mut SendReport,
    ) {
        let items = events.iter().map(of_event);
        let items: Vec<Item<'_>> = items.chain(inputs.iter().map(of_input)).collect();
        if sent.left.is_empty() && !items.iter().all(|item| self.can_set_aside(*item)) {
            for item in items {
                self.leave_to_source(item);
                sent.tally.unkept += 1;
                sent.left.insert(item.id);
            }
            return;
        }
        self.keep_events(events, stop, sent).await;
        self.keep_inputs(inputs, sent).await;
    }

    fn can_set_aside(&self, item: Item<'_>) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.can_put(item))
    }

    async fn keep_inputs(&self, inputs: Vec<UnreadInput>, sent: &mut SendReport) {
        if !sent.left.is_empty() {
            sent.leave(inputs.into_iter().map(|input| input.identity.uuid()));
            return;
        }
        for input in &inputs {
            let item = of_input(input);
            match self.set_aside(item).await {
                Place::Aside => sent.tally.set_aside += 1,
                Place::Source | Place::Again => {
                    sent.tally.unkept += 1;
                    sent.left.insert(item.id);
                }
            }
        }
    }

    /// Sets events aside whose validation panics, unless others are left.
    async fn keep_events(
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
                match self.set_aside(of_event(&event)).await {
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
        let Some(aside) = &self.aside else {
            self.leave_to_source(item);
            return Place::Source;
        };
        let (source, what, id) = (&self.name, item.content.name(), item.id);
        let (place, bytes) = (shown(item.place, NAME), item.bytes.len());
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

    /// Says that something stays where it was found.
    fn leave_to_source(&self, item: Item<'_>) {
        let (source, what, id) = (&self.name, item.content.name(), item.id);
        let (place, bytes) = (shown(item.place, NAME), item.bytes.len());
        let reason = match &self.aside {
            None => "there is nowhere to set it aside",
            Some(aside) if aside.can_put(item) => "something beside it can never be set aside",
            Some(_) => "it is not a text of at most a mebibyte, which a message of SQS is",
        };
        error!(%source, %id, %place, bytes, reason, "an {what} cannot be read because of a bug and is left to its source, please report it");
    }
}

fn of_event(event: &RawEvent) -> Item<'_> {
    Item {
        id: event.identity.unwrap_or_default(),
        content: Content::Event,
        place: "",
        bytes: &event.bytes,
    }
}

fn of_input(input: &UnreadInput) -> Item<'_> {
    Item {
        id: input.identity.uuid(),
        content: Content::Input,
        place: &input.place,
        bytes: &input.bytes,
    }
}
