//! The log against a model: any steps, for one to three consumers of which some owners ask only for some, give what a list of
//! events in memory gives. The first consumer is the store, for some of the owners.

mod subject;

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{Record, Settlement, StoredForm};
use subject::{State, Subject};

const HOUR: Duration = Duration::from_secs(3_600);

/// The owner asks for every consumer, and the first is the store.
const ALL: u8 = u8::MAX;

/// The bit of an owner for which the first consumer is the store.
const STORE: u8 = 1 << 7;

/// What happens to the log. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Action {
    Append(usize),
    /// Events with the identities of these numbers: those that were appended before are known.
    AppendOnce(Vec<u8>),
    Receive {
        consumer: usize,
        limit: i64,
    },
    Settle {
        consumer: usize,
        which: Vec<usize>,
        how: How,
    },
    Redrive {
        consumer: usize,
        which: usize,
    },
    Delete {
        consumer: usize,
        which: usize,
    },
    /// The next owner asks for the consumers whose bit is set, or for all if there is none.
    Restart(u8),
    Sweep,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Acknowledge,
    /// Of a consumer that is not the store: the same as `Acknowledge`.
    Store,
    StoreChanged,
    RetryNow,
    RetryLater,
    DeadLetter,
}

/// An event as a consumer should see it, by the id of the event.
type Model = BTreeMap<String, (State, u32)>;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let how = prop_oneof![
        2 => Just(How::Acknowledge),
        2 => Just(How::Store),
        1 => Just(How::StoreChanged),
        2 => Just(How::RetryNow),
        1 => Just(How::RetryLater),
        1 => Just(How::DeadLetter),
    ];
    let consumer = 0..3usize;
    let settle = (consumer.clone(), vec(0..9usize, 1..5), how);
    let action = prop_oneof![
        4 => (1..5usize).prop_map(Action::Append),
        2 => vec(0..12u8, 1..4).prop_map(Action::AppendOnce),
        6 => (consumer.clone(), 1..6i64)
            .prop_map(|(consumer, limit)| Action::Receive { consumer, limit }),
        6 => settle.prop_map(|(consumer, which, how)| Action::Settle { consumer, which, how }),
        1 => (consumer.clone(), 0..9usize)
            .prop_map(|(consumer, which)| Action::Redrive { consumer, which }),
        1 => (consumer, 0..9usize).prop_map(|(consumer, which)| Action::Delete { consumer, which }),
        1 => Just(Action::Restart(ALL)),
        1 => any::<u8>().prop_map(Action::Restart),
        1 => Just(Action::Sweep),
    ];
    vec(action, 1..60)
}

/// A log under test.
struct Bench {
    folder: TempDir,
    visibility: Duration,
    retention: Retention,
    log: Log,
    subjects: Vec<Subject>,
    appended: usize,
    identities: BTreeSet<u8>,
}

impl Bench {
    async fn new(consumers: usize, visibility: Duration, retention: Retention) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder, visibility, retention).await;
        let mut subjects = Vec::new();
        for (n, name) in names(consumers).into_iter().enumerate() {
            subjects.push(Subject {
                consumer: Some(log.consumer(&name, Start::Oldest).await.unwrap()),
                is_served: true,
                is_store: n == 0,
                stored: BTreeMap::new(),
                model: Model::new(),
                in_hand: Vec::new(),
                receipts: BTreeMap::new(),
            });
        }
        log.set_store(Some("target-0")).await.unwrap();
        Bench {
            folder,
            visibility,
            retention,
            log,
            subjects,
            appended: 0,
            identities: BTreeSet::new(),
        }
    }

    async fn act(&mut self, action: Action) {
        let count = self.subjects.len();
        match action {
            Action::Append(events) => self.append(events).await,
            Action::AppendOnce(numbers) => self.append_once(&numbers).await,
            Action::Receive { consumer, limit } => {
                let is_visible_again = self.visibility.is_zero();
                let subject = &mut self.subjects[consumer % count];
                subject.receive(limit, is_visible_again).await;
            }
            Action::Settle {
                consumer,
                which,
                how,
            } => {
                self.subjects[consumer % count].settle(&which, how).await;
            }
            Action::Redrive { consumer, which } => {
                self.subjects[consumer % count].redrive(which).await;
            }
            Action::Delete { consumer, which } => {
                self.subjects[consumer % count].delete(which).await;
            }
            Action::Restart(served) => self.restart(served).await,
            Action::Sweep => {
                self.log.sweep().await.unwrap();
            }
        }
    }

    async fn append(&mut self, events: usize) {
        let ids: Vec<_> = (self.appended..self.appended + events)
            .map(|n| format!("{n:03}"))
            .collect();
        self.appended += events;
        let messages = ids.iter().map(|id| tests::message(id)).collect();
        let sent = self.log.append(messages).await;
        assert!(sent.iter().all(Result::is_ok));
        for subject in self.subjects.iter_mut().filter(|it| it.is_served) {
            let new = ids.iter().map(|id| (id.clone(), (State::Visible, 0)));
            subject.model.extend(new);
        }
    }

    async fn append_once(&mut self, numbers: &[u8]) {
        let once = |(at, number): (usize, &u8)| Message {
            identity: Some(Uuid::from_u128(u128::from(*number))),
            ..tests::message(&format!("{:03}", self.appended + at))
        };
        let messages: Vec<Message> = numbers.iter().enumerate().map(once).collect();
        self.appended += numbers.len();
        let ids: Vec<String> = messages.iter().map(|it| it.id.clone()).collect();
        let sent = self.log.append(messages).await;
        assert_eq!(sent.len(), numbers.len());
        for ((number, id), sent) in numbers.iter().zip(ids).zip(sent) {
            let expected = match self.identities.insert(*number) {
                true => SendOutcome::Queued,
                false => SendOutcome::Known,
            };
            assert_eq!(sent.unwrap(), expected, "identity {number}");
            if expected == SendOutcome::Queued {
                for subject in self.subjects.iter_mut().filter(|it| it.is_served) {
                    subject.model.insert(id.clone(), (State::Visible, 0));
                }
            }
        }
    }

    /// Everything in memory is gone, as after `kill -9`: nothing is written at the end of a process.
    async fn restart(&mut self, served: u8) {
        let subjects = std::mem::take(&mut self.subjects);
        let models = subjects.into_iter();
        let models: Vec<_> = models.map(|it| (it.model, it.stored)).collect();
        let closed = self.log.closed();
        let elsewhere = tempfile::tempdir().unwrap();
        self.log = open(&elsewhere, self.visibility, self.retention).await;
        closed.await;
        self.log = open(&self.folder, self.visibility, self.retention).await;
        let names = names(models.len());
        let is_asked_for = |n: usize| served & (1 << n) != 0;
        let asks_for_none = !(0..names.len()).any(is_asked_for);
        let is_served = |n: usize| asks_for_none || is_asked_for(n);
        let targets = names.iter().enumerate().filter(|(n, _)| is_served(*n));
        let targets: Vec<&str> = targets.map(|(_, name)| name.as_str()).collect();
        self.log.owner_consumers(&targets).await.unwrap();
        self.log.stop_others(&targets).await.unwrap();
        let has_store = is_served(0) && served & STORE != 0;
        let store = has_store.then_some("target-0");
        self.log.set_store(store).await.unwrap();
        for (n, (name, (mut model, stored))) in names.iter().zip(models).enumerate() {
            for (state, _) in model.values_mut() {
                if *state == State::Hidden {
                    *state = State::Visible;
                }
            }
            let consumer = self.log.existing_consumer(name).await.unwrap();
            let has_something_left = model.values().any(|(state, _)| *state != State::Settled);
            assert_eq!(consumer.is_some(), is_served(n) || has_something_left);
            self.subjects.push(Subject {
                consumer,
                is_served: is_served(n),
                is_store: n == 0 && has_store,
                stored,
                model,
                in_hand: Vec::new(),
                receipts: BTreeMap::new(),
            });
        }
    }
}

/// Checks what can be read, in both orders, and how much that is said to be.
async fn check_reading(log: &Log, stored: &BTreeMap<String, String>) {
    let accepted = texts(log, Form::Accepted).await;
    let expected = |text: &String| {
        let id = text.strip_prefix("body of ").unwrap();
        stored.get(id).cloned()
    };
    let expected: Vec<String> = accepted.iter().filter_map(expected).collect();
    assert_eq!(texts(log, Form::Stored).await, expected);
    for (form, count) in [
        (Form::Accepted, accepted.len()),
        (Form::Stored, expected.len()),
    ] {
        assert_eq!(
            log.count(form).await.unwrap(),
            u64::try_from(count).unwrap()
        );
    }
}

/// Returns all texts, oldest first.
async fn texts(log: &Log, form: Form) -> Vec<String> {
    let mut both = Vec::new();
    for order in [Order::Asc, Order::Desc] {
        let search = Search {
            form,
            order,
            accepted: AcceptedBetween::EVER,
            condition: None,
        };
        let step = log.search(search, None).await.unwrap();
        assert_eq!(step.next, None);
        let sizes: Vec<usize> = step.found.iter().map(|it| it.size).collect();
        let texts = log.texts(form, step.found).await.unwrap();
        assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), sizes);
        both.push(texts);
    }
    let mut newest_first = both.pop().unwrap();
    newest_first.reverse();
    assert_eq!(both[0], newest_first);
    newest_first
}

async fn open(folder: &TempDir, visibility_timeout: Duration, retention: Retention) -> Log {
    let options = LogOptions {
        visibility_timeout,
        retention,
    };
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    Log::claimed(claim, options).await.unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("target-{n}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_steps_give_each_consumer_what_a_list_in_memory_gives(
        consumers in 1..4usize,
        ends_at_once in any::<bool>(),
        keeps in any::<bool>(),
        actions in actions(),
    ) {
        let visibility = if ends_at_once { Duration::ZERO } else { HOUR };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let retention = if keeps { Retention::default() } else { Retention::NONE };
            let mut bench = Bench::new(consumers, visibility, retention).await;
            for action in actions {
                bench.act(action).await;
                for subject in &bench.subjects {
                    subject.check().await;
                }
                check_reading(&bench.log, &bench.subjects[0].stored).await;
            }
            bench.restart(ALL).await;
            for subject in &mut bench.subjects {
                subject.receive(999, false).await;
                subject.check().await;
            }
        });
    }
}
