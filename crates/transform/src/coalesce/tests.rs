//! Stories of coalescing: what becomes one, in which words, and which bytes.

use openlineage::{Event, Level};

use super::*;

const BASE: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

fn read(text: &str) -> Event {
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

/// An event of the run: its type (none if empty), its second, the facets of its run, and any other members.
fn event(event_type: &str, second: u8, facets: &str, more: &str) -> Event {
    let event_type = match event_type {
        "" => String::new(),
        event_type => format!(r#""eventType":"{event_type}","#),
    };
    read(&format!(
        r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p:{second}","schemaURL":"urn:s",{event_type}"run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{{facets}}}}},"job":{{"namespace":"n","name":"j"}}{more}}}"#
    ))
}

fn facet(name: &str, members: &str) -> String {
    format!(r#""{name}":{{{BASE},{members}}}"#)
}

fn bare(event_type: &str, second: u8) -> Event {
    event(event_type, second, "", "")
}

/// What goes out, in short: type, second and parts.
fn short(events: &[Event], keep_start: bool) -> Vec<(String, String, Vec<usize>)> {
    let events: Vec<&Event> = events.iter().collect();
    let second = |event: &Event| event.time().second().to_string();
    let label = |event: &Event| event.label().replace("RunEvent", "").trim().to_owned();
    coalesce(&events, keep_start, None)
        .into_iter()
        .map(|out| (label(&out.event), second(&out.event), out.parts))
        .collect()
}

fn expected(out: &[(&str, u8, &[usize])]) -> Vec<(String, String, Vec<usize>)> {
    out.iter()
        .map(|(t, second, parts)| ((*t).to_owned(), second.to_string(), parts.to_vec()))
        .collect()
}

#[test]
fn a_run_that_ended_is_its_end_alone_or_with_its_start() {
    let run = [
        bare("START", 1),
        bare("RUNNING", 2),
        bare("OTHER", 3),
        bare("COMPLETE", 4),
    ];
    let alone = expected(&[("COMPLETE", 4, &[0, 1, 2, 3])]);
    assert_eq!(short(&run, false), alone);
    let both = expected(&[("START", 1, &[0, 1, 2]), ("COMPLETE", 4, &[3])]);
    assert_eq!(short(&run, true), both);
}

#[test]
fn a_run_that_goes_on_is_one_event_of_what_it_said() {
    let started = [
        bare("OTHER", 1),
        bare("START", 2),
        bare("START", 3),
        bare("RUNNING", 4),
    ];
    assert_eq!(
        short(&started, false),
        expected(&[("START", 2, &[0, 1, 2, 3])])
    );
    let running = [bare("RUNNING", 1), bare("RUNNING", 2), bare("OTHER", 3)];
    assert_eq!(
        short(&running, true),
        expected(&[("RUNNING", 2, &[0, 1, 2])])
    );
    let untyped = [bare("OTHER", 1), bare("", 2)];
    assert_eq!(short(&untyped, true), expected(&[("", 2, &[0, 1])]));
}

#[test]
fn without_a_start_nothing_goes_before_the_end() {
    let run = [bare("RUNNING", 1), bare("COMPLETE", 2)];
    assert_eq!(short(&run, true), expected(&[("COMPLETE", 2, &[0, 1])]));
}

#[test]
fn ends_of_different_kinds_stay_apart_and_of_one_kind_the_last_counts() {
    let run = [bare("START", 1), bare("FAIL", 2), bare("COMPLETE", 3)];
    let both = expected(&[("FAIL", 2, &[0, 1]), ("COMPLETE", 3, &[2])]);
    assert_eq!(short(&run, false), both);
    let run = [
        bare("START", 1),
        bare("FAIL", 2),
        bare("COMPLETE", 3),
        bare("FAIL", 4),
    ];
    let three = expected(&[
        ("START", 1, &[0]),
        ("COMPLETE", 3, &[2]),
        ("FAIL", 4, &[1, 3]),
    ]);
    assert_eq!(short(&run, true), three);
}

#[test]
fn an_end_has_what_came_before_it_and_the_last_also_what_came_after() {
    let run = [
        event("START", 1, &facet("a", r#""v":1"#), ""),
        event("FAIL", 2, &facet("b", r#""v":2"#), ""),
        event("RUNNING", 3, &facet("c", r#""v":3"#), ""),
        event("COMPLETE", 4, &facet("d", r#""v":4"#), ""),
        event("OTHER", 5, &facet("e", r#""v":5"#), ""),
    ];
    let events: Vec<&Event> = run.iter().collect();
    let out = coalesce(&events, true, None);
    let facets = |event: &Event| -> String {
        let facets = event.json().at(&["run", "facets"]).unwrap();
        let mut names: Vec<_> = facets
            .members()
            .iter()
            .map(|m| m.key.string().unwrap().into_owned())
            .collect();
        names.sort();
        names.concat()
    };
    let carried: Vec<_> = out
        .iter()
        .map(|out| (facets(&out.event), out.parts.clone()))
        .collect();
    let expected = [("a", vec![0]), ("ab", vec![1]), ("abcde", vec![2, 3, 4])];
    assert_eq!(
        carried,
        expected.map(|(names, parts)| (names.to_owned(), parts))
    );
}

#[test]
fn events_of_other_jobs_and_events_without_a_run_stay_as_they_are() {
    let other = read(
        &bare("RUNNING", 2)
            .text()
            .replace(r#""name":"j""#, r#""name":"k""#),
    );
    let job = read(
        r#"{"eventTime":"2026-01-01T00:00:03Z","producer":"urn:p","schemaURL":"urn:s","job":{"namespace":"n","name":"j"}}"#,
    );
    let events = [&bare("START", 1), &other, &job, &job, &bare("COMPLETE", 4)];
    let out = coalesce(&events, false, None);
    let parts: Vec<_> = out.iter().map(|out| out.parts.clone()).collect();
    assert_eq!(parts, [vec![1], vec![2], vec![3], vec![0, 4]]);
    assert_eq!((&out[0].event, &out[2].event), (&other, &job));
    assert!(matches!(
        merge(&[&other, &bare("START", 1)], 0),
        Err(MergeError::Unrelated)
    ));
    assert!(matches!(
        merge(&[&job, &job], 0),
        Err(MergeError::Unrelated)
    ));
    assert!(matches!(merge(&[], 0), Err(MergeError::NoBase)));
}

#[test]
fn what_would_be_too_large_goes_as_it_came() {
    let start = event("START", 1, &facet("a", r#""v":1"#), "");
    let end = event("COMPLETE", 2, &facet("b", r#""v":2"#), "");
    let whole = merge(&[&start, &end], 1).unwrap().text().len();
    let out = |max_bytes| coalesce(&[&start, &end], false, Some(max_bytes));
    assert_eq!(out(whole).len(), 1);
    let as_they_came = [(&start, 0), (&end, 1)].map(|(event, index)| MergedEvent {
        event: event.clone(),
        parts: vec![index],
    });
    assert_eq!(out(whole - 1), as_they_came);
}

#[test]
fn the_base_is_edited_and_the_rest_copied_as_written() {
    let start = read(
        r#"{ "eventType" : "START", "eventTime":"2026-01-01T00:00:00Z","producer":"urn:1","schemaURL":"urn:1","\u0061dded":[1.0, 1e400,"\/"],
        "run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{"f\u00e4":{"_producer":"urn:p","_schemaURL":"urn:s", "n":1180591620717411303424, "n":-0.0},"same":{"_producer":"urn:1","_schemaURL":"urn:s"}}},
        "job":{"namespace":"n","name":"j","facets":{"sql":{"_producer":"urn:p","_schemaURL":"urn:s","_deleted":true}}},"inputs":[ {"namespace":"s","name":"t"} ]}"#,
    );
    let end = read(
        r#"{ "z":1, "eventType":"COMPLETE" ,"eventTime":"2026-01-01T00:00:01Z","producer":"urn:2","schemaURL":"urn:2",
        "job" : {"name":"\u006a","namespace":"n"},
        "run": {"facets":{"same":{"_producer":"urn:2","_schemaURL":"urn:s"} },"runId":"01A1FAA6-e194-708b-a993-cc010cbe1ae4"}, "outputs": [ ] }"#,
    );
    assert_eq!(
        merge(&[&start, &end], 1).unwrap().text(),
        r#"{ "z":1, "eventType":"COMPLETE" ,"eventTime":"2026-01-01T00:00:01Z","producer":"urn:2","schemaURL":"urn:2",
        "job" : {"name":"\u006a","namespace":"n","facets":{"sql":{"_producer":"urn:p","_schemaURL":"urn:s","_deleted":true}}},
        "run": {"facets":{"same":{"_producer":"urn:2","_schemaURL":"urn:s"} ,"f\u00e4":{"_producer":"urn:p","_schemaURL":"urn:s", "n":1180591620717411303424, "n":-0.0}},"runId":"01A1FAA6-e194-708b-a993-cc010cbe1ae4"}, "outputs": [ ] ,"\u0061dded":[1.0, 1e400,"\/"],"inputs":[ {"namespace":"s","name":"t"} ]}"#
    );
}

#[test]
fn datasets_are_united_by_name_in_the_order_they_first_appear() {
    let dataset = |name: &str, facets: &[&str], more: &str| {
        let facets: Vec<String> = facets
            .iter()
            .map(|facet| self::facet(facet, r#""n":1.0"#))
            .collect();
        format!(
            r#"{{"namespace":"s","name":"{name}","facets":{{{}}}{more}}}"#,
            facets.join(",")
        )
    };
    let statistics = |rows: &str| {
        format!(
            r#","outputFacets":{{{}}}"#,
            facet("outputStatistics", &format!(r#""rowCount":{rows}"#))
        )
    };
    let first = [
        dataset("a", &["schema"], &statistics("1")),
        dataset("b", &[], ""),
    ]
    .join(",");
    let second = [
        dataset("c", &[], ""),
        dataset("\\u0061", &["version"], r#","x":18446744073709551616"#),
    ]
    .join(",");
    let merged = merge(
        &[
            &event("START", 1, "", &format!(r#","outputs":[{first}]"#)),
            &event("COMPLETE", 2, "", &format!(r#","outputs":[{second}]"#)),
        ],
        1,
    )
    .unwrap();
    let a = dataset(
        "\\u0061",
        &["version", "schema"],
        &format!(r#","x":18446744073709551616{}"#, statistics("1")),
    );
    let united = [a, dataset("b", &[], ""), dataset("c", &[], "")].join(",");
    assert!(
        merged
            .text()
            .ends_with(&format!(r#","outputs":[{united}]}}"#))
    );
}

#[test]
fn keys_and_datasets_that_stand_twice_stay_while_nothing_is_merged_into_them() {
    let twice = facet("a", r#""n":1,"n":2"#);
    let datasets = r#","inputs":[{"namespace":"s","name":"t"},{"namespace":"s","name":"t","x":1}]"#;
    let event = event("COMPLETE", 2, &format!("{twice},{twice}"), datasets);
    assert_eq!(merge(&[&event, &event, &event], 1).unwrap(), event);
    assert_eq!(merge(&[&bare("START", 1), &event], 1).unwrap(), event);
}

#[test]
fn facets_where_the_specification_has_none_do_not_depend_on_what_is_merged_first() {
    let odd = |value: &str| {
        event(
            "RUNNING",
            1,
            "",
            &format!(r#","inputs":[{{"namespace":"s","name":"t","outputFacets":{value}}}]"#),
        )
    };
    let (a, b, c) = (odd(r#"{"a":1}"#), odd("5"), odd(r#"{"c":1.0}"#));
    let left = merge(&[&merge(&[&a, &b], 1).unwrap(), &c], 1).unwrap();
    let right = merge(&[&a, &merge(&[&b, &c], 1).unwrap()], 1).unwrap();
    assert_eq!(left, right);
    assert!(left.text().contains(r#""outputFacets":{"c":1.0,"a":1}"#));
}

/// The sequence that Spark 3.5 sends for one query, shortened: RUNNING events lose and gain facets, the output's
/// statistics come with one of them only, and the same facet stands twice in an event of an RDD.
#[test]
fn a_query_of_spark_ends_with_all_that_its_events_knew() {
    let output = |more: &str| {
        format!(
            r#","outputs":[{{"namespace":"file","name":"/wh/agg","facets":{{{}}}{more}}}]"#,
            facet("schema", r#""fields":[{"name":"n","type":"long"}]"#)
        )
    };
    let engine = facet("processing_engine", r#""version":"3.5.7""#);
    let parent = facet(
        "parent",
        r#""run":{"runId":"01a1fac2-7cef-7075-aff0-a7d5ba076ff8"}"#,
    );
    let details = facet("spark_jobDetails", r#""jobId":3"#);
    let plan = facet("spark.logicalPlan", r#""plan":[{"num-children":0}]"#);
    let statistics = format!(
        r#","outputFacets":{{{}}}"#,
        facet("outputStatistics", r#""rowCount":3,"size":1391.0"#)
    );
    let input = r#","inputs":[{"namespace":"file","name":"/wh/in"}]"#;
    let run = [
        event(
            "START",
            21,
            &[&*parent, &plan, &engine].join(","),
            &[input, &output("")].concat(),
        ),
        event(
            "RUNNING",
            23,
            &[&*parent, &details, &engine].join(","),
            &[input, &output("")].concat(),
        ),
        event(
            "RUNNING",
            26,
            &[&*engine, &engine, &parent].join(","),
            &output(&statistics),
        ),
        event(
            "COMPLETE",
            27,
            &[&*parent, &engine].join(","),
            &[input, &output("")].concat(),
        ),
    ];
    let events: Vec<&Event> = run.iter().collect();
    let out = coalesce(&events, false, None);
    let whole = event(
        "COMPLETE",
        27,
        &[&*parent, &engine, &plan, &details].join(","),
        &[input, &output(&statistics)].concat(),
    );
    assert_eq!(
        out,
        [MergedEvent {
            event: whole,
            parts: vec![0, 1, 2, 3]
        }]
    );
    let started = coalesce(&events, true, None).remove(0);
    assert_eq!(
        (started.event.label(), started.parts),
        ("RunEvent START", vec![0, 1, 2])
    );
    assert!(started.event.text().contains("outputStatistics"));
}

#[test]
fn what_a_parent_forwards_at_the_start_is_there_at_the_end() {
    let id = |run: &str, facets: &str| {
        format!(
            r#""run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae{run}","facets":{{{facets}}}}},"job":{{"namespace":"n","name":"p"}}"#
        )
    };
    let (tags, sql) = (
        facet("tags", r#""tags":[]"#),
        facet(
            "nominalTime",
            r#""nominalStartTime":"2026-01-01T00:00:00Z""#,
        ),
    );
    let parent = |run: &str, facets: &str| facet("parent", &id(run, facets));
    let start = event("START", 1, &parent("1", &tags), "");
    let end = event("COMPLETE", 2, &parent("1", &sql), "");
    let merged = merge(&[&start, &end], 1).unwrap();
    let forwarded = ["run", "facets", "parent", "run", "facets"];
    let facets = merged.json().at(&forwarded).unwrap();
    assert!(facets.get("tags").is_some() && facets.get("nominalTime").is_some());
    // Another parent is another run: nothing of the first is its own.
    let other = event("COMPLETE", 2, &parent("2", &sql), "");
    let merged = merge(&[&start, &other], 1).unwrap();
    assert_eq!(merged, other);
}
