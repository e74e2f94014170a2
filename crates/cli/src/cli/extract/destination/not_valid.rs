//! Says why an event is not valid, and which one it is.

use std::borrow::Cow;

use openlineage::{Finding, InvalidEvent, Json, Severity};

/// Says why an event is not valid, and what is known of where it is from: the identity alone is found nowhere.
pub(super) fn not_valid(refused: &InvalidEvent, text: &str, file: Option<&str>) -> String {
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let errors = refused.findings.iter().filter(is_error);
    let mut errors = errors.map(Finding::brief);
    let mut why = format!("is not valid: {}", errors.next().unwrap_or_default());
    match errors.count() {
        0 => {}
        1 => why += ", and 1 more error",
        more => why += &format!(", and {more} more errors"),
    }
    let root = Json::parse(text).ok();
    let value = |path: &[&str]| root.and_then(|root| root.at(path)?.string());
    let known = [
        ("job", value(&["job", "name"])),
        ("namespace", value(&["job", "namespace"])),
        ("run", value(&["run", "runId"])),
        ("in", file.map(Cow::Borrowed)),
    ];
    let known = known.into_iter().filter_map(|(what, value)| {
        let value = value?;
        Some(format!("{what} {}", targets::escaped(&value)))
    });
    match known.collect::<Vec<_>>().join(", ") {
        known if known.is_empty() => why,
        known => format!("{why} ({known})"),
    }
}

#[cfg(test)]
mod tests {
    use openlineage::{Event, Level};

    use super::*;

    #[test]
    fn an_event_that_is_not_valid_is_named_by_what_is_known_of_it() {
        let why = |text: &str, file| {
            let refused = Event::read(text.as_bytes(), Level::Repair).unwrap_err();
            not_valid(&refused, text, file)
        };
        let run = r#""run":{"runId":"01890000-0000-7000-8000-000000000000"},"job":{"namespace":"n","name":"j"}"#;
        let rest = r#""producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json""#;
        let one = format!(r#"{{"eventTime":"never",{rest},{run}}}"#);
        assert_eq!(
            why(&one, Some("task.log")),
            "is not valid: date-time at '/eventTime' (job j, namespace n, run 01890000-0000-7000-8000-000000000000, in task.log)"
        );
        let two = format!(r#"{{"eventTime":"never",{rest},"inputs":1,{run}}}"#);
        let said = why(&two, None);
        assert!(
            said.contains(", and 1 more error (job j, namespace n, run "),
            "{said}"
        );
    }
}
