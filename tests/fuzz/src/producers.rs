//! Laws of reading what producers write that know nothing of OpenLineage.

use std::collections::BTreeSet;

use openlineage::{Event, Level};
use sources::crawler::{Answers, Hint, Tables};
use sources::{Extraction, Finding};

/// Any bytes as answers about crawlers.
pub(crate) fn crawler(bytes: &[u8]) {
    let read = |which| {
        let mut answers = Answers::default();
        answers.add("f", bytes);
        let found = answers.extract("eu-west-1", Some("111122223333"), which);
        found.expect("the account is known")
    };
    let all = read(Tables::All);
    legal(&all);
    assert_eq!(read(Tables::All), all, "a second reading changes nothing");
    let identities = |found: &Extraction| -> BTreeSet<_> {
        found.events.iter().map(|event| event.identity).collect()
    };
    let changed = read(Tables::Changed);
    assert!(identities(&changed).is_subset(&identities(&all)));
    if let Ok(event) = serde_json::from_slice(bytes) {
        let _ = Hint::read(&event); // a hint, or an error
    }
}

/// What is made of others' words is valid as it is, and what could not be read is said with its place.
fn legal(found: &Extraction) {
    for event in &found.events {
        let read = Event::read(event.text.as_bytes(), Level::Strict);
        assert!(read.is_ok(), "{:?} {}", read.err(), event.text);
    }
    assert_eq!(found.unread, [], "a panic");
    let is_said = |finding: &Finding| !finding.place.is_empty() && !finding.message.is_empty();
    assert!(found.findings.iter().all(is_said));
}
