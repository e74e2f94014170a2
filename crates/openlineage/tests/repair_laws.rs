//! What holds for every repair of a class: nulls at any place, run ids, producers, times.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openlineage::{Event, Json, Level, ValidEvent, date_time, holders, uri};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, UtcOffset};

fn facet(members: Value) -> Value {
    let mut facet = json!({"_producer": "urn:p", "_schemaURL": "urn:s"});
    let all = facet.as_object_mut().unwrap();
    all.extend(members.as_object().unwrap().clone());
    facet
}

/// The facets of a run, `with` or without the members that may be missing.
fn run_facets(with: bool, id: &str, depth: u32) -> Value {
    let job = |with: bool| {
        let mut job = json!({"namespace": "n", "name": "j"});
        if with {
            job["facets"] = job_facets(true, id);
        }
        job
    };
    let run = |depth: u32| match with && depth > 0 {
        true => json!({"runId": id, "facets": run_facets(true, id, depth - 1)}),
        false => json!({"runId": id}),
    };
    let mut facets = json!({
        "parent": facet(json!({"run": run(depth), "job": job(with && depth > 0)})),
        "parentRun": facet(json!({"run": run(0), "job": job(false)})),
        "nominalTime": facet(json!({"nominalStartTime": "2026-01-01T00:00:00Z"})),
        "jobDependencies": facet(json!({"upstream": [{"job": job(false)}]})),
        "mine": facet(json!({"n": null, "of": [null, {"n": null}]})),
    });
    if with {
        facets["parent"]["root"] = json!({"run": run(0), "job": job(false)});
        facets["nominalTime"]["nominalEndTime"] = json!("2026-01-01T00:00:00Z");
        facets["jobDependencies"]["upstream"][0]["run"] = run(0);
        facets["jobDependencies"]["downstream"] = json!([{"job": job(false), "run": run(0)}]);
        facets["jobDependencies"]["trigger_rule"] = json!("ALL_DONE");
        facets["errorMessage"] =
            facet(json!({"message": "m", "programmingLanguage": "Java", "stackTrace": "s"}));
        facets["tags"] = facet(json!({"tags": [{"key": "k", "value": "v", "source": "s"}]}));
    }
    facets
}

fn job_facets(with: bool, id: &str) -> Value {
    let mut facets = json!({
        "jobType": facet(json!({"processingType": "BATCH", "integration": "X"})),
        "lineage": facet(json!({"entries": [{"type": "JOB", "runId": id}, {"type": "DATASET", "namespace": "n", "name": "d"}]})),
    });
    if with {
        facets["jobType"]["_deleted"] = json!(false);
        facets["jobType"]["jobType"] = json!("TASK");
        facets["lineage"]["entries"][1]["fields"] =
            json!({"c": {"inputs": [{"type": "JOB", "runId": id}]}});
        facets["sql"] = facet(json!({"query": "select null", "dialect": "x"}));
    }
    facets
}

fn dataset(with: bool) -> Value {
    let mut facets = json!({
        "schema": facet(json!({"fields": [{"name": "a"}, {"name": "b", "fields": [{"name": "c"}]}]})),
        "columnLineage": facet(json!({"fields": {"a": {"inputFields": [{"namespace": "n", "name": "d", "field": "f"}]}}})),
    });
    if with {
        facets["schema"]["fields"][1]["fields"][0]["description"] = json!("d");
        facets["schema"]["fields"][0]["type"] = json!("int");
        facets["columnLineage"]["fields"]["a"]["transformationType"] = json!("IDENTITY");
        facets["columnLineage"]["fields"]["b"] = json!({"inputFields": []});
        facets["documentation"] = facet(json!({"description": "d", "contentType": "text"}));
        facets["catalog"] = facet(
            json!({"framework": "f", "type": "t", "name": "n", "catalogProperties": {"a/b~": "x"}}),
        );
    }
    json!({"namespace": "n", "name": "d", "facets": facets})
}

/// An event with a run id wherever one may stand: all that is required, and all that is optional if `with`.
fn event(with: bool, id: &str) -> Value {
    let mut event = json!({
        "eventTime": "2026-01-01T00:00:00Z", "producer": "urn:p", "schemaURL": "urn:s",
        "run": {"runId": id, "facets": run_facets(with, id, 2)},
        "job": {"namespace": "n", "name": "j", "facets": job_facets(with, id)},
        "inputs": [dataset(with)], "outputs": [dataset(with)],
    });
    if with {
        event["eventType"] = json!("START");
        let statistics = facet(json!({"rowCount": 1, "size": 2}));
        event["inputs"][0]["inputFacets"] = json!({"inputStatistics": statistics});
        event["outputs"][0]["outputFacets"] = json!({"outputStatistics": statistics});
        let part = |part| json!({"type": "partition", "partitions": [part]});
        event["inputs"][0]["inputFacets"]["subset"] = facet(json!({"inputCondition":
            {"type": "binary", "operator": "OR", "left": part(json!({"dimensions": {"d": null}})), "right": {"type": "location", "locations": []}}}));
        event["outputs"][0]["outputFacets"]["mine"] = facet(json!({}));
    }
    event
}

/// Every member that the one has and the other has not, as a pointer.
fn optional(with: &Value, without: &Value, at: &str, found: &mut Vec<String>) {
    match (with, without) {
        (Value::Object(with), Value::Object(without)) => {
            for (name, inner) in with {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match without.get(name) {
                    Some(other) => optional(inner, other, &at, found),
                    None => {
                        found.push(at.clone());
                        optional(inner, &Value::Null, &at, found);
                    }
                }
            }
        }
        (Value::Array(with), Value::Array(without)) => {
            for (index, (one, other)) in with.iter().zip(without).enumerate() {
                optional(one, other, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn remove(event: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if let Some(members) = event.pointer_mut(parent).and_then(Value::as_object_mut) {
        members.remove(&name.replace("~1", "/").replace("~0", "~"));
    }
}

fn repaired(event: &Value) -> ValidEvent {
    let read = Event::read(event.to_string().as_bytes(), Level::Repair)
        .unwrap_or_else(|refused| panic!("{:?}", refused.findings));
    let again = Event::read(read.event.text().as_bytes(), Level::Strict).unwrap();
    assert_eq!(again.event, read.event);
    let once = Event::read(read.event.text().as_bytes(), Level::Repair).unwrap();
    assert!(once.repairs.is_empty(), "{:?}", once.repairs);
    // At every position of facets: none is null, and each names its producer.
    holders(read.event.json(), &mut |holder, _| {
        for set in holder.facet_sets() {
            for facet in set.members() {
                let values = ["_producer", "_schemaURL"].map(|name| facet.value.get(name));
                let is_text =
                    |uri: &Option<Json<'_>>| uri.is_some_and(|uri| uri.kind() == "string");
                assert!(values.iter().all(is_text), "{facet:?}");
            }
        }
    });
    read
}

fn value(read: &ValidEvent) -> Value {
    serde_json::from_str(read.event.text()).unwrap()
}

/// Every run id of an event that is written as `event` writes it.
fn ids<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                match inner.as_str().filter(|_| name == "runId") {
                    Some(id) => found.push(id),
                    None => ids(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const UUID: &str = "01a1faa6-e194-708b-a993-cc010cbe1ae4";

/// What schedulers call their runs, and any text.
fn run_id() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "(manual|scheduled|backfill|dataset_triggered)__20[0-9]{2}-[01][0-9]-[0-3][0-9]T00:00:00(\\.[0-9]{6})?\\+00:00",
        "[0-9]{1,9}(#[0-9]{1,9}){1,3}",
        "[a-z]{1,8}[_.:/@-][a-z0-9]{1,8}",
        "\\PC{1,40}",
        "[a-f0-9]{31}|[a-f0-9-]{36}",
        any::<String>(),
    ];
    text.prop_filter("empty", |text| !text.trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_null_where_something_may_be_missing_is_as_if_it_were(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        let (with, mut found) = (event(true, UUID), Vec::new());
        optional(&with, &event(false, UUID), "", &mut found);
        let (mut sent, mut meant) = (with.clone(), with);
        let mut gone: Vec<&String> = picks.iter().map(|pick| pick.get(&found)).collect();
        gone.sort();
        for pointer in &gone {
            if let Some(place) = sent.pointer_mut(pointer) {
                *place = Value::Null;
            }
            remove(&mut meant, pointer);
        }
        let read = repaired(&sent);
        let after = value(&read);
        // A container of facets that is null at the core becomes an empty one.
        for own in ["/inputs/0/inputFacets", "/outputs/0/outputFacets"] {
            let is_gone = meant.pointer(own).is_none();
            prop_assert_eq!(after.pointer(own) == Some(&json!({})), is_gone);
            if is_gone {
                let (dataset, name) = own.rsplit_once('/').unwrap();
                meant.pointer_mut(dataset).unwrap()[name] = json!({});
            }
        }
        prop_assert_eq!(&after, &meant);
        for pointer in gone {
            let is_said = read.repairs.iter().any(|repair| pointer.starts_with(&repair.pointer));
            prop_assert!(is_said, "{pointer}");
        }
    }

    #[test]
    fn what_must_be_there_inside_a_facet_and_what_no_schema_types_stays_null(place in 0..4usize) {
        let pointer = ["/run/facets/parent/job/name", "/job/facets/jobType/integration", "/inputs/0/facets/schema/fields/0/name", "/run/facets/mine/new"][place];
        let (mut sent, (parent, name)) = (event(true, UUID), pointer.rsplit_once('/').unwrap());
        sent.pointer_mut(parent).unwrap()[name] = Value::Null;
        let read = Event::read(sent.to_string().as_bytes(), Level::Repair).unwrap();
        prop_assert_eq!(read.event.text(), sent.to_string());
    }

    #[test]
    fn a_run_id_is_the_same_uuid_in_every_place_and_every_event(id in run_id()) {
        let (one, other) = (event(true, &id), event(false, &id));
        let (one, other) = (repaired(&one), repaired(&other));
        let uuid = one.event.run_id().unwrap().to_string();
        for read in [&one, &other] {
            let event = value(read);
            let kept = event["run"]["facets"]["lineageProxy_originalRunIds"].clone();
            if kept["runs"] != Value::Null {
                prop_assert_eq!(&kept["runs"], &json!([{"runId": uuid, "original": id}]));
            } else {
                prop_assert!(id.to_lowercase().contains(&uuid) || id.contains(&uuid.replace('-', "")));
            }
            let mut found = Vec::new();
            ids(&event, &mut found);
            prop_assert!(found.len() >= 5);
            for id in found {
                prop_assert_eq!(id, &uuid);
            }
        }
    }

    #[test]
    fn two_run_ids_are_two_uuids(one in run_id(), other in run_id()) {
        let [a, b] = [&one, &other].map(|id| repaired(&event(false, id)).event.run_id());
        prop_assert_eq!(a == b, one == other);
    }

    #[test]
    fn a_producer_is_a_uri_whatever_was_sent(text in any::<String>(), label in "[a-z_ /.()-]{0,30}") {
        for text in [text, label] {
            let mut sent = event(false, UUID);
            for holder in ["/run/facets/mine", "/run/facets/parent", "/inputs/0/facets/schema"] {
                sent.pointer_mut(holder).unwrap()["_producer"] = json!(text);
            }
            sent["producer"] = json!(text);
            let after = value(&repaired(&sent));
            let producer = after["producer"].as_str().unwrap();
            prop_assert!(uri(producer));
            prop_assert_eq!(uri(&text), producer == text);
            prop_assert_eq!(&after["run"]["facets"]["mine"]["_producer"], producer);
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            for word in words {
                prop_assert!(producer.contains(word), "{producer} for {text:?}");
            }
        }
    }

    #[test]
    fn a_time_keeps_its_instant_whatever_is_said_of_its_zone(
        seconds in 0i64..4_000_000_000, micros in 0i64..1_000_000, quarters in -48i32..=56, form in 0..9usize, zone in "[A-Z][a-z]{2,8}/[A-Z][a-z_]{2,12}"
    ) {
        let zulu = |form: usize| (4..7).contains(&form);
        let minutes = if zulu(form) { 0 } else { quarters * 15 };
        let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
        let instant = (OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds) + Duration::microseconds(micros)).to_offset(offset);
        let clock = format!("{}T{}", instant.date(), instant.time());
        // `time` writes an hour below ten with one digit.
        let clock = clock.replace('T', if instant.hour() < 10 { "T0" } else { "T" });
        let (sign, hours, rest) = (if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
        let (colon, digits) = (format!("{sign}{hours:02}:{rest:02}"), format!("{sign}{hours:02}{rest:02}"));
        let spaced = clock.replace('T', " ");
        let text = match form {
            0 => format!("{clock}{colon}[{zone}]"),
            1 => format!("{clock}{digits}[{zone}][u-ca=gregory]"),
            2 => format!("{spaced} {digits} CEST"),
            3 => format!("{clock}{colon}[{colon}]"),
            4 => format!("{clock}Z[{zone}]"),
            5 => format!("{spaced} UTC"),
            6 => format!("{clock}+00:00Z"),
            7 => format!("{clock}{colon}Z"),
            _ => format!("{clock}[{zone}]"),
        };
        let mut sent = event(false, UUID);
        sent["eventTime"] = json!(text);
        let read = Event::read(sent.to_string().as_bytes(), Level::Repair);
        let is_clear = match form {
            7 => minutes == 0,
            8 => false,
            _ => true,
        };
        prop_assert_eq!(read.is_ok(), is_clear, "{}", text);
        if let Ok(read) = read {
            prop_assert_eq!(read.event.time(), instant, "{}", text);
            prop_assert!(date_time(value(&read)["eventTime"].as_str().unwrap()).is_some());
        }
    }
}
