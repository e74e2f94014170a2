//! Converts a JobEvent to a RunEvent, for targets that accept only these.
//!
//! The run id is derived from the content, so that the same JobEvent is always the same run.

use openlineage::{Edits, Event, Subject, content_id, quote};

/// Returns `event` as a RunEvent: a RunEvent unchanged, a JobEvent as a COMPLETE of a run that is derived from it.
/// Returns `None` for events without data flow: a DatasetEvent, or a JobEvent without inputs and outputs.
pub fn run_event(event: &Event) -> Option<Event> {
    match event.subject() {
        Subject::Run { .. } => return Some(event.clone()),
        Subject::Dataset { .. } => return None,
        Subject::Job { .. } => {}
    }
    let root = event.json();
    let moves_data = ["inputs", "outputs"]
        .iter()
        .any(|list| root.get(list).is_some_and(|list| !list.items().is_empty()));
    if !moves_data {
        return None;
    }
    let mut edits = Edits::new(event.text());
    let run = format!(r#"{{"runId":"{}"}}"#, content_id(event.text()));
    // A JobEvent may have any `eventType`, which its schema does not know; a RunEvent may not.
    match root.get("eventType") {
        Some(event_type) => {
            edits.replace_string(event_type, "COMPLETE");
            edits.add_members(root, &[("run", run)]);
        }
        None => edits.add_members(root, &[("eventType", quote("COMPLETE")), ("run", run)]),
    }
    if let Some(url) = root.get("schemaURL")
        && let Some(text) = url.string().filter(|text| text.ends_with("/JobEvent"))
    {
        edits.replace_string(url, &text.replace("/JobEvent", "/RunEvent"));
    }
    event.rewritten(edits.apply()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::{EventType, Level};

    fn event(text: &str) -> Event {
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    const HEAD: &str = r#""eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent""#;

    #[test]
    fn a_job_event_that_moves_data_becomes_the_same_run_every_time() {
        let job = event(&format!(
            r#"{{{HEAD},"eventType":7,"job":{{"namespace":"n","name":"j"}},"outputs":[{{"namespace":"s","name":"t"}}]}}"#
        ));
        let (one, two) = (run_event(&job).unwrap(), run_event(&job).unwrap());
        assert_eq!(one, two);
        assert!(matches!(
            one.subject(),
            Subject::Run {
                event_type: Some(EventType::Complete),
                ..
            }
        ));
        assert!(one.text().contains("#/$defs/RunEvent"));
    }

    #[test]
    fn what_no_run_did_stays_out() {
        let idle = event(&format!(
            r#"{{{HEAD},"job":{{"namespace":"n","name":"j"}},"inputs":[]}}"#
        ));
        let dataset = event(&format!(
            r#"{{{HEAD},"dataset":{{"namespace":"n","name":"d"}}}}"#
        ));
        assert_eq!(run_event(&idle), None);
        assert_eq!(run_event(&dataset), None);
    }
}
