//! Entries of one dataset, and the one that is left of them.

use super::*;
use serde_json::{Value, json};

fn united(inputs: Value) -> Value {
    let text = json!({"inputs": inputs, "outputs": []}).to_string();
    let which = HashSet::from([Identity {
        namespace: "n".to_owned(),
        name: "t".to_owned(),
    }]);
    let united = unite(&text, &which).unwrap_or(text);
    serde_json::from_str::<Value>(&united).unwrap()["inputs"].clone()
}

fn entry(facets: Value) -> Value {
    json!({"namespace": "n", "name": "t", "facets": facets})
}

#[test]
fn the_first_place_counts_and_other_datasets_stay_where_they_are() {
    let other = json!({"namespace": "n", "name": "o"});
    let found = united(json!([
        entry(json!({"a": {"x": 1}})),
        other,
        entry(json!({"b": {}})),
        other,
        entry(json!({}))
    ]));
    assert_eq!(
        found,
        json!([entry(json!({"a": {"x": 1}, "b": {}})), other, other])
    );
}

#[test]
fn no_column_lineage_is_lost_and_none_is_said_twice() {
    let input = |table: &str| json!({"namespace": "n", "name": table, "field": "f"});
    let columns =
        |fields: Value| json!({"columnLineage": {"_producer": "urn:p", "fields": fields}});
    let one =
        columns(json!({"a": {"inputFields": [input("s")]}, "b": {"inputFields": [input("s")]}}));
    let two =
        columns(json!({"a": {"inputFields": [input("s"), input("r")]}, "c": {"inputFields": []}}));
    assert_eq!(
        united(json!([entry(one), entry(two)])),
        json!([entry(columns(json!({
            "a": {"inputFields": [input("s"), input("r")]},
            "b": {"inputFields": [input("s")]},
            "c": {"inputFields": []},
        })))])
    );
}

#[test]
fn counts_are_added_up_even_where_all_else_is_equal() {
    let entry = |rows: u64, size: u64| json!({"namespace": "n", "name": "t", "inputFacets": {"inputStatistics": {"rowCount": rows, "size": size, "_producer": "urn:p"}}});
    assert_eq!(
        united(json!([entry(5, 1), entry(5, 1), entry(7, 2)])),
        json!([entry(17, 4)])
    );
    let huge = entry(u64::MAX, 1);
    assert_eq!(united(json!([huge, entry(5, 1)])), json!([entry(5, 2)]));
}

#[test]
fn of_what_differs_the_later_one_is_taken_unless_it_says_that_there_is_none() {
    let symlinks =
        |name: &str| json!({"identifiers": [{"namespace": "n", "name": name, "type": "TABLE"}]});
    let gone = json!({"_deleted": true});
    let found = united(json!([
        entry(json!({"schema": {"fields": [1]}, "symlinks": symlinks("a"), "version": {"v": 1}})),
        entry(json!({"schema": {"fields": [2]}, "symlinks": gone, "version": null})),
    ]));
    let expected =
        json!({"schema": {"fields": [2]}, "symlinks": symlinks("a"), "version": {"v": 1}});
    assert_eq!(found, json!([entry(expected)]));
}

#[test]
fn numbers_that_no_float_holds_survive() {
    let entry = |more: &str| format!(r#"{{"namespace":"n","name":"t","facets":{{{more}}}}}"#);
    let text = format!(
        r#"{{"inputs":[{},{}]}}"#,
        entry(r#""a":{"id":9007199254740993123}"#),
        entry(r#""b":{"n":1.10}"#)
    );
    let which = HashSet::from([Identity {
        namespace: "n".into(),
        name: "t".into(),
    }]);
    let expected = entry(r#""a":{"id":9007199254740993123},"b":{"n":1.10}"#);
    assert_eq!(
        unite(&text, &which).unwrap(),
        format!(r#"{{"inputs":[{expected}]}}"#)
    );
}

/// How long this thread has had a processor, in nanoseconds: other tests run beside it. Where the system does not say,
/// the time.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn time_used() -> u128 {
    std::thread::yield_now(); // what the system says is of the last time that it looked
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used = stat.split(' ').next().and_then(|used| used.parse().ok());
    used.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos())
}

#[test]
fn many_partitions_with_columns_of_their_own_take_time_in_proportion() {
    let which = HashSet::from([Identity {
        namespace: "n".into(),
        name: "t".into(),
    }]);
    let event = |count: usize| {
        let input = |n: usize| json!({"namespace": "n", "name": format!("s{n}"), "field": "f"});
        let entry = |n: usize| {
            let mut fields = json!({"a": {"inputFields": [input(n)]}});
            fields[format!("c{n}")] = json!({"inputFields": [input(n)]});
            entry(json!({"columnLineage": {"fields": fields}}))
        };
        json!({"inputs": (0..count).map(entry).collect::<Vec<_>>()}).to_string()
    };
    let took = |count: usize| {
        let text = event(count);
        let once = || {
            let before = time_used();
            let united: Value = serde_json::from_str(&unite(&text, &which).unwrap()).unwrap();
            let took = time_used() - before;
            let fields = &united["inputs"][0]["facets"]["columnLineage"]["fields"];
            assert_eq!(fields["a"]["inputFields"].as_array().unwrap().len(), count);
            assert_eq!(fields.as_object().unwrap().len(), count + 1);
            took
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let (few, many) = (took(200), took(200 * 8));
    // Eight times as many; quadratic would be 64 times.
    assert!(many < 24 * few, "{few} ns, then {many} ns");
}
