//! Warnings: what the facets' own schemas reject in an event. They never reject the event: real integrations often miss them
//! (Spark's data source `file` is not a URI), and a target that does not know a facet still carries it.
//!
//! Called by `validate`, on the command line and over HTTP. The shapes are in `facets/shapes.rs`.

mod shape;
mod shapes;

pub(crate) use shape::{Field, Shape};

use crate::finding::{Finding, Location, MAX_FINDINGS, Severity, excerpt};
use crate::formats;
use crate::holders::Kind as Container;
use crate::json::{Json, last};

use self::shape::BASE;

/// Checks the facets of `event` against their schemas. Facets that are not in the specification are skipped.
pub fn warnings(event: Json<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let root = Location::ROOT;
    for (name, facets) in [
        ("run", Container::Run),
        ("job", Container::Job),
        ("dataset", Container::Dataset),
    ] {
        if let Some(holder) = event.get(name) {
            container(holder, root.child(name), "facets", facets, &mut found);
        }
    }
    for (list, own, facets) in [
        ("inputs", "inputFacets", Container::Input),
        ("outputs", "outputFacets", Container::Output),
    ] {
        let datasets = event.get(list).map(Json::items).unwrap_or_default();
        for (index, dataset) in datasets.into_iter().enumerate() {
            let (index, location) = (index.to_string(), root.child(list));
            container(
                dataset,
                location.child(&index),
                "facets",
                Container::Dataset,
                &mut found,
            );
            container(dataset, location.child(&index), own, facets, &mut found);
        }
    }
    found.truncate(MAX_FINDINGS);
    found
}

fn container(
    holder: Json<'_>,
    location: Location<'_>,
    name: &str,
    container: Container,
    found: &mut Vec<Finding>,
) {
    if let Some(facets) = holder.get(name) {
        known(facets, location.child(name), container, found);
    }
}

/// The facets of a container that the specification knows.
fn known(facets: Json<'_>, location: Location<'_>, container: Container, found: &mut Vec<Finding>) {
    let members = facets.members();
    for (key, shape) in container.shapes() {
        let Some(facet) = last(&members, key) else {
            continue;
        };
        let deleted = facet
            .get("_deleted")
            .is_some_and(|deleted| deleted.text() == "true");
        if !deleted {
            check(facet, location.child(key), *shape, found);
        }
    }
}

fn check(value: Json<'_>, location: Location<'_>, shape: Shape, found: &mut Vec<Finding>) {
    if found.len() >= MAX_FINDINGS {
        return;
    }
    match shape {
        Shape::Any => {}
        Shape::Nested(shape) => check(value, location, shape(), found),
        Shape::Text => expect(value, location, "string", found),
        Shape::Flag => expect(value, location, "boolean", found),
        Shape::Number => expect(value, location, "number", found),
        Shape::Integer => integer(value, location, found),
        Shape::Uri => format(value, location, "uri", formats::uri, found),
        Shape::Time => format(
            value,
            location,
            "date-time",
            |text| formats::date_time(text).is_some(),
            found,
        ),
        Shape::Uuid => format(
            value,
            location,
            "uuid",
            |text| formats::uuid(text).is_some(),
            found,
        ),
        Shape::Choice(choices) => {
            if !value.string().is_some_and(|text| choices.contains(&&*text)) {
                let message = format!(
                    "one of {}, not {}",
                    choices.join(", "),
                    excerpt(value.text())
                );
                push(location, "enum", message, found);
            }
        }
        Shape::List(of) if value.kind() == "array" => {
            for (index, item) in value.items().into_iter().enumerate() {
                check(item, location.child(&index.to_string()), *of, found);
            }
        }
        Shape::List(_) => expect(value, location, "array", found),
        Shape::Map(of) if value.is_object() => {
            for member in value.members() {
                let name = member.key.string().unwrap_or_default();
                check(member.value, location.child(&name), *of, found);
            }
        }
        Shape::Object(fields) if value.is_object() => object(value, location, fields, found),
        Shape::Typed(kinds) if value.is_object() => typed(value, location, kinds, found),
        Shape::Facets(container) if value.is_object() => {
            check(value, location, Shape::Map(&BASE), found);
            known(value, location, container, found);
        }
        Shape::Map(_) | Shape::Object(_) | Shape::Typed(_) | Shape::Facets(_) => {
            expect(value, location, "object", found)
        }
    }
}

fn object(value: Json<'_>, location: Location<'_>, fields: &[Field], found: &mut Vec<Finding>) {
    let members = value.members();
    for field in fields {
        match last(&members, field.name) {
            Some(inner) => check(inner, location.child(field.name), field.shape, found),
            None if field.required => {
                let message = format!("{} is missing", field.name);
                push(location.child(field.name), "required", message, found);
            }
            None => {}
        }
    }
}

fn typed(
    value: Json<'_>,
    location: Location<'_>,
    kinds: &[(&str, Shape)],
    found: &mut Vec<Finding>,
) {
    let kind = value.get("type").and_then(Json::string);
    let mut shapes = kinds.iter();
    match shapes.find(|(name, _)| kind.as_deref() == Some(*name)) {
        Some((_, shape)) => check(value, location, *shape, found),
        None => {
            let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
            let message = format!("type is one of {}", names.join(", "));
            push(location.child("type"), "enum", message, found);
        }
    }
}

fn expect(value: Json<'_>, location: Location<'_>, kind: &str, found: &mut Vec<Finding>) {
    if value.kind() != kind {
        push(
            location,
            "type",
            format!("{kind} expected, found {}", value.kind()),
            found,
        );
    }
}

fn integer(value: Json<'_>, location: Location<'_>, found: &mut Vec<Finding>) {
    // JSON Schema: a number without a fraction, however it is written.
    let whole = value
        .text()
        .parse::<f64>()
        .is_ok_and(|number| number.fract() == 0.0);
    if value.kind() != "number" || !whole {
        push(
            location,
            "type",
            format!("integer expected, found {}", excerpt(value.text())),
            found,
        );
    }
}

fn format(
    value: Json<'_>,
    location: Location<'_>,
    rule: &'static str,
    good: impl Fn(&str) -> bool,
    found: &mut Vec<Finding>,
) {
    match value.string() {
        Some(text) if good(&text) => {}
        Some(text) => push(
            location,
            rule,
            format!("no {rule}: {:?}", excerpt(&text)),
            found,
        ),
        None => push(
            location,
            "type",
            format!("string expected, found {}", value.kind()),
            found,
        ),
    }
}

fn push(location: Location<'_>, rule: &'static str, message: String, found: &mut Vec<Finding>) {
    found.push(Finding {
        severity: Severity::Warning,
        pointer: location.pointer(),
        rule,
        message,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(event: &str) -> Vec<(String, &'static str)> {
        let found = warnings(Json::parse(event).unwrap());
        found
            .into_iter()
            .map(|finding| (finding.pointer, finding.rule))
            .collect()
    }

    #[test]
    fn each_container_is_held_to_its_own_facets() {
        let event = r#"{"run":{"facets":{"parent":{"run":{"runId":"x"},"job":{"name":"j"}},"mine":{"anything":7}}},
            "job":{"facets":{"sql":{},"jobType":{"_deleted":true}}},
            "outputs":[{"facets":{"schema":{"fields":[{"name":"a","fields":[{"type":7}]}]},"dataSource":{"uri":"file"},
                "lifecycleStateChange":{"lifecycleStateChange":"BURN"}},"outputFacets":{"outputStatistics":{"rowCount":1.5,"size":2.0}}}],
            "inputs":[{"inputFacets":{"outputStatistics":{"rowCount":"x"},"dataQualityMetrics":{"columnMetrics":{"c":{"min":"x"}}}}}]}"#;
        let expected = [
            ("/run/facets/parent/run/runId", "uuid"),
            ("/run/facets/parent/job/namespace", "required"),
            ("/job/facets/sql/query", "required"),
            (
                "/inputs/0/inputFacets/dataQualityMetrics/columnMetrics/c/min",
                "type",
            ),
            ("/outputs/0/facets/dataSource/uri", "uri"),
            (
                "/outputs/0/facets/lifecycleStateChange/lifecycleStateChange",
                "enum",
            ),
            (
                "/outputs/0/facets/schema/fields/0/fields/0/name",
                "required",
            ),
            ("/outputs/0/facets/schema/fields/0/fields/0/type", "type"),
            ("/outputs/0/outputFacets/outputStatistics/rowCount", "type"),
        ];
        assert_eq!(
            found(event),
            expected.map(|(pointer, rule)| (pointer.to_owned(), rule))
        );
    }

    #[test]
    fn the_lineage_facet_is_held_to_the_type_it_says() {
        let event = r#"{"job":{"facets":{"lineage":{"entries":[{"type":"JOB","runId":"x"},{"type":"DATASET","namespace":"n","name":"d",
            "fields":{"c":{"inputs":[{"type":"DATASET","namespace":"n"}]}}},{"type":"OTHER"}]}}}}"#;
        let expected = [
            ("/job/facets/lineage/entries/0/runId", "uuid"),
            (
                "/job/facets/lineage/entries/1/fields/c/inputs/0/name",
                "required",
            ),
            ("/job/facets/lineage/entries/2/type", "enum"),
        ];
        assert_eq!(
            found(event),
            expected.map(|(pointer, rule)| (pointer.to_owned(), rule))
        );
    }
}
