//! Where the events of an extraction go: the queue of a `serve`, a proxy over HTTP, a file, standard output, or nowhere.

use std::fs::File;
use std::io::{BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use aws::Aws;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use openlineage::{Event, Level};
use proxy::config::{Config, Errors, Layers, Role};
use proxy::queue::QueueError;
use proxy::source::Sender;
use reqwest::Url;
use sources::FoundEvent;

use super::super::send::{self, Endpoint};
use super::Arguments;

/// Concurrent requests to a proxy.
const CONCURRENCY: usize = 4;

/// The failures of requests, and the invalid events, that are printed one by one.
const PRINTED: u64 = 20;

/// Where events go.
pub(super) struct Destination {
    way: Way,
    printed: u64,
}

enum Way {
    /// Nowhere: they are only checked.
    Nowhere,
    /// Standard output.
    Print(BufWriter<Stdout>),
    /// A new file, and the path that it gets when it is complete.
    File {
        new: PathBuf,
        path: PathBuf,
        file: BufWriter<File>,
    },
    /// A proxy, or another endpoint.
    Endpoint(Box<Endpoint>),
    /// The queue of the configuration.
    Queue(Box<Sender>),
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    /// Accepted before.
    pub(super) known: u64,
    /// Not valid, or refused by an endpoint.
    pub(super) rejected: u64,
    /// Not sent, because the endpoint cannot be reached.
    pub(super) failed: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.known += other.known;
        self.rejected += other.rejected;
        self.failed += other.failed;
    }
}

impl Destination {
    /// Opens what `--to` names. Events of the source `name` are accepted under this name.
    pub(super) async fn open(
        name: &str,
        arguments: &Arguments,
        layers: Layers,
        aws: &Aws,
    ) -> anyhow::Result<Destination> {
        let way = match arguments.to.as_str() {
            _ if arguments.dry_run => Way::Nowhere,
            "queue" => {
                let config = Config::read(layers, Role::Tool)?;
                proxy::telemetry::log_to_stderr("warn"); // why an event is rejected, or the queue is not available
                let sender = proxy::topology::open_sender(&config, aws, name).await?;
                Way::Queue(Box::new(sender))
            }
            to if to.starts_with("http://") || to.starts_with("https://") => {
                let url = Url::parse(to)
                    .map_err(|error| Errors::general(format!("--to {to}: {error}")))?;
                let key =
                    send::read_key(arguments.api_key_file.as_deref(), arguments.api_key.clone())?;
                Way::Endpoint(Box::new(Endpoint::new(url, key)?))
            }
            _ if arguments.state.is_some() => {
                let why = "--state: only with --to queue or a URL, which keep what was sent before";
                return Err(Errors::general(why).into());
            }
            "-" => Way::Print(BufWriter::new(std::io::stdout())),
            path => new_file(Path::new(path))?,
        };
        Ok(Destination { way, printed: 0 })
    }

    /// Whether events go to standard output.
    pub(super) fn prints_events(&self) -> bool {
        matches!(self.way, Way::Print(_))
    }

    /// Whether it keeps what it takes.
    pub(super) fn keeps(&self) -> bool {
        match self.way {
            Way::Nowhere | Way::Print(_) => false,
            Way::File { .. } | Way::Endpoint(_) | Way::Queue(_) => true,
        }
    }

    /// Takes events, and returns what became of them.
    pub(super) async fn take(
        &mut self,
        events: Vec<FoundEvent>,
        progress: &ProgressBar,
    ) -> anyhow::Result<Tally> {
        let printed = &mut self.printed;
        match &mut self.way {
            Way::Nowhere => write(events, &mut std::io::sink(), printed, progress),
            Way::Print(out) => {
                let taken = write(events, out, printed, progress)?;
                out.flush()?;
                Ok(taken)
            }
            Way::File { file, .. } => write(events, file, printed, progress),
            Way::Endpoint(endpoint) => Ok(post(endpoint, events, printed, progress).await),
            Way::Queue(sender) => {
                let sent = sender.send(events).await;
                if sent.unsent > 0 {
                    let why = format!(
                        "{} events were not sent: the queue is not available",
                        sent.unsent
                    );
                    return Err(QueueError(why).into()); // nothing that goes on behind them may be written
                }
                Ok(Tally {
                    accepted: sent.accepted,
                    known: sent.known,
                    rejected: sent.rejected,
                    failed: 0,
                })
            }
        }
    }

    /// Completes what was written.
    pub(super) fn complete(&mut self) -> anyhow::Result<()> {
        if let Way::File { new, path, file } = &mut self.way {
            file.flush()?;
            file.get_ref().sync_all()?;
            std::fs::rename(&*new, &*path)
                .map_err(|error| Errors::general(format!("--to {}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// Removes what is not complete.
    pub(super) async fn abandon(&mut self) {
        if let Way::File { new, .. } = &self.way {
            let _ = std::fs::remove_file(new); // the next extraction replaces it
        }
    }
}

/// Creates a file beside the one that it will replace.
fn new_file(path: &Path) -> anyhow::Result<Way> {
    let failed = |error: &dyn std::fmt::Display| {
        Errors::general(format!("--to {}: {error}", path.display()))
    };
    let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
        return Err(failed(&"is a folder").into());
    };
    let mut new = name.to_owned();
    new.push(".new");
    let new = path.with_file_name(new);
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600); // events can hold secrets
    let file = options.write(true).create(true).truncate(true).open(&new);
    let file = file.map_err(|error| failed(&error))?;
    Ok(Way::File {
        new,
        path: path.to_owned(),
        file: BufWriter::new(file),
    })
}

/// Writes the valid events, one a line: line breaks can stand only between the tokens of JSON.
fn write(
    events: Vec<FoundEvent>,
    out: &mut dyn Write,
    printed: &mut u64,
    progress: &ProgressBar,
) -> anyhow::Result<Tally> {
    let mut taken = Tally::default();
    for event in events {
        match Event::read(event.text.as_bytes(), Level::Repair) {
            Ok(_) => {
                let line = event.text.replace(['\n', '\r'], " ");
                out.write_all(line.as_bytes())?;
                out.write_all(b"\n")?;
                taken.accepted += 1;
            }
            Err(refused) => {
                taken.rejected += 1;
                let first = refused.findings.first().map(openlineage::Finding::brief);
                let why = first.unwrap_or_default();
                complain(&event, &format!("is not valid: {why}"), printed, progress);
            }
        }
    }
    Ok(taken)
}

/// Posts events, some at a time.
async fn post(
    endpoint: &Endpoint,
    events: Vec<FoundEvent>,
    printed: &mut u64,
    progress: &ProgressBar,
) -> Tally {
    let answers = futures_util::stream::iter(events).map(|event| async move {
        let key = event.identity.to_string();
        let answer = endpoint.send(event.text.as_bytes(), Some(&key)).await;
        (event, answer)
    });
    let mut answers = std::pin::pin!(answers.buffered(CONCURRENCY));
    let mut taken = Tally::default();
    while let Some((event, answer)) = answers.next().await {
        match answer {
            Ok(answer) if is_duplicate(&answer) => taken.known += 1,
            Ok(_) => taken.accepted += 1,
            Err(why) => {
                let is_refusal = why.starts_with("4");
                taken.rejected += u64::from(is_refusal);
                taken.failed += u64::from(!is_refusal);
                complain(&event, &why, printed, progress);
            }
        }
    }
    taken
}

/// Whether the answer of a proxy, a status and a body, says that it had the event.
fn is_duplicate(answer: &str) -> bool {
    let body = answer.find('{').and_then(|at| answer.get(at..));
    let body = body.and_then(|body| serde_json::from_str::<serde_json::Value>(body).ok());
    body.is_some_and(|body| body.get("duplicate") == Some(&serde_json::Value::Bool(true)))
}

fn complain(event: &FoundEvent, why: &str, printed: &mut u64, progress: &ProgressBar) {
    *printed += 1;
    if *printed <= PRINTED {
        let identity = event.identity;
        progress.suspend(|| eprintln!("lineage-proxy: event {identity}: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_the_event_was_known() {
        assert!(is_duplicate(r#"200 OK {"id":"x","duplicate":true}"#));
        for new in [
            r#"200 OK {"id":"x"}"#,
            "200 OK",
            r#"200 OK {"duplicate":"#,
            r#"201 {"duplicate":1}"#,
        ] {
            assert!(!is_duplicate(new), "{new}");
        }
    }

    #[test]
    fn a_file_has_a_line_for_each_valid_event() {
        let valid = r#"{"eventType":"START",
"eventTime":"2026-01-01T00:00:00Z","producer":"urn:test","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","run":{"runId":"01890000-0000-7000-8000-000000000000"},"job":{"namespace":"n","name":"j"}}"#;
        let event = |text: &str| FoundEvent {
            identity: sources::Identity::of(&[text]),
            text: text.to_owned(),
        };
        let mut out = Vec::new();
        let events = vec![event(valid), event("{}")];
        let taken = write(events, &mut out, &mut 0, &ProgressBar::hidden()).unwrap();
        assert_eq!((taken.accepted, taken.rejected), (1, 1));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(Event::read(text.as_bytes(), Level::Strict).is_ok());
    }
}
