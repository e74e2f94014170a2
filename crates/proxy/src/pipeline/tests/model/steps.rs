//! The steps of the model of delivery: which are possible in a state (`state.rs`), and the state that each leads to.
//!
//! What a response of the target means is decided by the state machine of `delivery.rs`. The laws are in `model.rs`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use targets::{Delivery, Failure, Reason, Scope};

use super::super::outbound;
use super::state::{Action, Client, Decision, Item, Message, Place, Post, State, Step, Worker};
use super::{EVENTS, Event, Kind, MAX_ATTEMPTS, Mistake, Protocol};
use crate::pipeline::delivery::RunDelivery;
use crate::pipeline::retry::{Attempt, RetryPolicy};
use crate::queue::Settlement;

impl Protocol {
    pub(super) fn start(&self) -> State {
        let client = Client {
            sends_left: 2,
            step: Step::ToSend,
        };
        let workers = match self.kind {
            Kind::Embedded => 1,
            Kind::Sqs => 2,
        };
        State {
            clients: [client.clone(), client],
            messages: Vec::new(),
            dead_letters: Vec::new(),
            taken: [0; 2],
            workers: vec![Worker::default(); workers],
            faults: self.faults,
            again: false,
        }
    }

    pub(super) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let faulty = state.faults > 0;
        for (n, client) in state.clients.iter().enumerate() {
            match client.step {
                Step::ToSend if client.sends_left == 0 => {}
                Step::ToSend if self.mistake == Mistake::AnswersFirst => {
                    actions.push(Action::Answer(n));
                }
                Step::ToSend => actions.push(Action::Store(n)),
                Step::Stored => {
                    actions.push(Action::Answer(n));
                    actions.extend(faulty.then_some(Action::AnswerIsLost(n)));
                }
                Step::AnsweredUnstored => {
                    actions.push(Action::Store(n));
                    actions.extend(faulty.then_some(Action::IngestCrashes(n)));
                }
                Step::Answered => {}
            }
        }
        for (w, worker) in state.workers.iter().enumerate() {
            for event in 0..EVENTS.len() {
                actions.extend((faulty && worker.known[event]).then_some(Action::Forget(w, event)));
            }
            if worker.hand.is_empty() {
                let any = state.messages.iter().any(|m| m.place == Place::InSight);
                actions.extend(any.then_some(Action::Receive(w)));
                continue;
            }
            let untried = |item: &Item| item.to.is_none();
            for (i, _) in worker
                .hand
                .iter()
                .enumerate()
                .filter(|(_, item)| untried(item))
            {
                actions.push(Action::Post(w, i, Post::Answered));
                let faults = [Post::AnswerIsLost, Post::Failed, Post::OutOfTime];
                actions.extend(
                    faults
                        .map(|post| Action::Post(w, i, post))
                        .iter()
                        .filter(|_| faulty),
                );
            }
            if !worker.hand.iter().any(untried) {
                match self.kind {
                    Kind::Embedded => actions.push(Action::Settle(w)),
                    Kind::Sqs => {
                        actions.extend((0..worker.hand.len()).map(|i| Action::SettleOne(w, i)));
                    }
                }
                actions.extend(faulty.then_some(Action::SettlingFails(w)));
            }
            actions.extend(faulty.then_some(Action::Panic(w)));
            actions.extend(faulty.then_some(Action::Crash(w)));
        }
        for (m, message) in state.messages.iter().enumerate() {
            let may = match self.kind {
                _ if self.mistake == Mistake::NeverAgain => false,
                Kind::Embedded => !state.in_hand(m),
                Kind::Sqs => faulty || !state.in_hand(m),
            };
            if message.place == Place::Hidden && may {
                actions.push(Action::ComesAgain(m));
            }
        }
    }

    pub(super) fn step(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Store(n) => {
                state.messages.push(Message {
                    event: EVENTS[n],
                    receives: 0,
                    place: Place::InSight,
                    published_delivered: false,
                    published_dead: false,
                });
                let client = &mut state.clients[n];
                client.sends_left -= 1;
                client.step = match client.step {
                    Step::AnsweredUnstored => Step::Answered,
                    Step::ToSend | Step::Stored | Step::Answered => Step::Stored,
                };
            }
            Action::Answer(n) => {
                let client = &mut state.clients[n];
                client.step = match client.step {
                    Step::ToSend => Step::AnsweredUnstored,
                    Step::Stored | Step::AnsweredUnstored | Step::Answered => Step::Answered,
                };
            }
            Action::AnswerIsLost(n) => {
                state.faults -= 1;
                state.clients[n].step = Step::ToSend;
            }
            Action::IngestCrashes(n) => {
                state.faults -= 1;
                state.clients[n].step = Step::Answered;
            }
            Action::Receive(w) => {
                for (m, message) in state.messages.iter_mut().enumerate() {
                    if message.place == Place::InSight {
                        message.place = Place::Hidden;
                        message.receives += 1;
                        state.workers[w].hand.push(Item {
                            message: m,
                            receives: message.receives,
                            to: None,
                        });
                    }
                }
            }
            Action::Post(w, i, post) => self.post(&mut state, w, i, post),
            Action::Settle(w) => {
                for item in std::mem::take(&mut state.workers[w].hand) {
                    // The receipt of one who is not the last to have received it is worth nothing.
                    if state.messages[item.message].receives == item.receives {
                        state.settle(&item);
                    }
                }
            }
            Action::SettleOne(w, i) => {
                let item = &mut state.workers[w].hand[i];
                let event = state.messages[item.message].event;
                match item.to {
                    Some(Decision::Dead) if self.mistake == Mistake::BuriesLast => {
                        item.to = Some(Decision::Deleted);
                        state.messages[item.message].place = Place::Buried;
                    }
                    Some(Decision::Dead) => {
                        item.to = Some(Decision::Sent);
                        state.dead_letters.push(event);
                        state.messages[item.message].published_dead = true;
                    }
                    Some(Decision::Deleted) => {
                        state.workers[w].hand.remove(i);
                        state.dead_letters.push(event);
                    }
                    Some(Decision::Done | Decision::Retry | Decision::Sent) | None => {
                        let item = state.workers[w].hand.remove(i);
                        state.settle(&item);
                    }
                }
            }
            Action::SettlingFails(w) => {
                state.faults -= 1;
                for item in std::mem::take(&mut state.workers[w].hand) {
                    state.again = true;
                    let is_done = item.to == Some(Decision::Done);
                    state.messages[item.message].published_delivered |= is_done;
                }
            }
            Action::Panic(w) => {
                state.faults -= 1;
                let hand = std::mem::take(&mut state.workers[w].hand);
                for item in hand {
                    state.again |= item.to.is_some();
                    if self.mistake == Mistake::ForgetsUnsettled {
                        state.messages[item.message].place = Place::Done;
                    }
                }
            }
            Action::Crash(w) => {
                state.faults -= 1;
                let worker = std::mem::take(&mut state.workers[w]);
                state.again |= worker.hand.iter().any(|item| item.to.is_some());
                // A new owner of the embedded queue has all of it in sight.
                if self.kind == Kind::Embedded && self.mistake != Mistake::NeverAgain {
                    let hidden = state
                        .messages
                        .iter_mut()
                        .filter(|m| m.place == Place::Hidden);
                    hidden.for_each(|message| message.place = Place::InSight);
                }
            }
            Action::Forget(w, event) => {
                state.faults -= 1;
                state.workers[w].known[event] = false;
            }
            Action::ComesAgain(m) => {
                if state.in_hand(m) {
                    state.faults -= 1;
                    state.again = true;
                }
                state.messages[m].place = Place::InSight;
            }
        }
        state
    }

    fn post(&self, state: &mut State, w: usize, i: usize, post: Post) {
        let Item {
            message, receives, ..
        } = state.workers[w].hand[i];
        let event = state.messages[message].event;
        let known = &mut state.workers[w].known[event as usize];
        if post != Post::Answered {
            state.faults -= 1;
        }
        if *known && post == Post::Answered {
            state.workers[w].hand[i].to = Some(Decision::Done);
            return;
        }
        let failed = |reason, scope| Failure {
            reason,
            scope,
            message: String::new(),
            after: None,
        };
        let attempt = match (post, event) {
            (Post::Answered, Event::Good) => Attempt::Answered(Delivery::Delivered { id: None }),
            (Post::Answered, Event::Bad) => {
                Attempt::Answered(Delivery::Permanent(failed(Reason::Invalid, Scope::Event)))
            }
            (Post::AnswerIsLost | Post::Failed, _) => Attempt::Answered(Delivery::Transient(
                failed(Reason::Unavailable, Scope::Event),
            )),
            (Post::OutOfTime, _) => Attempt::OutOfTime,
        };
        let taken = event == Event::Good && matches!(post, Post::Answered | Post::AnswerIsLost);
        state.taken[event as usize] += u8::from(taken);
        let to = settled(receives, post, event, &attempt);
        *known |= to == Decision::Done || self.mistake == Mistake::RemembersEarly;
        state.workers[w].hand[i].to = Some(to);
    }
}

/// How the pipeline settles an event that was received so often. It is asked once for each case: the model takes millions
/// of steps.
fn settled(attempts: u32, post: Post, event: Event, attempt: &Attempt) -> Decision {
    static KNOWN: Mutex<BTreeMap<(u32, Post, Event), Decision>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    *known
        .entry((attempts, post, event))
        .or_insert_with(|| match settlement(attempts, attempt) {
            Settlement::Acknowledge | Settlement::Store(_) => Decision::Done,
            Settlement::Retry(_) => Decision::Retry,
            Settlement::DeadLetter(_) => Decision::Dead,
        })
}

fn settlement(attempts: u32, attempt: &Attempt) -> Settlement {
    let policy = RetryPolicy {
        max_attempts: MAX_ATTEMPTS,
    };
    let mut delivery = RunDelivery::new(policy, [outbound(&["event"], attempts)], None);
    assert!(delivery.next(None).is_some(), "nothing to attempt");
    assert_eq!(delivery.record(attempt, Duration::ZERO), None);
    assert!(delivery.next(None).is_none(), "more to attempt");
    let (mut decided, _) = delivery.finish();
    let decided = decided.pop().expect("an outcome");
    decided.outcome.settlement()
}
