//! Lines whose reading panics.

use super::*;
use crate::unread::tests::{BUG, LATE_BUG};

const EVENT: &str = r#"{"eventTime":"t","producer":"p","schemaURL":"s","job":{"name":"j"}}"#;

fn unread(extraction: &Extraction) -> Vec<String> {
    let inputs = extraction.unread.iter();
    inputs
        .map(|input| String::from_utf8(input.bytes.clone()).unwrap())
        .collect()
}

#[test]
fn a_line_that_panics_is_kept_apart_and_those_beside_it_are_read() {
    let bad = EVENT.replace("\"j\"", &format!("\"{BUG}\""));
    let lines = [
        line("s", 1, EVENT),
        line("s", 2, &bad),
        line("s", 3, EVENT.replace("\"t\"", "\"u\"")),
    ];
    for which in [Lines::All, Lines::Filtered] {
        let found = read_as(which, &lines);
        assert_eq!(found.events.len(), 2);
        assert_eq!(unread(&found), [bad.as_str()]);
        let place = &found.findings[0].place;
        assert!(place.starts_with("log group /jobs, stream s, "), "{place}");
    }
}

#[test]
fn it_is_kept_apart_once_however_often_it_is_read() {
    let mut scanner = Scanner::new(Lines::All, Seen::new(1_000));
    let bad = line("s", 1, format!("{{\"{BUG}"));
    for count in [1, 0] {
        scanner.read(&event(&bad));
        assert_eq!(scanner.take().unread.len(), count);
    }
}

#[test]
fn a_line_that_panics_behind_an_event_is_kept_apart_once_with_the_event_found() {
    let broken = EVENT.replace(":\"t\"", "");
    for (begin, events) in [(EVENT, 1), (broken.as_str(), 0)] {
        let mut scanner = Scanner::new(Lines::All, Seen::new(1_000));
        let bad = format!("{begin} {LATE_BUG}");
        scanner.read(&event(&line("s", 1, &bad)));
        let found = scanner.take();
        assert_eq!(
            (found.events.len(), unread(&found)),
            (events, vec![bad.clone()])
        );
        let seen = Seen::from_json(&scanner.seen().to_json(), 1_000).unwrap();
        let mut scanner = Scanner::new(Lines::All, seen);
        scanner.read(&event(&line("s", 1, &bad)));
        assert_eq!(scanner.take(), Extraction::default());
    }
}

#[test]
fn with_a_piece_that_panics_goes_what_came_before_it() {
    let (head, tail) = EVENT.split_at(20);
    let bad = format!("{tail}{BUG}");
    let lines = [line("s", 1, head), line("s", 2, &bad), line("s", 3, EVENT)];
    let found = read(&lines);
    assert_eq!(unread(&found), [format!("{head}{bad}")]);
    assert_eq!(found.events.len(), 1);
}

#[test]
fn a_rest_that_panics_is_kept_apart_with_its_beginning() {
    let (head, tail) = EVENT.split_at(40);
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(1_000));
    let (first, second) = (line("s", 1, head), line("s", 2, format!("{tail}{BUG}")));
    scanner.read(&event(&first));
    for mut rest in scanner.wanted() {
        assert!(rest.read(&event(&first)));
        assert!(!rest.read(&event(&second)));
        assert_eq!(scanner.close(rest, None), None);
    }
    assert_eq!(unread(&scanner.take()), [format!("{EVENT}{BUG}")]);
}

#[test]
fn a_file_is_read_on_behind_a_line_that_panics() {
    let mut log = TextLog::new("log");
    let mut found = log.read(format!("{{\"{BUG}\":1}}\n{EVENT}\n").as_bytes());
    found.add(log.end());
    assert_eq!((found.events.len(), found.unread.len()), (1, 1));
}
