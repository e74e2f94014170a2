use openlineage::Level;

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn of(members: &str) -> Lineage {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json",{members}}}"#
    );
    let event = Event::read(text.as_bytes(), Level::Repair).unwrap().event;
    let shown = |name: &str| Cow::Owned(name.replace("secret", "***"));
    Lineage::of(&DeliveredEvent { event, shown }, NOW)
}

fn identity(name: &str) -> Identity {
    Identity {
        namespace: "n".to_owned(),
        name: name.to_owned(),
    }
}

const JOB: &str = r#""eventType":"START","run":{"runId":"01890000-0000-7000-8000-000000000000"},"job":{"namespace":"n","name":"j secret"}"#;

const SCHEMA: &str = r#""_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json""#;

#[test]
fn names_are_kept_as_they_may_be_shown() {
    let lineage = of(&format!(
        r#"{JOB},"inputs":[{{"namespace":"n","name":"a secret","facets":{{"schema":{{{SCHEMA},"fields":[{{"name":"secret x","type":"secret y"}}]}}}}}}]"#
    ));
    assert!(!format!("{lineage:?}").contains("secret"));
    assert_eq!(lineage.job, Some(identity("j ***")));
    assert_eq!(lineage.edges, BTreeSet::from([(identity("a ***"), false)]));
    let field = Field {
        name: "*** x".to_owned(),
        of_type: Some("*** y".to_owned()),
    };
    assert_eq!(lineage.fields[&identity("a ***")], [field]);
}

#[test]
fn a_time_in_the_far_future_is_taken_for_a_day_ahead() {
    let event = |time: &str| {
        let text = format!(
            r#"{{"eventTime":"{time}","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json",{JOB}}}"#
        );
        let event = Event::read(text.as_bytes(), Level::Repair).unwrap().event;
        let shown = |name: &str| Cow::Owned(name.to_owned());
        Lineage::of(&DeliveredEvent { event, shown }, NOW).time
    };
    assert_eq!(event("9999-01-01T00:00:00Z"), NOW + MAX_AHEAD);
    assert_eq!(event("1970-01-01T00:00:01Z"), 1_000);
}

#[test]
fn what_an_event_may_say_has_bounds() {
    let schema = |name: usize| {
        let fields = (0..30).map(|n| format!(r#"{{"name":"f{n}"}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        format!(
            r#"{{"namespace":"n","name":"{name:05}","facets":{{"schema":{{{SCHEMA},"fields":[{fields}]}}}}}}"#
        )
    };
    let inputs = (0..MAX_DATASETS + 7).map(schema).collect::<Vec<_>>();
    let lineage = of(&format!(r#"{JOB},"inputs":[{}]"#, inputs.join(",")));
    assert_eq!(lineage.edges.len(), MAX_DATASETS);
    let fields = lineage.fields.values().map(Vec::len).sum::<usize>();
    assert_eq!(fields, MAX_FIELDS);
}

#[test]
fn what_only_columns_are_read_of_is_a_dataset_too() {
    let lineage = of(&format!(
        r#"{JOB},"outputs":[{{"namespace":"n","name":"b","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json","fields":{{"x":{{"inputFields":[{{"namespace":"n","name":"a","field":"y"}}]}}}}}}}}}}]"#
    ));
    assert_eq!(lineage.datasets, BTreeSet::from([identity("a")]));
    let step = ColumnStep {
        source: identity("a").into(),
        source_field: "y".into(),
        field: "x".into(),
        is_direct: true,
    };
    assert_eq!(lineage.columns[&identity("b")], BTreeSet::from([step]));
}

#[test]
fn an_event_has_a_bounded_number_of_names_of_datasets() {
    let source = |n: usize| format!(r#"{{"namespace":"n","name":"source {n}","field":"y"}}"#);
    let sources = (0..MAX_NAMES + 500).map(source).collect::<Vec<_>>();
    let lineage = of(&format!(
        r#"{JOB},"outputs":[{{"namespace":"n","name":"b","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json","fields":{{"x":{{"inputFields":[{}]}}}}}}}}}}]"#,
        sources.join(",")
    ));
    assert_eq!(lineage.datasets.len(), MAX_NAMES - 1, "and b");
    assert_eq!(lineage.columns[&identity("b")].len(), MAX_NAMES - 1);
}
