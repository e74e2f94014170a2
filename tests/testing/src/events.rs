//! Events to send.
//!
//! The same number makes the same text each time, so that a test has to remember numbers only.

use std::io::Write;

/// Every so many numbered events one is large.
const LARGE_EVERY: u64 = 60;

/// How many bytes a large event has at least.
const LARGE: usize = 200_000;

/// Rules that merge the events of every fifth run of [`numbered`].
pub const COALESCE: &str =
    "coalesce: {when: {job: {namespace: together}}, window: 1s, keep_start: false}";

/// Returns a RunEvent of run `n`.
pub fn event(n: u32, event_type: &str) -> String {
    let second = n % 60;
    format!(
        r#"{{ "eventTime":"2026-11-20T10:00:{second:02}.1Z","producer":"urn:test","schemaURL":"urn:schema","eventType":"{event_type}","run":{{"runId":"01a1faa6-e194-708b-a993-{n:012x}"}},"job":{{"namespace":"test","name":"job {n}"}},"x":1.0 }}"#
    )
}

/// Returns a RunEvent of run `n` that has these members too, given as JSON.
pub fn event_with(n: u32, event_type: &str, members: &str) -> String {
    let event = event(n, event_type);
    let (head, _) = event.rsplit_once('}').unwrap();
    format!("{head},{members}}}")
}

/// Returns event `n` of an endless sequence. Four make a run, and sizes vary.
pub fn numbered(n: u64) -> String {
    let run = n / 4;
    let (kind, second) = match n % 4 {
        0 => ("START", 1),
        1 => ("RUNNING", 2),
        2 => ("RUNNING", 3),
        _ => ("COMPLETE", 4),
    };
    let namespace = if is_merged(n) { "together" } else { "apart" };
    let filler = match n % LARGE_EVERY {
        7 => LARGE as u64,
        rest => rest * 20,
    };
    let filler: String = (0..filler)
        .map(|place| char::from(b'a' + u8::try_from((place * 7 + n) % 26).unwrap_or_default()))
        .collect();
    format!(
        r#"{{ "eventTime":"2026-11-20T10:00:0{second}.10Z","producer":"urn:test","schemaURL":"urn:schema","eventType":"{kind}","run":{{"runId":"01a1faa6-e194-708b-a993-{run:012x}"}},"job":{{"namespace":"{namespace}","name":"job {run}"}},"inputs":[{{"namespace":"s","name":"in {n} é"}}],"x":1.0,"filler":"{filler}" }}"#
    )
}

/// Whether [`COALESCE`] merges the run of a numbered event.
pub fn is_merged(n: u64) -> bool {
    (n / 4).is_multiple_of(5)
}

/// Compresses a body.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    gzip.finish().unwrap()
}
