//! The lines of a file or a pipe: `kubectl logs`, a task log of Airflow, a log that was exported.
//!
//! A log is UTF-8. What stands around an event may be anything; an event in another encoding is reported and not guessed at.

use std::borrow::Cow;

use memchr::memchr;

use super::pending::MAX_BYTES;
use super::{Lines, LogEvent, Scanner, Seen};
use crate::{Extraction, Finding, FindingRule};

/// How many events are remembered, to tell when one is printed again: 24 bytes each, and some.
const REMEMBERED: usize = 100_000;

/// The byte order marks of UTF-16 (<https://www.unicode.org/faq/utf_bom.html#bom4>). No text in UTF-8 begins so.
const UTF_16: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// Finds events in the bytes of one log. Memory does not depend on its size.
#[derive(Debug)]
pub struct TextLog {
    name: String,
    scanner: Scanner,
    /// A line that has not ended.
    line: Vec<u8>,
    number: u64,
    /// What is wrong with the log itself, until it was returned.
    finding: Option<Finding>,
}

impl TextLog {
    /// Creates one for a log that findings name so.
    pub fn new(name: &str) -> TextLog {
        TextLog {
            name: name.to_owned(),
            scanner: Scanner::new(Lines::Text, Seen::new(REMEMBERED)),
            line: Vec::new(),
            number: 0,
            finding: None,
        }
    }

    /// Reads the next bytes, which may end anywhere. Returns what they brought.
    pub fn read(&mut self, mut bytes: &[u8]) -> Extraction {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.ended(line);
            } else {
                let mut begun = std::mem::take(&mut self.line);
                begun.extend_from_slice(line);
                self.ended(&begun);
            }
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > MAX_BYTES {
            // What is longer is no event. It goes on as another line.
            let line = std::mem::take(&mut self.line);
            self.ended(&line);
        }
        self.take()
    }

    /// Ends the log. Returns what the last line brought, and what is missing.
    pub fn end(mut self) -> Extraction {
        let line = std::mem::take(&mut self.line);
        self.ended(&line);
        self.scanner.end(None);
        self.take()
    }

    fn take(&mut self) -> Extraction {
        let mut found = self.scanner.take();
        found.findings.extend(self.finding.take());
        found
    }

    fn ended(&mut self, line: &[u8]) {
        self.number += 1;
        if self.number == 1 && UTF_16.iter().any(|mark| line.starts_with(mark)) {
            self.finding = Some(Finding {
                rule: FindingRule::Unreadable,
                place: self.name.clone(),
                message: "the log is UTF-16, and only UTF-8 is read: convert it first".to_owned(),
            });
        }
        let message = String::from_utf8_lossy(line);
        let is_damaged = matches!(message, Cow::Owned(_)); // it has U+FFFD where bytes were not UTF-8
        let id = format!("line {}", self.number);
        let event = LogEvent {
            group: "",
            stream: &self.name,
            id: &id,
            timestamp: None,
            message: &message,
        };
        match is_damaged {
            true => self.scanner.read_damaged(&event),
            false => self.scanner.read(&event),
        }
    }
}
