//! What cannot be read: log groups, calls, cursors, settings.

use super::*;

#[tokio::test]
async fn one_log_group_that_refuses_or_is_not_there_harms_no_other() {
    let cold = LogGroup {
        class: Some("INFREQUENT_ACCESS".to_owned()),
        ..LogGroup::default()
    };
    let service = service(&[
        ("cold", cold),
        ("good", group(vec![logged("a", 1, NOW, line(&event(1)))])),
    ])
    .await;
    let mut logs_source = source(
        &service,
        json!({"groups": "gone,cold,good", "settle": "0s"}),
    );
    let (mut cursor, mut found, mut rules, mut errors) = (None, Vec::new(), Vec::new(), Vec::new());
    for _ in 0..6 {
        match logs_source.next(cursor.as_ref(), at(NOW + MINUTE)).await {
            Ok(fetched) => {
                found.extend(runs_of(&fetched));
                rules.extend(rules_of(&fetched));
                cursor = Some(cursor_of(&fetched));
            }
            Err(error) => errors.push(error),
        }
    }
    assert_eq!((found, rules), (runs(1..2), vec![FindingRule::NotVisible]));
    assert!(errors.iter().all(|error| matches!(error, FetchError::Refused(text) if text.contains("log group cold") && text.contains("INFREQUENT_ACCESS"))), "{errors:?}");
    assert!(!errors.is_empty());
    // What was logged before the group was there to be seen is found once it is.
    set(
        &service,
        "gone",
        group(vec![logged("a", 2, NOW - MINUTE, line(&event(2)))]),
    );
    let mut found = Vec::new();
    for _ in 0..8 {
        if let Ok(fetched) = logs_source
            .next(cursor.as_ref(), at(NOW + 2 * MINUTE))
            .await
        {
            found.extend(runs_of(&fetched));
            cursor = Some(cursor_of(&fetched));
        }
    }
    assert_eq!(found, runs(2..3));
}

#[tokio::test]
async fn an_error_says_which_call_failed_and_the_same_step_is_made_again() {
    let service = service(&[(GROUP, group(vec![logged("a", 1, NOW, line(&event(1)))]))]).await;
    let denied = |times| GlueFault {
        operation: "FilterLogEvents".to_owned(),
        matches: String::new(),
        code: "AccessDeniedException".to_owned(),
        times,
    };
    service.set(|settings| settings.glue_faults = vec![denied(1)]);
    let mut logs_source = source(&service, json!({"groups": GROUP, "settle": "0s"}));
    let error = logs_source.next(None, at(NOW + MINUTE)).await.unwrap_err();
    let expected =
        format!("FilterLogEvents of log group {GROUP}: AccessDeniedException: on demand");
    assert_eq!(error, FetchError::Refused(expected));
    assert_eq!(
        poll(&mut logs_source, &mut None, NOW + MINUTE).await,
        (runs(1..2), vec![])
    );
}

#[tokio::test]
async fn a_foreign_or_damaged_cursor_is_an_error_with_its_place() {
    let service = service(&[]).await;
    let good = || json!({"kind": "logs/1", "step": 1, "groups": {"g": {"begin": 5, "read_to": 5, "seen": []}}});
    let changed = |pointer: &str, value: Value| {
        let mut cursor = good();
        *cursor.pointer_mut(pointer).unwrap() = value;
        cursor
    };
    for (cursor, place) in [
        (json!({"LastEvaluated": 1}), "LastEvaluated"),
        (changed("/kind", json!("crawls/1")), "/kind"),
        (
            changed("/groups/g/seen", json!([7])),
            "/groups/g/seen: element 0",
        ),
        (changed("/groups/g/read_to", json!(4)), "/groups/g/read_to"),
        (json!([]), "the cursor"),
    ] {
        let error = source(&service, json!({"groups": "g"}))
            .next(Some(&cursor), at(NOW))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, FetchError::Refused(text) if text.contains(place)),
            "{error}"
        );
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let errors = |settings: Value| {
        let settings: LogsSettings = serde_json::from_value(settings).unwrap();
        settings
            .validate()
            .unwrap_err()
            .into_iter()
            .map(|error| error.setting)
            .collect::<Vec<_>>()
    };
    assert_eq!(errors(json!({})), ["groups"]);
    assert_eq!(
        errors(json!({"groups": "a,a", "filter": "x".repeat(1_025)})),
        ["groups", "filter"]
    );
}
