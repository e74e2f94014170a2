//! A state of the model of delivery: clients, messages, workers and dead letters. `steps.rs` changes it.

use super::{EVENTS, Event};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) clients: [Client; 2],
    pub(super) messages: Vec<Message>,
    pub(super) dead_letters: Vec<Event>,
    /// How often the target took each event.
    pub(super) taken: [u8; 2],
    pub(super) workers: Vec<Worker>,
    pub(super) faults: u8,
    /// Whether the queue gave out again what was dealt with, or may have.
    pub(super) again: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) sends_left: u8,
    pub(super) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    ToSend,
    Stored,
    /// Only by mistake.
    AnsweredUnstored,
    Answered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) event: Event,
    pub(super) receives: u32,
    pub(super) place: Place,
    pub(super) published_delivered: bool,
    pub(super) published_dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    InSight,
    Hidden,
    Done,
    Buried,
}

/// A process: what it has in hand, and what it knows to be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    pub(super) hand: Vec<Item>,
    pub(super) known: [bool; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) message: usize,
    pub(super) receives: u32,
    pub(super) to: Option<Decision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Decision {
    Done,
    Retry,
    Dead,
    /// Its dead letter is sent, its message not yet deleted.
    Sent,
    /// By mistake: deleted, and its dead letter not yet sent.
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Store(usize),
    Answer(usize),
    AnswerIsLost(usize),
    IngestCrashes(usize),
    Receive(usize),
    Post(usize, usize, Post),
    Settle(usize),
    SettleOne(usize, usize),
    SettlingFails(usize),
    Panic(usize),
    Crash(usize),
    Forget(usize, usize),
    ComesAgain(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Post {
    Answered,
    /// The target has it, and the proxy does not know.
    AnswerIsLost,
    Failed,
    OutOfTime,
}

impl State {
    pub(super) fn in_hand(&self, message: usize) -> bool {
        let mut items = self.workers.iter().flat_map(|worker| &worker.hand);
        items.any(|item| item.message == message)
    }

    /// Whether an event is in the queue, at the target or among the dead letters.
    pub(super) fn has(&self, event: usize) -> bool {
        let waits = |m: &Message| {
            m.event as usize == event && matches!(m.place, Place::InSight | Place::Hidden)
        };
        self.messages.iter().any(waits)
            || self.taken[event] > 0
            || self.dead_letters.contains(&EVENTS[event])
    }

    pub(super) fn settle(&mut self, item: &Item) {
        let message = &mut self.messages[item.message];
        match item.to {
            Some(Decision::Done) => {
                message.published_delivered = true;
                message.place = Place::Done;
            }
            Some(Decision::Dead) => {
                message.published_dead = true;
                message.place = Place::Buried;
                self.dead_letters.push(message.event);
            }
            Some(Decision::Sent) => message.place = Place::Buried,
            Some(Decision::Retry | Decision::Deleted) | None => {}
        }
    }
}
