//! How many names of an event its rules rewrote, whichever rule did it.
//!
//! By comparing the event that came with the one that leaves, at every place where the specification puts a name: so it
//! is right for rules of all kinds, and for those of a user's own. Pure; called by `prepare.rs`.

use std::borrow::Cow;
use std::collections::HashMap;

use openlineage::{Event, Name, names};

/// A place, and what is named there.
type Named<'t> = (&'static str, Option<Cow<'t, str>>, Option<Cow<'t, str>>);

/// The names of `after` that are not those of `before`. Names that were taken out do not count.
pub(super) fn renamed(before: &Event, after: &Event) -> usize {
    if before.text() == after.text() {
        return 0;
    }
    let (before, after) = (named(before), named(after));
    let places = before.iter().map(|name| name.0);
    if places.eq(after.iter().map(|name| name.0)) {
        return before
            .iter()
            .zip(&after)
            .filter(|(one, two)| one != two)
            .count();
    }
    // Something was added, taken out or united: then places do not tell which name became which.
    let mut left: HashMap<&Named<'_>, usize> = HashMap::new();
    for name in &before {
        *left.entry(name).or_default() += 1;
    }
    let mut new = 0;
    for name in &after {
        match left.get_mut(name) {
            Some(count) if *count > 0 => *count -= 1,
            Some(_) | None => new += 1,
        }
    }
    new
}

fn named<'t>(event: &'t Event) -> Vec<Named<'t>> {
    let names = event.json().map(names).unwrap_or_default();
    let decoded = |name: Name<'t>| (name.place, name.namespace.string(), name.name.string());
    names.into_iter().map(decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;
    use transform::{Context, RuleSet, Sources, Transforms, Verdict};

    const EVENT: &str = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"COMPLETE",
        "run":{"runId":"01a1faa6-e194-708b-a993-000000000001"},"job":{"namespace":"etl","name":"daily"},
        "inputs":[{"namespace":"s3a://lake","name":"raw/a/year=2026","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s",
            "identifiers":[{"namespace":"arn:aws:glue:eu-west-1:123456789012","name":"table/db/a","type":"TABLE"}]}}},
            {"namespace":"s3a://lake","name":"raw/b"}],
        "outputs":[{"namespace":"redshift://wg.eu-west-1:5439","name":"dev.public.t","facets":{"columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s",
            "fields":{"x":{"inputFields":[{"namespace":"s3a://lake","name":"raw/b","field":"x"},{"namespace":"s3a://lake","name":"raw/b","field":"y"}]}}}}}]}"#;

    fn rewritten(action: &str) -> usize {
        let transforms = Transforms::new();
        let sources = Sources {
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
        match rules.apply(&event, &context).verdict {
            Verdict::Keep(after) => {
                assert_ne!(event.text(), after.text(), "{action} did nothing");
                renamed(&event, &after)
            }
            other => panic!("{action}: {other:?}"),
        }
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
