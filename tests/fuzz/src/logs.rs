//! Laws of logs: whatever the lines are, an event on a line of its own is found, with its text; and a log comes to the same
//! however its bytes are handed over.

use sources::logs::subscription::Subscription;
use sources::logs::{Lines, LogEvent, Scanner, Seen, TextLog};
use sources::{Extraction, FindingRule};

const EVENT: &str = r#"{"eventTime":"2026-05-15T06:00:00Z","producer":"p","schemaURL":"s","job":{"namespace":"n","name":"the event of the law"}}"#;

/// Any bytes as a log: in one go, byte by byte, as log events of two streams, and as what a subscription sends.
pub(crate) fn logs(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, 1), whole);
    let log = String::from_utf8_lossy(bytes);
    for event in &whole.events {
        let again = read(event.text.as_bytes(), usize::MAX);
        let texts: Vec<&str> = again
            .events
            .iter()
            .map(|event| event.text.as_str())
            .collect();
        assert_eq!(texts, [event.text.as_str()], "an event alone is that event");
    }
    for (number, line) in log.lines().enumerate() {
        for which in [Lines::All, Lines::Filtered] {
            alone(which, number, line);
        }
    }
    among(&log);
    let _ = Subscription::read(bytes);
    let _ = Subscription::unpack(bytes);
}

/// A line of a stream in which nothing else is: its findings are few, and each has a place.
fn alone(which: Lines, number: usize, line: &str) {
    let mut scanner = Scanner::new(which, Seen::new(10));
    scanner.read(&event("s", number, line));
    for mut rest in scanner.wanted() {
        assert!(
            rest.read(&event("s", number, line)),
            "the beginning is read again"
        );
        scanner.close(rest, None);
    }
    scanner.end(None);
    let found = scanner.take();
    assert_eq!(found.unread, [], "a panic");
    assert!(found.findings.len() <= 21 + found.events.len() + line.len() / 50);
    for finding in &found.findings {
        assert!(
            finding.place.starts_with("log group g, stream s, "),
            "{}",
            finding.place
        );
        assert_ne!(finding.rule, FindingRule::NotVisible);
    }
}

/// An event of another stream, between lines of any kind, and one that comes after a line that begins anew.
fn among(log: &str) {
    let mut scanner = Scanner::new(Lines::All, Seen::new(1_000));
    for (number, line) in log.lines().enumerate() {
        scanner.read(&event("any", number, line));
        scanner.read(&event("other", number, EVENT));
    }
    let line = format!("26/05/15 06:00:00 INFO ConsoleTransport: {EVENT}");
    scanner.read(&event("any", usize::MAX, &line));
    let found = scanner
        .take()
        .events
        .into_iter()
        .filter(|event| event.text == EVENT);
    assert_eq!(found.count(), 1, "the same event is one event");
}

fn event<'a>(stream: &'a str, number: usize, message: &'a str) -> LogEvent<'a> {
    const IDS: [&str; 4] = ["0", "1", "2", "3"];
    LogEvent {
        group: "g",
        stream,
        id: IDS[number % 4],
        timestamp: i64::try_from(number).ok(),
        message,
    }
}

fn read(bytes: &[u8], length: usize) -> Extraction {
    let mut log = TextLog::new("f");
    let mut whole = Extraction::default();
    for bytes in bytes.chunks(length) {
        whole.add(log.read(bytes));
    }
    whole.add(log.end());
    assert_eq!(whole.unread, [], "a panic");
    whole
}
