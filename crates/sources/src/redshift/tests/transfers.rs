//! What COPY has loaded and UNLOAD has written, as the history of both tells.

use serde_json::{Value, json};

use super::super::*;
use super::{SAVED, answer, by_query, extracted, saved};

const COPY: i64 = 700_156;
const UNLOAD: i64 = 700_170;

#[test]
fn a_copy_says_how_many_rows_it_has_loaded_and_from_how_many_files() {
    let events = by_query(&extracted(&saved(""), &Options::default()));
    let (input, output) = (&events[&COPY]["inputs"][0], &events[&COPY]["outputs"][0]);
    let read = &input["inputFacets"]["inputStatistics"];
    assert_eq!(
        (&read["fileCount"], &read["size"]),
        (&json!(16), &json!(10_485_760))
    );
    assert_eq!(
        read.get("rowCount"),
        None,
        "rows that are refused are read too"
    );
    assert_eq!(input["facets"]["storage"]["fileFormat"], "parquet");
    assert_eq!(
        output["outputFacets"]["outputStatistics"]["rowCount"],
        80_123
    );
    assert_eq!(output["facets"].get("storage"), None);
}

#[test]
fn an_unload_says_what_it_has_written() {
    let events = by_query(&extracted(&saved(""), &Options::default()));
    let output = &events[&UNLOAD]["outputs"][0];
    let written = &output["outputFacets"]["outputStatistics"];
    let counts = ["rowCount", "fileCount", "size"].map(|name| &written[name]);
    assert_eq!(counts, [&json!(365), &json!(4), &json!(9_216)]);
    assert_eq!(output["facets"]["storage"]["fileFormat"], "parquet");
}

#[test]
fn what_is_transferred_is_asked_for_once_and_only_of_what_transfers() {
    let asked = |leave_out: &str| {
        let (history, catalogue) = saved(leave_out);
        let found = super::poll(&(history, catalogue), &State::default(), start(), 80);
        (found.loads, found.unloads)
    };
    let (loads, unloads) = asked("sys_load_history");
    assert!(
        loads.contains(&COPY) && unloads.is_empty(),
        "{loads:?} {unloads:?}"
    );
    let (loads, unloads) = asked("sys_unload_history");
    // That of a COPY that failed is not saved.
    assert!(
        !loads.contains(&COPY) && unloads.contains(&UNLOAD),
        "{loads:?} {unloads:?}"
    );
}

#[test]
fn files_that_the_text_has_lost_are_those_of_the_history() {
    let lost = |query: i64, head: &str| {
        let (mut history, mut catalogue) = (History::default(), Catalogue::default());
        for (name, json) in SAVED {
            let view = View::of_name(name);
            if view != Some(View::Queries) && view != Some(View::Texts) {
                let added = history.add_file(&mut catalogue, name, json.as_bytes());
                added.unwrap();
            }
        }
        // The row is cut, and there are no pieces of the text.
        let cut = format!("{head}{}", "x".repeat(4_000 - head.len()));
        let (number, text) = (
            |n: i64| json!({"longValue": n}),
            |t: &str| json!({"stringValue": t}),
        );
        let row = vec![
            number(100),
            number(query),
            number(1),
            number(1),
            text("dev"),
            text("success"),
            text("2026-05-13 02:00:00"),
            text("2026-05-13 02:00:01"),
            text(&cut),
        ];
        let json = answer(View::Queries, vec![row]);
        let added = history.add(&mut catalogue, View::Queries, "x", json.as_bytes());
        added.unwrap();
        let found = extracted(&(history, catalogue), &Options::default());
        by_query(&found).remove(&query).unwrap()
    };
    let event = lost(
        UNLOAD,
        "UNLOAD ('select a from mart.daily_sales where a = ''",
    );
    assert_eq!(event["outputs"][0]["name"], "daily/no_");
    let event = lost(COPY, "COPY stage.orders_in (");
    assert_eq!(event["inputs"][0]["name"], "orders/2026/05/13");
    let none: &Value = &event["outputs"][0]["facets"]["columnLineage"];
    assert!(none.is_null());
}

fn start() -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(1_778_637_000).unwrap()
}
