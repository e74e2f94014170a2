//! Names of data that are the same in every execution.

use super::*;

#[test]
fn logical_names_are_the_same_in_every_execution_and_join_both_sides() {
    let stored_as_df = |uri: &str| match uri {
        "s3://meta/p/poc-development-f1/n1/data/inputs.pb" => {
            // The consumer calls it `df`, the producer `o0`.
            let map: wire::LiteralMap = serde_json::from_value(json!({"literals": {"df": {"scalar": {"structuredDataset": {"uri": "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"}}}}})).unwrap();
            Ok(prost::Message::encode_to_vec(&map))
        }
        "s3://meta/p/poc-development-f3a1b2c4d5e6f/n0/data/0/outputs.pb" => {
            stored(&format!("{META}/n0/data/0/outputs.pb"))
        }
        _ => Err("NoSuchKey".to_owned()),
    };
    let consumer = task(&json!({"inputUri": "s3://meta/p/poc-development-f1/n1/data/inputs.pb"}));
    let found = extract_with(&consumer, &logical(), stored_as_df);
    assert_eq!(found.findings, []);
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.m.n0.o0"]
    );

    let producer = extract(&bodies(FLAVOURS[0])[6], &logical());
    let output = &json(&producer.events[0])["outputs"][0];
    assert_eq!(output["name"], "poc.development.news.workflows.covid.n0.o0");
    assert_eq!(
        output["facets"]["version"]["datasetVersion"],
        "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"
    );
    // What Flyte did not place has a name of its own, by which others know it too.
    let cached = extract(&bodies(FLAVOURS[0])[12], &logical());
    assert_eq!(
        names(&json(&cached.events[0])["outputs"]),
        ["s3://flyte-data xy/old/report.html"]
    );
}

#[test]
fn an_input_whose_writer_is_not_known_is_reported() {
    let found = extract(&bodies(FLAVOURS[0])[10], &logical());
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.news.workflows.covid.n0.o0"]
    );
    assert_eq!(found.findings[0].rule, FindingRule::UnresolvedName);
}
