//! Logins, sessions and limits of keys, and what the page is to whoever has no key.

use super::*;

#[tokio::test]
async fn a_session_lasts_until_its_logout_and_its_cookie_is_worth_nothing_then() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    let answer = log_in(&serve, READ).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/?q=a"));
    let set = answer.header("set-cookie").to_owned();
    for attribute in ["; Path=/;", "; HttpOnly", "; SameSite=Lax"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(READ), "{set}");
    let cookie = answer.cookie();
    let with_cookie = [
        ("cookie", cookie.as_str()),
        ("accept", HTML),
        ("sec-fetch-site", "same-origin"),
    ];
    let page = ask(&serve, "GET", "/", &with_cookie, "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("auditor") && page.text.contains("Log out"));
    // It may not operate.
    assert_eq!(
        ask(&serve, "POST", "/rules/try", &with_cookie, "")
            .await
            .status,
        403
    );
    let out = ask(&serve, "POST", "/logout", &with_cookie, "").await;
    assert_eq!((out.status, out.header("location")), (303, "/login"));
    let again = ask(&serve, "GET", "/", &with_cookie, "").await;
    assert_eq!(
        (again.status, again.header("location")),
        (303, "/login?next=%2F")
    );
    let log = format!("{:?}", serve.log.lock().unwrap());
    assert!(!log.contains(READ) && !log.contains(&cookie), "{log}");
}

#[tokio::test]
async fn a_wrong_key_opens_no_session_and_many_lock_nobody_out() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    for (key, why) in [
        ("not-a-key-of-this", "the key is not known"),
        (SEND, "needs the role read"),
    ] {
        let answer = log_in(&serve, key).await;
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (403, ""),
            "{key}"
        );
        assert!(
            answer.text.contains(why) && !answer.text.contains(key),
            "{}",
            answer.text
        );
    }
    let mut tries = 0;
    while log_in(&serve, "not-a-key-of-this").await.status != 429 {
        tries += 1;
        assert!(tries < 1_000);
    }
    let right = log_in(&serve, READ).await;
    assert_eq!((right.status, right.header("location")), (303, "/?q=a"));
}

#[tokio::test]
async fn a_login_ends_the_session_before_it() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    let before = log_in(&serve, READ).await.cookie();
    let own = [
        ("sec-fetch-site", "same-origin"),
        ("accept", HTML),
        ("cookie", &before),
    ];
    let body = format!("key={OPERATE}");
    let now = ask(&serve, "POST", "/login", &own, &body).await.cookie();
    for (cookie, status) in [(&before, 303), (&now, 200)] {
        let with_cookie = [("cookie", cookie.as_str()), ("accept", HTML)];
        assert_eq!(
            ask(&serve, "GET", "/", &with_cookie, "").await.status,
            status
        );
    }
}

#[tokio::test]
async fn requests_of_a_key_are_counted_and_what_is_above_its_limit_is_told_so() {
    let keys = json!({
        "ops": {"key": OPERATE, "roles": ["operate"], "requests_per_second": 1},
        "scraper": {"key": READ, "roles": ["metrics"]},
    });
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys.to_string())]);
    let authorization = format!("Bearer {OPERATE}");
    let refused = async |accept| {
        let headers = [
            ("authorization", authorization.as_str()),
            ("accept", accept),
        ];
        until(async || {
            let answer = ask(&serve, "GET", "/queue", &headers, "").await;
            assert!([200, 429].contains(&answer.status), "{}", answer.status);
            (answer.status == 429).then_some(answer)
        })
        .await
    };
    let page = refused(HTML).await;
    assert!(
        page.text.contains("has reached its limit of requests"),
        "{}",
        page.text
    );
    assert_eq!(page.header("retry-after"), "1");
    let problem = refused(JSON).await;
    assert!(
        problem.text.contains("may send 1 requests a second"),
        "{}",
        problem.text
    );
    until(async || {
        let login = log_in(&serve, OPERATE).await;
        assert!([303, 429].contains(&login.status), "{}", login.status);
        (login.status == 303).then_some(())
    })
    .await;
    let scraper = [("authorization", &*format!("Bearer {READ}"))];
    let metrics = ask(&serve, "GET", "/metrics", &scraper, "").await.text;
    for status in [200, 303, 429] {
        let counted =
            format!(r#"lineage_proxy_sender_requests_total{{sender="ops",status="{status}"}}"#);
        assert!(metrics.contains(&counted), "{metrics}");
    }
    assert_eq!(serve.logged("API key used")["sender"], "ops");
}

#[tokio::test]
async fn without_keys_whoever_comes_through_a_reverse_proxy_may_only_look() {
    let (_folder, serve) = start_serve(&[("ALLOWED_HOSTS", "lineage.example.com")]);
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a"),
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 a"),
        ("x-real-ip", "192.0.2.1"),
        ("host", "lineage.example.com"),
    ] {
        let headers = [
            (name, value),
            ("accept", HTML),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(
            ask(&serve, "GET", "/queue", &headers, "").await.status,
            200,
            "{name}"
        );
        for (path, needs) in routes() {
            if needs == Needs::Operate {
                let answer = ask(&serve, "POST", &path, &headers, "").await;
                assert_eq!(answer.status, 403, "{name} {path}");
                assert!(
                    answer.text.contains("came through a reverse proxy"),
                    "{name} {path}: {}",
                    answer.text
                );
            }
        }
        let script = [headers[0], ("accept", JSON), headers[2]];
        let answer = ask(&serve, "POST", "/queue/redrive", &script, "").await;
        assert_eq!(answer.status, 403, "{name}");
        assert!(
            answer.text.contains("needs a key with the role operate"),
            "{name}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_the_queue_at_the_login() {
    let rules = "rules:\n  - {name: dies, script: 'throw 1', on_failure: dead_letter}\n";
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "rules.yaml", rules);
    let settings = [
        ("AUTH_KEYS", keys()),
        ("RULES_FILE", rules.to_str().unwrap().to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    let (_data, serve) = start_serve(&settings);
    let sent = serve.http.post(format!("{}/api/v1/lineage", serve.url));
    let sent = sent.bearer_auth(SEND).body(event(1, "START")).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    let reader = [
        ("authorization", &*format!("Bearer {READ}")),
        ("accept", HTML),
    ];
    let mark = "dead letters</span>";
    until(async || {
        let page = ask(&serve, "GET", "/login", &reader, "").await;
        page.text.contains(mark).then_some(())
    })
    .await;
    let page = get(&serve, "/login", HTML).await;
    assert!(!page.text.contains(mark), "{}", page.text);
    assert!(!page.text.contains("/metrics"), "{}", page.text);
}

#[tokio::test]
async fn a_page_that_anyone_may_look_at_lets_nobody_operate() {
    let (_folder, serve) = start_serve(&[]);
    // Without keys, on a loopback address, whoever is on this machine may operate.
    assert_eq!(get(&serve, "/rules/try", HTML).await.status, 200);
    let keys = json!({"airflow": {"key": SEND}}).to_string();
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys), ("AUTH_ALLOW_ANONYMOUS", "true")]);
    assert_eq!(get(&serve, "/", HTML).await.status, 200);
    assert_eq!(get(&serve, "/rules/try", HTML).await.status, 303);
    assert_eq!(get(&serve, "/rules/try", JSON).await.status, 401);
}
