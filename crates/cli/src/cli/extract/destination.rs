//! Where the events of an extraction go: the queue of a `serve`, a proxy over HTTP, a file, standard output, or nowhere.
//! `destination/file.rs` is the file, and `destination/not_valid.rs` words why an event is not taken.

mod file;
mod not_valid;

use std::collections::HashMap;
use std::io::{BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use aws::Aws;
use fetch::Kind;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use openlineage::{Event, Level, OrderingKey};
use proxy::config::{Config, Errors, Layers, Role};
use proxy::queue::{QueueConfig, QueueError};
use proxy::source::Sender;
use reqwest::Url;
use sources::{FoundEvent, Identity, UnreadInput};

use super::super::send::{self, Endpoint};
use super::Arguments;
use crate::cli::tell;
use file::NewFile;
use not_valid::not_valid;

/// The failures of requests, and the invalid events, that are printed one by one.
const PRINTED: u64 = 20;

/// The requests to an endpoint at once: enough to hide the way to it, and few for an endpoint of others.
const AT_ONCE: usize = 8;

/// Where events go.
pub(super) struct Destination {
    way: Way,
    /// Which queue or endpoint it is.
    name: String,
    printed: u64,
}

enum Way {
    /// Nowhere: they are only checked.
    Nowhere,
    /// Standard output.
    Print(BufWriter<Stdout>),
    /// A file.
    File(NewFile),
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
    /// Opens what `--to` names. Events are accepted under the name of the kind of the source. `inputs` are the files that
    /// are read.
    pub(super) async fn open(
        kind: Kind,
        inputs: &[String],
        arguments: &Arguments,
        layers: Layers,
        aws: &Aws,
    ) -> anyhow::Result<Destination> {
        let mut name = arguments.to.clone();
        let way = match arguments.to.as_str() {
            _ if arguments.dry_run => Way::Nowhere,
            "queue" => {
                let config = Config::read(layers, Role::Tool)?;
                name += &match &config.queue {
                    QueueConfig::Embedded(_) => config.data_dir.display().to_string(),
                    QueueConfig::Sqs(queue) => format!("{:?}", queue.destination),
                };
                proxy::telemetry::log_to_stderr("warn"); // why an event is rejected, or the queue is not available
                let sender = proxy::topology::open_sender(&config, aws, kind.name()).await?;
                Way::Queue(Box::new(sender))
            }
            to if to.starts_with("http://") || to.starts_with("https://") => {
                // The value can hold a password.
                let url = Url::parse(to).map_err(|error| {
                    Errors::general(format!("--to: this URL cannot be read: {error}"))
                })?;
                let key =
                    send::read_key(arguments.api_key_file.as_deref(), arguments.api_key.clone())?;
                Way::Endpoint(Box::new(Endpoint::new(url, key)?))
            }
            _ if arguments.state.is_some() => {
                let why = "--state: only with --to queue or a URL, which keep what was sent before";
                return Err(Errors::general(why).into());
            }
            "-" | "/dev/stdout" => Way::Print(BufWriter::new(std::io::stdout())),
            to if names_a_scheme(to) => {
                // The value can hold a password.
                let why = "--to: expected queue, a URL with http:// or https://, a FILE or -; a FILE with a colon in its name is written ./FILE";
                return Err(Errors::general(why).into());
            }
            path => Way::File(NewFile::create(path, inputs, is_queue(kind))?),
        };
        Ok(Destination {
            way,
            name,
            printed: 0,
        })
    }

    /// Which queue or endpoint it is, for a comparison: it can hold a password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether events go to standard output.
    pub(super) fn prints_events(&self) -> bool {
        matches!(self.way, Way::Print(_))
    }

    /// Whether it keeps what it takes, or is only shown it.
    pub(super) fn keeps(&self) -> bool {
        match self.way {
            Way::Nowhere | Way::Print(_) => false,
            Way::File(_) | Way::Endpoint(_) | Way::Queue(_) => true,
        }
    }

    /// Makes what was taken durable: it may be deleted where it was found, or passed over by the next poll.
    pub(super) fn keep(&mut self) -> anyhow::Result<()> {
        match &mut self.way {
            Way::File(file) => Ok(file.keep()?),
            Way::Nowhere | Way::Print(_) | Way::Endpoint(_) | Way::Queue(_) => Ok(()),
        }
    }

    /// Takes events, and returns what became of them, and why some were not sent: nothing may be sent after them then. `file`
    /// is where they were found, if it is a file.
    pub(super) async fn take(
        &mut self,
        events: Vec<FoundEvent>,
        file: Option<&str>,
        progress: &ProgressBar,
    ) -> anyhow::Result<(Tally, Option<anyhow::Error>)> {
        let printed = &mut self.printed;
        let taken = match &mut self.way {
            Way::Nowhere => write(events, file, &mut std::io::sink(), printed, progress),
            Way::Print(out) => {
                let taken = write(events, file, out, printed, progress)?;
                out.flush()?;
                Ok(taken)
            }
            Way::File(to) => write(events, file, to.writer(), printed, progress),
            Way::Endpoint(endpoint) => return Ok(post(endpoint, events, printed, progress).await),
            Way::Queue(sender) => {
                let sent = sender.send(events).await;
                let taken = Tally {
                    accepted: sent.accepted,
                    known: sent.known,
                    rejected: sent.rejected + sent.set_aside, // it is in a file, as the log says
                    failed: sent.unsent + sent.unkept,
                };
                let failure = (sent.unsent > 0)
                    .then(|| QueueError("the queue is not available".to_owned()).into());
                return Ok((taken, failure));
            }
        };
        Ok((taken?, None))
    }

    /// Sets inputs aside that cannot be read because of a bug, beside the queue. Returns whether they are kept: there is no such
    /// place beside the other destinations.
    pub(super) async fn set_aside(&self, inputs: Vec<UnreadInput>) -> anyhow::Result<bool> {
        let Way::Queue(sender) = &self.way else {
            return Ok(false);
        };
        match sender.keep(inputs).await.tally.unkept {
            0 => Ok(true),
            _ => Err(QueueError("an input cannot be set aside".to_owned()).into()),
        }
    }

    /// Completes what was written.
    pub(super) fn complete(&mut self) -> anyhow::Result<()> {
        match &mut self.way {
            Way::File(file) => Ok(file.complete()?),
            Way::Nowhere | Way::Print(_) | Way::Endpoint(_) | Way::Queue(_) => Ok(()),
        }
    }

    /// Removes what is not complete, and says where it is if it is nowhere else.
    pub(super) fn abandon(&mut self) {
        match &mut self.way {
            Way::File(file) => file.abandon(),
            Way::Nowhere | Way::Print(_) | Way::Endpoint(_) | Way::Queue(_) => {}
        }
    }
}

/// Whether this is `HOST:PORT` or `SCHEME:…`, and hardly a file.
fn names_a_scheme(to: &str) -> bool {
    to.split_once(':')
        .is_some_and(|(before, _)| !before.contains('/'))
}

/// Whether what was taken from a source is nowhere else afterwards.
pub(super) fn is_queue(kind: Kind) -> bool {
    match kind {
        Kind::Flyte | Kind::Sqs => true,
        Kind::Logs | Kind::GlueCrawlers | Kind::Redshift => false,
    }
}

/// Writes the valid events, one a line: line breaks can stand only between the tokens of JSON.
fn write(
    events: Vec<FoundEvent>,
    file: Option<&str>,
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
                let why = not_valid(&refused, &event.text, file);
                complain(event.identity, &why, printed, progress);
            }
        }
    }
    Ok(taken)
}

/// Posts events, several at once. Those of a run, which are right only in their order, are posted each after the answer to the
/// one before. Begins nothing after the first that is not sent.
async fn post(
    endpoint: &Endpoint,
    events: Vec<FoundEvent>,
    printed: &mut u64,
    progress: &ProgressBar,
) -> (Tally, Option<anyhow::Error>) {
    let is_stopped = &AtomicBool::new(false);
    let sequences = futures_util::stream::iter(sequences(events));
    let posts = sequences.map(|events| post_sequence(endpoint, events, is_stopped));
    let mut posts = posts.buffer_unordered(AT_ONCE);
    let (mut taken, mut failure) = (Tally::default(), None);
    while let Some(posted) = posts.next().await {
        taken.add(posted.taken);
        for (event, why) in posted.refused {
            complain(event, &why, printed, progress);
        }
        failure = failure.or(posted.failure);
    }
    (taken, failure)
}

/// What became of a sequence of events.
#[derive(Default)]
struct Posted {
    taken: Tally,
    refused: Vec<(Identity, String)>,
    failure: Option<anyhow::Error>,
}

async fn post_sequence(
    endpoint: &Endpoint,
    events: Vec<FoundEvent>,
    is_stopped: &AtomicBool,
) -> Posted {
    let mut posted = Posted::default();
    for event in events {
        if is_stopped.load(Ordering::Relaxed) {
            posted.taken.failed += 1;
            continue;
        }
        let key = event.identity.to_string();
        match endpoint.send(event.text.as_bytes(), Some(&key)).await {
            Ok(answer) if is_duplicate(&answer) => posted.taken.known += 1,
            Ok(_) => posted.taken.accepted += 1,
            Err(error) if error.is_verdict() => {
                posted.taken.rejected += 1;
                posted.refused.push((event.identity, error.why));
            }
            Err(error) => {
                is_stopped.store(true, Ordering::Relaxed);
                posted.taken.failed += 1;
                let why = format!("event {key}: {}", error.why);
                posted.failure = Some(match error.is_final() {
                    true => Errors::general(why).into(),
                    false => QueueError(why).into(),
                });
            }
        }
    }
    posted
}

/// Divides events into those whose order matters to each other, by the key by which a proxy orders them. An event that cannot
/// be read is by itself: the endpoint refuses it.
fn sequences(events: Vec<FoundEvent>) -> Vec<Vec<FoundEvent>> {
    let mut sequences: Vec<Vec<FoundEvent>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for event in events {
        let key = match Event::read(event.text.as_bytes(), Level::Repair) {
            Ok(valid) => OrderingKey::from(&valid.event).to_string(),
            Err(_) => event.identity.to_string(),
        };
        let next = sequences.len();
        let position = *known.entry(key).or_insert(next);
        match sequences.get_mut(position) {
            Some(sequence) => sequence.push(event),
            None => sequences.push(vec![event]),
        }
    }
    sequences
}

/// Whether the answer of a proxy, a status and a body, says that it had the event.
fn is_duplicate(answer: &str) -> bool {
    let body = answer.find('{').and_then(|at| answer.get(at..));
    let body = body.and_then(|body| serde_json::from_str::<serde_json::Value>(body).ok());
    body.is_some_and(|body| body.get("duplicate") == Some(&serde_json::Value::Bool(true)))
}

fn complain(event: Identity, why: &str, printed: &mut u64, progress: &ProgressBar) {
    *printed += 1;
    if *printed <= PRINTED {
        progress.suspend(|| tell(format_args!("lineage-proxy: event {event}: {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_a_port_is_no_file() {
        for to in ["localhost:5000", "ftp://host/x", "HTTP://host", "s3:x"] {
            assert!(names_a_scheme(to), "{to}");
        }
        for to in ["events.jsonl", "./a:b", "/tmp/10:30", "a/b:c"] {
            assert!(!names_a_scheme(to), "{to}");
        }
    }

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
        let taken = write(events, None, &mut out, &mut 0, &ProgressBar::hidden()).unwrap();
        assert_eq!((taken.accepted, taken.rejected), (1, 1));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(Event::read(text.as_bytes(), Level::Strict).is_ok());
    }
}
