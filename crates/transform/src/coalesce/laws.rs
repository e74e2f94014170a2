//! Laws of coalescing, held against a plain model: the fold of unions over `serde_json` maps.
//!
//! Runs are drawn as stories (START, what happens, ends), then events are lost, sent twice and shuffled, and mostly
//! put in the order of delivery again.

use std::collections::BTreeSet;

use openlineage::{Event, EventType, Level, OrderingKey, Subject};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value};

use super::*;
use crate::RuleSet;

/// The members of an event that are its own and not its run's.
const OWN: [&str; 4] = ["eventType", "eventTime", "producer", "schemaURL"];

/// The union of two events, but for [`OWN`].
fn union(mut a: Map<String, Value>, b: Map<String, Value>) -> Map<String, Value> {
    for (key, new) in b {
        match (key.as_str(), a.get_mut(&key)) {
            ("run" | "job", Some(old)) => *old = with_facets(old, &new),
            ("inputs" | "outputs", Some(old)) => *old = datasets(&[old, &new]),
            ("inputs" | "outputs", None) => drop(a.insert(key, datasets(&[&new]))),
            _ => drop(a.insert(key, new)),
        }
    }
    a.retain(|key, _| !OWN.contains(&key.as_str()));
    a
}

fn with_facets(old: &Value, new: &Value) -> Value {
    let mut both = old.as_object().unwrap().clone();
    for (key, value) in new.as_object().unwrap() {
        match (key.as_str(), both.get_mut(key)) {
            ("facets" | "inputFacets" | "outputFacets", Some(Value::Object(facets))) => {
                facets.extend(value.as_object().unwrap().clone());
            }
            _ => drop(both.insert(key.clone(), value.clone())),
        }
    }
    both.into()
}

fn datasets(lists: &[&Value]) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for dataset in lists.iter().flat_map(|list| list.as_array().unwrap()) {
        let same =
            |d: &&mut Value| d["namespace"] == dataset["namespace"] && d["name"] == dataset["name"];
        match all.iter_mut().find(same) {
            Some(old) => *old = with_facets(old, dataset),
            None => all.push(dataset.clone()),
        }
    }
    all.into()
}

fn value(event: &Event) -> Map<String, Value> {
    serde_json::from_str(event.text()).unwrap()
}

fn model<'e>(events: impl IntoIterator<Item = &'e Event>) -> Map<String, Value> {
    events.into_iter().map(value).fold(Map::new(), union)
}

/// The places of everything that must not get lost: members, facets, and datasets by name.
fn places(content: &Map<String, Value>) -> BTreeSet<String> {
    fn is_facet(at: &str) -> bool {
        let place = at.replace("c~/", "c");
        place
            .rsplit_once('/')
            .is_some_and(|(holder, _)| holder.ends_with("acets"))
    }
    fn walk(at: String, value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) if !is_facet(&at) => {
                members
                    .iter()
                    .for_each(|(key, value)| walk(format!("{at}/{key}"), value, found));
            }
            Value::Array(items) => items
                .iter()
                .for_each(|item| walk(format!("{at}/{}", item["name"]), item, found)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => drop(found.insert(at)),
        }
    }
    let mut found = BTreeSet::new();
    walk(String::new(), &content.clone().into(), &mut found);
    found
}

/// Facets under few names, one name perhaps twice in the same object.
fn facets() -> impl Strategy<Value = String> {
    let facet = (
        select(vec!["a", "b", "\\u0062", "c~/"]),
        select(vec!["1", "1.0", "\"\\n\"", "1180591620717411303424"]),
        any::<bool>(),
    );
    proptest::collection::vec(facet, 0..4).prop_map(|facets| {
        let facet = |(name, v, deleted): &(&str, &str, bool)| {
            let deleted = if *deleted { r#","_deleted":true"# } else { "" };
            format!(r#""{name}":{{"_producer":"urn:p","_schemaURL":"urn:s","v":{v}{deleted}}}"#)
        };
        format!(
            "{{{}}}",
            facets.iter().map(facet).collect::<Vec<_>>().join(", ")
        )
    })
}

fn list(own: &'static str) -> impl Strategy<Value = String> {
    let dataset = (
        select(vec!["t", "\\u0074", "u", "v"]),
        facets(),
        facets(),
        proptest::option::of(0..9),
    );
    proptest::collection::vec(dataset, 0..4).prop_map(move |list| {
        let dataset = |(name, facets, own_facets, odd): &(&str, String, String, Option<i32>)| {
            let odd = odd
                .map(|odd| format!(r#","odd":{odd}"#))
                .unwrap_or_default();
            format!(
                r#"{{"name":"{name}","facets":{facets},"namespace":"s","{own}":{own_facets}{odd}}}"#
            )
        };
        format!(
            "[{}]",
            list.iter().map(dataset).collect::<Vec<_>>().join(" ,")
        )
    })
}

/// An event of the one run, at a second that is its own.
fn event(event_type: &'static str, second: usize) -> impl Strategy<Value = Event> {
    let lists = (
        proptest::option::of(list("inputFacets")),
        proptest::option::of(list("outputFacets")),
    );
    let job = prop_oneof![9 => Just("j"), 1 => Just("k")];
    (facets(), proptest::option::of(facets()), job, lists, proptest::option::of(0..9)).prop_map(
        move |(run, of_job, job, (inputs, outputs), odd)| {
            let mut text = format!(r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p{second}","schemaURL":"urn:s","#);
            if !event_type.is_empty() {
                text += &format!(r#""eventType":"{event_type}","#);
            }
            for (key, value) in [("inputs", inputs), ("outputs", outputs), ("odd", odd.map(|odd: i32| odd.to_string()))] {
                text += &value.map(|value| format!(r#""{key}":{value},"#)).unwrap_or_default();
            }
            let of_job = of_job.map(|facets| format!(r#","facets":{facets}"#)).unwrap_or_default();
            text += &format!(
                r#""run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{run}}},"job":{{"namespace":"n","name":"{job}"{of_job}}}}}"#
            );
            Event::read(text.as_bytes(), Level::Strict).unwrap().event
        },
    )
}

const STORY: [&str; 9] = [
    "START", "RUNNING", "", "START", "FAIL", "OTHER", "COMPLETE", "RUNNING", "FAIL",
];

/// Events of a run as a batch may find them.
fn run() -> impl Strategy<Value = Vec<Event>> {
    let story: Vec<_> = STORY
        .iter()
        .enumerate()
        .map(|(second, event_type)| event(event_type, second))
        .collect();
    let lost = subsequence((0..STORY.len()).collect::<Vec<_>>(), 0..=STORY.len());
    let twice = subsequence((0..STORY.len()).collect::<Vec<_>>(), 0..3);
    let places = (lost, twice)
        .prop_map(|(kept, twice)| [kept, twice].concat())
        .prop_shuffle();
    (story, places, prop::bool::weighted(0.7)).prop_map(|(story, mut places, in_order)| {
        if in_order {
            places.sort_unstable();
        }
        places
            .into_iter()
            .map(|place| story[place].clone())
            .collect()
    })
}

fn kind(event: &Event) -> Option<EventType> {
    match event.subject() {
        Subject::Run { event_type, .. } => *event_type,
        Subject::Job { .. } | Subject::Dataset { .. } => None,
    }
}

/// The kinds of end, each once.
fn kinds_of_end<'e>(events: impl IntoIterator<Item = &'e Event>) -> BTreeSet<&'static str> {
    events
        .into_iter()
        .filter(|event| kind(event).is_some_and(EventType::ends))
        .map(Event::label)
        .collect()
}

proptest! {
    #[test]
    fn a_merged_event_is_the_union_of_its_events_as_its_base_says_it(
        events in run(), base in any::<prop::sample::Index>(),
    ) {
        let events: Vec<&Event> = events.iter().filter(|event| event.job().unwrap().name == "j").collect();
        prop_assume!(!events.is_empty());
        let base = base.index(events.len());
        let merged = merge(&events, base).unwrap();
        if events.len() > 1 {
            prop_assert_eq!(model([&merged]), model(events.iter().copied()));
        }
        let own = |event: &Event| OWN.map(|key| value(event).get(key).cloned());
        prop_assert_eq!(own(&merged), own(events[base]));
        prop_assert_eq!(merged.subject(), events[base].subject());
    }

    #[test]
    fn rules_that_merge_nothing_return_each_event_of_a_run_as_they_left_it(before in run(), after in run()) {
        let rules = RuleSet::default();
        prop_assert!(!rules.merges());
        let pairs: Vec<(&Event, &Event)> = before.iter().zip(&after).collect();
        let returned = rules.merge_run(&pairs, "store", None).into_iter();
        let returned: Vec<_> = returned.map(|it| (it.event, it.parts)).collect();
        let left = pairs.iter().enumerate().map(|(n, (_, after))| ((*after).clone(), vec![n]));
        prop_assert_eq!(returned, Vec::from_iter(left));
    }

    #[test]
    fn merging_twice_is_merging_once_and_the_grouping_does_not_matter(
        events in proptest::collection::vec(event("RUNNING", 1), 3),
    ) {
        let events: Vec<Event> = events.iter().map(|event| {
            let text = event.text().replace(r#""name":"k""#, r#""name":"j""#);
            event.rewritten(text).unwrap()
        }).collect();
        let [a, b, c] = &events[..] else { unreachable!() };
        prop_assert_eq!(&merge(&[a, a], 1).unwrap(), a);
        let ab = merge(&[a, b], 1).unwrap();
        prop_assert_eq!(&merge(&[a, b, b], 2).unwrap(), &ab);
        prop_assert_eq!(model([&merge(&[&ab, b], 1).unwrap()]), model([&ab]));
        let bc = merge(&[b, c], 1).unwrap();
        let all = model([&merge(&[a, b, c], 2).unwrap()]);
        prop_assert_eq!(&model([&merge(&[&ab, c], 1).unwrap()]), &all);
        prop_assert_eq!(&model([&merge(&[a, &bc], 1).unwrap()]), &all);
    }

    #[test]
    fn nothing_is_lost_nothing_is_told_twice_and_ends_keep_their_kinds(
        events in run(), keep_start in any::<bool>(), max_bytes in proptest::option::of(500usize..5_000),
    ) {
        let events: Vec<&Event> = events.iter().collect();
        let out = coalesce(&events, keep_start, max_bytes);
        prop_assert!(out.len() <= events.len());
        let mut parts: Vec<usize> = out.iter().flat_map(|out| out.parts.clone()).collect();
        prop_assert!(out.iter().all(|out| !out.parts.is_empty() && out.parts.is_sorted()));
        parts.sort_unstable();
        prop_assert_eq!(parts, (0..events.len()).collect::<Vec<_>>());
        for out in &out {
            // It is one of its parts by type and time, and of their job.
            prop_assert!(out.parts.iter().any(|part| events[*part].subject() == out.event.subject() && events[*part].time() == out.event.time()));
            prop_assert!(out.parts.iter().all(|part| events[*part].job() == out.event.job()));
            prop_assert!(out.parts.len() == 1 || max_bytes.is_none_or(|most| out.event.text().len() <= most));
        }
        for job in ["j", "k"] {
            let of_job = |event: &&Event| event.job().unwrap().name == job;
            let came: Vec<&Event> = events.iter().copied().filter(of_job).collect();
            let gone: Vec<&Event> = out.iter().map(|out| &out.event).filter(of_job).collect();
            prop_assert_eq!(model(gone.iter().copied()), model(came.iter().copied()));
            prop_assert_eq!(kinds_of_end(gone.iter().copied()), kinds_of_end(came.iter().copied()));
            if max_bytes.is_some() || came.is_empty() {
                continue;
            }
            let ends = gone.iter().filter(|event| kind(event).is_some_and(EventType::ends)).count();
            let first_end = came.iter().position(|event| kind(event).is_some_and(EventType::ends));
            let started = came[..first_end.unwrap_or(0)].iter().any(|event| kind(event) == Some(EventType::Start));
            prop_assert_eq!(ends, kinds_of_end(came.iter().copied()).len());
            prop_assert_eq!(gone.len(), ends + usize::from(ends == 0 || keep_start && started));
            // The last one to go has everything.
            if ends > 0 || came.len() > 1 {
                prop_assert_eq!(model(gone.last().copied()), model(came.iter().copied()));
            }
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way_through_the_buffer(
        events in run(), passes in proptest::collection::vec(0i64..60, 12), capacity in 0usize..9,
    ) {
        let (mut buffer, mut now, mut out) = (RunBuffer::new(100, capacity), 0, Vec::new());
        let mut go = |ready: Vec<Event>| out.extend(coalesce(&ready.iter().collect::<Vec<_>>(), false, None));
        for (event, passes) in events.iter().zip(passes) {
            now += passes;
            buffer.offer(OrderingKey::from(event), kind(event).is_some_and(EventType::ends), event.clone(), now);
            go(buffer.take_ready(now));
        }
        go(buffer.drain());
        prop_assert!(out.len() <= events.len());
        prop_assert_eq!(places(&model(out.iter().map(|out| &out.event))), places(&model(&events)));
        prop_assert_eq!(kinds_of_end(out.iter().map(|out| &out.event)), kinds_of_end(&events));
    }
}
