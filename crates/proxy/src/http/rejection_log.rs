//! The log of rejected requests: why, who sent it, and which job it was about, so that somebody can be asked.
//!
//! Every response passes here, and nowhere else is a rejection counted or logged. A line holds names and places, never
//! values, keys or queries; and lines are limited for each source and reason, whatever strangers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::caller::{Caller, Sender, Source};
use crate::intake::EventSummary;
use crate::telemetry::limit::{Bounds, Limiter};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::shown;

/// The most characters of a detail that are logged: JSON Pointers hold the sender's keys.
const MAX_DETAIL: usize = 500;

/// The most kinds of rejected events that are logged of one array.
const MAX_KINDS: usize = 10;

/// Status, reason and validation rule.
type Reason = (u16, &'static str, &'static str);

/// Counts and logs rejections: a line every ten seconds for each reason of each source. Cheap to clone.
///
/// Strangers, senders whose events are wrong, and requests that cannot be queued have limits of their own: the first would
/// otherwise crowd out the second, and the third have one cause.
#[derive(Debug, Clone)]
pub struct RejectionLog(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    strangers: Limiter<Source, Reason>,
    senders: Limiter<Source, Reason>,
    unavailable: Limiter<Source, Reason>,
}

/// What was rejected of a request, as an extension of its response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejected(Vec<RejectedEntry>);

/// A rejected request, or rejected events of one kind in it.
#[derive(Debug, Clone)]
pub(crate) struct RejectedEntry {
    reason: Reason,
    detail: String,
    event: EventSummary,
    index: Option<usize>,
    count: u64,
}

impl RejectionLog {
    /// Creates a log with nothing in it.
    pub fn new() -> RejectionLog {
        let limiter = |lines_per_second| {
            Limiter::new(Bounds {
                interval: Duration::from_secs(10),
                sources: 1_024,
                reasons: 16,
                lines_per_second,
            })
        };
        RejectionLog(Arc::new(Limiters {
            strangers: limiter(10),
            senders: limiter(10),
            unavailable: limiter(1),
        }))
    }

    /// Counts and logs what was rejected of a request.
    pub(super) fn record(&self, rejected: &Rejected, caller: &Caller, sender: Option<&Sender>) {
        for entry in &rejected.0 {
            let status = entry.reason.0.to_string();
            Metric::HttpRejected.add([status.into()], entry.count);
            self.log(entry, caller, sender);
        }
    }

    fn log(&self, entry: &RejectedEntry, caller: &Caller, sender: Option<&Sender>) {
        let (status, reason, rule) = entry.reason;
        let limiter = match status {
            503 => &self.0.unavailable,
            401 | 403 | 404 | 405 | 421 if sender.is_none() => &self.0.strangers,
            _ => &self.0.senders,
        };
        let now = Instant::now();
        let source = caller.source(sender);
        let Some(suppressed) = limiter.admit(&source, &entry.reason, entry.count, now) else {
            return;
        };
        let event = &entry.event;
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
            producer = event.producer,
            run.id = event.run,
            job.namespace = event.namespace,
            job.name = event.name,
            event.r#type = event.event_type,
            index = entry.index,
            suppressed,
            "request rejected"
        );
        self.log_suppressed(now);
    }

    /// Logs how many rejections were suppressed where no later line has said so. To be called now and then.
    pub fn log_suppressed(&self, now: Instant) {
        let Limiters {
            strangers,
            senders,
            unavailable,
        } = &*self.0;
        for expired in [strangers, senders, unavailable]
            .into_iter()
            .flat_map(|limiter| limiter.expire(now))
        {
            let (status, reason, rule) = expired.reason.unwrap_or((0, "several", ""));
            let (peer, sender) = match expired.source {
                Some(Source::Sender(name)) => (None, Some(name)),
                Some(Source::Address(peer, _)) => (peer.map(|peer| peer.to_string()), None),
                None => (Some("several".to_owned()), None),
            };
            warn!(
                status,
                reason,
                rule = some(rule),
                suppressed = expired.count,
                peer,
                sender = sender.as_deref(),
                "requests rejected, log lines suppressed"
            );
        }
    }
}

impl Default for RejectionLog {
    fn default() -> RejectionLog {
        RejectionLog::new()
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl From<RejectedEntry> for Rejected {
    fn from(entry: RejectedEntry) -> Rejected {
        Rejected(vec![entry])
    }
}

impl Rejected {
    /// Adds the event at `index` of an array. Events that are rejected alike are one entry, which describes the first.
    pub(crate) fn add(&mut self, index: usize, mut entry: RejectedEntry) {
        entry.index = Some(index);
        let is_full = self.0.len() >= MAX_KINDS;
        let alike = self.0.iter().position(|other| other.reason == entry.reason);
        let place = alike.or_else(|| is_full.then(|| self.0.len() - 1));
        match place.and_then(|place| self.0.get_mut(place)) {
            Some(first) => first.count += entry.count,
            None => self.0.push(entry),
        }
    }
}

impl RejectedEntry {
    /// Creates an entry of one request or event. `detail` may be a stranger's words: it is bounded and escaped.
    pub(super) fn new(
        status: u16,
        reason: &'static str,
        rule: &'static str,
        detail: &str,
        event: EventSummary,
    ) -> RejectedEntry {
        RejectedEntry {
            reason: (status, reason, rule),
            detail: shown(detail, MAX_DETAIL).into_owned(),
            event,
            index: None,
            count: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rule: &'static str) -> RejectedEntry {
        let detail = "required at '/a\u{202e}b'";
        RejectedEntry::new(400, "invalid", rule, detail, EventSummary::default())
    }

    #[test]
    fn a_detail_is_escaped() {
        assert_eq!(entry("required").detail, r"required at '/a\u{202e}b'");
    }

    #[test]
    fn events_of_an_array_that_are_rejected_alike_are_one_line_and_all_are_counted() {
        let rules: [&'static str; 13] = [
            "a", "b", "a", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l",
        ];
        let mut rejected = Rejected::default();
        for (index, rule) in rules.into_iter().enumerate() {
            rejected.add(index, entry(rule));
        }
        assert_eq!(rejected.0.len(), MAX_KINDS);
        assert_eq!(rejected.0.iter().map(|entry| entry.count).sum::<u64>(), 13);
        assert_eq!((rejected.0[0].count, rejected.0[0].index), (2, Some(0)));
    }
}
