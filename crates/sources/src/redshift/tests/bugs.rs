//! Statements and rows whose reading panics.

use super::super::*;
use super::answer;
use super::stories::{results, tell, told};
use crate::FindingRule;
use crate::unread::tests::BUG;

#[test]
fn a_statement_that_panics_is_kept_apart_and_read_again_from_what_is_kept() {
    let bad = format!("INSERT INTO a SELECT '{BUG}' AS x FROM b");
    let story = [
        told(1, 1, "INSERT INTO a SELECT x FROM c"),
        told(1, 2, &bad),
        told(1, 3, "INSERT INTO d SELECT x FROM a"),
    ];
    let found = tell(&story, &[]);
    assert_eq!(found.events.len(), 2);
    let [input] = &found.unread[..] else {
        panic!("{found:?}")
    };
    assert!(
        input.place.starts_with("query 2, started 2026-"),
        "{}",
        input.place
    );
    assert!(found.findings.iter().any(|it| it.rule == FindingRule::Bug));
    let kept = String::from_utf8(input.bytes.clone()).unwrap();
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    let kept = kept.replace(BUG, "mended");
    history
        .add_file(&mut catalogue, "kept", kept.as_bytes())
        .unwrap();
    let warehouse = Warehouse::at("wh.example.com").unwrap();
    let again = extract_all(&history, &catalogue, &warehouse, &Options::default());
    assert_eq!((again.events.len(), again.unread.len()), (1, 0));
    assert!(again.events[0].text.contains("b"));
}

#[test]
fn a_row_that_panics_harms_no_other() {
    let (mut history, mut catalogue) = results(&[told(1, 1, "INSERT INTO a SELECT 1")], &[]);
    let text = |id: i64, text: &str| {
        let number = |number| serde_json::json!({"longValue": number});
        vec![
            number(id),
            number(0),
            serde_json::json!({"stringValue": text}),
        ]
    };
    let rows = vec![text(7, BUG), text(8, "SELECT 1")];
    let json = answer(View::Texts, rows);
    history
        .add(&mut catalogue, View::Texts, "texts", json.as_bytes())
        .unwrap();
    assert_eq!(history.texts.len(), 1);
    assert_eq!(history.unread.len(), 1);
    assert_eq!(history.unread[0].place, "texts, row 1");
    let warehouse = Warehouse::at("wh.example.com").unwrap();
    let found = extract_all(&history, &catalogue, &warehouse, &Options::default());
    assert_eq!(found.unread.len(), 1);
}
