//! Laws of reading Redshift's history: any bytes as a result, and any statements in any sessions and transactions.

use std::collections::BTreeSet;

use openlineage::{Event, Level};
use serde_json::{Value, json};
use sources::redshift::{
    Catalogue, History, Options, Poll, State, View, Warehouse, Window, extract, extract_all,
};
use sources::{FoundEvent, Identity};
use time::{Duration, OffsetDateTime};

/// The views whose results are read.
const VIEWS: [&str; 14] = [
    "sys_query_history",
    "sys_query_text",
    "sys_query_detail",
    "sys_procedure_call",
    "sys_transaction_history",
    "sys_session_history",
    "svv_all_columns",
    "pg_get_late_binding_view_cols",
    "svv_redshift_databases",
    "svv_external_schemas",
    "svv_user_info",
    "version",
    "sys_load_history",
    "sys_unload_history",
];

/// The most statements of a story, so that it takes no time.
const MOST: usize = 40;

/// Any bytes as the result of a view, which the first byte chooses.
pub(crate) fn results(bytes: &[u8]) {
    let Some((first, json)) = bytes.split_first() else {
        return;
    };
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    let view = VIEWS[usize::from(*first) % VIEWS.len()];
    if history.add_file(&mut catalogue, view, json).is_err() {
        return;
    }
    let found = extract_all(&history, &catalogue, &warehouse(), &Options::default());
    assert_eq!(found.unread, [], "a panic");
    found.events.iter().for_each(legal);
}

/// Any statements: divided by NUL, the first byte of each its session and status.
pub(crate) fn statements(bytes: &[u8]) {
    let story: Vec<Told> = (0..)
        .zip(bytes.split(|byte| *byte == 0).take(MOST))
        .map(told)
        .collect();
    let (history, catalogue) = history(&story, moment(-10), moment(999));
    let whole = extract_all(&history, &catalogue, &warehouse(), &Options::default());
    assert_eq!(whole.unread, [], "a panic");
    whole.events.iter().for_each(legal);
    let identities = |events: &[FoundEvent]| -> BTreeSet<Identity> {
        events.iter().map(|event| event.identity).collect()
    };
    assert_eq!(
        identities(&whole.events).len(),
        whole.events.len(),
        "each once"
    );
    let again = extract_all(&history, &catalogue, &warehouse(), &Options::default());
    assert_eq!(whole, again, "the same twice");
    // In several polls, with the state as it is kept.
    let (mut state, mut from) = (State::default(), moment(-10));
    let mut many = Vec::new();
    for now in (0..=MOST as i64 + 20).step_by(11) {
        let now = moment(now);
        let (history, catalogue) = self::history(&story, from, now);
        let found = extract(
            &Poll {
                history: &history,
                catalogue: &catalogue,
                warehouse: &warehouse(),
                options: &Options::default(),
                window: Window {
                    from,
                    now,
                    overlap: Duration::minutes(3),
                    is_complete: true,
                    presses_on: false,
                },
            },
            &state,
        );
        assert!(found.next >= from, "never back");
        many.extend(found.extraction.events);
        from = found.next;
        state = State::from_json(&found.state.to_json()).expect("it is read as it was written");
    }
    let many_identities = identities(&many);
    assert_eq!(many_identities.len(), many.len(), "nothing twice");
    assert_eq!(
        many_identities,
        identities(&whole.events),
        "nothing less and nothing more"
    );
}

struct Told {
    number: i64,
    session: u8,
    status: &'static str,
    text: String,
}

fn told((number, bytes): (i64, &[u8])) -> Told {
    let (first, text) = bytes.split_first().unwrap_or((&0, &[]));
    Told {
        number,
        session: first & 3,
        status: ["success", "success", "failed", "canceled"][usize::from(first >> 6)],
        text: String::from_utf8_lossy(text).into_owned(),
    }
}

/// What the history has of statements that started from then to before then.
fn history(story: &[Told], from: OffsetDateTime, now: OffsetDateTime) -> (History, Catalogue) {
    let text = |text: &str| json!({"stringValue": format!("{text}  ")});
    let rows = story
        .iter()
        .filter(|told| (from..now).contains(&moment(told.number)));
    let rows = rows.map(|told| {
        let end = moment(told.number) + Duration::seconds(10);
        let has_ended = end < now;
        let number = |number: i64| json!({"longValue": number});
        vec![
            number(100),
            number(told.number),
            // Transactions are those of one session, and never idle for long.
            number(i64::from(told.session) * 10_000 + told.number / 4),
            number(i64::from(told.session)),
            text("dev"),
            text(if has_ended { told.status } else { "running" }),
            text(&written(moment(told.number))),
            if has_ended {
                text(&written(end))
            } else {
                json!({"isNull": true})
            },
            text(&told.text),
        ]
    });
    let names = View::Queries.columns().iter().take(9);
    let columns: Vec<Value> = names.map(|name| json!({"name": name})).collect();
    let json = json!({"ColumnMetadata": columns, "Records": rows.collect::<Vec<_>>()}).to_string();
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    let added = history.add(&mut catalogue, View::Queries, "story", json.as_bytes());
    added.expect("it is a result");
    (history, catalogue)
}

fn warehouse() -> Warehouse {
    Warehouse::at("wh.111122223333.eu-west-1.redshift-serverless.amazonaws.com")
        .expect("an address")
}

/// Statements are 20 seconds apart.
fn moment(number: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_778_637_600 + 20 * number).expect("a time")
}

fn written(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{date} {:02}:{:02}:{:02}",
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// An event is valid as it is.
fn legal(event: &FoundEvent) {
    let read = Event::read(event.text.as_bytes(), Level::Strict);
    assert!(read.is_ok(), "{:?}: {}", read.err(), event.text);
}
