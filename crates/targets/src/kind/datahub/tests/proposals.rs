//! What an event is converted to, without a service.

use super::*;

/// Lists of datasets, as JSON members.
fn datasets() -> impl Strategy<Value = String> {
    let names = prop::collection::vec("[a-z,()/~]{1,8}", 0..4);
    (names.clone(), names).prop_map(|(inputs, outputs)| {
        let list = |names: Vec<String>| {
            let datasets = names.iter().map(|name| dataset(name));
            datasets.collect::<Vec<_>>().join(",")
        };
        format!(
            r#","inputs":[{}],"outputs":[{}]"#,
            list(inputs),
            list(outputs)
        )
    })
}

proptest! {
    /// Aspects that other runs, other sources and users write too are only ever added to.
    #[test]
    fn no_event_removes_an_edge_an_owner_or_a_tag(members in datasets(), kind in "START|RUNNING|COMPLETE|FAIL") {
        for proposal in proposals(&run_event(&kind, "f.j", &members)) {
            let is_shared = matches!(
                proposal.aspect,
                Aspect::JobInputOutput | Aspect::UpstreamLineage | Aspect::Ownership | Aspect::GlobalTags | Aspect::DatasetProperties
            );
            prop_assert_eq!(is_shared, matches!(proposal.change, Change::Patch(_)), "{:?}", proposal);
        }
    }

    #[test]
    fn the_same_event_makes_the_same_calls(members in datasets()) {
        let event = run_event("COMPLETE", "f.j", &members);
        let all = || super::calls::calls(proposals(&event)).unwrap();
        prop_assert_eq!(all(), all());
    }

    #[test]
    fn each_dataset_of_an_event_is_an_edge(members in datasets()) {
        let event = run_event("COMPLETE", "f.j", &members);
        let count = |list| {
            let mut names: Vec<String> = (event.json().get(list).unwrap().items().into_iter())
                .map(|dataset| dataset.get("name").unwrap().text().to_owned())
                .collect();
            names.sort();
            names.dedup();
            names.len()
        };
        let calls = super::calls::calls(proposals(&event)).unwrap().concat();
        for (list, edges) in [("inputs", "/inputDatasetEdges/"), ("outputs", "/outputDatasetEdges/")] {
            prop_assert_eq!(calls.matches(edges).count(), count(list), "{}", calls);
        }
    }
}

#[test]
fn a_start_without_datasets_says_nothing_about_lineage() {
    let aspects: Vec<Aspect> = (proposals(&run_event("START", "f.j", "")).iter())
        .map(|proposal| proposal.aspect)
        .collect();
    let lineage = [Aspect::JobInputOutput, Aspect::RunInput, Aspect::RunOutput];
    assert!(
        !aspects.iter().any(|aspect| lineage.contains(aspect)),
        "{aspects:?}"
    );
}

#[test]
fn column_lineage_of_a_path_is_that_of_its_table() {
    let table = r#"{"namespace":"s3://b","name":"p","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s","identifiers":
        [{"namespace":"arn:aws:glue:us-east-1:1","name":"table/db/t","type":"TABLE"}]}}}"#;
    let output = r#"{"namespace":"s3://b","name":"q","facets":{"columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s","fields":{"c":{"inputFields":
        [{"namespace":"s3://b","name":"p","field":"a"}]}}}}}"#;
    let event = run_event(
        "COMPLETE",
        "f.j",
        &format!(r#","inputs":[{table}],"outputs":[{output}]"#),
    );
    let calls = super::calls::calls(proposals(&event)).unwrap().concat();
    let path = "/fineGrainedLineages/TRANSFORM/urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:s3,b~1q,PROD),c)\
        /NONE/urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:glue,db.t,PROD),a)";
    assert!(calls.contains(path), "{calls}");
}

/// What the proposals of an event come to; `None` if they would be too large.
fn built(event: &Event) -> Option<usize> {
    match conversion().proposals(event) {
        Ok(proposals) => Some(super::calls::calls(proposals).unwrap().concat().len()),
        Err(ConversionError::Oversize(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_proposals_of_an_event_are_in_proportion_to_it() {
    let facets = |facets: String| {
        format!(r#","outputs":[{{"namespace":"s3://b","name":"t","facets":{{{facets}}}}}]"#)
    };
    let facet = |name: &str, members: String| {
        format!(r#""{name}":{{"_producer":"urn:p","_schemaURL":"urn:s",{members}}}"#)
    };
    let children: Vec<String> = (0..10_000)
        .map(|n| format!(r#"{{"name":"{n}"}}"#))
        .collect();
    let schema = |name: &str| {
        let fields = children.join(",");
        facet(
            "schema",
            format!(r#""fields":[{{"name":"{name}","type":"struct","fields":[{fields}]}}]"#),
        )
    };
    let inputs: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"namespace":"s3://b","name":"p","field":"{n}"}}"#))
        .collect();
    let lineage = |column: &str, operation: &str| {
        let first = format!(
            r#"{{"namespace":"s3://b","name":"p","field":"x","transformations":[{{"type":"{operation}"}}]}}"#
        );
        let inputs = inputs.join(",");
        facet(
            "columnLineage",
            format!(r#""fields":{{"{column}":{{"inputFields":[{first},{inputs}]}}}}"#),
        )
    };
    let long = "n".repeat(300_000);
    let at_limit = "n".repeat(1_900);
    for (case, members) in [
        ("a parent", schema(&long)),
        ("a column", lineage(&long, "DIRECT")),
        ("an operation", lineage("c", &long)),
        ("a parent at the limit", schema(&at_limit)),
        ("a column at the limit", lineage(&at_limit, "DIRECT")),
        ("an ordinary schema", schema("parent")),
        ("ordinary lineage", lineage("c", "DIRECT")),
    ] {
        let event = run_event("COMPLETE", "f.j", &facets(members));
        let is_ordinary = case.contains("ordinary") || case == "an operation";
        match built(&event) {
            Some(bytes) => {
                let most = 40 * event.text().len() + 1_000_000;
                assert!(
                    bytes < most,
                    "{case}: {bytes} bytes of {}",
                    event.text().len()
                );
            }
            None => assert!(!is_ordinary, "{case}"),
        }
    }
}

#[test]
fn a_name_that_datahub_cannot_have_is_named_by_its_position_alone() {
    let long = "secret/".repeat(100);
    let members = format!(r#","inputs":[{{"namespace":"s3://b","name":"{long}"}}]"#);
    let error = conversion()
        .proposals(&run_event("START", "f.j", &members))
        .unwrap_err();
    let expected = "/inputs/0: its URN is longer than 512 bytes, DataHub's limit";
    assert_eq!(error.to_string(), expected);
    let members = r#","outputs":[{"namespace":"s","name":"x"},{"namespace":"s","name":""}]"#;
    let error = conversion()
        .proposals(&run_event("START", "f.j", members))
        .unwrap_err();
    assert_eq!(error.to_string(), "/outputs/1: its name is empty");
}
