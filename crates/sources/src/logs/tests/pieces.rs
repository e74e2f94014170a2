//! Events that come in pieces, and such as are cut off.

use super::*;

#[test]
fn an_event_in_pieces_is_put_together_past_lines_of_other_streams() {
    let mut log = vec![line("other", 0, glue4("Got task 12 {\"stage\":3}"))];
    for (number, piece) in (1..).zip(pieces(&glue4(&spark()), 400)) {
        log.push(line("driver", number, piece));
        log.push(line(
            "other",
            number,
            glue4("Executor {reads=12, writes={a=1}}"),
        ));
    }
    let found = read(&log);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![])
    );
}

#[test]
fn pieces_that_each_are_a_log_line_are_joined_by_logger() {
    let event = airflow();
    let mut log = Vec::new();
    for (number, piece) in (0..).zip(pieces(&event, 700)) {
        log.push(line("task", number, structlog(&piece)));
        log.push(line("task", number, r#"{"logger": "airflow.task", "event": "a line {of} \"another\" logger", "level": "info"}"#));
    }
    let found = read(&log);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![event.as_str()], vec![])
    );
}

#[test]
fn a_log_line_in_a_log_line_is_looked_into() {
    let event = airflow();
    let docker = |said: &str| {
        format!(
            r#"{{"log":{},"stream":"stdout","time":"2026-05-15T06:00:00Z"}}"#,
            Value::from(format!("{said}\n"))
        )
    };
    let found = read(&[
        line("pod", 0, docker(&structlog(&event))),
        line("pod", 1, docker(&glue4(&spark()))),
    ]);
    assert_eq!(texts(&found), [event, spark()]);
}

#[test]
fn a_log_line_in_pieces_is_put_together() {
    let event = airflow();
    let log = (0..)
        .zip(pieces(&structlog(&event), 500))
        .map(|(number, piece)| line("pod", number, piece));
    let found = read(&log.collect::<Vec<Line>>());
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![event.as_str()], vec![])
    );
}

#[test]
fn an_event_that_is_cut_off_is_reported_with_its_place_and_what_follows_is_found() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    let found = read(&[
        line("driver", 0, cut),
        line(
            "driver",
            900,
            glue4("Emitting lineage completed successfully with run id: 0"),
        ),
        line("driver", 1_000, glue4(&spark())),
    ]);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![FindingRule::Truncated])
    );
    let place = &found.findings[0].place;
    assert!(
        place.starts_with("log group /jobs, stream driver, 00"),
        "{place}"
    );
    assert!(
        place.contains(", 2026-05-14T23:06:40Z, run ") && place.contains(", job "),
        "{place}"
    );
}

#[test]
fn what_a_writer_cut_within_a_log_line_is_reported_too() {
    // watchtower cuts at 262,118 bytes, whatever stands there.
    let text: String = format!(
        "[2026-05-13T18:35:43.100+0000] {{console.py:30}} INFO - {}",
        airflow()
    )
    .chars()
    .take(2_000)
    .collect();
    let json: String = structlog(&airflow()).chars().take(4_001).collect();
    let found = read(&[
        line("task", 0, text),
        line("task", 1, json),
        line("task", 2, structlog(&airflow())),
    ]);
    assert_eq!(
        rules(&found),
        [FindingRule::Truncated, FindingRule::Truncated]
    );
    assert_eq!(texts(&found), [airflow()]);
    for finding in &found.findings {
        assert!(finding.place.contains(", job "), "{}", finding.place);
    }
}

#[test]
fn an_event_that_was_cut_off_within_one_message_is_reported() {
    let cut: String = spark().chars().take(3_000).collect();
    let found = read(&[line(
        "driver",
        0,
        format!("{}\n{}", glue4(&cut), glue4(&spark())),
    )]);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![FindingRule::Truncated])
    );
}

#[test]
fn an_event_whose_end_never_comes_is_incomplete() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    assert_eq!(
        rules(&read(&[line("driver", 0, cut)])),
        [FindingRule::Incomplete]
    );
}

#[test]
fn an_event_that_may_still_be_under_way_is_not_reported_yet() {
    let log: Vec<Line> = (0..)
        .zip(pieces(&glue4(&spark()), 4_000))
        .map(|(number, piece)| line("driver", number, piece))
        .collect();
    let begun = log[0].timestamp;
    let mut scanner = Scanner::new(Lines::All, Seen::new(10));
    scanner.read(&event(&log[0]));
    assert_eq!(scanner.end(Some(begun + MINUTE)), Some(begun));
    assert_eq!(scanner.take(), Extraction::default());
    log.iter().for_each(|line| scanner.read(&event(line)));
    assert_eq!(scanner.end(Some(begun + 2 * MINUTE)), None);
    assert_eq!(texts(&scanner.take()), [spark()]);
    let mut scanner = Scanner::new(Lines::All, Seen::new(10));
    scanner.read(&event(&log[0]));
    assert_eq!(scanner.end(Some(begun + 11 * MINUTE)), None);
    assert_eq!(rules(&scanner.take()), [FindingRule::Incomplete]);
}
