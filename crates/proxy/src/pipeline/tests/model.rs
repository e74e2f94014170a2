//! The protocol of delivery as a small model, in which every order of steps and faults is looked at.
//!
//! Enqueue, claim, deliver, settle, come again, dead-letter; a crash, a lost answer or a failed settlement at any point, as
//! many as the model's faults allow. What an answer of the target means is not modelled: the model drives the state machine of
//! `delivery.rs`. Each law is also shown to bite, by a model with a known mistake in it. Here is one target; several are in
//! `model/fan_out.rs`.

mod fan_out;
mod state;
mod steps;

use stateright::{Checker, HasDiscoveries, Model, Property};

use state::{Action, Message, Place, State, Step};

/// One event that the target takes, and one that it refuses.
const EVENTS: [Event; 2] = [Event::Good, Event::Bad];

/// Tries before an event becomes a dead letter.
const MAX_ATTEMPTS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Event {
    Good,
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// One worker, whose batch ends before its records are in sight again; a batch is settled in one transaction.
    Embedded,
    /// Two workers. A message may come again while it is in hand, an old receipt may still delete, and a dead letter is
    /// sent first and its message deleted after.
    Sqs,
}

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mistake {
    None,
    /// Ingest answers before the message is in the queue.
    AnswersFirst,
    /// The dead letter's message is deleted before the dead letter is sent.
    BuriesLast,
    /// An event is remembered as delivered before the target has answered.
    RemembersEarly,
    /// What a batch does not report is deleted, and a batch that ended in a panic reports nothing.
    ForgetsUnsettled,
    /// A handed back message stays out of sight for ever.
    NeverAgain,
}

/// What may happen all the same, and is said in SECURITY.md.
const POSSIBLE: [&str; 3] = [
    "a duplicate at the target",
    "a good event is given up",
    "published as delivered and as a dead letter",
];

#[derive(Clone, Debug)]
struct Protocol {
    kind: Kind,
    faults: u8,
    mistake: Mistake,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        Some(self.step(before, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing that was answered is lost", |_, state: &State| {
                (0..EVENTS.len()).all(|n| state.clients[n].step != Step::Answered || state.has(n))
            }),
            Property::always("what is done is at the target", |_, state: &State| {
                let done = state.messages.iter().filter(|m| m.place == Place::Done);
                done.into_iter()
                    .all(|message| state.taken[message.event as usize] > 0)
            }),
            Property::always(
                "what the target refuses is never delivered",
                |_, state: &State| state.taken[Event::Bad as usize] == 0,
            ),
            Property::always(
                "only tries without end bury a good event",
                |_, state: &State| {
                    let tried = |m: &Message| m.event == Event::Good && m.receives >= MAX_ATTEMPTS;
                    !state.dead_letters.contains(&Event::Good) || state.messages.iter().any(tried)
                },
            ),
            // Where the queue gives out again what was dealt with, nobody can know: see SECURITY.md.
            Property::always(
                "delivered or a dead letter, not both",
                |_, state: &State| {
                    let both = |m: &Message| m.published_delivered && m.published_dead;
                    state.again || !state.messages.iter().any(both)
                },
            ),
            // Every fault is used up some day: what happens then is what fairness promises.
            Property::always("nothing is stuck", |model: &Protocol, state: &State| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                let settled = |m: &Message| matches!(m.place, Place::Done | Place::Buried);
                !actions.is_empty() || state.messages.iter().all(settled)
            }),
            Property::sometimes(POSSIBLE[0], |_, state: &State| state.taken[0] > 1),
            Property::sometimes(POSSIBLE[1], |_, state: &State| {
                state.dead_letters.contains(&Event::Good)
            }),
            Property::sometimes(POSSIBLE[2], |_, state: &State| {
                state
                    .messages
                    .iter()
                    .any(|m| m.published_delivered && m.published_dead)
            }),
        ]
    }
}

/// How many states there are, and which laws one of them breaks; and whether what is promised to be possible is.
fn checked(
    kind: Kind,
    faults: u8,
    mistake: Mistake,
    until: HasDiscoveries,
) -> (usize, Vec<&'static str>) {
    let model = Protocol {
        kind,
        faults,
        mistake,
    };
    let checked = model
        .checker()
        .threads(2)
        .finish_when(until)
        .spawn_bfs()
        .join();
    let found = checked.discoveries().into_keys().collect();
    (checked.unique_state_count(), found)
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]
fn whatever_fails_and_whenever_no_event_is_lost() {
    let full = std::env::var("PROXY_TEST_RELIABILITY").is_ok_and(|size| size == "full");
    let sizes = match full {
        true => [(Kind::Embedded, 4), (Kind::Sqs, 3)],
        false => [(Kind::Embedded, 3), (Kind::Sqs, 2)],
    };
    for (kind, faults) in sizes {
        let (states, mut found) = checked(kind, faults, Mistake::None, HasDiscoveries::All);
        println!(
            "reliability | model of delivery, {kind:?} | {faults} faults at any point: {states} states, all looked at"
        );
        found.sort_unstable();
        assert_eq!(found, POSSIBLE, "{kind:?}");
        assert!(states > 10_000, "{kind:?}: {states}");
    }
}

#[test]
fn each_law_finds_the_mistake_that_it_is_for() {
    let (lost, undone) = (
        "nothing that was answered is lost",
        "what is done is at the target",
    );
    let mistakes = [
        (Kind::Embedded, Mistake::AnswersFirst, lost),
        (Kind::Sqs, Mistake::BuriesLast, lost),
        (Kind::Embedded, Mistake::RemembersEarly, undone),
        (Kind::Sqs, Mistake::ForgetsUnsettled, undone),
        (Kind::Embedded, Mistake::NeverAgain, "nothing is stuck"),
    ];
    for (kind, mistake, law) in mistakes {
        let until = HasDiscoveries::AnyOf([law].into());
        let (_, found) = checked(kind, 2, mistake, until);
        assert!(found.contains(&law), "{mistake:?}: {found:?}");
    }
}
