//! The states of the model of fan-out, which steps are possible in each, and the state that each leads to.
//!
//! Time is left out: what is retried may be visible again at any time, in any order. An event that failed blocks its run
//! until it is.

use super::batch::{Decision, Item, Post, Replay, replay};
use super::{EVENTS, FanOut, Mistake};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// How many events are in the log, in the order of the run.
    pub(super) stored: usize,
    /// How many targets have the last of them: all, but for a mistake.
    reached: usize,
    deleted: [bool; EVENTS],
    pub(super) targets: Vec<Target>,
    faults: u8,
}

/// What a target has settled, what it has in hand, and what its worker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) messages: Vec<Message>,
    hand: Vec<Item>,
    /// How the attempts of the batch in hand have ended so far.
    posts: Vec<Post>,
    /// What blocks the batch in hand: an event that had failed before, and was not visible when the batch was received.
    earlier: Option<usize>,
    /// The event that blocks the run, in memory.
    blocked_by: Option<usize>,
    pub(super) is_out_of_order: bool,
}

/// An event of the log as a target sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) place: Place,
    receives: u32,
    /// How often the target took it.
    pub(super) taken: u8,
    /// How many outcomes were published.
    pub(super) outcomes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Visible,
    Hidden,
    Done,
    DeadLetter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Store,
    /// Only by mistake: the next target gets the last event.
    Reach,
    Delete(usize),
    /// The process ends, with the workers of all targets.
    Crash,
    At(usize, Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Receive,
    Post(Post),
    Settle,
    Reappear(usize),
}

impl State {
    pub(super) fn new(targets: usize, faults: u8) -> State {
        State {
            stored: 0,
            reached: targets,
            deleted: [false; EVENTS],
            targets: vec![Target::default(); targets],
            faults,
        }
    }

    fn store_for(&mut self, target: usize) {
        self.targets[target].messages.push(Message {
            place: Place::Visible,
            receives: 0,
            taken: 0,
            outcomes: 0,
        });
    }
}

impl Target {
    /// Whether an event waits for this target, is there, or is one of its dead letters. A body that is deleted is neither.
    pub(super) fn has(&self, event: usize, state: &State) -> bool {
        let Some(message) = self.messages.get(event) else {
            // It is being stored, and its sender has no response yet.
            return event + 1 == state.stored && state.reached < state.targets.len();
        };
        message.taken > 0 || !state.deleted[event]
    }

    /// The target takes an event, after what was `decided` of the batch so far.
    fn take(&mut self, event: usize, decided: &[(usize, Decision)]) {
        let is_waiting = |(earlier, message): (usize, &Message)| {
            let is_given_up = message.place == Place::DeadLetter
                || decided.contains(&(earlier, Decision::DeadLetter));
            message.taken == 0 && !is_given_up
        };
        let mut earlier = self.messages[..event].iter().enumerate();
        let is_first = self.messages[event].taken == 0;
        self.is_out_of_order |= is_first && earlier.any(is_waiting);
        self.messages[event].taken += 1;
    }

    fn replay(&self) -> Replay {
        replay(&self.hand, self.earlier, &self.posts)
    }
}

impl FanOut {
    pub(super) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let is_reached = state.reached == self.targets;
        if !is_reached {
            actions.push(Action::Reach);
        } else if state.stored < EVENTS {
            actions.push(Action::Store);
        }
        for event in (0..state.stored).filter(|event| !state.deleted[*event]) {
            let is_done = |target: &Target| {
                let message = target.messages.get(event);
                message.is_some_and(|message| message.place == Place::Done)
            };
            let may_delete = match self.mistake == Mistake::DeletesEarly {
                true => state.targets.iter().any(is_done),
                false => state.targets.iter().all(is_done),
            };
            actions.extend(may_delete.then_some(Action::Delete(event)));
        }
        let faulty = state.faults > 0;
        actions.extend((faulty && state.stored > 0).then_some(Action::Crash));
        for target in 0..self.targets {
            let mut steps = Vec::new();
            self.possible_at(state, target, faulty, &mut steps);
            actions.extend(steps.into_iter().map(|step| Action::At(target, step)));
        }
    }

    pub(super) fn possible_at(
        &self,
        state: &State,
        number: usize,
        faulty: bool,
        steps: &mut Vec<Step>,
    ) {
        let target = &state.targets[number];
        let messages = target.messages.iter().enumerate();
        if target.hand.is_empty() {
            let others = state.targets.iter().enumerate();
            let mut others = others.filter(|(other, _)| *other != number);
            let waits = self.mistake == Mistake::WaitsForOthers
                && others.any(|(_, other)| !other.hand.is_empty());
            let is_visible = |event: usize, message: &Message| {
                message.place == Place::Visible && !state.deleted[event]
            };
            let any = messages.clone().any(|(event, it)| is_visible(event, it));
            steps.extend((any && !waits).then_some(Step::Receive));
        } else if target.replay().next.is_some() {
            // The deadline is that of the batch: after it, no other event has time.
            let posts: &[Post] = match target.posts.contains(&Post::OutOfTime) {
                true => &[Post::NoTimeEither],
                false if faulty => &[
                    Post::Delivered,
                    Post::AnswerIsLost,
                    Post::Failed,
                    Post::OutOfTime,
                ],
                false => &[Post::Delivered],
            };
            steps.extend(posts.iter().copied().map(Step::Post));
        } else {
            steps.push(Step::Settle);
        }
        for (event, message) in messages {
            let is_in_hand = target.hand.iter().any(|(in_hand, _)| *in_hand == event);
            let may = message.place == Place::Hidden && !is_in_hand;
            steps.extend(may.then_some(Step::Reappear(event)));
        }
    }

    pub(super) fn step(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Store => {
                state.stored += 1;
                state.reached = match self.mistake == Mistake::StoresOneByOne {
                    true => 1,
                    false => self.targets,
                };
                (0..state.reached).for_each(|target| state.store_for(target));
            }
            Action::Reach => {
                let target = state.reached;
                state.store_for(target);
                state.reached += 1;
            }
            Action::Delete(event) => state.deleted[event] = true,
            Action::Crash => {
                state.faults -= 1;
                state.reached = self.targets;
                for target in &mut state.targets {
                    target.hand.clear();
                    target.posts.clear();
                    (target.earlier, target.blocked_by) = (None, None);
                    for message in &mut target.messages {
                        if message.place == Place::Hidden {
                            message.place = Place::Visible;
                        }
                    }
                }
            }
            Action::At(number, step) => {
                if let Step::Post(post) = step
                    && post.is_fault()
                {
                    state.faults -= 1;
                }
                let deleted = state.deleted;
                self.step_at(&mut state.targets[number], step, deleted);
                if step == Step::Settle && self.mistake == Mistake::SettlesForAll {
                    let places = state.targets[number].messages.clone();
                    for target in &mut state.targets {
                        for (message, settled) in target.messages.iter_mut().zip(&places) {
                            if settled.place == Place::Done {
                                message.place = Place::Done;
                            }
                        }
                    }
                }
            }
        }
        state
    }

    fn step_at(&self, target: &mut Target, step: Step, deleted: [bool; EVENTS]) {
        match step {
            Step::Receive => {
                for (event, message) in target.messages.iter_mut().enumerate() {
                    if message.place == Place::Visible && !deleted[event] {
                        message.place = Place::Hidden;
                        message.receives += 1;
                        target.hand.push((event, message.receives));
                    }
                }
                // A batch with the event that blocks is its retry.
                let is_in_hand = |by: &usize| target.hand.iter().any(|(event, _)| event == by);
                target.earlier = match self.mistake == Mistake::IgnoresBlocks {
                    true => None,
                    false => target.blocked_by.filter(|by| !is_in_hand(by)),
                };
            }
            Step::Post(post) => {
                let replay = target.replay();
                if matches!(post, Post::Delivered | Post::AnswerIsLost) {
                    target.take(replay.next.unwrap(), &replay.decided);
                }
                target.posts.push(post);
            }
            Step::Settle => {
                let replay = target.replay();
                for (event, decision) in &replay.decided {
                    let message = &mut target.messages[*event];
                    match decision {
                        Decision::Done => message.place = Place::Done,
                        Decision::DeadLetter => message.place = Place::DeadLetter,
                        Decision::Retry => continue,
                    }
                    message.outcomes += 1;
                }
                // A batch that blocks nothing does not end an earlier block. One of an event that is visible lasts a second,
                // and it is received in that.
                let is_hidden = |event: &usize| target.messages[*event].place == Place::Hidden;
                let blocked_by = replay.blocked_by.or(target.blocked_by);
                target.blocked_by = blocked_by.filter(is_hidden);
                target.hand.clear();
                target.posts.clear();
                target.earlier = None;
            }
            Step::Reappear(event) => {
                target.messages[event].place = Place::Visible;
                // The block lasts until the retry of the event that failed is due.
                target.blocked_by = target.blocked_by.filter(|it| *it != event);
            }
        }
    }
}
