//! Logs as files: lines, encodings, and identities that do not depend on where an event is printed.

use super::*;

#[test]
fn the_same_event_has_the_same_identity_wherever_it_is_printed() {
    let found = |stream, message: String| read(&[line(stream, 7, message)]).events[0].identity;
    let one = found("driver", glue4(&airflow()));
    assert_eq!(one, found("task", structlog(&airflow())));
    assert_eq!(
        one,
        TextLog::new("file")
            .read(format!("{}\n", airflow()).as_bytes())
            .events[0]
            .identity
    );
    assert_ne!(one, found("driver", glue4(&spark())));
}

#[test]
fn a_text_is_read_in_any_pieces_and_keeps_the_lines_of_an_event() {
    let pretty = fs::read(format!("{FIXTURES}/airflow-09-pretty.log")).unwrap();
    for length in [1, 7, 4_096] {
        let mut log = TextLog::new("job.log");
        let mut found = Extraction::default();
        for bytes in pretty.chunks(length) {
            found.events.extend(log.read(bytes).events);
        }
        assert_eq!(log.end(), Extraction::default());
        let text = String::from_utf8(pretty.clone()).unwrap();
        let printed = text
            .strip_prefix("starting\n")
            .and_then(|text| text.strip_suffix("\ndone\n"))
            .unwrap();
        assert_eq!(texts(&found), [printed]);
    }
}

#[test]
fn a_finding_of_a_text_names_its_line() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    let mut log = TextLog::new("job.log");
    let text = format!("a\nb\n{cut}\n{}", glue4("a new line\n"));
    let found = log.read(text.as_bytes());
    assert_eq!(rules(&found), [FindingRule::Truncated]);
    assert!(
        found.findings[0].place.starts_with("job.log, line 3, run "),
        "{}",
        found.findings[0].place
    );
}

#[test]
fn an_event_in_another_encoding_is_reported_with_its_line_and_never_guessed_at() {
    let latin = |text: &str| text.replace("\"job\":", "\"x\":\"caf\u{fffd}\",\"job\":");
    let damaged = |text: String| -> Vec<u8> {
        let parts: Vec<&[u8]> = text.split('\u{fffd}').map(str::as_bytes).collect();
        parts.join(&0xe9)
    };
    let pretty = fs::read_to_string(format!("{FIXTURES}/airflow-09-pretty.log")).unwrap();
    let key = "\"eventTime\":";
    assert_eq!(pretty.matches(key).count(), 1);
    let pretty = pretty.replace(key, &format!("\"x\": \"caf\u{fffd}\",\n{key}"));
    for printed in [
        glue4(&latin(&spark())),
        structlog(&latin(&airflow())),
        pretty,
    ] {
        assert!(printed.contains('\u{fffd}'));
        let mut log = TextLog::new("job.log");
        let mut found = log.read(b"a line\n");
        let read = log.read(&damaged(format!("{printed}\n{}\n", glue4(&spark()))));
        assert_eq!(texts(&read), [spark()], "the next event is found");
        found.findings.extend(read.findings);
        assert_eq!(rules(&found), [FindingRule::Unreadable]);
        let place = &found.findings[0].place;
        assert!(place.starts_with("job.log, line "), "{place}");
    }
}

#[test]
fn a_replacement_character_that_was_printed_and_bytes_around_an_event_are_no_damage() {
    let printed = spark().replace("\"job\":", "\"x\":\"\u{fffd}\",\"job\":");
    let mut log = TextLog::new("job.log");
    let mut bytes = b"caf\xe9\n".to_vec();
    bytes.extend_from_slice(glue4(&printed).as_bytes());
    bytes.extend_from_slice(b"\ncaf\xe9 ");
    bytes.extend_from_slice(airflow().as_bytes());
    bytes.push(b'\n');
    let found = log.read(&bytes);
    assert_eq!(texts(&found), [printed, airflow()]);
    assert_eq!(rules(&found), []);
}

#[test]
fn a_log_in_utf_16_is_reported_once() {
    let text = format!("\u{feff}{}\n{}\n", spark(), spark());
    let units = text.encode_utf16();
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let mut log = TextLog::new("job.log");
    let mut found = Extraction::default();
    for piece in bytes.chunks(1_000) {
        let read = log.read(piece);
        found.events.extend(read.events);
        found.findings.extend(read.findings);
    }
    found.findings.extend(log.end().findings);
    assert_eq!(texts(&found), [""; 0]);
    assert_eq!(rules(&found), [FindingRule::Unreadable]);
    assert!(found.findings[0].message.contains("UTF-16"));
}
