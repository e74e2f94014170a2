//! Laws of the rules file: any text is rules or says what is wrong; rules that were read never panic; a glob means what
//! it says.

use std::collections::HashMap;
use std::sync::LazyLock;

use openlineage::{Event, Level, quote};
use transform::{Context, RuleResources, RuleSet, StepOutcome, Transforms, Verdict, coalesce};

use crate::check::kept;
use crate::event::legal;
use crate::events;

/// Small events of all kinds.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let mut events: Vec<Event> = events::real().into_iter().map(|(_, event)| event).collect();
    events.extend((0..40).map(events::made));
    events.sort_by_key(|event| event.text().len());
    events.truncate(6);
    events
});

/// What a rules file may name.
fn file(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "s.rhai" => Ok(b"event.job.name += \"!\"".to_vec()),
        "m.wasm" => {
            Ok(include_bytes!("../../../crates/transform/tests/modules/team_owner.wasm").to_vec())
        }
        "e.json" => Ok(EVENTS[0].text().as_bytes().to_vec()),
        _ => Err(format!("{name}: not found")),
    }
}

/// Any text as a rules file.
pub(crate) fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let sources = RuleResources {
        file: &file,
        transforms: &Transforms::new(),
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    };
    // YAML ends lines with a carriage return too.
    let lines = text.matches(['\n', '\r']).count() as u64 + 1;
    match RuleSet::read(text, &sources) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(problem.line <= lines, "{problem} of {lines}");
                assert!(!problem.message.is_empty());
            }
        }
        Ok(rules) => {
            for event in EVENTS.iter() {
                apply(&rules, event);
            }
            for example in rules.examples() {
                example.run(&rules);
            }
        }
    }
}

fn apply(rules: &RuleSet, event: &Event) {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    rules.lookups(event, "store");
    rules.explain(event, &context);
    let transformed = rules.apply(event, &context);
    for step in &transformed.steps {
        if let StepOutcome::Failed(reason) = &step.outcome {
            assert_ne!(reason, "the action panicked");
        }
    }
    if let Verdict::Keep(after) = transformed.verdict {
        legal(&after);
        assert_eq!(
            rules.merge_run(&[(event, &after)], "store", None).len(),
            coalesce(&[&after], true, None).len()
        );
    }
}

/// A glob and a text, parted by a zero byte.
pub(crate) fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some((glob, name)) = text.split_once('\0') else {
        return;
    };
    let sources = RuleResources {
        file: &file,
        transforms: &Transforms::new(),
        hash_key: None,
        targets: &["store", "file", "openlineage", "datazone"],
    };
    let file = format!(
        "rules: [{{name: r, rename: {{only: {{namespace: {}}}, name: found}}}}]",
        quote(glob)
    );
    let Ok(rules) = RuleSet::read(&file, &sources) else {
        // Only what YAML itself has to say may stand against a glob, or that there is too much of it.
        let yaml = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
        assert!(glob.len() > 100 || glob.chars().any(yaml), "{glob:?}");
        return;
    };
    let event = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{{"namespace":{},"name":"n"}}}}"#,
        quote(name)
    );
    let event = Event::read(event.as_bytes(), Level::Strict)
        .expect("any text is a name")
        .event;
    let renamed = kept(&rules, &event).text().contains("\"found\"");
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    assert_eq!(renamed, means(&glob, &name));
}

/// Whether the glob stands for the text, by the words of its documentation.
fn means(glob: &[char], text: &[char]) -> bool {
    let mut row: Vec<bool> = (0..=text.len()).map(|n| n == 0).collect();
    for special in glob {
        let mut next = vec![false; text.len() + 1];
        next[0] = row[0] && *special == '*';
        for at in 1..=text.len() {
            next[at] = match special {
                '*' => row[at] || next[at - 1],
                '?' => row[at - 1],
                plain => row[at - 1] && *plain == text[at - 1],
            };
        }
        row = next;
    }
    row[text.len()]
}
