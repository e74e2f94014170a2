//! What is said of a request when it has been answered: how long ingest took, and why what was refused was.
//!
//! Every answer passes here, and nowhere else is a refusal counted or logged. A line names who sent it and the job it
//! was about, so that somebody can be asked; it holds names and places, never values, keys or queries.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use openlineage::{Finding, Json};
use tracing::warn;

use super::answer::{errors, pointers};
use super::caller::{Caller, Sender, Source};
use crate::telemetry::limit::{Bounds, Limiter};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::{NAME, shown};

/// How much of a reason is logged, in characters: pointers hold the sender's keys.
const DETAIL: usize = 500;

/// Kinds of refused events that are logged of one array.
const KINDS: usize = 10;

/// Status, reason and rule.
type Reason = (u16, &'static str, &'static str);

/// A line every ten seconds for each reason of each source. Strangers, those whose events are wrong, and those that find
/// no room have limits of their own: the first would otherwise crowd out the second, and the third have one cause.
static STRANGERS: LazyLock<Limiter<Source, Reason>> = LazyLock::new(|| limiter(10));
static SENDERS: LazyLock<Limiter<Source, Reason>> = LazyLock::new(|| limiter(10));
static NOT_QUEUED: LazyLock<Limiter<Source, Reason>> = LazyLock::new(|| limiter(1));

fn limiter(lines: u32) -> Limiter<Source, Reason> {
    Limiter::new(Bounds {
        every: Duration::from_secs(10),
        sources: 1_024,
        reasons: 16,
        lines,
    })
}

/// What was refused, as an extension of the answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reported(Vec<Entry>);

/// A refused request, or refused events of one kind in it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    reason: Reason,
    detail: String,
    about: About,
    index: Option<usize>,
    count: u64,
}

/// What an event that is none says of itself: names, as far as they are there.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    producer: Option<String>,
    run: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    event_type: Option<String>,
}

/// Marks an answer as that of ingest.
#[derive(Clone)]
struct Ingested;

/// The answer, marked as one whose duration counts.
pub(super) fn ingested(mut answer: Response) -> Response {
    answer.extensions_mut().insert(Ingested);
    answer
}

/// Around all routes.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let caller = Caller::of(&request);
    let mut answer = next.run(request).await;
    let extensions = answer.extensions_mut();
    if extensions.remove::<Ingested>().is_some() {
        Metric::IngestDuration.record([], started.elapsed().as_secs_f64());
    }
    let sender = extensions.remove::<Sender>();
    if let Some(Reported(entries)) = extensions.remove() {
        for entry in &entries {
            tell(entry, &caller, sender.as_ref());
        }
    }
    answer
}

/// Logs how much was left out where nothing followed that would say so. Called now and then.
pub fn tell_suppressed(now: Instant) {
    for limiter in [&STRANGERS, &SENDERS, &NOT_QUEUED] {
        for left in limiter.expire(now) {
            let (status, reason, rule) = left.reason.unwrap_or((0, "several", ""));
            let (peer, sender) = match left.source {
                Some(Source::Sender(name)) => (None, Some(name)),
                Some(Source::Address(peer, _)) => (peer.map(|peer| peer.to_string()), None),
                None => (Some("several".to_owned()), None),
            };
            warn!(
                status,
                reason,
                rule = some(rule),
                suppressed = left.suppressed,
                peer,
                sender = sender.as_deref(),
                "refused, and not logged one by one"
            );
        }
    }
}

fn tell(entry: &Entry, caller: &Caller, sender: Option<&Sender>) {
    let (status, reason, rule) = entry.reason;
    Metric::HttpRejected.add([status.to_string().into()], entry.count);
    let limiter = match status {
        503 => &NOT_QUEUED,
        401 | 403 | 404 | 405 | 421 if sender.is_none() => &STRANGERS,
        _ => &SENDERS,
    };
    let now = Instant::now();
    let source = caller.source(sender);
    let Some(suppressed) = limiter.admit(&source, &entry.reason, entry.count, now) else {
        return;
    };
    let about = &entry.about;
    warn!(
        status,
        reason,
        rule = some(rule),
        detail = some(&entry.detail),
        peer = caller.peer(),
        forwarded_for = caller.forwarded_for(),
        sender = sender.map(|sender| &*sender.0),
        method = caller.method(),
        path = caller.path(),
        user_agent = caller.user_agent(),
        producer = about.producer,
        run.id = about.run,
        job.namespace = about.namespace,
        job.name = about.name,
        event.r#type = about.event_type,
        index = entry.index,
        suppressed,
        "refused"
    );
    tell_suppressed(now);
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl Reported {
    pub(super) fn of(entry: Entry) -> Reported {
        Reported(vec![entry])
    }

    /// One more. Those of an array that are of a kind are one, which tells of the first.
    pub(super) fn add(&mut self, entry: Entry) {
        let is_full = self.0.len() >= KINDS;
        let alike = |other: &Entry| other.reason == entry.reason;
        let place = self.0.iter().position(alike);
        match place.or_else(|| is_full.then(|| self.0.len() - 1)) {
            Some(place) => {
                if let Some(first) = self.0.get_mut(place) {
                    first.count += entry.count;
                }
            }
            None => self.0.push(entry),
        }
    }
}

impl Entry {
    /// An event that is none.
    pub(super) fn event(findings: &[Finding], about: impl FnOnce() -> About) -> Entry {
        let rule = findings.first().map_or("", |finding| finding.rule);
        Entry {
            reason: (400, "no OpenLineage event", rule),
            detail: shown(&pointers(errors(findings)), DETAIL).into_owned(),
            about: about(),
            index: None,
            count: 1,
        }
    }

    /// A request, or an event, that is not taken for another reason.
    pub(super) fn request(why: &str, about: impl FnOnce() -> About) -> Entry {
        Entry {
            reason: (0, "", ""),
            detail: shown(why, DETAIL).into_owned(),
            about: about(),
            index: None,
            count: 1,
        }
    }

    pub(super) fn answered_with(mut self, status: StatusCode, reason: &'static str) -> Entry {
        self.reason = (status.as_u16(), reason, self.reason.2);
        self
    }

    /// Where it stood in its array.
    pub(super) fn at(mut self, index: usize) -> Entry {
        self.index = Some(index);
        self
    }
}

impl About {
    /// What can be read of the bytes; nothing of what is no JSON.
    pub(super) fn of(bytes: &[u8]) -> About {
        let text = str::from_utf8(bytes).unwrap_or_default();
        let Ok(event) = Json::parse(text.trim_start_matches('\u{feff}')) else {
            return About::default();
        };
        let name = |path: &[&str]| {
            let text = event.at(path)?.string()?;
            Some(shown(&text, NAME).into_owned())
        };
        About {
            producer: name(&["producer"]),
            run: name(&["run", "runId"]),
            namespace: name(&["job", "namespace"]),
            name: name(&["job", "name"]),
            event_type: name(&["eventType"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rule: &'static str) -> Entry {
        let finding = |pointer: &str| Finding {
            severity: openlineage::Severity::Error,
            pointer: pointer.to_owned(),
            rule,
            message: "secret".to_owned(),
        };
        Entry::event(&[finding("/a\u{202e}b")], About::default)
    }

    #[test]
    fn what_is_said_of_a_refused_event_are_names_and_no_values() {
        let about = About::of(
            br#"{"producer":"https://u:secret@h/x?secret","job":{"namespace":"n\n1","name":7},"run":{"runId":"r"},"x":"secret"}"#,
        );
        assert!(!format!("{about:?}").contains("secret"), "{about:?}");
        assert_eq!(about.namespace.as_deref(), Some(r"n\u{a}1"));
        assert_eq!((about.name, about.run.as_deref()), (None, Some("r")));
        let entry = entry("required");
        assert_eq!(entry.detail, r"required at '/a\u{202e}b'");
        for none in [&b"\xff"[..], b"", b"[", b"null"] {
            assert!(About::of(none).producer.is_none());
        }
    }

    #[test]
    fn events_of_an_array_that_are_refused_alike_are_one_line_and_all_are_counted() {
        let rules: [&'static str; 13] = [
            "a", "b", "a", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l",
        ];
        let mut reported = Reported::default();
        for (index, rule) in rules.into_iter().enumerate() {
            reported.add(entry(rule).at(index));
        }
        assert_eq!(reported.0.len(), KINDS);
        assert_eq!(reported.0.iter().map(|entry| entry.count).sum::<u64>(), 13);
        assert_eq!((reported.0[0].count, reported.0[0].index), (2, Some(0)));
    }
}
