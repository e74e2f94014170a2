//! Reads the events of many streams as they come, and keeps what has not ended.

mod results;

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr;

use super::json::Object;
use super::pending::{LEVELS, MAX_BYTES, Pending, Place, Step, bare, whereabouts};
use super::rest::Rest;
use super::scan::{self, Head, Origin, scan};
use super::seen::Seen;
use super::{Lines, LogEvent};
use crate::{Extraction, FindingRule, guarded};

/// The most streams in which an event may be under way. Beyond it, the one that waits longest is given up.
const MAX_STREAMS: usize = 1_000;

/// The most bytes that are kept for all of them.
const MAX_PENDING: usize = 4 * MAX_BYTES;

/// Finds events in the lines of many streams.
#[derive(Debug)]
pub struct Scanner {
    lines: Lines,
    seen: Seen,
    found: Extraction,
    wanted: Vec<Rest>,
    pending: HashMap<String, (u64, Pending)>,
    bytes: usize,
    count: u64,
    /// Whether what is read had bytes that were not UTF-8, in place of which is [`char::REPLACEMENT_CHARACTER`].
    is_damaged: bool,
}

impl Scanner {
    /// Creates one that takes nothing again that is in `seen`.
    pub fn new(lines: Lines, seen: Seen) -> Scanner {
        Scanner {
            lines,
            seen,
            found: Extraction::default(),
            wanted: Vec::new(),
            pending: HashMap::new(),
            bytes: 0,
            count: 0,
            is_damaged: false,
        }
    }

    /// Reads the next log event. Those of one stream have to come in order.
    pub fn read(&mut self, event: &LogEvent<'_>) {
        let message = bare(event.message);
        if self.pending.is_empty() {
            // Most lines end here.
            if memchr(b'{', message.as_bytes()).is_some() {
                self.search(event, message, 0, Vec::new(), String::new());
            }
            return;
        }
        match self.unkept(event) {
            Some(pending) => self.go_on(event, message, pending),
            None => self.search(event, message, 0, Vec::new(), String::new()),
        }
    }

    /// Reads a line in which bytes were not UTF-8. An event with such bytes is reported, and not returned: names in it would
    /// be other names.
    pub(super) fn read_damaged(&mut self, event: &LogEvent<'_>) {
        self.is_damaged = true;
        self.read(event);
        self.is_damaged = false;
    }

    /// Takes what was found since the last call.
    pub fn take(&mut self) -> Extraction {
        std::mem::take(&mut self.found)
    }

    /// Takes what has to be read without a filter. Each comes back through [`Scanner::close`].
    pub fn wanted(&mut self) -> Vec<Rest> {
        std::mem::take(&mut self.wanted)
    }

    /// Takes back what was read of the rest of an event. One that is still missing is reported, unless it may still be under
    /// way at `now` (milliseconds since 1970): then its time is returned, and it has to be read again later.
    pub fn close(&mut self, rest: Rest, now: Option<i64>) -> Option<i64> {
        let Rest { pending, end, .. } = rest;
        match end {
            Some(Step::Last { .. }) => self.ended(pending),
            Some(Step::Anew) => self.cut(&pending),
            Some(Step::Beyond(limit)) => self.missing(&pending, limit),
            Some(Step::Bug) => self.fail(&pending.place, pending.text()),
            Some(Step::Piece | Step::Other) | None => return self.open(&pending, now),
        }
        None
    }

    /// Ends all streams: what is still missing is reported, unless it may still be under way at `now`. Returns the time of
    /// the first event that may be.
    pub fn end(&mut self, now: Option<i64>) -> Option<i64> {
        let pending = std::mem::take(&mut self.pending).into_values();
        let mut pending: Vec<(u64, Pending)> = pending.collect();
        pending.sort_by_key(|(number, _)| *number);
        self.bytes = 0;
        let open = pending
            .iter()
            .filter_map(|(_, pending)| self.open(pending, now));
        open.min()
    }

    /// What was found so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Looks whether a line goes on with what its stream began.
    fn go_on(&mut self, event: &LogEvent<'_>, message: &str, mut pending: Pending) {
        let step = guarded(event.message.as_bytes(), || pending.next(event, self.lines));
        let step = step.unwrap_or_else(|| {
            pending.add_unread(event.message);
            Step::Bug
        });
        if self.is_damaged && matches!(step, Step::Piece | Step::Last { .. }) {
            pending.is_damaged = true;
        }
        match step {
            Step::Piece => self.keep(event, pending),
            Step::Last { after } => {
                self.ended(pending);
                match message.strip_suffix(after.as_str()) {
                    Some(piece) => {
                        self.search(event, message, piece.len(), Vec::new(), String::new())
                    }
                    // The text of a log line.
                    None => self.search(event, &after, 0, Vec::new(), "+".to_owned()),
                }
            }
            Step::Other => {
                if self.is_missed(&pending) {
                    self.keep(event, pending);
                }
                self.search(event, message, 0, Vec::new(), String::new());
            }
            Step::Anew => {
                self.cut(&pending);
                self.search(event, message, 0, Vec::new(), String::new());
            }
            Step::Beyond(limit) => {
                self.missing(&pending, limit);
                self.search(event, message, 0, Vec::new(), String::new());
            }
            Step::Bug => self.fail(&pending.place, pending.text()),
        }
    }

    /// Looks for events in a text from an offset, and in the text of the log line that it may be. `origin` and `path` say
    /// where it stands in the message.
    fn search(
        &mut self,
        event: &LogEvent<'_>,
        text: &str,
        from: usize,
        origin: Vec<Origin>,
        path: String,
    ) {
        let place = || Place::of(event, format!("{path}{from}"));
        let searched = guarded(text.as_bytes(), || {
            self.search_in(event, text, from, origin, path.clone());
        });
        if searched.is_none() {
            self.fail(&place(), text);
        }
    }

    fn search_in(
        &mut self,
        event: &LogEvent<'_>,
        text: &str,
        mut from: usize,
        mut origin: Vec<Origin>,
        mut path: String,
    ) {
        let mut text = Cow::Borrowed(text);
        loop {
            let found = scan(&text, from);
            for (offset, event_text) in found.events {
                self.found(Place::of(event, format!("{path}{offset}")), event_text);
            }
            for (offset, object) in found.broken {
                let place = Place::of(event, format!("{path}{offset}"));
                let begun = text.get(offset..).unwrap_or_default();
                let ends_line = begun
                    .as_bytes()
                    .get(object.position())
                    .is_some_and(|byte| matches!(byte, b'\n' | b'\r'));
                let at = object.position();
                let (rule, what) = match ends_line {
                    true => (
                        FindingRule::Truncated,
                        format!("an event was cut off after {at} bytes, at the end of its line"),
                    ),
                    false => (
                        FindingRule::Unreadable,
                        format!("an event begins here, but is no JSON at its byte {at}"),
                    ),
                };
                self.report(&place, rule, whereabouts(&place, &object, begun), what);
            }
            if let Some(head) = found.head {
                let place = Place::of(event, format!("{path}{}", head.offset));
                self.begin(event, place, &text, head, origin);
                return;
            }
            let Some((next, said)) = found.line.filter(|_| origin.len() < LEVELS) else {
                return;
            };
            if memchr(b'{', said.as_bytes()).is_none() {
                return;
            }
            path.push('/');
            origin.push(next);
            text = Cow::Owned(bare(&said).to_owned());
            from = 0;
        }
    }

    /// Keeps an object that has not ended, or asks for its rest.
    fn begin(
        &mut self,
        event: &LogEvent<'_>,
        place: Place,
        text: &str,
        head: Head,
        origin: Vec<Origin>,
    ) {
        let mut pending = Pending::new(place, text, head, origin);
        pending.is_damaged = self.is_damaged;
        match self.lines {
            Lines::Filtered => {
                let is_known = || self.seen.has_position(pending.place.position());
                if pending.is_missed() && !is_known() {
                    self.wanted.push(Rest::new(pending, event.message));
                }
            }
            Lines::All | Lines::Text => match self.unkept(event) {
                // Between the pieces of an event stands something that may be one, or is nothing.
                Some(older) if !pending.is_missed() => self.keep(event, older),
                Some(older) => {
                    self.cut(&older);
                    self.keep(event, pending);
                }
                None => self.keep(event, pending),
            },
        }
    }

    /// Takes what has ended: an event, a log line with one, or nothing of interest.
    fn ended(&mut self, pending: Pending) {
        let is_damaged = pending.is_damaged;
        let Some((place, text, object, origin)) = pending.into_parts() else {
            return;
        };
        let of_line = std::mem::replace(&mut self.is_damaged, is_damaged);
        let read = guarded(text.as_bytes(), || {
            self.whole(&place, &text, &object, origin)
        });
        if read.is_none() {
            self.fail(&place, &text);
        }
        self.is_damaged = of_line;
    }

    /// Takes a complete object.
    fn whole(&mut self, place: &Place, text: &str, object: &Object, mut origin: Vec<Origin>) {
        if scan::is_event(object) {
            self.found(place.clone(), text);
        } else if let Some((next, said)) = scan::line(object, text) {
            let event = LogEvent {
                group: &place.group,
                stream: &place.stream,
                id: &place.id,
                timestamp: place.timestamp,
                message: "",
            };
            origin.push(next);
            let path = format!("{}/", place.path);
            self.search(&event, bare(&said), 0, origin, path);
        }
    }

    fn keep(&mut self, event: &LogEvent<'_>, pending: Pending) {
        self.count += 1;
        self.bytes += pending.len();
        self.pending.insert(key(event), (self.count, pending));
        while self.pending.len() > MAX_STREAMS || self.bytes > MAX_PENDING {
            let oldest = self.pending.iter().min_by_key(|(_, (number, _))| *number);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some((_, pending)) = self.pending.remove(&oldest) {
                self.bytes -= pending.len();
                self.missing(
                    &pending,
                    "while 1,000 other streams, or 64 MB, were under way",
                );
            }
        }
    }

    fn unkept(&mut self, event: &LogEvent<'_>) -> Option<Pending> {
        let (_, pending) = self.pending.remove(&key(event))?;
        self.bytes -= pending.len();
        Some(pending)
    }
}

fn key(event: &LogEvent<'_>) -> String {
    format!("{}\0{}", event.group, event.stream)
}
