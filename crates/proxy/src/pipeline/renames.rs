//! Finds the names of an event that its rules changed.
//!
//! Compares the received event with the transformed one at every position of a name, so that it works for all kinds of
//! rules, also for user code. Pure.

use std::collections::HashMap;

use openlineage::{Event, Identity, names};

/// A name that the rules changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The position, in the words of the specification: `inputs`, `symlinks`.
    pub place: &'static str,
    /// The name before; `None` if elements were added, removed or merged, so that positions do not correspond.
    pub before: Option<Identity>,
    /// The name after.
    pub after: Identity,
}

/// A position and its name.
type NamePosition = (&'static str, Identity);

/// Returns the names of `after` that differ from those of `before`. Removed names are not included.
pub(super) fn renames(before: &Event, after: &Event) -> Vec<Rename> {
    if before.has_text_of(after) {
        return Vec::new();
    }
    let (before, after) = (named(before), named(after));
    let places = before.iter().map(|name| name.0);
    if places.eq(after.iter().map(|name| name.0)) {
        let pairs = before.into_iter().zip(after);
        let renamed = pairs.filter(|(before, after)| before != after);
        return renamed
            .map(|((_, before), (place, after))| Rename {
                place,
                before: Some(before),
                after,
            })
            .collect();
    }
    let mut left: HashMap<&NamePosition, usize> = HashMap::new();
    for name in &before {
        *left.entry(name).or_default() += 1;
    }
    let mut added = Vec::new();
    for name in &after {
        match left.get_mut(name) {
            Some(count) if *count > 0 => *count -= 1,
            Some(_) | None => added.push(Rename {
                place: name.0,
                before: None,
                after: name.1.clone(),
            }),
        }
    }
    added
}

fn named(event: &Event) -> Vec<NamePosition> {
    let indexed = event.indexed();
    let names = names(indexed.json());
    let text = |json: openlineage::Json<'_>| json.string().unwrap_or_default().into_owned();
    let identity = |name: openlineage::Name<'_>| {
        let (namespace, own) = (text(name.namespace), text(name.name));
        (
            name.place,
            Identity {
                namespace,
                name: own,
            },
        )
    };
    names.into_iter().map(identity).collect()
}
#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;
    use transform::{Context, RuleResources, RuleSet, Transforms, Verdict};

    const EVENT: &str = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"COMPLETE",
        "run":{"runId":"01a1faa6-e194-708b-a993-000000000001"},"job":{"namespace":"etl","name":"daily"},
        "inputs":[{"namespace":"s3a://lake","name":"raw/a/year=2026","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s",
            "identifiers":[{"namespace":"arn:aws:glue:eu-west-1:123456789012","name":"table/db/a","type":"TABLE"}]}}},
            {"namespace":"s3a://lake","name":"raw/b"}],
        "outputs":[{"namespace":"redshift://wg.eu-west-1:5439","name":"dev.public.t","facets":{"columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s",
            "fields":{"x":{"inputFields":[{"namespace":"s3a://lake","name":"raw/b","field":"x"},{"namespace":"s3a://lake","name":"raw/b","field":"y"}]}}}}}]}"#;

    fn rewritten(action: &str) -> usize {
        let transforms = Transforms::new();
        let sources = RuleResources {
            file: &|_| Err("none".to_owned()),
            transforms: &transforms,
            hash_key: None,
            targets: &[],
        };
        let rules = format!("version: 1\nrules:\n  - name: r\n    {action}\n");
        let rules = RuleSet::read(&rules, &sources).unwrap();
        let event = Event::read(EVENT.as_bytes(), Level::Strict).unwrap().event;
        let context = Context {
            target: "store",
            lookups: &HashMap::new(),
        };
        let verdict = rules.apply(&event, &context).verdict;
        let Verdict::Keep(after) = verdict else {
            panic!("{action}: {verdict:?}");
        };
        assert_ne!(event.text(), after.text(), "{action} did nothing");
        renames(&event, &after).len()
    }

    #[test]
    fn every_place_counts_whichever_rule_rewrote_it() {
        for (action, count) in [
            (
                "rename: {of: job, only: {namespace: etl}, namespace: production}",
                1,
            ),
            ("rename: {only: {name: raw/b}, namespace: lake, name: b}", 3),
            ("normalise: [s3]", 4),
            ("strip: [partitions]", 1),
            ("symlink_to_primary: {type: TABLE}", 2),
            ("drop_datasets: {name: raw/b}", 0),
            ("facets: {remove: [symlinks], on: [dataset]}", 0),
            ("add: {tags: {a: b}, on: [job]}", 0),
            (
                "script: \"event.job.name = `x`; event.outputs[0].name = `dev.public.u`;\"",
                2,
            ),
            (
                "script: \"let a = event.inputs[0].name; event.inputs[0].name = event.inputs[1].name; event.inputs[1].name = a;\"",
                2,
            ),
            (
                "script: \"event.inputs.remove(0); event.inputs[0].name = `c`;\"",
                1,
            ),
        ] {
            assert_eq!(rewritten(action), count, "{action}");
        }
    }
}
