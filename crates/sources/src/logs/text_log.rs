//! The lines of a file or a pipe: `kubectl logs`, a task log of Airflow, a log that was exported.

use memchr::memchr;

use super::pending::MAX_BYTES;
use super::{Lines, LogEvent, Scanner, Seen};
use crate::Extraction;

/// How many events are remembered, to tell when one is printed again: 24 bytes each, and some.
const REMEMBERED: usize = 100_000;

/// Finds events in the bytes of one log. Memory does not depend on its size.
#[derive(Debug)]
pub struct TextLog {
    name: String,
    scanner: Scanner,
    /// A line that has not ended.
    line: Vec<u8>,
    number: u64,
}

impl TextLog {
    /// Creates one for a log that findings name so.
    pub fn new(name: &str) -> TextLog {
        TextLog {
            name: name.to_owned(),
            scanner: Scanner::new(Lines::Text, Seen::new(REMEMBERED)),
            line: Vec::new(),
            number: 0,
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
        self.scanner.take()
    }

    /// Ends the log. Returns what the last line brought, and what is missing.
    pub fn end(mut self) -> Extraction {
        let line = std::mem::take(&mut self.line);
        self.ended(&line);
        self.scanner.end(None);
        self.scanner.take()
    }

    fn ended(&mut self, line: &[u8]) {
        self.number += 1;
        let message = String::from_utf8_lossy(line);
        let id = format!("line {}", self.number);
        self.scanner.read(&LogEvent {
            group: "",
            stream: &self.name,
            id: &id,
            timestamp: None,
            message: &message,
        });
    }
}
