//! Records which events have ended, before that is confirmed to the pipeline: in the state file, and in the file of those
//! that were rejected.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::queue::{DoneEvent, QueueError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::feed::ReplayContext;
use super::progress::State;

/// How often progress is recorded while no event is sent: what is read again after a crash is little.
const EVERY: Duration = Duration::from_secs(2);

/// The most events that are recorded together.
const TOGETHER: usize = 1_024;

/// Where it is recorded what has ended.
pub(super) struct Recorder {
    pub(super) shared: ReplayContext,
    /// Without a file, a replay cannot be resumed.
    pub(super) state: Option<PathBuf>,
    /// What the state file has.
    pub(super) written: Option<State>,
    pub(super) rejected: Option<RejectedFile>,
}

/// The file of rejected events, one a line.
pub(super) struct RejectedFile {
    file: File,
    path: PathBuf,
}

impl RejectedFile {
    /// Opens the file, to append to it.
    pub(super) fn open(path: &Path) -> io::Result<RejectedFile> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        Ok(RejectedFile {
            file,
            path: path.to_owned(),
        })
    }

    fn add(&mut self, events: &[DoneEvent]) -> io::Result<()> {
        let mut lines = String::new();
        for event in events.iter().filter(|event| event.given_up.is_some()) {
            // A line break in JSON is white space: within a text it is escaped.
            lines.push_str(&event.message.body.replace(['\n', '\r'], " "));
            lines.push('\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_all()
    }
}

impl Recorder {
    /// Records until no more events end. Returns why it could not go on, if it could not.
    pub(super) async fn run(
        mut self,
        mut done: UnboundedReceiver<DoneEvent>,
    ) -> Result<(), String> {
        let mut events = Vec::new();
        loop {
            // Events that filters exclude end, too, without being received here.
            let received = timeout(EVERY, done.recv_many(&mut events, TOGETHER)).await;
            if received == Ok(0) {
                return Ok(());
            }
            let (recorder, result) = tokio::task::spawn_blocking(move || {
                let recorded = self.record(&events);
                for event in events {
                    let result = recorded.clone().map_err(QueueError);
                    event.confirm(result);
                }
                (self, recorded)
            })
            .await
            .map_err(|error| error.to_string())?;
            result?;
            (self, events) = (recorder, Vec::new());
        }
    }

    fn record(&mut self, events: &[DoneEvent]) -> Result<(), String> {
        if let Some(rejected) = &mut self.rejected {
            let added = rejected.add(events);
            added.map_err(|error| format!("{}: {error}", rejected.path.display()))?;
        }
        let state = {
            let mut progress = self.shared.progress();
            for event in events {
                let ended = progress.end(event.number);
                progress.count(event.given_up.is_some());
                if let (Some(ended), Some(reason)) = (ended, &event.given_up) {
                    self.shared
                        .report
                        .show(&format!("{}: {reason}", ended.shown));
                }
            }
            self.state
                .is_some()
                .then(|| progress.state(&self.shared.before))
        };
        if let (Some(path), Some(state)) = (&self.state, state)
            && self.written.as_ref() != Some(&state)
        {
            let written = state.write(path);
            written.map_err(|error| format!("{}: {error}", path.display()))?;
            self.written = Some(state);
        }
        Ok(())
    }
}
