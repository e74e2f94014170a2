//! The rest of an event of which a filter has let through the beginning.

use super::*;

#[test]
fn the_rest_of_what_a_filter_let_through_is_asked_for() {
    let all: Vec<Line> = (0..)
        .zip(pieces(&glue4(&spark()), 800))
        .map(|(number, piece)| line("driver", number, piece))
        .collect();
    let filtered: Vec<Line> = all
        .iter()
        .filter(|line| line.message.contains("openlineage.io/spec"))
        .cloned()
        .collect();
    assert!(filtered.len() < all.len());
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    filtered.iter().for_each(|line| scanner.read(&event(line)));
    let [mut rest] = <[_; 1]>::try_from(scanner.wanted()).unwrap();
    assert_eq!(
        (rest.group(), rest.stream(), rest.since()),
        ("/jobs", "driver", all[0].timestamp)
    );
    let mut stream = vec![line("driver", 0, "before it, in the same millisecond")];
    stream.extend(all);
    stream.push(line("driver", 99, glue4("another line")));
    let used = stream
        .iter()
        .take_while(|line| {
            rest.read(&LogEvent {
                id: "",
                ..event(line)
            })
        })
        .count();
    assert_eq!(
        used,
        stream.len() - 2,
        "no line is read after the last piece"
    );
    assert_eq!(scanner.close(rest, None), None);
    assert_eq!(texts(&scanner.take()), [spark()]);
    // Once found it is not asked for again.
    filtered.iter().for_each(|line| scanner.read(&event(line)));
    assert_eq!(scanner.wanted().len(), 0);
}

#[test]
fn the_rest_of_pieces_that_each_are_a_log_line_is_asked_for() {
    let all: Vec<Line> = (0..)
        .zip(pieces(&airflow(), 900))
        .map(|(number, piece)| line("task", number, structlog(&piece)))
        .collect();
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    for line in all
        .iter()
        .filter(|line| line.message.contains("openlineage.io/spec"))
    {
        scanner.read(&event(line));
    }
    let [mut rest] = <[_; 1]>::try_from(scanner.wanted()).unwrap();
    let wanted = all.iter().take_while(|line| rest.read(&event(line)));
    assert_eq!(wanted.count(), all.len() - 1);
    scanner.close(rest, None);
    let found = scanner.take();
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![airflow().as_str()], vec![])
    );
}

#[test]
fn a_rest_that_does_not_come_is_reported_or_waited_for() {
    let cut = line(
        "driver",
        0,
        glue4(&spark()).chars().take(3_000).collect::<String>(),
    );
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    let rests: Vec<_> = (0..3)
        .map(|_| {
            scanner.read(&event(&cut));
            scanner.wanted().remove(0)
        })
        .collect();
    let [waits, mut anew, mut gone] = <[_; 3]>::try_from(rests).unwrap();
    assert_eq!(
        scanner.close(waits, Some(cut.timestamp + MINUTE)),
        Some(cut.timestamp)
    );
    assert!(anew.read(&event(&cut)) && !anew.read(&event(&line("driver", 5, glue4("a line")))));
    scanner.close(anew, Some(cut.timestamp + MINUTE));
    assert_eq!(rules(&scanner.take()), [FindingRule::Truncated]);
    // The same is not reported twice.
    assert!(!gone.read(&event(&line(
        "driver",
        5,
        "its beginning is not in the stream"
    ))));
    scanner.close(gone, None);
    assert_eq!(scanner.take(), Extraction::default());
}
