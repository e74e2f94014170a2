//! What is shown of events: lists, searches, news, and what is on the page of one.

use super::*;

#[tokio::test]
async fn pages_follow_one_another_while_events_arrive() {
    let (_folder, serve) = start_serve(&[]);
    post_runs(&serve, 0..250).await;
    let ids = |found: &Value| -> Vec<String> {
        let events = found["events"].as_array().unwrap().iter();
        events
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    until(async || {
        let found = get(&serve, "/?q=outcome:delivered", JSON).await.text;
        let found: Value = serde_json::from_str(&found).unwrap();
        (found["newest"].as_i64() >= Some(250)).then_some(())
    })
    .await;
    let mut found = found_when(&serve, "/", 100).await;
    let mut seen = ids(&found);
    for page in 0_u32.. {
        if found["more"] != true {
            break;
        }
        // New events come first, and move none to another page.
        for run in 0..20 {
            serve.post(&event(1_000 + page * 20 + run, "START")).await;
        }
        let last = found["events"].as_array().unwrap().last().unwrap()["position"].clone();
        found = found_when(&serve, &format!("/?before={last}"), 1).await;
        seen.extend(ids(&found));
    }
    let different: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), different.len()), (250, 250));
}

#[tokio::test]
async fn a_page_of_a_hundred_events_is_small_and_has_each_outcome() {
    let (_folder, serve) = start_serve(&[]);
    post_runs(&serve, 0..120).await;
    let page = get(&serve, "/", HTML).await;
    assert_eq!(page.status, 200);
    assert!(page.text.len() <= 60_000, "{}", page.text.len());
    assert_eq!(page.text.matches("<tr>").count(), 1 + 100);
    assert!(page.text.contains("✓ delivered") && page.text.contains("Older events"));
    let part = get(&serve, "/?part=rows", HTML).await.text;
    assert!(part.starts_with("<div id=\"live\""), "{part}");
}

#[tokio::test]
async fn a_search_that_cannot_be_read_stays_in_its_box_with_its_place_and_rule() {
    let (_folder, serve) = start_serve(&[]);
    let answer = get(&serve, "/?q=jbo%3Aa%20%3Cb%3E", HTML).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .text
            .contains("character 1: unknown key &quot;jbo&quot;: did you mean job?"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains(r#"value="jbo:a &lt;b&gt;""#));
    let problem: Value =
        serde_json::from_str(&get(&serve, "/?q=jbo%3Aa", JSON).await.text).unwrap();
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("q: character 1: ")
    );
    let unknown = get(&serve, "/?x=1", JSON).await;
    assert_eq!(unknown.status, 400);
    assert!(
        unknown.text.contains("unknown parameter"),
        "{}",
        unknown.text
    );
}

#[tokio::test]
async fn what_rules_redact_is_nowhere_on_the_page_of_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "rules:\n  - {name: up, rename: {of: job, name: renamed}}\n  - {name: hide, redact: {connection_secrets: true}}\n";
    let rules = write(folder.path(), "rules.yaml", rules);
    let (_data, serve) = start_serve(&[("RULES_FILE", rules.to_str().unwrap())]);
    let inputs = r#""inputs":[{"namespace":"postgres://u:hunter2@db:5432","name":"a"}]"#;
    let sent = serve.post(&event_with(1, "START", inputs)).await;
    let id = id_of(sent).await;
    // While it waits, too.
    let waits = get(&serve, &format!("/events/{id}"), HTML).await;
    assert!(!waits.text.contains("hunter2"), "{}", waits.text);
    found_when(&serve, "/", 1).await;
    for show in ["change", "before", "after", "raw"] {
        for accept in [HTML, JSON] {
            let answer = get(&serve, &format!("/events/{id}?show={show}"), accept).await;
            assert_eq!(answer.status, 200, "{show}");
            assert!(!answer.text.contains("hunter2"), "{show}: {}", answer.text);
            assert!(
                answer.text.contains("postgres") || show == "change",
                "{show}: {}",
                answer.text
            );
        }
    }
    let change: Value =
        serde_json::from_str(&get(&serve, &format!("/events/{id}"), JSON).await.text).unwrap();
    let texts = &change["texts"];
    assert_eq!(texts["hidden"], json!(["/inputs/0/namespace"]));
    let expected = json!([{"pointer": "/job/name", "before": "\"job 1\"", "after": "\"renamed\"", "rules": ["up"]}]);
    assert_eq!(texts["targets"][0]["delivered"]["changes"], expected);
    let raw = get(&serve, &format!("/events/{id}?show=raw"), HTML).await;
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        raw.header("content-disposition"),
        format!("attachment; filename=\"{id}.json\"")
    );
    assert_eq!(get(&serve, "/events/nothing", HTML).await.status, 404);
    let other = "/events/0191f3a0-0000-7000-8000-00000000ffff";
    assert_eq!(get(&serve, other, HTML).await.status, 404);
}

#[tokio::test]
async fn an_event_of_some_megabytes_is_not_shown_and_can_be_saved() {
    let (_folder, serve) = start_serve(&[]);
    let name = "x".repeat(5 << 20);
    let inputs = format!(r#""inputs":[{{"namespace":"n","name":"{name}"}}]"#);
    let id = id_of(serve.post(&event_with(1, "START", &inputs)).await).await;
    let path = format!("/events/{id}");
    let page = get(&serve, &path, HTML).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("too much to be shown: 5,24"));
    assert!(page.text.contains("?show=raw") && page.text.len() < 100_000);
    let raw = get(&serve, &format!("{path}?show=raw"), HTML).await;
    assert_eq!(raw.status, 200);
    assert!(raw.text.len() > 5 << 20 && raw.text.contains(&name));
}

#[tokio::test]
async fn an_event_whose_text_is_kept_no_longer_says_so() {
    let (_folder, serve) = start_serve(&[("RETENTION_AGE", "0")]);
    let sent = serve.post(&event(1, "START")).await;
    let id = id_of(sent).await;
    // The log keeps its last event.
    serve.post(&event(2, "START")).await;
    found_when(&serve, "/", 2).await;
    let gone = until(async || {
        let answer = get(&serve, &format!("/events/{id}"), HTML).await;
        answer.text.contains("kept no longer").then_some(answer)
    })
    .await;
    assert_eq!(gone.status, 200);
    assert!(gone.text.contains("✓ delivered"), "{}", gone.text);
}

#[tokio::test]
async fn news_end_with_the_session_of_their_reader() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    let cookie = log_in(&serve, READ).await.cookie();
    let news = |name: &'static str, value: String| {
        let url = format!("{}/news", serve.url);
        serve.http.get(url).header(name, value).send()
    };
    let mut of_session = news("cookie", cookie.clone()).await.unwrap();
    let mut of_key = news("authorization", format!("Bearer {READ}"))
        .await
        .unwrap();
    for news in [&mut of_session, &mut of_key] {
        assert!(news.chunk().await.unwrap().is_some());
    }
    let own = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    ask(&serve, "POST", "/logout", &own, "").await;
    while of_session.chunk().await.unwrap().is_some() {}
    let other = [("cookie", cookie.as_str())];
    assert_eq!(ask(&serve, "GET", "/news", &other, "").await.status, 401);
    // A key has no session that could end.
    let post = serve.http.post(format!("{}/api/v1/lineage", serve.url));
    let post = post.bearer_auth(SEND).body(event(1, "START"));
    let posted = post.header("content-type", "application/json").send();
    assert_eq!(posted.await.unwrap().status(), 200);
    let mut told = String::new();
    while !told.contains("\"newest\":1") {
        told += std::str::from_utf8(&of_key.chunk().await.unwrap().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn what_to_send_first_is_said_with_the_address_of_the_reader() {
    let (_folder, serve) = start_serve(&[]);
    let headers = [("accept", HTML), ("x-forwarded-proto", "https")];
    for (headers, scheme) in [(&headers[..], "https"), (&headers[..1], "http")] {
        let page = ask(&serve, "GET", "/", headers, "").await.text;
        let host = serve.url.strip_prefix("http://").unwrap();
        assert!(page.contains(&format!("<code>{scheme}://{host}</code>")));
        assert!(page.contains(&format!("curl {scheme}://{host}/api/v1/lineage")));
    }
}

#[tokio::test]
async fn news_tell_that_something_has_changed() {
    let (_folder, serve) = start_serve(&[]);
    let mut news = serve
        .http
        .get(format!("{}/news", serve.url))
        .send()
        .await
        .unwrap();
    let first = news.chunk().await.unwrap().unwrap();
    assert_eq!(
        std::str::from_utf8(&first).unwrap(),
        "data: {\"newest\":0,\"waiting\":0,\"retrying\":0,\"dead_letters\":0}\n\n"
    );
    serve.post(&event(1, "START")).await;
    let mut told = String::new();
    while !told.contains("\"newest\":1") {
        told += std::str::from_utf8(&news.chunk().await.unwrap().unwrap()).unwrap();
    }
    // A stop ends it.
    assert_eq!(serve.terminate(), Some(0));
    while news.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_search_looks_through_the_events_that_wait_and_says_how_many() {
    // Batches are waited for until the test is over.
    let rules = "rules:\n  - {name: hide, redact: {connection_secrets: true}}\n";
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "rules.yaml", rules);
    let settings = [
        ("RULES_FILE", rules.to_str().unwrap()),
        ("BATCH_SIZE", "100"),
        ("BATCH_WINDOW", "300s"),
    ];
    let (_data, serve) = start_serve(&settings);
    let mut ids = Vec::new();
    for run in 1..=3 {
        let inputs = format!(
            r#""inputs":[{{"namespace":"postgres://u:hunter2@db{run}:5432","name":"orders"}}]"#
        );
        ids.push(id_of(serve.post(&event_with(run, "START", &inputs)).await).await);
    }
    let ask = async |path: &str, search: &str| -> (Vec<String>, Value) {
        let path = format!("{path}?q={search}");
        let found: Value = serde_json::from_str(&get(&serve, &path, JSON).await.text).unwrap();
        assert_eq!(found["events"], json!([]), "none has an outcome");
        let waiting = &found["waiting"];
        let ids = waiting["events"].as_array().unwrap().iter();
        let ids = ids.map(|event| event["id"].as_str().unwrap().to_owned());
        (ids.collect(), waiting["looked_through"].clone())
    };
    let waiting = async |search: &str| {
        let found = ask("/", search).await;
        assert_eq!(ask("/api/v1/events", search).await, found, "{search}");
        found
    };
    let newest_first = |some: &[usize]| {
        some.iter()
            .rev()
            .map(|at| ids[*at].clone())
            .collect::<Vec<_>>()
    };
    for (search, expected) in [
        ("", &[0, 1, 2][..]),
        ("job:%22job+2%22", &[1]),
        ("dataset:orders+kind:start", &[0, 1, 2]),
        ("db3", &[2]),
        ("run:01a1faa6-e194-708b-a993-000000000001", &[0]),
        ("kind:fail", &[]),
        // What rules redact cannot be guessed.
        ("hunter2", &[]),
    ] {
        assert_eq!(
            waiting(search).await,
            (newest_first(expected), json!(3)),
            "{search}"
        );
    }
    let (none, looked) = waiting("outcome:retry").await;
    assert_eq!(
        (none, looked),
        (Vec::new(), json!(0)),
        "they have no outcome"
    );
    let page = get(&serve, "/?q=db3", HTML).await.text;
    assert!(page.contains(&ids[2]) && !page.contains(&ids[0]), "{page}");
    assert!(
        page.contains("3 events that wait were looked through, too."),
        "{page}"
    );
    let page = get(&serve, "/?q=nothing", HTML).await.text;
    assert!(
        page.contains("No event matches") && page.contains("3 events that wait"),
        "{page}"
    );
    // The command line asks the same.
    let told = Command::new(testing::binary())
        .args(["events", &serve.url, "db3", "--output", "json"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (&told["id"], &told["outcomes"]),
        (&json!(ids[2]), &json!(["waiting"]))
    );
}
