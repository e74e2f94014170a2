//! Logs and counts rejected requests: why, from whom, and for which job, so that an operator knows whom to ask.
//!
//! Every response passes here; rejections are logged and counted nowhere else. A line contains names and positions,
//! never values, keys or queries. Lines are limited for each source and reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::caller::{Caller, CallerGroup, Sender};
use crate::intake::EventSummary;
use crate::telemetry::limit::{Bounds, Limiter};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::shown;

/// The most characters of a detail in a line: JSON Pointers contain keys that the sender chose.
const MAX_DETAIL: usize = 500;

/// The most kinds of rejected events of one array that are logged.
const MAX_KINDS: usize = 10;

/// Status, reason and validation rule.
type Reason = (u16, &'static str, &'static str);

/// Logs and counts rejections, with one line in ten seconds for each reason of each source. Cheap to clone.
///
/// Strangers, senders with invalid events, and requests that cannot be queued have separate limits: strangers must not
/// crowd out senders, and requests that cannot be queued have one common cause.
#[derive(Debug, Clone)]
pub struct RejectionLog(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    strangers: Limiter<CallerGroup, Reason>,
    senders: Limiter<CallerGroup, Reason>,
    unavailable: Limiter<CallerGroup, Reason>,
}

/// The rejections of a request, as an extension of its response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejections(Vec<RejectionEntry>);

/// A rejected request, or rejected events of one kind in a request.
#[derive(Debug, Clone)]
pub(crate) struct RejectionEntry {
    reason: Reason,
    detail: String,
    event: EventSummary,
    index: Option<usize>,
    count: u64,
    /// Whether it is a rejected event, and not only an answer that something is wrong.
    is_counted: bool,
}

impl RejectionLog {
    /// Creates an empty log.
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

    /// Logs and counts the rejections of a request.
    pub(super) fn record(&self, rejected: &Rejections, caller: &Caller, sender: Option<&Sender>) {
        for entry in &rejected.0 {
            if entry.is_counted {
                let status = entry.reason.0.to_string();
                Metric::HttpRejected.add([status.into()], entry.count);
            }
            self.log(entry, caller, sender);
        }
    }

    fn log(&self, entry: &RejectionEntry, caller: &Caller, sender: Option<&Sender>) {
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
            trace_id = caller.trace_id(),
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

    /// Logs how many rejections were suppressed since the last line about them. Call it now and then.
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
                Some(CallerGroup::Sender(name)) => (None, Some(name)),
                Some(CallerGroup::Address(peer, _)) => (peer.map(|peer| peer.to_string()), None),
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

impl From<RejectionEntry> for Rejections {
    fn from(entry: RejectionEntry) -> Rejections {
        Rejections(vec![entry])
    }
}

impl Rejections {
    /// Adds the event at `index` of an array. Events with the same rejection are one entry, which describes the first.
    pub(crate) fn add(&mut self, index: usize, mut entry: RejectionEntry) {
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

impl RejectionEntry {
    /// Creates an entry for a request or event. `detail` may be text of a stranger: it is bounded and escaped.
    pub(super) fn new(
        status: u16,
        reason: &'static str,
        rule: &'static str,
        detail: &str,
        event: EventSummary,
    ) -> RejectionEntry {
        RejectionEntry {
            reason: (status, reason, rule),
            detail: shown(detail, MAX_DETAIL).into_owned(),
            event,
            index: None,
            count: 1,
            is_counted: true,
        }
    }

    /// The entry, which is logged and not counted.
    pub(super) fn uncounted(self) -> RejectionEntry {
        RejectionEntry {
            is_counted: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rule: &'static str) -> RejectionEntry {
        let detail = "required at '/a\u{202e}b'";
        RejectionEntry::new(400, "invalid", rule, detail, EventSummary::default())
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
        let mut rejected = Rejections::default();
        for (index, rule) in rules.into_iter().enumerate() {
            rejected.add(index, entry(rule));
        }
        assert_eq!(rejected.0.len(), MAX_KINDS);
        assert_eq!(rejected.0.iter().map(|entry| entry.count).sum::<u64>(), 13);
        assert_eq!((rejected.0[0].count, rejected.0[0].index), (2, Some(0)));
    }
}
