//! Laws of reading: what is accepted, what is repaired, what is refused with findings; one event, or an array of them.

use std::sync::Arc;

use openlineage::{
    Event, Finding, Json, Level, MAX_DEPTH, MAX_FINDINGS, Severity, ValidEvent, names, split_array,
    warnings,
};
use serde_json::Value;
use serde_json::value::RawValue;
use transform::diff;

/// Any bytes as one event.
pub(crate) fn event(bytes: &[u8]) {
    match [Level::Strict, Level::Repair].map(|level| Event::read(bytes, level)) {
        [Ok(strict), repair] => {
            let repair = repair.expect("what is valid needs no repair");
            assert!(strict.repairs.is_empty());
            assert_eq!(strict.event.text(), bare(bytes), "what is valid stays");
            legal(&strict.event);
            // Inside facets, which the core schema lets through, a null and a run id are repaired all the same.
            assert_eq!(repair.repairs.is_empty(), strict.event == repair.event);
            assert_eq!(strict.event.run_id(), repair.event.run_id());
            legal(&repair.event);
            assert_eq!(repeated(&repair.event).event, repair.event);
        }
        [Err(refused), Ok(read)] => {
            check_findings(&refused.findings);
            assert!(!read.repairs.is_empty(), "what was repaired is said");
            assert!(
                read.repairs
                    .iter()
                    .all(|found| found.severity == Severity::Repaired)
            );
            assert_ne!(read.event.text(), bare(bytes));
            legal(&read.event);
            assert_eq!(repeated(&read.event).event, read.event);
        }
        [Err(strict), Err(repair)] => {
            check_findings(&strict.findings);
            check_findings(&repair.findings);
        }
    }
}

/// What is accepted once is accepted as it is by whoever reads it next, and can be looked into.
pub(crate) fn legal(event: &Event) {
    let text = event.text();
    let again = Event::read(text.as_bytes(), Level::Strict).expect("accepted is accepted");
    assert_eq!((&again.event, again.repairs.len()), (event, 0));
    let shared: Arc<str> = event.shared_text();
    let read = Event::read_shared(&shared, Level::Strict).expect("accepted is accepted");
    assert!(Arc::ptr_eq(&shared, &read.event.shared_text()));
    let json = event.json();
    assert_eq!(json.text(), text, "no white space around it");
    for name in names(json) {
        for part in [name.namespace, name.name] {
            let span = part.span(text).expect("a name stands in the text");
            assert_eq!(text.get(span), Some(part.text()));
            assert!(part.string().is_some());
        }
    }
    warnings(json).iter().for_each(check_finding);
    assert!(warnings(json).len() <= MAX_FINDINGS);
}

/// A repair is made once.
fn repeated(event: &Event) -> ValidEvent {
    let read = Event::read(event.text().as_bytes(), Level::Repair).expect("accepted is accepted");
    assert!(read.repairs.is_empty(), "{:?}", read.repairs);
    read
}

/// Checks that there are findings, few and small, and that errors come first.
pub(crate) fn check_findings(findings: &[Finding]) {
    let errors = findings
        .iter()
        .take_while(|found| found.severity == Severity::Error);
    let others = findings.iter().skip(errors.clone().count());
    assert!(errors.count() > 0, "rejected without a reason");
    assert!(
        others
            .clone()
            .all(|found| found.severity == Severity::Repairable),
        "{findings:?}"
    );
    assert!(findings.len() <= MAX_FINDINGS + 1, "{}", findings.len());
    findings.iter().for_each(check_finding);
}

fn check_finding(finding: &Finding) {
    // Quoting a value escapes it: ten bytes a character at most (`\u{10ffff}`).
    const LONGEST: usize = 1_000;
    let Finding {
        severity: _,
        pointer,
        rule,
        message,
    } = finding;
    assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
    assert!(!rule.is_empty() && !message.is_empty());
    assert!(message.len() <= LONGEST, "{message}");
}

/// The text in `bytes` without what JSON allows around it.
fn bare(bytes: &[u8]) -> &str {
    let text = std::str::from_utf8(bytes).expect("accepted is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Any bytes as an array of events: each is judged as if it came alone.
pub(crate) fn array(bytes: &[u8]) {
    let split = split_array(bytes);
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(body) {
        let items: Vec<&str> = items.into_iter().map(RawValue::get).collect();
        assert_eq!(split.as_ref().expect("an array is one"), &items);
    }
    match split {
        Err(finding) => check_finding(&finding),
        Ok(parts) => {
            let joined = format!(" [{}\n]", parts.join(" ,"));
            assert_eq!(
                split_array(joined.as_bytes()).expect("put together again"),
                parts
            );
            for part in parts.iter().take(20) {
                assert_eq!(part.trim(), *part);
                event(part.as_bytes());
            }
        }
    }
}

/// Two texts, parted by a zero byte: what differs the one way differs the other way, and is there.
pub(crate) fn difference(bytes: &[u8]) {
    let Some((one, two)) = bytes
        .iter()
        .position(|byte| *byte == 0)
        .map(|at| (&bytes[..at], &bytes[at + 1..]))
    else {
        return;
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (Some(one), Some(two)) = (text(one).and_then(parsed), text(two).and_then(parsed)) else {
        return;
    };
    for same in [one, two] {
        assert!(diff(same, same).is_empty());
    }
    let (there, mut back) = (diff(one, two), diff(two, one));
    for difference in &there {
        assert!(difference.before.is_some() || difference.after.is_some());
        let found = back.iter().position(|other| {
            other.pointer == difference.pointer
                && other.before == difference.after
                && other.after == difference.before
        });
        drop(back.remove(found.expect("the same the other way")));
    }
    assert!(back.is_empty());
    if let [Ok(one), Ok(two)] = [one, two].map(|json| serde_json::from_str::<Value>(json.text()))
        && one != two
    {
        assert!(!there.is_empty(), "values that differ have texts that do");
    }
}

fn parsed(text: &str) -> Option<Json<'_>> {
    let depth = text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    (depth <= MAX_DEPTH).then(|| Json::parse(text).ok())?
}
