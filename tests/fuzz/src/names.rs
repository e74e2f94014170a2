//! Laws of the built-in actions (`crates/transform/tests/laws`), for any event and for any names in one. What a rename has
//! to give is known for certain names only, so those laws stay there.

use openlineage::{Event, Level, quote};
use serde_json::Value;

use crate::actions::ACTIONS;
use crate::check::{READ, check_action, kept};
use crate::event::legal;
use crate::walk::walk;

/// The first byte chooses the action, the rest is an event.
pub(crate) fn actions(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else {
        return;
    };
    if let Ok(read) = Event::read(text, Level::Repair) {
        check(*choice, &read.event);
    }
}

/// The first byte chooses the action; then come texts, parted by zero bytes, for the places that actions look at.
pub(crate) fn names(bytes: &[u8]) {
    let Some((choice, texts)) = bytes.split_first() else {
        return;
    };
    let Ok(texts) = std::str::from_utf8(texts) else {
        return;
    };
    let mut texts = texts.split('\0');
    let mut next = || quote(texts.next().unwrap_or_default());
    let own = r#""_producer":"urn:p","_schemaURL":"urn:s""#;
    let mut pair = || format!(r#""namespace":{},"name":{}"#, next(), next());
    let (input, symlink, column, output, job) = (pair(), pair(), pair(), pair(), pair());
    let (query, value, name) = (next(), next(), next());
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","eventType":"COMPLETE","producer":"urn:p","schemaURL":"urn:s",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{"parent":{{{own},"run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{{job}}}}},
        "environmentVariables":{{{own},"environmentVariables":[{{"name":{name},"value":{value}}}]}},"custom":{{{own},{input}}}}}}},
        "job":{{{job},"facets":{{"sql":{{{own},"query":{query}}}}}}},
        "inputs":[{{{input},"facets":{{"symlinks":{{{own},"identifiers":[{{{symlink},"type":"TABLE"}}]}}}}}},{{{symlink}}}],
        "outputs":[{{{output},"facets":{{"columnLineage":{{{own},"fields":{{{name}:{{"inputFields":[{{{column},"field":"c"}}]}}}}}}}}}}]}}"#
    );
    let read = Event::read(text.as_bytes(), Level::Strict).expect("any text is a name");
    check(*choice, &read.event);
}

fn check(choice: u8, event: &Event) {
    // What a float cannot hold is no value, and the laws look at values.
    let Ok(value) = serde_json::from_str::<Value>(event.text()) else {
        return;
    };
    let action = usize::from(choice) % ACTIONS.len();
    let (text, touches) = &ACTIONS[action];
    if text.contains("connection_secrets") {
        // A number under the key of a secret becomes a text too, which those laws do not expect.
        let after = kept(&READ.0[action], event);
        legal(&after);
        assert_eq!(kept(&READ.0[action], &after), after, "twice is once");
        return;
    }
    check_action(text, touches, &READ.0[action], event, &walk(&value));
}
