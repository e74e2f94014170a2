//! The end of a database that has failed: it accepts nothing more, and saves what only the open files contain.
//!
//! Files that were removed, moved, replaced or truncated stay readable while they are open. Their rows are written to a
//! complete file next to the path, which the next open installs. The process must not end before that has succeeded, so
//! it is retried as long as the process runs. Part of the writer.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, error::TryRecvError};
use tracing::error;

use crate::connections::keep_log;
use crate::create_folder;
use crate::failure::{Failure, State};
use crate::replacement::{self, Replacement, io_error};
use crate::request::Request;
use crate::rows::{self, CopiedRows, OldState};
use crate::writer::{Writer, refuse};

/// The delay before saving is retried: each attempt reads the whole database, so it is a multiple of the time that the
/// last one took.
const PAUSE_FACTOR: u32 = 10;
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// How often it is logged that saving fails.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How often requests are rejected in between.
const TICK: Duration = Duration::from_millis(5);

impl Writer {
    /// Rejects all requests from now on, saves what only the open files contain, and publishes that.
    pub(crate) fn fail(mut self, failure: Failure, mut requests: mpsc::Receiver<Request>) {
        keep_log(&self.connection);
        self.state.send_replace(State::Saving(failure.clone()));
        // A damaged file at its path is repaired by the next open.
        if self.verify_files().is_err() && self.claim().is_some() {
            self.save(&failure, &mut requests);
        } else {
            error!(
                file = %self.path.display(),
                error = %failure,
                rows = rows::counts(&self.connection),
                "database failed; it is recovered at the next start"
            );
        }
        self.state.send_replace(State::Saved(failure.clone()));
        while let Some(request) = requests.blocking_recv() {
            refuse(request, &failure);
        }
    }

    /// Saves the rows, and retries until that succeeds or there are no callers left.
    fn save(&self, failure: &Failure, requests: &mut mpsc::Receiver<Request>) {
        let mut logged: Option<Instant> = None;
        loop {
            let started = Instant::now();
            let why = match self.try_save() {
                Ok(copied) => {
                    let saved = replacement::name(&self.path, Replacement::Rescued);
                    error!(
                        file = %self.path.display(),
                        error = %failure,
                        rows = %copied,
                        saved = %saved.display(),
                        "database files were taken away while in use; their rows are saved for the next start. Stop the \
                         proxy before its files are moved, deleted or restored"
                    );
                    return;
                }
                Err(why) => why,
            };
            if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                error!(
                    file = %self.path.display(),
                    error = %failure,
                    cause = %why,
                    rows = rows::counts(&self.connection),
                    "database files were taken away while in use, and their rows cannot be saved yet; will retry"
                );
                logged = Some(Instant::now());
            }
            let pause = (started.elapsed() * PAUSE_FACTOR).max(SHORTEST_PAUSE);
            if !refuse_for(pause, failure, requests) {
                return;
            }
        }
    }

    /// Writes the rows to a file next to the path, in a folder that this process owns.
    fn try_save(&self) -> Result<CopiedRows, String> {
        let Some(claim) = self.claim() else {
            return Err("the data folder was released".to_owned());
        };
        claim.renew().map_err(|error| error.to_string())?;
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let created = folder.map_or(Ok(()), |it| create_folder(it).map_err(io_error));
        created
            .and_then(|()| {
                let (schema, state) = (&self.schema, OldState::Whole);
                replacement::fill(
                    &self.path,
                    schema,
                    Replacement::Rescued,
                    &self.connection,
                    state,
                )
            })
            .map_err(|error| error.to_string())
    }
}

/// Rejects requests for that long. Returns whether there are callers left.
fn refuse_for(pause: Duration, failure: &Failure, requests: &mut mpsc::Receiver<Request>) -> bool {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        match requests.try_recv() {
            Ok(request) => refuse(request, failure),
            Err(TryRecvError::Empty) => std::thread::sleep(TICK),
            Err(TryRecvError::Disconnected) => return false,
        }
    }
    true
}
