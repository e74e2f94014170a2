//! The model of fan-out: one log, several targets, and the events of one run, in every order of steps and faults.
//!
//! Each target receives, delivers and settles by itself, and has to see the run in order. What an attempt means for the rest
//! of its batch is asked of the state machine of `delivery.rs`. What `model.rs` covers for one target (lost answers to
//! clients, panics, settlements that fail, rejections) is left out here. `fan_out/steps.rs` has the states and the steps,
//! `fan_out/batch.rs` asks the state machine.

mod batch;
mod steps;

use std::collections::BTreeMap;

use stateright::{Checker, HasDiscoveries, Model, Property};

use steps::{Action, Place, State};

/// Events of the run.
const EVENTS: usize = 2;

/// Attempts before an event becomes a dead letter: as long as `retry.rs` keeps the order of a run.
const MAX_ATTEMPTS: u32 = 3;

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mistake {
    None,
    /// An event is stored for one target after the other, and a crash comes between.
    StoresOneByOne,
    /// The event is deleted when the first target has settled it.
    DeletesEarly,
    /// What one target has delivered counts as delivered for all.
    SettlesForAll,
    /// A target receives only while no other has something in hand.
    WaitsForOthers,
    /// A failed event does not block the later ones of its run.
    IgnoresBlocks,
}

const LOST: &str = "nothing stored is lost for any target";
const UNDONE: &str = "what is done for a target is at that target";
const TWICE: &str = "one outcome for each event and target";
const ORDER: &str = "each target has the run in order";
const ISOLATION: &str = "a step of one target changes nothing for another";
const STUCK: &str = "nothing is stuck";

/// What may happen all the same, and is said in SECURITY.md.
const POSSIBLE: [&str; 2] = [
    "a dead letter at one target and delivered to another",
    "a duplicate at one target and none at another",
];

#[derive(Clone, Debug)]
struct FanOut {
    targets: usize,
    faults: u8,
    mistake: Mistake,
}

impl Model for FanOut {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.targets, self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        Some(self.step(before, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LOST, |_, state: &State| {
                let mut events = 0..state.stored;
                events.all(|event| state.targets.iter().all(|it| it.has(event, state)))
            }),
            Property::always(UNDONE, |_, state: &State| {
                let mut messages = state.targets.iter().flat_map(|target| &target.messages);
                messages.all(|message| message.place != Place::Done || message.taken > 0)
            }),
            Property::always(TWICE, |_, state: &State| {
                let mut messages = state.targets.iter().flat_map(|target| &target.messages);
                messages.all(|message| message.outcomes <= 1)
            }),
            Property::always(ORDER, |_, state: &State| {
                state.targets.iter().all(|target| !target.is_out_of_order)
            }),
            Property::always(ISOLATION, FanOut::isolates),
            Property::always(STUCK, |model: &FanOut, state: &State| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                let mut messages = state.targets.iter().flat_map(|target| &target.messages);
                let settled = |place| matches!(place, Place::Done | Place::DeadLetter);
                !actions.is_empty() || messages.all(|message| settled(message.place))
            }),
            Property::sometimes(POSSIBLE[1], |_, state: &State| {
                let taken = |target: usize| state.targets[target].messages.first();
                let (one, other) = (taken(0), taken(1));
                one.is_some_and(|it| it.taken > 1) && other.is_some_and(|it| it.taken == 1)
            }),
            Property::sometimes(POSSIBLE[0], |_, state: &State| {
                let place = |target: usize| Some(state.targets[target].messages.first()?.place);
                place(0) == Some(Place::DeadLetter) && place(1) == Some(Place::Done)
            }),
        ]
    }
}

impl FanOut {
    /// Whether each step of a target leaves the others as they are, and with the steps that they have. The faults that are
    /// left are those of all, and do not count.
    fn isolates(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.possible(state, &mut actions);
        let steps = |state: &State, target| {
            let mut steps = Vec::new();
            self.possible_at(state, target, true, &mut steps);
            steps
        };
        actions.into_iter().all(|action| {
            let Action::At(target, _) = action else {
                return true;
            };
            let after = self.step(state, action);
            (0..self.targets)
                .filter(|other| *other != target)
                .all(|other| {
                    state.targets[other] == after.targets[other]
                        && steps(state, other) == steps(&after, other)
                })
        })
    }
}

/// How many states there are, and which laws one of them breaks, each with the actions that lead to it; and whether what is
/// said to be possible is.
fn checked(model: FanOut, until: HasDiscoveries) -> (usize, BTreeMap<&'static str, Vec<Action>>) {
    let checker = model.checker().threads(2).finish_when(until);
    let checked = checker.spawn_bfs().join();
    let found = checked.discoveries().into_iter();
    let found = found.map(|(law, path)| (law, path.into_actions()));
    (checked.unique_state_count(), found.collect())
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]
fn whatever_fails_each_target_gets_the_run_in_order_and_notices_no_other() {
    let full = std::env::var("PROXY_TEST_RELIABILITY").is_ok_and(|size| size == "full");
    let sizes = match full {
        true => [(2, 4), (3, 2)],
        false => [(2, 3), (3, 1)],
    };
    for (targets, faults) in sizes {
        let model = FanOut {
            targets,
            faults,
            mistake: Mistake::None,
        };
        let (states, found) = checked(model, HasDiscoveries::All);
        println!(
            "reliability | model of fan-out, {targets} targets | {faults} faults at any point: {states} states, all looked at"
        );
        // A dead letter takes as many faults as attempts.
        let has_dead_letters = u32::from(faults) >= MAX_ATTEMPTS;
        let possible = if has_dead_letters { 2 } else { 1 };
        let laws: Vec<&str> = found.keys().copied().collect();
        assert_eq!(laws, POSSIBLE[2 - possible..], "{found:#?}");
        assert!(states > 1_000, "{states}");
    }
}

#[test]
fn each_law_of_fan_out_finds_the_mistake_that_it_is_for() {
    let mistakes = [
        (Mistake::StoresOneByOne, LOST),
        (Mistake::DeletesEarly, LOST),
        (Mistake::SettlesForAll, UNDONE),
        (Mistake::SettlesForAll, ISOLATION),
        (Mistake::WaitsForOthers, ISOLATION),
        (Mistake::IgnoresBlocks, ORDER),
    ];
    for (mistake, law) in mistakes {
        let model = FanOut {
            targets: 2,
            faults: 2,
            mistake,
        };
        let (_, found) = checked(model, HasDiscoveries::AnyOf([law].into()));
        assert!(found.contains_key(law), "{mistake:?}: {found:?}");
    }
}
