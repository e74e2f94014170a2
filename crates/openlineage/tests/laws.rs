//! What holds for every text: no panic, nothing lost, a repair that is a repair.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openlineage::{Edits, Event, Json, Level, names, split_array, warnings};
use proptest::prelude::*;
use serde_json::Value;
use support::{Chance, fixtures, mutate};

/// A damaged real event, as compact text.
fn mutant() -> impl Strategy<Value = String> {
    let events: Vec<Value> = fixtures()
        .iter()
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .collect();
    (0..events.len(), any::<u64>())
        .prop_map(move |(index, seed)| mutate(&events[index], &mut Chance(seed)).to_string())
}

/// Texts that look like JSON, and are not or nearly.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\\u"),
        Just("\\ud800"),
        Just("\\udc00"),
        Just("NaN"),
        Just("-Infinity"),
        Just("null"),
        Just("1e999"),
        Just("\"run\":"),
        Just("\"a\""),
        Just(" "),
        Just("é"),
    ];
    proptest::collection::vec(scrap, 0..30).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_verdict_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), scraps in scraps(), mutant in mutant()) {
        for level in [Level::Strict, Level::Repair] {
            for text in [&bytes[..], scraps.as_bytes(), mutant.as_bytes()] {
                if let Ok(read) = Event::read(text, level) {
                    let _ = names(read.event.json());
                }
                let _ = split_array(text);
            }
        }
    }

    #[test]
    fn what_was_accepted_is_the_same_when_it_is_read_again(mutant in mutant()) {
        for level in [Level::Strict, Level::Repair] {
            if let Ok(read) = Event::read(mutant.as_bytes(), level) {
                let again = Event::read_again(&read.event.shared_text());
                let root = read.event.json();
                // Which of the two it is, only all the checks tell.
                let is_of_two_kinds = root.get("job").is_some() && root.get("dataset").is_some();
                prop_assert!(again.is_none() && is_of_two_kinds || again == Some(read.event.clone()));
            }
        }
    }

    #[test]
    fn what_is_valid_leaves_byte_for_byte_as_it_came(mutant in mutant(), before in " {0,3}", after in "[ \n]{0,3}") {
        if Event::read(mutant.as_bytes(), Level::Strict).is_ok() {
            // Inside facets a null, and what the facet's own schema is missed by, may be repaired.
            let root = Json::parse(&mutant).unwrap();
            let is_clean = !mutant.contains("null") && warnings(root).is_empty();
            for level in [Level::Strict, Level::Repair] {
                let read = Event::read(format!("{before}{mutant}{after}").as_bytes(), level).unwrap();
                if level == Level::Strict || is_clean {
                    prop_assert_eq!(read.event.text(), mutant.as_str());
                    prop_assert!(read.repairs.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_repair_is_valid_named_and_touches_nothing_else(mutant in mutant()) {
        let Ok(read) = Event::read(mutant.as_bytes(), Level::Repair) else { return Ok(()) };
        let again = Event::read(read.event.text().as_bytes(), Level::Strict);
        prop_assert!(again.is_ok(), "{:?}", again);
        prop_assert_eq!(&again.unwrap().event, &read.event);
        let repeated = Event::read(read.event.text().as_bytes(), Level::Repair).unwrap();
        prop_assert!(repeated.repairs.is_empty(), "{:?}", repeated.repairs);
        prop_assert_eq!(read.repairs.is_empty(), read.event.text() == mutant);
        let (mut before, mut after): (Value, Value) = (serde_json::from_str(&mutant).unwrap(), serde_json::from_str(read.event.text()).unwrap());
        let pointers: Vec<&str> = read.repairs.iter().map(|repair| &*repair.pointer).collect();
        for pointer in &pointers {
            forget(&mut after, &moved(pointer, &before, &pointers));
        }
        forget_notes(&mut before, &mut after);
        // Backwards, so that the index of an element is still its own.
        let mut backwards = pointers.clone();
        backwards.sort_by_key(|pointer| std::cmp::Reverse(indexed(pointer)));
        for pointer in backwards {
            forget(&mut before, pointer);
        }
        prop_assert_eq!(before, after);
    }

    #[test]
    fn taking_a_member_out_leaves_the_others_as_they_were(mutant in mutant(), pick in any::<prop::sample::Index>()) {
        let root = Json::parse(&mutant).unwrap();
        let members = root.members();
        if members.is_empty() {
            return Ok(());
        }
        let gone = members[pick.index(members.len())].key.string().unwrap();
        let mut edits = Edits::new(&mutant);
        edits.remove_members(root, |name| name == gone);
        let text = edits.apply();
        let left: Vec<(String, String)> = Json::parse(&text).unwrap().members().iter().map(|m| (m.key.text().to_owned(), m.value.text().to_owned())).collect();
        let kept: Vec<(String, String)> = members.iter().filter(|m| !m.is(&gone)).map(|m| (m.key.text().to_owned(), m.value.text().to_owned())).collect();
        prop_assert_eq!(left, kept);
    }

    #[test]
    fn an_array_falls_apart_into_what_it_was_made_of(texts in proptest::collection::vec(mutant(), 0..6)) {
        let array = format!("[{}]", texts.join(" , "));
        prop_assert_eq!(split_array(array.as_bytes()).unwrap(), texts);
    }
}

/// Where what stood at `pointer` stands when the nulls before it are gone from their lists. What is gone itself is nowhere.
fn moved(pointer: &str, before: &Value, pointers: &[&str]) -> String {
    let (mut from, mut to) = (String::new(), String::new());
    for token in pointer.split('/').skip(1) {
        let is_list = before.pointer(&from).is_some_and(Value::is_array);
        let is_gone = |index: usize| {
            let pointer = format!("{from}/{index}");
            pointers.contains(&&*pointer) && before.pointer(&pointer).is_some_and(Value::is_null)
        };
        match token.parse::<usize>() {
            Ok(index) if is_list && is_gone(index) => return "/nowhere".to_owned(),
            Ok(index) if is_list => {
                let gone = (0..index).filter(|index| is_gone(*index)).count();
                to.push_str(&format!("/{}", index - gone));
            }
            _ => to.push_str(&format!("/{token}")),
        }
        from.push_str(&format!("/{token}"));
    }
    to
}

/// A pointer in the order of what it points to.
fn indexed(pointer: &str) -> Vec<(usize, &str)> {
    let token = |token| (str::parse(token).unwrap_or(0), token);
    pointer.split('/').map(token).collect()
}

/// Takes out the facet that keeps the texts of run ids, and from both what was made to hold it.
fn forget_notes(before: &mut Value, after: &mut Value) {
    let held = |event: &mut Value, holder| {
        let facets = event.get_mut(holder)?.get_mut("facets")?.as_object_mut()?;
        facets
            .remove("lineageProxy_originalRunIds")
            .map(|_| facets.is_empty())
    };
    for holder in ["run", "job", "dataset"] {
        if held(after, holder) == Some(true) {
            for event in [&mut *before, &mut *after] {
                event[holder].as_object_mut().unwrap().remove("facets");
            }
        }
    }
}

/// Takes the value at `pointer` out of `event`; the members that a facet lacked stand beside each other in it.
fn forget(event: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(facet) = event.pointer_mut(pointer).and_then(Value::as_object_mut) {
        facet.remove("_producer");
        facet.remove("_schemaURL");
        if !facet.is_empty() || pointer.contains("acets/") {
            return;
        }
    }
    match event.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            drop(members.remove(&name.replace("~1", "/").replace("~0", "~")))
        }
        Some(Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        _ => {}
    }
}
