//! Reads events, filters them, and hands them to the pipeline, no more than are delivered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openlineage::{Event, Level, OrderingKey, content_id};
use proxy::config::Errors;
use proxy::queue::{Memory, Message};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::filter::Filter;
use super::origin::{FoundEvent, FoundResult};
use super::progress::{Progress, State};
use super::report::Report;

/// How many events may end while an earlier one is retried: a bound for memory and for the state file.
const MOST_AHEAD: usize = 10_000;

/// What the parts of a replay share.
#[derive(Clone)]
pub(super) struct ReplayContext {
    pub(super) progress: Arc<Mutex<Progress>>,
    /// The state with which the replay was resumed.
    pub(super) before: Arc<State>,
    pub(super) report: Report,
}

impl ReplayContext {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do with what is found.
pub(super) struct Feed {
    pub(super) shared: ReplayContext,
    pub(super) filter: Filter,
    pub(super) target: String,
    /// How ingest validates.
    pub(super) level: Level,
    /// Whether the first event has to be the one with which the replay began: a file may be another one by now.
    pub(super) verifies_first: bool,
}

impl Feed {
    /// Hands on what is found until there is no more.
    pub(super) async fn run(
        self,
        mut found: Receiver<FoundResult>,
        queue: &Memory,
    ) -> anyhow::Result<()> {
        let mut is_first = self.verifies_first;
        while let Some(found) = found.recv().await {
            let Some(found) = self.readable(found) else {
                continue;
            };
            if std::mem::take(&mut is_first) {
                self.verify_first(&found)?;
            }
            if self.shared.before.has_ended(&found.position) {
                self.shared.report.counts().earlier += 1;
                continue;
            }
            // Also for those that are filtered: each is remembered until the earlier one has ended.
            while self.shared.progress().ahead() >= MOST_AHEAD {
                sleep(Duration::from_millis(100)).await;
            }
            let Some(event) = self.accepted(&found) else {
                let mut progress = self.shared.progress();
                let number = progress.begin(found.position, found.shown);
                progress.end(number);
                continue;
            };
            let message = Message {
                id: (found.id).unwrap_or_else(|| content_id(event.text()).to_string()),
                body: event.shared_text(),
                received_at: found.time.unwrap_or_else(proxy::queue::now),
                group: OrderingKey::from(&event).to_string(),
                identity: None,
                memory_permit: None,
                trace: None,
                event: Default::default(),
            };
            let number = (self.shared.progress()).begin(found.position, found.shown);
            queue.push(number, message).await;
        }
        queue.complete();
        Ok(())
    }

    /// Reports a file that cannot be read.
    pub(super) fn readable(&self, found: FoundResult) -> Option<FoundEvent> {
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                self.shared.report.counts().unreadable += 1;
                self.shared.report.show(&error);
                None
            }
        }
    }

    /// Returns an event that is to be sent. Reports a text that is not an event.
    pub(super) fn accepted(&self, found: &FoundEvent) -> Option<Event> {
        self.shared.report.counts().read += 1;
        let event = match Event::read(&found.text, self.level) {
            Ok(read) => read.event,
            Err(invalid) => {
                self.shared.report.counts().invalid += 1;
                let shown = &found.shown;
                self.shared.report.show(&format!("{shown}: {invalid}"));
                return None;
            }
        };
        if !self.filter.accepts(&event, found.time, &self.target) {
            self.shared.report.counts().filtered += 1;
            return None;
        }
        Some(event)
    }

    fn verify_first(&self, found: &FoundEvent) -> Result<(), Errors> {
        let hash = content_id(&String::from_utf8_lossy(&found.text)).to_string();
        match self.shared.progress().is_first(&hash) {
            true => Ok(()),
            false => {
                let why = "FROM has changed since the replay began: its first event is another one; pass --restart to begin again";
                Err(Errors::general(why))
            }
        }
    }
}
