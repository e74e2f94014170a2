//! The log against a model: any steps, for one to three consumers of which some owners ask only for some, give what a list of
//! events in memory gives. The first consumer is the store, for some of the owners.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{Record, Settlement, StoredForm};

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

/// What a consumer knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It can be received.
    Visible,
    /// It is in hand, or waits for another attempt.
    Hidden,
    DeadLetter,
    Settled,
}

/// An event as a consumer should see it, by the id of the event.
type Model = BTreeMap<String, (State, u32)>;

/// A consumer, what it should know, and what it has in hand.
struct Subject {
    /// `None`: it was stopped with nothing left, and so it was removed.
    consumer: Option<Consumer>,
    /// Whether the owner has asked for it.
    is_served: bool,
    is_store: bool,
    /// What the store has, by the id of the event.
    stored: BTreeMap<String, String>,
    model: Model,
    in_hand: Vec<Record>,
    /// The last receipt of each event, which alone settles it.
    receipts: BTreeMap<String, String>,
}

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
                true => Sent::Queued,
                false => Sent::Known,
            };
            assert_eq!(sent.unwrap(), expected, "identity {number}");
            if expected == Sent::Queued {
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

impl Subject {
    async fn receive(&mut self, limit: i64, is_visible_again: bool) {
        let Some(consumer) = self.consumer.as_ref().filter(|_| self.is_served) else {
            return;
        };
        let visible = self
            .model
            .values()
            .filter(|(state, _)| *state == State::Visible);
        let expected = visible.count().min(usize::try_from(limit).unwrap());
        let records = consumer.receive_visible(limit).await.unwrap();
        assert_eq!(records.len(), expected);
        for record in &records {
            assert_eq!(*record.body, *format!("body of {}", record.id));
            let (state, attempts) = self.model.get_mut(&record.id).unwrap();
            assert_eq!(*state, State::Visible, "{}", record.id);
            *attempts += 1;
            (self.receipts).insert(record.id.clone(), record.receipt.clone());
            assert_eq!(*attempts, record.attempts, "{}", record.id);
            if !is_visible_again {
                *state = State::Hidden;
            }
        }
        self.in_hand.extend(records);
    }

    async fn settle(&mut self, which: &[usize], how: How) {
        let Some(consumer) = self.consumer.as_ref().filter(|_| self.is_served) else {
            return;
        };
        let mut records = Vec::new();
        for choice in which {
            if !self.in_hand.is_empty() {
                let choice = choice % self.in_hand.len();
                records.push(self.in_hand.swap_remove(choice));
            }
        }
        records.sort_by(|a, b| a.id.cmp(&b.id));
        records.dedup_by(|a, b| a.id == b.id);
        let settlement = match how {
            How::Store if self.is_store => Settlement::Store(StoredForm::Accepted),
            How::StoreChanged if self.is_store => {
                Settlement::Store(StoredForm::Changed("changed".into()))
            }
            How::Acknowledge | How::Store | How::StoreChanged => Settlement::Acknowledge,
            How::RetryNow => Settlement::Retry(Duration::ZERO),
            How::RetryLater => Settlement::Retry(HOUR),
            How::DeadLetter => Settlement::DeadLetter("rejected".to_owned()),
        };
        let settlements: Vec<_> = records.iter().map(|it| (it, settlement.clone())).collect();
        let answers = consumer.settle(&settlements).await;
        assert_eq!(answers.len(), records.len());
        for (record, answer) in records.iter().zip(answers) {
            let (state, _) = self.model.get_mut(&record.id).unwrap();
            let is_open = matches!(state, State::Visible | State::Hidden);
            let is_owned = is_open && self.receipts.get(&record.id) == Some(&record.receipt);
            assert_eq!(
                answer.is_ok(),
                is_owned,
                "{} {state:?} {answer:?}",
                record.id
            );
            if is_owned {
                if let Settlement::Store(form) = &settlement {
                    let text = match form {
                        StoredForm::Accepted => format!("body of {}", record.id),
                        StoredForm::Changed(text) => text.to_string(),
                    };
                    self.stored.insert(record.id.clone(), text);
                }
                *state = match how {
                    How::Acknowledge | How::Store | How::StoreChanged => State::Settled,
                    How::RetryNow => State::Visible,
                    How::RetryLater => State::Hidden,
                    How::DeadLetter => State::DeadLetter,
                };
            }
        }
    }

    fn dead_letter(&self, which: usize) -> Option<String> {
        let dead = self
            .model
            .iter()
            .filter(|(_, (state, _))| *state == State::DeadLetter);
        let dead: Vec<_> = dead.map(|(id, _)| id.clone()).collect();
        (!dead.is_empty()).then(|| dead[which % dead.len()].clone())
    }

    async fn redrive(&mut self, which: usize) {
        if let (Some(consumer), Some(id)) = (&self.consumer, self.dead_letter(which)) {
            assert!(consumer.redrive(&id).await.unwrap());
            self.receipts.remove(&id);
            self.model.insert(id, (State::Visible, 0));
        }
    }

    async fn delete(&mut self, which: usize) {
        if let (Some(consumer), Some(id)) = (&self.consumer, self.dead_letter(which)) {
            assert!(consumer.delete_dead_letter(&id).await.unwrap());
            self.model.insert(id, (State::Settled, 0));
        }
    }

    async fn check(&self) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        for id in below_floor(consumer).await {
            let state = self.model.get(&id).map(|(state, _)| *state);
            assert!(
                matches!(state, None | Some(State::Settled)),
                "{id} {state:?}"
            );
        }
        let count = |wanted: &[State]| {
            let counted = self
                .model
                .values()
                .filter(|(state, _)| wanted.contains(state));
            u64::try_from(counted.count()).unwrap()
        };
        let depth = consumer.depth().await.unwrap();
        assert_eq!(depth.events, count(&[State::Visible, State::Hidden]));
        assert_eq!(depth.dead_letters, Some(count(&[State::DeadLetter])));
        for letter in consumer.dead_letters("", 999).await.unwrap() {
            let body = consumer.dead_letter_body(&letter.id).await.unwrap();
            assert_eq!(body, Some(format!("body of {}", letter.id)));
        }
    }
}

/// Returns the ids of the events that a repair would not deliver again.
async fn below_floor(consumer: &Consumer) -> Vec<String> {
    let number = consumer.state.number;
    let settled = move |c: &Connection| {
        let last = floors::read(c, number)?;
        let mut ids = c.prepare("SELECT id FROM events WHERE seq <= ?1")?;
        let ids = ids.query_map([last], |row| row.get(0))?;
        ids.collect::<rusqlite::Result<Vec<String>>>()
    };
    consumer.log.journal.read(settled).await.unwrap()
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
