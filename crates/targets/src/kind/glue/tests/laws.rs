//! Laws of merging any events into any table.

use std::ops::Range;

use super::*;

/// Names of which some are equal, and some differ only in how they are written.
fn name() -> impl Strategy<Value = String> {
    "[abA_. ä\"]{1,3}"
}

fn event() -> impl Strategy<Value = Value> {
    event_at(0..6)
}

fn event_at(minutes: Range<u8>) -> impl Strategy<Value = Value> {
    let columns = btree_map(name(), vec((name(), name()), 0..3), 0..4);
    let fields = vec((name(), "int|varchar|array<int>|geography"), 0..4);
    (1..4_u8, minutes, vec(name(), 0..8), columns, fields).prop_map(
        |(id, minute, inputs, columns, fields)| {
            let columns: Map<String, Value> = (columns.into_iter())
                .map(|(column, inputs)| {
                    let input = |(name, field)| json!({"namespace": "s3://lake", "name": name, "field": field});
                    let inputs: Vec<Value> = inputs.into_iter().map(input).collect();
                    (column, json!({"inputFields": inputs}))
                })
                .collect();
            let field = |(name, hive)| json!({"name": name, "type": hive});
            let fields: Vec<Value> = fields.into_iter().map(field).collect();
            let facets = json!({
                "schema": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields},
                "columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": columns},
            });
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            run(id, minute, &inputs, &facets)
        },
    )
}

/// A table of others, or of ours, with what anybody may have written into it.
fn table() -> impl Strategy<Value = Map<String, Value>> {
    let parameters = btree_map(
        "(openlineage\\.)?[a-z]{1,3}|openlineage\\.(upstream|schema|last_run_id)",
        "[a-z{}\"]{0,4}",
        0..5,
    );
    (parameters, any::<bool>()).prop_map(|(parameters, is_ours)| {
        let mut table = foreign();
        table["Parameters"] = json!(parameters);
        if is_ours {
            table["Parameters"][MANAGED_BY] = OURSELVES.into();
        }
        table
    })
}

fn after(table: Map<String, Value>, events: &[Value], max_bytes: usize) -> Map<String, Value> {
    events.iter().fold(table, |table, event| {
        match merge(&table, &fact(event), max_bytes) {
            MergeResult::Changed(table) => table,
            MergeResult::Unchanged => table,
            MergeResult::LeftAlone(why) => panic!("{why}"),
        }
    })
}

proptest! {
    #[test]
    fn what_is_not_ours_is_never_lost(table in table(), events in vec(event(), 1..4)) {
        let mut merged = after(table.clone(), &events, MAX);
        let is_managed = table["Parameters"].get(MANAGED_BY).is_some();
        for (name, value) in table["Parameters"].as_object().unwrap() {
            if !name.starts_with(PREFIX) || name == MANAGED_BY {
                prop_assert_eq!(&merged["Parameters"][name], value);
            }
        }
        let mut rest = table;
        for table in [&mut merged, &mut rest] {
            table.remove("Parameters");
            if is_managed {
                table["StorageDescriptor"].as_object_mut().unwrap().remove("Columns");
            }
        }
        prop_assert_eq!(merged, rest);
    }

    #[test]
    fn an_event_that_is_merged_again_changes_nothing(table in table(), events in vec(event(), 1..4), max in 100..600_usize) {
        let merged = after(table, &events, max);
        let last = events.iter().max_by_key(|event| event["eventTime"].as_str()).unwrap();
        let merged = after(merged, std::slice::from_ref(last), max);
        prop_assert_eq!(merge(&merged, &fact(last), max), MergeResult::Unchanged);
    }

    #[test]
    fn an_older_event_changes_nothing(table in table(), newer in event_at(3..6), older in event_at(0..3)) {
        if let MergeResult::Changed(merged) = merge(&table, &fact(&newer), MAX) {
            prop_assert_eq!(merge(&merged, &fact(&older), MAX), MergeResult::Unchanged);
        }
    }

    #[test]
    fn a_parameter_is_json_of_bounded_size_and_counts_what_is_missing(table in table(), event in event(), max in 100..600_usize) {
        let fact = fact(&event);
        let merged = after(table, std::slice::from_ref(&event), max);
        for (name, list) in [("upstream", "datasets"), ("column_lineage", "columns"), ("schema", "fields")] {
            let all = match name {
                "upstream" => fact.upstream.len(),
                "column_lineage" => fact.column_lineage.as_ref().map_or(0, |columns| columns.len()),
                _ => fact.schema.as_ref().map_or(0, Vec::len),
            };
            let Some(text) = parameter(&merged, name).filter(|_| all > 0) else {
                prop_assert!(all == 0, "{} is missing", name);
                continue;
            };
            prop_assert!(text.len() <= max, "{} bytes of {}", text.len(), max);
            let value: Value = serde_json::from_str(&text).unwrap();
            let members = value[list].as_object().map(Map::len);
            let kept = members.or_else(|| Some(value[list].as_array()?.len())).unwrap();
            let omitted = value.get("omitted").map_or(0, |count| count.as_u64().unwrap());
            prop_assert_eq!(kept + usize::try_from(omitted).unwrap(), all);
        }
    }
}
