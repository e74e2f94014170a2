//! Facets of whole events: what goes, what comes, and that nothing else changes.

use super::*;
use openlineage::{Level, quote, warnings};
use proptest::prelude::*;

const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

fn facets(named: &[(&str, usize)]) -> String {
    let facet = |(name, size): &(&str, usize)| {
        format!(
            "{}: {{{FACET},\"pad\":\"{}\"}}",
            quote(name),
            "x".repeat(*size)
        )
    };
    let all: Vec<String> = named.iter().map(facet).collect();
    format!("{{ {} }}", all.join(" , "))
}

fn read(text: &str) -> Event {
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

/// An event with these facets in all six places.
fn event(named: &[(&str, usize)]) -> Event {
    let facets = facets(named);
    read(&format!(
        r#"{{ "eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s", "n" : 1.0,
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{facets}}},
        "job":{{"namespace":"n","name":"j","facets":{facets}}},
        "inputs":[{{"namespace":"s","name":"a","facets":{facets},"inputFacets":{facets}}}],
        "outputs":[{{"namespace":"s","name":"b","facets":{facets},"outputFacets":{facets}}}]}}"#
    ))
}

/// One without any.
fn bare() -> Event {
    read(
        r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",
        "run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"},"job":{"namespace":"n","name":"j","facets":{}},
        "inputs":[{"namespace":"s","name":"a"}],"outputs":[{"namespace":"s","name":"b"}]}"#,
    )
}

fn globs(patterns: &[&str]) -> Vec<Glob> {
    let glob = |pattern: &&str| Glob::new(pattern).unwrap();
    patterns.iter().map(glob).collect()
}

const RUN: FacetHolders = FacetHolders {
    run: true,
    job: false,
    dataset: false,
    input: false,
    output: false,
};
const OUTPUT: FacetHolders = FacetHolders {
    output: true,
    ..NONE
};
const NONE: FacetHolders = FacetHolders { run: false, ..RUN };

#[test]
fn identity_goes_only_by_its_full_name() {
    let before = event(&[("parent", 9), ("sql", 9), ("tags", 9)]);
    let same = |action: FacetsAction, left: &[(&str, usize)]| {
        assert_eq!(
            action.apply(&before, FacetHolders::all()).unwrap(),
            event(left).text(),
            "{action:?}"
        );
    };
    same(
        FacetsAction::Keep(globs(&["sq*"])),
        &[("parent", 9), ("sql", 9)],
    );
    same(FacetsAction::Remove(globs(&["*"])), &[("parent", 9)]);
    same(
        FacetsAction::Remove(globs(&["tags", "parent"])),
        &[("sql", 9)],
    );
    same(
        FacetsAction::Cap(vec![(globs(&["*"]).remove(0), 5)]),
        &[("parent", 9)],
    );
}

#[test]
fn the_first_cap_that_matches_decides() {
    let before = event(&[("sql", 500), ("custom", 500), ("small", 1)]);
    let mut patterns = globs(&["sql", "*"]);
    let (all, sql) = (patterns.pop().unwrap(), patterns.pop().unwrap());
    let action = FacetsAction::Cap(vec![(sql, 1_000), (all, 100)]);
    assert_eq!(
        action.apply(&before, FacetHolders::all()).unwrap(),
        event(&[("sql", 500), ("small", 1)]).text()
    );
}

#[test]
fn only_what_is_meant_is_touched() {
    let before = event(&[("a", 1)]);
    let text = FacetsAction::Remove(globs(&["a"]))
        .apply(&before, OUTPUT)
        .unwrap();
    assert_eq!(text.matches("\"a\":").count(), 4);
    let after = read(&text);
    let output = after.json().get("outputs").unwrap().items()[0];
    assert_eq!(output.get("facets").unwrap().text(), "{}");
    assert_eq!(output.get("outputFacets").unwrap().text(), "{}");
}

#[test]
fn a_facet_is_added_where_it_is_missing_with_its_schema() {
    let facet = Facet::new("processing_engine", r#"{"version":"1"}"#).unwrap();
    let text = facet.add(&bare(), RUN, false).unwrap();
    let expected = r#""facets":{"processing_engine":{"version":"1","_producer":"urn:lineage-proxy","_schemaURL":"https://openlineage.io/spec/facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet"}}"#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(facet.add(&read(&text), RUN, true), None);
}

#[test]
fn a_facet_that_is_there_stays_unless_it_is_to_be_overwritten() {
    let before = event(&[("x", 3)]);
    let facet = Facet::new("x", &format!("{{{FACET}}}")).unwrap();
    assert_eq!(facet.add(&before, FacetHolders::all(), false), None);
    let after = facet.add(&before, FacetHolders::all(), true).unwrap();
    assert_eq!(after.matches("xxx").count(), 2); // inputFacets and outputFacets are not its place
}

#[test]
fn a_facet_that_would_break_the_event_is_refused() {
    for value in [
        "7",
        "{",
        r#"{"_producer":"no uri"}"#,
        r#"{"_schemaURL":1}"#,
        r#"{"_deleted":1}"#,
    ] {
        assert!(Facet::new("x", value).is_err(), "{value}");
    }
}

fn tag(key: &str, source: Option<&str>) -> Tag {
    Tag {
        key: key.to_owned(),
        value: "v".to_owned(),
        source: source.map(str::to_owned),
    }
}

#[test]
fn tags_are_added_to_those_there_and_not_twice() {
    let start = bare().text().replace(
        r#""name":"b""#,
        &format!(r#""name":"b","facets":{{"tags":{{{FACET},"tags":[ {{"key":"a","value":"v"}},{{"key":"c","value":"v","field":"f"}} ]}}}}"#),
    );
    let tags = [
        tag("a", None),
        tag("a", Some("USER")),
        tag("c", None),
        tag("c", None),
    ];
    let text = add_tags(&read(&start), OUTPUT, &tags).unwrap();
    let expected = start.replace(
        r#"[ {"key":"a","value":"v"},{"key":"c","value":"v","field":"f"} ]"#,
        r#"[ {"key":"a","value":"v"},{"key":"c","value":"v","field":"f"} ,{"key":"a","value":"v","source":"USER"},{"key":"c","value":"v"}]"#,
    );
    assert_eq!(text, expected);
    assert_eq!(add_tags(&read(&text), OUTPUT, &tags), None);
}

#[test]
fn a_deleted_facet_is_replaced_by_what_is_added() {
    let deleted = format!(r#"{{{FACET},"_deleted":true}}"#);
    let start = bare().text().replace(
        r#""facets":{}"#,
        &format!(r#""facets":{{"ownership":{deleted}}}"#),
    );
    let owner = Owner {
        name: "team:data".to_owned(),
        kind: None,
    };
    let text = add_owners(&read(&start), FacetHolders::all(), &[owner]).unwrap();
    assert!(!text.contains("_deleted"));
    assert_eq!(
        text.matches(r#""owners":[{"name":"team:data"}]"#).count(),
        3
    );
}

#[test]
fn the_job_type_gets_what_it_lacks() {
    let job_type = JobType {
        processing_type: "BATCH".to_owned(),
        integration: "OTHER".to_owned(),
        job_type: Some("TASK".to_owned()),
    };
    let facets = format!(r#""facets":{{"jobType":{{{FACET},"integration":"SPARK"}}}}"#);
    let text = job_type
        .add(&read(&bare().text().replace(r#""facets":{}"#, &facets)))
        .unwrap();
    assert!(text.contains(r#""integration":"SPARK","processingType":"BATCH","jobType":"TASK"}"#));
    assert_eq!(job_type.add(&read(&text)), None);
}

#[test]
fn documentation_stays_unless_it_is_to_be_overwritten() {
    let doc = |text: &str| Documentation {
        description: text.to_owned(),
        content_type: None,
    };
    let one = read(&doc("one").add(&bare(), FacetHolders::all(), false).unwrap());
    assert_eq!(doc("two").add(&one, FacetHolders::all(), false), None);
    assert_eq!(doc("one").add(&one, FacetHolders::all(), true), None);
    assert_eq!(
        doc("two").add(&one, FacetHolders::all(), true).unwrap(),
        one.text().replace("one", "two")
    );
}

#[test]
fn what_is_added_is_what_the_facets_schemas_ask_for() {
    let tagged = read(&add_tags(&bare(), FacetHolders::all(), &[tag("a", Some("USER"))]).unwrap());
    let owner = Owner {
        name: "o".to_owned(),
        kind: Some("MAINTAINER".to_owned()),
    };
    let event = read(&add_owners(&tagged, FacetHolders::all(), &[owner]).unwrap());
    assert!(warnings(event.json()).is_empty());
}

fn some_facets() -> impl Strategy<Value = Vec<(&'static str, usize)>> {
    let name = proptest::sample::select(vec![
        "a", "b~/\"c", "sql", "parent", "symlinks", "tags", "ünï",
    ]);
    proptest::collection::vec((name, 0usize..40), 0..7)
}

proptest! {
    #[test]
    fn removing_leaves_the_rest_as_it_is_and_an_event(
        named in some_facets(), how in 0..3usize, flags in any::<[bool; 5]>(), pattern in r"(a|s\*|\*|p\*|sql|parent)",
    ) {
        let [run, job, dataset, input, output] = flags;
        let on = FacetHolders { run, job, dataset, input, output };
        let action = match how {
            0 => FacetsAction::Keep(globs(&[&pattern])),
            1 => FacetsAction::Remove(globs(&[&pattern])),
            _ => FacetsAction::Cap(globs(&[&pattern]).into_iter().map(|glob| (glob, 70)).collect()),
        };
        let before = event(&named);
        if let Some(text) = action.apply(&before, on) {
            let after = before.rewritten(text).unwrap();
            prop_assert_eq!(action.apply(&after, on), None);
            prop_assert!(after.text().len() < before.text().len());
            // What is left of a container is in it as it was.
            for ((old, member, _), (new, ..)) in
                FacetHolders::all().own(before.json()).into_iter().zip(FacetHolders::all().own(after.json()))
            {
                let texts = |holder: Json<'_>| -> Vec<String> {
                    let members = holder.get(member).map(Json::members).unwrap_or_default();
                    members.iter().map(|m| format!("{}{}", m.key.text(), m.value.text())).collect()
                };
                let (old, new) = (texts(old), texts(new));
                prop_assert!(new.iter().all(|facet| old.contains(facet)));
                for identity in ["\"symlinks\"", "\"sql\""] {
                    let has = |all: &[String]| all.iter().any(|facet| facet.starts_with(identity));
                    prop_assert!(identity == "\"sql\"" || has(&old) == has(&new));
                }
            }
        }
    }

    #[test]
    fn adding_twice_is_adding_once_and_takes_nothing_away(
        named in some_facets(), name in "(a|tags|x|inputStatistics)", overwrite in any::<bool>(), flags in any::<[bool; 5]>(),
    ) {
        let [run, job, dataset, input, output] = flags;
        let on = FacetHolders { run, job, dataset, input, output };
        let facet = Facet::new(&name, r#"{"big":123456789012345678901}"#).unwrap();
        let before = event(&named);
        if let Some(text) = facet.add(&before, on, overwrite) {
            let after = before.rewritten(text).unwrap();
            prop_assert_eq!(facet.add(&after, on, overwrite), None);
            prop_assert!(overwrite || after.text().len() > before.text().len());
        }
        let tags = [tag("k", None), tag("k", Some("USER"))];
        if let Some(text) = add_tags(&before, on, &tags) {
            let after = before.rewritten(text).unwrap();
            prop_assert_eq!(add_tags(&after, on, &tags), None);
        }
    }
}
