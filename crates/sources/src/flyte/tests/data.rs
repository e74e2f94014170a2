//! The data that tasks read and wrote, as literals and their objects say.

use super::*;

#[test]
fn columns_and_their_types_are_those_of_the_literal() {
    let found = events(&bodies(FLAVOURS[0]));
    let facets = &found[2]["outputs"][0]["facets"];
    let fields = facets["schema"]["fields"].as_array().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| {
            (
                field["name"].as_str().unwrap(),
                field["type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("country", "STRING"),
            ("cases", "INTEGER"),
            ("rate", "FLOAT"),
            ("day", "DATETIME")
        ]
    );
    assert_eq!(facets["storage"]["fileFormat"], "parquet");
    assert_eq!(facets["lineageProxy_flyte_data"]["variable"], "o0");
    assert_eq!(
        found[5]["inputs"][0]["facets"]["schema"]["fields"][0]["type"],
        "INTEGER"
    );
    assert_eq!(
        found[5]["outputs"][0]["facets"]["storage"]["fileFormat"],
        "html"
    );
    assert!(found[5]["outputs"][0]["facets"].get("schema").is_none());
}

#[test]
fn objects_that_cannot_be_read_cost_the_datasets_and_not_the_event() {
    let body = &bodies(FLAVOURS[0])[6];
    let found = extract_with(body, &options(), |_| Err("AccessDenied".to_owned()));
    assert_eq!(json(&found.events[0])["outputs"], json!([]));
    let places: Vec<_> = found
        .findings
        .iter()
        .map(|finding| finding.to_string())
        .collect();
    assert_eq!(
        places,
        [
            format!(
                "incomplete: message 1: {META}/n0/data/inputs.pb: the object cannot be read: AccessDenied; the event has no datasets from it"
            ),
            format!(
                "incomplete: message 1: {META}/n0/data/0/outputs.pb: the object cannot be read: AccessDenied; the event has no datasets from it"
            ),
        ]
    );
    let damaged = extract_with(body, &options(), |_| Ok(vec![0xff; 9]));
    assert_eq!(damaged.events, found.events);
    assert!(
        damaged
            .findings
            .iter()
            .all(|finding| finding.rule == FindingRule::Unreadable)
    );
}

#[test]
fn objects_are_read_once_a_run_and_not_for_what_is_not_reported() {
    let needed = |body: &str| {
        read(body, "")
            .unwrap()
            .needed(&options(), &Objects::default())
            .len()
    };
    let counts: Vec<_> = bodies(FLAVOURS[0])
        .iter()
        .map(|body| needed(body))
        .collect();
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 2, 0, 0, 1]);
}

#[test]
fn data_is_found_in_lists_maps_unions_and_objects_of_their_own() {
    let blob = |uri: &str| json!({"scalar": {"blob": {"uri": uri}}});
    let body = task(&json!({"outputData": {"literals": {
        "list": {"collection": {"literals": [blob("s3://b/1"), blob("s3://b/2"), blob("s3://b/1")]}},
        "map": {"map": {"literals": {"k": blob("s3://b/3")}}},
        "offloaded": {"offloadedMetadata": {"uri": "s3://meta/o.pb"}},
        "gone": {"offloaded_metadata": {"uri": "s3://meta/gone.pb"}},
        "union": {"scalar": {"union": {"value": blob("s3://b/4")}}},
        "none": {"scalar": {"noneType": {}, "union": null}},
        "number": {"scalar": {"primitive": {"integer": "7"}}},
    }}}));
    let found = extract_with(&body, &options(), |uri| match uri {
        "s3://meta/o.pb" => {
            let literal: wire::Literal = serde_json::from_value(blob("s3://b/5")).unwrap();
            Ok(prost::Message::encode_to_vec(&literal))
        }
        _ => Err("NoSuchKey".to_owned()),
    });
    let datasets = names(&json(&found.events[0])["outputs"]);
    assert_eq!(
        datasets,
        ["s3://b 1", "s3://b 2", "s3://b 3", "s3://b 4", "s3://b 5"]
    );
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    assert_eq!(found.findings[0].place, "message 1: s3://meta/gone.pb");
}

#[test]
fn a_list_of_too_many_files_is_cut_and_says_so() {
    let files = (0..1_500).map(|i| json!({"scalar": {"blob": {"uri": format!("s3://b/{i}")}}}));
    let body = task(
        &json!({"outputData": {"literals": {"o0": {"collection": {"literals": files.collect::<Vec<_>>()}}}}}),
    );
    let found = extract(&body, &options());
    assert_eq!(
        json(&found.events[0])["outputs"].as_array().unwrap().len(),
        1_000
    );
    assert_eq!(found.findings[0].rule, FindingRule::Incomplete);
}
