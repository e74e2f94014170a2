//! Whether a line begins anew, or may go on with what the line before began. Called by `pending.rs`.

/// The words that log layouts with tabs begin with.
const LEVELS: [&str; 7] = [
    "TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL",
];

/// What a log line of one JSON object begins with (structlog and the like).
const MEMBERS: [&str; 7] = [
    "logger",
    "timestamp",
    "level",
    "event",
    "message",
    "time",
    "log",
];

/// Whether a line begins as log lines do: with a date and a time, a level and a tab, or as a JSON object of its own.
/// `in_string`: whether what it might go on with is a string. A date at its end, before a quote, is a part of that.
pub(super) fn begins_anew(line: &str, in_string: bool) -> bool {
    match after_time(line) {
        Some(after) if in_string => after.starts_with([' ', '\t', ']', '|', ')']),
        Some(_) => true,
        None => has_level(line) || is_json_line(line),
    }
}

/// What follows a date and time at the beginning of a line: `2026-05-13T18:35:43.100+0000`, `26/05/13 16:22:19,457`, each
/// also after `[`.
fn after_time(line: &str) -> Option<&str> {
    let line = line.strip_prefix('[').unwrap_or(line);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let year = digits(line);
    let rest = line.get(year..).filter(|_| year == 2 || year == 4)?;
    let rest = rest.strip_prefix(['-', '/'])?;
    let rest = rest.get(2..).filter(|_| digits(rest) == 2)?;
    let rest = rest.strip_prefix(['-', '/'])?;
    let rest = rest.get(2..).filter(|_| digits(rest) == 2)?;
    let rest = rest.strip_prefix([' ', 'T', ','])?;
    Some(rest.trim_start_matches(|c: char| c.is_ascii_digit() || ".,:+-Z".contains(c)))
}

fn has_level(line: &str) -> bool {
    let mut words = LEVELS.iter().filter_map(|level| line.strip_prefix(level));
    words.any(|rest| rest.starts_with('\t'))
}

fn is_json_line(line: &str) -> bool {
    let Some(key) = line.strip_prefix("{\"") else {
        return false;
    };
    let mut rests = MEMBERS.iter().filter_map(|member| key.strip_prefix(member));
    rests.any(|rest| rest.starts_with("\":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_layout_begins_anew() {
        for line in [
            "2022-04-20 00:27:45,684 INFO [thread] pkg.Class (File.java:method(22)): ",
            "25/01/21 16:45:06 INFO Class: m",
            "[2024-06-10T18:35:43.100+0000] {{console.py:29}} INFO - ",
            "[2021-06-10 15:13:53,133] {console.py:25} INFO - ",
            "INFO\t2026-05-15T03:00:00,250\t41230",
            r#"{"logger": "openlineage.client.transport.console", "event": "x""#,
            r#"{"timestamp":"2026-05-13T18:35:40.100203Z","level":"info""#,
        ] {
            assert!(
                begins_anew(line, true) && begins_anew(line, false),
                "{line}"
            );
        }
    }

    #[test]
    fn what_may_stand_within_a_string_does_not() {
        for line in [
            r#"2026-11-20T21:00:42.651Z","eventType":"START""#,
            r#"2026-11-20T21:00"#,
            "INFO, and more",
            "-05-13T18:35",
            "2026",
            r#"{"name":"a"}"#,
            "",
        ] {
            assert!(!begins_anew(line, true), "{line}");
        }
    }
}
