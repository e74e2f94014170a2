//! Senders by their keys: each is named in the log, is counted, and hides no other. A key itself is nowhere.

use super::*;

#[tokio::test]
async fn a_client_with_a_bad_key_does_not_suppress_the_lines_of_others() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", KEY)]);
    let (good, bad) = (format!("Bearer {KEY}"), "Bearer a-key-that-was-withdrawn");
    let lineage = "/api/v1/lineage";
    for n in 0..50 {
        assert_eq!(
            send(
                &serve,
                lineage,
                &[("authorization", bad)],
                &event(n, "START")
            )
            .await,
            403
        );
    }
    let wrong = event(1, "START").replace("eventTime", "eventtime");
    let unnamed = event(2, "START").replace(r#""name":"job 2""#, r#""name":7"#);
    assert_eq!(
        send(&serve, lineage, &[("authorization", &good)], &wrong).await,
        400
    );
    assert_eq!(
        send(&serve, lineage, &[("authorization", &good)], &unnamed).await,
        400
    );
    assert_eq!(
        send(&serve, "/api/v2/lineage", &[("authorization", &good)], "{}").await,
        404
    );
    let other = [("authorization", bad), ("x-forwarded-for", "198.51.100.8")];
    assert_eq!(send(&serve, lineage, &other, "{}").await, 403);
    let of = |status: u64| {
        serve
            .lines("request rejected")
            .into_iter()
            .filter(move |line| line["status"] == status)
            .count()
    };
    serve.lines_when("request rejected", |line| {
        line["forwarded_for"] == "198.51.100.8"
    });
    assert_eq!(
        (of(403), of(400), of(404)),
        (2, 2, 1),
        "{:#?}",
        serve.lines("request rejected")
    );
    let suppressed = serve.lines_when("requests rejected, log lines suppressed", |line| {
        line["status"] == 403
    });
    assert_eq!(
        (&suppressed[0]["suppressed"], &suppressed[0]["peer"]),
        (&49.into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn a_sender_is_named_and_hides_no_other_that_comes_from_the_same_address() {
    let keys = r#"{"airflow": {"key": "a-key-of-airflow-alone"}, "dbt": {"key": "a-key-of-dbt-and-none"}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in ["a-key-of-airflow-alone", "a-key-of-dbt-and-none"] {
        let bearer = format!("Bearer {key}");
        for _ in 0..3 {
            let headers = [("authorization", &*bearer)];
            assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 400);
        }
    }
    let refused = serve.lines_when("request rejected", |line| line["sender"] == "dbt");
    let senders: Vec<_> = refused.iter().map(|line| &line["sender"]).collect();
    assert_eq!(senders, ["airflow", "dbt"], "{refused:#?}");
}

#[tokio::test]
async fn strangers_are_counted_and_are_no_part_of_the_share_of_rejected_events() {
    let keys = r#"{"airflow": {"key": "a-key-of-airflow-alone"}, "grafana": {"key": "a-key-of-grafana-alone", "roles": ["metrics"]}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    let post = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await
    };
    for _ in 0..5 {
        assert_eq!(post("a-key-of-a-stranger").await, 403);
    }
    assert_eq!(post("a-key-of-airflow-alone").await, 200);
    let metrics = serve.http.get(format!("{}/metrics", serve.url));
    let metrics = metrics.bearer_auth("a-key-of-grafana-alone");
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for line in [
        "lineage_proxy_unknown_keys_total 5",
        r#"lineage_proxy_http_rejected_total{status="403"} 5"#,
        "lineage_proxy_http_rejected_ratio_count 1",
        "lineage_proxy_http_rejected_ratio_sum 0",
    ] {
        let is_there = metrics.lines().any(|found| found == line);
        assert!(is_there, "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn a_key_with_a_limit_is_rejected_above_it_and_the_line_names_it() {
    let keys = r#"{"etl": {"key": "a-key-of-etl-and-none", "requests_per_second": 1}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    let headers = [("authorization", "Bearer a-key-of-etl-and-none")];
    let mut statuses = Vec::new();
    // A slow machine may take a second for each of some.
    while statuses.len() < 50 && !statuses.contains(&429) {
        let status = send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await;
        statuses.push(status);
    }
    assert_eq!(
        (statuses[0], statuses.last()),
        (200, Some(&429)),
        "{statuses:?}"
    );
    let line = serve.logged("request rejected");
    assert_eq!(
        (&line["status"], &line["sender"], &line["detail"]),
        (
            &429.into(),
            &"etl".into(),
            &"the key etl may send 1 requests a second".into()
        )
    );
}

#[tokio::test]
async fn the_use_of_a_key_is_one_line_that_says_from_where_and_never_the_key() {
    let keys = r#"{"current": {"key": "a-key-of-this-month"}, "previous": {"key": "a-key-of-last-month"}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in ["a-key-of-this-month", "a-key-of-last-month"] {
        let bearer = format!("Bearer {key}");
        for _ in 0..3 {
            let headers = [("authorization", &*bearer), ("user-agent", "an-old-client")];
            let status = send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await;
            assert_eq!(status, 200);
        }
    }
    let used = serve.lines_when("API key used", |line| line["sender"] == "previous");
    let senders: Vec<_> = used.iter().map(|line| &line["sender"]).collect();
    assert_eq!(senders, ["current", "previous"], "{used:#?}");
    assert_eq!(
        (&used[1]["peer"], &used[1]["user_agent"]),
        (&"127.0.0.1".into(), &"an-old-client".into())
    );
    let log = format!("{:?}", serve.log.lock().unwrap());
    assert!(!log.contains("-month"), "a key was logged");
}

#[tokio::test]
async fn a_key_without_the_role_is_logged_by_its_name_and_an_unknown_key_without() {
    let keys = r#"{"grafana": {"key": "a-key-of-grafana-alone", "roles": ["metrics"]}, "auditor": {"key": "a-key-of-the-auditor", "roles": ["read"]}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in [
        "a-key-of-nobody",
        "a-key-of-grafana-alone",
        "a-key-of-the-auditor",
    ] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 403);
    }
    let refused = serve.lines_when("request rejected", |line| line["sender"] == "auditor");
    let logged: Vec<_> = (refused.iter())
        .map(|line| (&line["sender"], line["detail"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        (&serde_json::Value::Null, "the key is not known"),
        (
            &"grafana".into(),
            "the key grafana does not have the role send",
        ),
        (
            &"auditor".into(),
            "the key auditor does not have the role send",
        ),
    ];
    assert_eq!(logged, expected, "{refused:#?}");
}
