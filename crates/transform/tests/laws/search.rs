//! The independent search: after a rename the old identity stands nowhere in the event.
//!
//! Knows no place: in events that are made, every old text begins with `old`, and the result is searched for these three
//! letters; in real ones every object with a namespace and a name has to have been renamed, wherever it is.

use openlineage::{Event, Level};
use serde_json::Value;

use crate::check::{kept, rules, value};
use crate::events;
use crate::support::Chance;

/// How many events are made; a debug build takes its time for each.
const EVENTS: u64 = if cfg!(debug_assertions) {
    1_000
} else {
    10_000
};

/// The renames: of datasets, and of jobs.
const RENAMES: [[&str; 2]; 4] = [
    [
        "rename: {namespace: {map: {'olddb://oldhost:1': 'newdb://host:2'}}, name: {prefix: {old: new}}}",
        "rename: {of: job, namespace: {map: {old-jobs: jobs}}, name: {prefix: {old: new}}}",
    ],
    [
        "rename: {namespace: {prefix: {'olddb://oldhost': 'newdb://host'}}, name: {regex: '^old', to: new}}",
        "rename: {of: job, namespace: {prefix: {old-: ''}}, name: {regex: old, to: new}}",
    ],
    [
        "rename: {only: {namespace: 'olddb://*'}, namespace: 'newdb://host:1', name: {prefix: {old: new}}}",
        "rename: {of: job, only: {namespace: 'old*', name: 'old*'}, namespace: jobs, name: job}",
    ],
    [
        "rename: {namespace: [{regex: '^olddb:', to: 'newdb:'}, {hosts: [OldHost], to: host}], name: {prefix: {old.: ''}}}",
        "rename: {of: job, namespace: {regex: '^old-(.*)', to: 'the-${1}'}, name: {map: {old.job: job}}}",
    ],
];

#[test]
fn the_old_identity_stands_nowhere_after_a_rename() {
    let read = RENAMES.map(|pair| pair.map(|action| rules(action, "{}")));
    let mut forwarded = 0;
    for (seed, [datasets, jobs]) in (0..EVENTS).zip(read.iter().cycle()) {
        let before = made(seed);
        let after = kept(jobs, &kept(datasets, &before));
        let left = after
            .text()
            .find("old")
            .map(|at| &after.text()[at..(at + 60).min(after.text().len())]);
        assert_eq!(left, None, "{seed}: {}\n{}", before.text(), after.text());
        forwarded += u64::from(before.text().matches("\"facets\"").count() > 5);
    }
    assert!(forwarded > EVENTS / 3, "facets in facets: {forwarded}");
}

#[test]
fn in_real_events_whatever_looks_like_a_name_is_renamed() {
    let moved = |of: &str| {
        rules(
            &format!("rename: {{of: {of}, namespace: {{regex: '^', to: 'moved+'}}}}"),
            "{}",
        )
    };
    let (datasets, jobs) = (moved("dataset"), moved("job"));
    let mut names = 0;
    for (file, event) in events::real() {
        let after = value(&kept(&jobs, &kept(&datasets, &event)));
        let mut left = Vec::new();
        search(&after, "", &mut names, &mut left);
        assert_eq!(left, Vec::<String>::new(), "{file}");
    }
    assert!(names > 100, "{names}");
}

/// Every object with a namespace and a name, wherever it is.
fn search(value: &Value, at: &str, names: &mut usize, left: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let (Some(namespace), Some(_)) = (text("namespace"), text("name")) {
                *names += 1;
                if !namespace.starts_with("moved+") {
                    left.push(format!("{at}: {namespace}"));
                }
            }
            for (key, value) in members {
                search(value, &format!("{at}/{key}"), names, left);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &format!("{at}/{index}"), names, left);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn made(seed: u64) -> Event {
    let mut maker = Maker(Chance(seed));
    let (run, job) = (maker.run(3), maker.job());
    let (inputs, outputs) = (maker.list(Maker::dataset), maker.list(Maker::dataset));
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","eventType":"COMPLETE","producer":"urn:p","schemaURL":"urn:s","run":{run},"job":{job},"inputs":{inputs},"outputs":{outputs}}}"#
    );
    match Event::read(text.as_bytes(), Level::Strict) {
        Ok(read) => read.event,
        Err(refused) => panic!("{refused}: {text}"),
    }
}

const DATASET: &str = r#""namespace":"olddb://oldhost:1","name":"old.table""#;
const JOB: &str = r#""namespace":"old-jobs","name":"old.job""#;
const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

const JOB_AND_RUN: &str = r#""run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"},"job":{"namespace":"old-jobs","name":"old.job"}"#;

struct Maker(Chance);

impl Maker {
    fn maybe(&mut self) -> bool {
        self.0.below(2) == 0
    }

    fn list(&mut self, item: fn(&mut Maker) -> String) -> String {
        let items: Vec<String> = (0..self.0.below(3)).map(|_| item(self)).collect();
        format!("[{}]", items.join(","))
    }

    fn some(&mut self, facets: Vec<(&str, String)>) -> String {
        let facets: Vec<String> = (facets.into_iter())
            .filter(|_| self.maybe())
            .map(|(name, members)| format!(r#""{name}":{{{FACET},{members}}}"#))
            .collect();
        format!("{{{}}}", facets.join(","))
    }

    fn typed(&mut self) -> String {
        match self.maybe() {
            true => format!(r#"{{"type":"DATASET",{DATASET}}}"#),
            false => format!(r#"{{"type":"JOB",{JOB}}}"#),
        }
    }

    fn lineage(&mut self) -> String {
        let (inputs, fields) = (self.list(Maker::typed), self.list(Maker::typed));
        format!(r#""inputs":{inputs},"fields":{{"c":{{"inputs":{fields}}}}}"#)
    }

    fn dataset(&mut self) -> String {
        let uri = match self.0.below(4) {
            0 => "olddb://oldhost:1/shop",
            1 => "jdbc:db://me@OLDHOST:1/shop?a=b"
                .strip_prefix("jdbc:")
                .unwrap_or_default(),
            2 => "jdbc:db:thin:@//oldhost:1/shop",
            _ => "olddb://oldhost:1",
        };
        let lineage = self.lineage();
        let facets = self.some(vec![
            ("dataSource", format!(r#""name":"olddb://oldhost:1","uri":"{uri}""#)),
            ("symlinks", format!(r#""identifiers":[{{{DATASET},"type":"TABLE"}}]"#)),
            ("columnLineage", format!(r#""fields":{{"c":{{"inputFields":[{{{DATASET},"field":"f"}}]}}}},"dataset":[{{{DATASET}}}]"#)),
            ("lifecycleStateChange", format!(r#""lifecycleStateChange":"RENAME","previousIdentifier":{{{DATASET}}}"#)),
            ("lineage", lineage),
        ]);
        format!(r#"{{{DATASET},"facets":{facets}}}"#)
    }

    fn job(&mut self) -> String {
        let (lineage, other) = (self.lineage(), self.typed());
        let entries = format!(r#""entries":[{{"type":"DATASET",{DATASET},{lineage}}},{other}]"#);
        let facets = self.some(vec![
            ("lineage", entries),
            ("sql", r#""query":"select 1""#.to_owned()),
        ]);
        match self.maybe() {
            true => format!(r#"{{{JOB},"facets":{facets}}}"#),
            false => format!("{{{JOB}}}"),
        }
    }

    fn linked(&mut self, levels: usize) -> String {
        let (run, job) = (self.run(levels), self.job());
        format!(r#""run":{run},"job":{job}"#)
    }

    fn run(&mut self, levels: usize) -> String {
        let id = r#""runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4""#;
        if levels == 0 {
            return format!("{{{id}}}");
        }
        let mut facets = vec![(
            "externalQuery",
            r#""externalQueryId":"1","source":"olddb://oldhost:1""#.to_owned(),
        )];
        // One or two of them at every level: all of them at each would be hundreds.
        for _ in 0..1 + self.0.below(2) {
            let linked = self.linked(levels - 1);
            facets.push(match self.0.below(5) {
                0 | 1 => ("parent", linked),
                2 => ("parent", format!("{JOB_AND_RUN},\"root\":{{{linked}}}")),
                3 => ("parentRun", linked),
                _ => ("jobDependencies", format!(r#""upstream":[{{{linked}}}]"#)),
            });
        }
        facets.dedup_by_key(|(name, _)| *name);
        let facets: Vec<String> = (facets.into_iter())
            .map(|(name, members)| format!(r#""{name}":{{{FACET},{members}}}"#))
            .collect();
        let facets = format!("{{{}}}", facets.join(","));
        format!(r#"{{{id},"facets":{facets}}}"#)
    }
}
