//! A consumer of the log, and what a list in memory says of it.

use super::*;
use crate::Receipt;

/// What a consumer knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It can be received.
    Visible,
    /// It is in hand, or waits for another attempt.
    Hidden,
    DeadLetter,
    Settled,
}

/// A consumer, what it should know, and what it has in hand.
pub(super) struct Subject {
    /// `None`: it was stopped with nothing left, and so it was removed.
    pub(super) consumer: Option<Consumer>,
    /// Whether the owner has asked for it.
    pub(super) is_served: bool,
    pub(super) is_store: bool,
    /// What the store has, by the id of the event.
    pub(super) stored: BTreeMap<String, String>,
    pub(super) model: Model,
    pub(super) in_hand: Vec<Record>,
    /// The last receipt of each event, which alone settles it.
    pub(super) receipts: BTreeMap<String, Receipt>,
}

impl Subject {
    pub(super) async fn receive(&mut self, limit: i64, is_visible_again: bool) {
        let Some(consumer) = self.consumer.as_ref().filter(|_| self.is_served) else {
            return;
        };
        let visible = self
            .model
            .values()
            .filter(|(state, _)| *state == State::Visible);
        let expected = visible.count().min(usize::try_from(limit).unwrap());
        let records = consumer.receive_visible(limit, limit).await.unwrap();
        assert_eq!(records.len(), expected);
        for record in &records {
            assert_eq!(*record.body, *format!("body of {}", record.id));
            let (state, attempts) = self.model.get_mut(&*record.id).unwrap();
            assert_eq!(*state, State::Visible, "{}", record.id);
            *attempts += 1;
            (self.receipts).insert(record.id.to_string(), record.receipt.clone());
            assert_eq!(*attempts, record.attempts, "{}", record.id);
            if !is_visible_again {
                *state = State::Hidden;
            }
        }
        self.in_hand.extend(records);
    }

    pub(super) async fn settle(&mut self, which: &[usize], how: How) {
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
            let (state, _) = self.model.get_mut(&*record.id).unwrap();
            let is_open = matches!(state, State::Visible | State::Hidden);
            let is_owned = is_open && self.receipts.get(&*record.id) == Some(&record.receipt);
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
                    self.stored.insert(record.id.to_string(), text);
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

    pub(super) fn dead_letter(&self, which: usize) -> Option<String> {
        let dead = self
            .model
            .iter()
            .filter(|(_, (state, _))| *state == State::DeadLetter);
        let dead: Vec<_> = dead.map(|(id, _)| id.clone()).collect();
        (!dead.is_empty()).then(|| dead[which % dead.len()].clone())
    }

    pub(super) async fn redrive(&mut self, which: usize) {
        if let (Some(consumer), Some(id)) = (&self.consumer, self.dead_letter(which)) {
            assert!(consumer.redrive(&id).await.unwrap());
            self.receipts.remove(&id);
            self.model.insert(id, (State::Visible, 0));
        }
    }

    pub(super) async fn delete(&mut self, which: usize) {
        if let (Some(consumer), Some(id)) = (&self.consumer, self.dead_letter(which)) {
            assert!(consumer.delete_dead_letter(&id).await.unwrap());
            self.model.insert(id, (State::Settled, 0));
        }
    }

    pub(super) async fn check(&self) {
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
