//! CloudWatch Logs: the OpenLineage events that jobs print.
//!
//! A poll goes round the log groups. In each it reads, page by page, the lines that match a filter pattern in a window of
//! time that overlaps the last one: log events come late, up to 14 days
//! (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>), and cannot be asked for by
//! when they came. What was found before is remembered. A pattern is applied to each log event, so of an event that was
//! printed in pieces it may let through the first alone: then the rest is read from its stream, without a pattern.
//!
//! Which window is next and where the cursor stands afterwards is decided in `logs/window.rs` and `logs/cursor.rs`, the calls
//! are in `logs/calls.rs`, and what the lines mean is decided in `sources`.

mod calls;
mod cursor;
mod settings;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeSet, VecDeque};

use ::sources::logs::subscription::Subscription;
use ::sources::logs::{Lines, Scanner, Seen};
use ::sources::{Extraction, Finding, FindingRule};
use aws::{Aws, Client};
use time::OffsetDateTime;

use crate::{Checkpoint, FetchError, Fetched};
use calls::Answer;
use cursor::{Cursor, MAX_SEEN, Position};
use window::Window;

pub use settings::{LogsConfig, LogsSettings};

/// What fetches the events of log groups.
#[derive(Debug)]
pub struct LogsSource {
    config: LogsConfig,
    client: Client,
    /// The log groups that this poll has still to go to.
    round: Option<VecDeque<String>>,
    /// The window that is being read.
    work: Option<Work>,
    /// The step that the next call continues, as the cursor has it.
    step: u64,
    /// The log groups whose class is known to be one that can be searched.
    checked: BTreeSet<String>,
    /// The log groups that were reported as missing.
    missing: BTreeSet<String>,
}

/// A window of one log group, and how far it is read.
#[derive(Debug)]
struct Work {
    group: String,
    window: Window,
    token: Option<String>,
    scanner: Scanner,
    /// When the first event was begun that may still be under way.
    open: Option<i64>,
}

impl LogsSource {
    /// Creates a source that has called nothing yet.
    pub fn new(config: LogsConfig, aws: &Aws) -> LogsSource {
        LogsSource {
            client: calls::client(&config, aws),
            config,
            round: None,
            work: None,
            step: 0,
            checked: BTreeSet::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Makes the next step: reads a page of a log group, and the rest of the events that begin there.
    ///
    /// # Errors
    ///
    /// The service does not answer or refuses, or the cursor is none of this source.
    pub async fn next(
        &mut self,
        cursor: Option<&serde_json::Value>,
        now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        let now = settings::millis(now);
        let mut at = match cursor {
            Some(cursor) => Cursor::read(cursor)?,
            None => Cursor::default(),
        };
        at.keep(&self.config.groups, self.config.begin(now));
        // The caller went back, because events were not taken: so does the source.
        if at.step != self.step {
            (self.round, self.work, self.step) = (None, None, at.step);
        }
        let taken = self.take_step(&mut at, now).await;
        let is_over = self.work.is_none() && self.round.as_ref().is_none_or(VecDeque::is_empty);
        if is_over {
            self.round = None;
        }
        let extraction = taken?;
        at.step = at.step.wrapping_add(1);
        self.step = at.step;
        Ok(Fetched {
            extraction,
            checkpoint: Checkpoint::Cursor(at.written()),
            more: !is_over,
        })
    }

    async fn take_step(&mut self, at: &mut Cursor, now: i64) -> Result<Extraction, FetchError> {
        if self.round.is_none() {
            self.round = Some(self.config.groups.clone().into());
        }
        let work = match self.work.take() {
            Some(work) => work,
            None => match self.begin(at, now).await? {
                Begun::Window(work) => *work,
                Begun::Nothing(finding) => {
                    return Ok(Extraction {
                        findings: finding.into_iter().collect(),
                        ..Extraction::default()
                    });
                }
            },
        };
        self.read(work, at, now).await
    }

    /// Begins the window of the next log group.
    async fn begin(&mut self, at: &Cursor, now: i64) -> Result<Begun, FetchError> {
        let Some(group) = self.round.as_mut().and_then(VecDeque::pop_front) else {
            return Ok(Begun::Nothing(None));
        };
        let Some(position) = at.groups.get(&group) else {
            return Ok(Begun::Nothing(None)); // the cursor has all groups
        };
        let Some(window) = Window::after(position, &self.config, now) else {
            return Ok(Begun::Nothing(None));
        };
        if !self.checked.contains(&group) {
            let checked = self.check(&group).await;
            match checked.inspect_err(|error| self.failed(&group, error))? {
                Answer::Seen(()) => drop(self.checked.insert(group.clone())),
                Answer::Missing => return Ok(Begun::Nothing(self.miss(&group))),
            }
        }
        let lines = match self.config.filter {
            Some(_) => Lines::Filtered,
            None => Lines::All,
        };
        Ok(Begun::Window(Box::new(Work {
            group,
            window,
            token: None,
            scanner: Scanner::new(lines, position.seen.clone()),
            open: None,
        })))
    }

    /// Reads a page.
    async fn read(
        &mut self,
        mut work: Work,
        at: &mut Cursor,
        now: i64,
    ) -> Result<Extraction, FetchError> {
        let page = match self.page(&work).await {
            Ok(Answer::Seen(page)) => page,
            Ok(Answer::Missing) => {
                return Ok(Extraction {
                    findings: self.miss(&work.group).into_iter().collect(),
                    ..Extraction::default()
                });
            }
            // The same page can be asked for again.
            Err(error @ FetchError::Unavailable(_)) => {
                self.work = Some(work);
                return Err(error);
            }
            // Perhaps the token is too old. The window is read again, of which what was found is known.
            Err(error @ FetchError::Refused(_)) => return Err(error),
        };
        for event in page.events(&work.group) {
            work.scanner.read(&event);
            // At once, so that events stay in the order of the log.
            for mut rest in work.scanner.wanted() {
                let read = calls::read_rest(&self.client, &mut rest).await;
                read.inspect_err(|error| self.failed(&work.group, error))?;
                let open = work.scanner.close(rest, self.config.patient(now));
                work.open = earlier(work.open, open);
            }
        }
        let next = page
            .next_token()
            .filter(|token| work.token.as_deref() != Some(*token));
        let position = at
            .groups
            .entry(work.group.clone())
            .or_insert_with(|| Position::at(work.window.from));
        match next.map(str::to_owned) {
            Some(token) => {
                let extraction = work.scanner.take();
                position.seen = work.scanner.seen().clone();
                work.token = Some(token);
                self.work = Some(work);
                Ok(extraction)
            }
            None => {
                // What goes on beyond a window is found by the next.
                let open = work.scanner.end(work.window.patient(&self.config, now));
                let open = earlier(work.open, open);
                let extraction = work.scanner.take();
                position.seen = work.scanner.seen().clone();
                position.pass(&work.window, open, &self.config);
                if !work.window.is_last {
                    self.round.get_or_insert_default().push_front(work.group);
                }
                Ok(extraction)
            }
        }
    }

    /// Takes a log group up again that was not available. One that refuses waits for the next poll: the others go on.
    fn failed(&mut self, group: &str, error: &FetchError) {
        match error {
            FetchError::Unavailable(_) => {
                let round = self.round.get_or_insert_default();
                round.push_front(group.to_owned());
            }
            FetchError::Refused(_) => {}
        }
    }

    /// Reports a log group that is not there, once. Its window stays: what comes is read when it is.
    fn miss(&mut self, group: &str) -> Option<Finding> {
        self.checked.remove(group);
        self.missing.insert(group.to_owned()).then(|| Finding {
            rule: FindingRule::NotVisible,
            place: format!("log group {group}"),
            message:
                "there is no such log group in this account and region; it is looked for again"
                    .to_owned(),
        })
    }
}

enum Begun {
    Window(Box<Work>),
    Nothing(Option<Finding>),
}

/// Reads what a subscription filter sent: the events in its log events, and the rest of those that go on beyond them.
///
/// Without `aws` the rest is not read. An event that is not complete is a finding: nobody reads the payload again, but a
/// source that polls finds the event later.
///
/// # Errors
///
/// The rest cannot be read.
pub async fn read_subscription(
    subscription: &Subscription,
    aws: Option<&Aws>,
) -> Result<Extraction, FetchError> {
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(MAX_SEEN));
    subscription.events().for_each(|event| scanner.read(&event));
    let client = aws.map(|aws| calls::limited(aws.client()));
    for mut rest in scanner.wanted() {
        if let Some(client) = &client {
            calls::read_rest(client, &mut rest).await?;
        }
        scanner.close(rest, None);
    }
    Ok(scanner.take())
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
