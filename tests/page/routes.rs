//! The matrix of routes, roles and names of hosts, and what every response has.

use super::*;

#[tokio::test]
async fn each_role_opens_its_routes_for_scripts_and_browsers_and_no_other() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    for (path, needs) in routes() {
        for (key, name) in [
            (None, ""),
            (Some(SEND), "airflow"),
            (Some(READ), "auditor"),
            (Some(OPERATE), "ops"),
        ] {
            let may = match needs {
                Needs::Nothing => true,
                Needs::View => ["auditor", "ops"].contains(&name),
                Needs::Operate => name == "ops",
            };
            let authorization = key.map(|key| format!("Bearer {key}"));
            for method in ["GET", "POST"] {
                for accept in [HTML, JSON] {
                    let mut headers = vec![("accept", accept), ("sec-fetch-site", "same-origin")];
                    headers.extend(authorization.as_deref().map(|it| ("authorization", it)));
                    let answer = ask(&serve, method, &path, &headers, "").await;
                    let case = format!("{method} {path} {name} {accept}: {}", answer.status);
                    if answer.status == 405 || path == "/" && method == "POST" {
                        continue; // another route's, or none
                    }
                    match (may, key) {
                        (true, _) => {
                            let leads_to_login = answer.header("location").starts_with("/login?");
                            assert!(
                                ![401, 403].contains(&answer.status) || path == "/login",
                                "{case}"
                            );
                            assert!(!leads_to_login, "{case}");
                        }
                        (false, None) if accept == HTML => {
                            assert_eq!(answer.status, 303, "{case}");
                            assert!(
                                answer.header("location").starts_with("/login?next="),
                                "{case}"
                            );
                        }
                        (false, None) => assert_eq!(answer.status, 401, "{case}"),
                        (false, Some(_)) => {
                            assert_eq!(answer.status, 403, "{case}");
                            let kind = answer.header("content-type");
                            let expected = if accept == HTML {
                                "text/html"
                            } else {
                                "application/problem+json"
                            };
                            assert!(kind.starts_with(expected), "{case} {kind}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn no_route_answers_under_a_foreign_name_and_none_changes_anything_for_a_foreign_site() {
    let (_folder, serve) = start_serve(&[]);
    for (path, _) in routes() {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            if path == "/" && !["GET", "HEAD"].contains(&method) {
                continue; // ingest, which takes events under any name
            }
            let foreign = [("host", "evil.example"), ("sec-fetch-site", "same-origin")];
            let answer = ask(&serve, method, &path, &foreign, "").await;
            let own = ask(
                &serve,
                method,
                &path,
                &[("sec-fetch-site", "cross-site")],
                "",
            )
            .await;
            // A method that the route does not have is none under its own name either.
            let expected = if own.status == 405 {
                [421, 405]
            } else {
                [421, 421]
            };
            assert!(
                expected.contains(&answer.status),
                "{method} {path}: {}",
                answer.status
            );
        }
        if path == "/" {
            continue;
        }
        for site in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://evil.example"),
            ("x", "none of them"),
        ] {
            let answer = ask(&serve, "POST", &path, &[site], "theme=dark").await;
            assert!(
                [403, 405].contains(&answer.status),
                "{path} {site:?}: {}",
                answer.status
            );
            assert_eq!(answer.header("set-cookie"), "", "{path}");
        }
    }
    let own = [("sec-fetch-site", "same-origin")];
    let answer = ask(&serve, "POST", "/theme", &own, "theme=dark&next=/?q=a").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/?q=a"));
    assert!(answer.cookie().ends_with("lineage_theme=dark"));
    // Where it leads to is a path of this site.
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "",
    ] {
        let body = format!("theme=dark&next={next}");
        let answer = ask(&serve, "POST", "/theme", &own, &body).await;
        assert_eq!(answer.header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn every_response_has_the_policy_and_no_page_is_stored() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys())]);
    let page = get(&serve, "/login", HTML).await.text;
    let assets: BTreeSet<&str> = page
        .split('"')
        .filter(|it| it.starts_with("/assets/"))
        .collect();
    assert!(assets.len() >= 3, "{assets:?}");
    let paths = routes()
        .map(|(path, _)| path)
        .chain(assets.iter().map(|it| (*it).to_owned()));
    for path in paths {
        for (host, key) in [
            ("localhost", SEND),
            ("localhost", OPERATE),
            ("evil.example", READ),
        ] {
            let authorization = format!("Bearer {key}");
            let headers = [
                ("accept", HTML),
                ("host", host),
                ("authorization", &authorization),
            ];
            let answer = ask(&serve, "GET", &path, &headers, "").await;
            let case = format!("{path} {host} {key}");
            if answer.status == 405 {
                continue; // no route
            }
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';"),
                "{case}"
            );
            assert!(
                policy.contains("require-trusted-types-for 'script'"),
                "{case}"
            );
            assert!(!policy.contains("unsafe"), "{case}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{case}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{case}");
            assert_eq!(
                answer.header("cross-origin-opener-policy"),
                "same-origin",
                "{case}"
            );
            assert_eq!(
                answer.header("cross-origin-resource-policy"),
                "same-origin",
                "{case}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), "", "{case}");
            let is_asset = assets.contains(path.as_str()) && answer.status == 200;
            let caching = answer.header("cache-control");
            match is_asset {
                true => assert_eq!(caching, "public, max-age=31536000, immutable", "{case}"),
                false => assert!(
                    ["no-store", "no-cache"].contains(&caching),
                    "{case}: {caching}"
                ),
            }
            for inline in ["style=\"", " onclick", "<style", "javascript:"] {
                assert!(
                    !answer.text.contains(inline) || is_asset,
                    "{case}: {inline}"
                );
            }
        }
    }
    let size: usize = {
        let mut size = 0;
        for asset in &assets {
            size += get(&serve, asset, "*/*").await.text.len();
        }
        size
    };
    assert!(size <= 40_000, "{size} bytes of assets");
}

#[test]
fn every_script_is_a_module_that_can_be_parsed() {
    if !testing::needs::command("node", "every_script_is_a_module_that_can_be_parsed") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../page/assets");
    let files = std::fs::read_dir(assets)
        .unwrap()
        .map(|it| it.unwrap().path());
    let scripts: Vec<_> = files
        .filter(|it| it.extension().is_some_and(|it| it == "js"))
        .collect();
    assert!(scripts.len() >= 2, "{scripts:?}");
    for script in scripts {
        // By this extension Node knows it for a module, as the pages load it.
        let module = folder.path().join("script.mjs");
        std::fs::copy(&script, &module).unwrap();
        let check = Command::new("node").arg("--check").arg(module).output();
        let check = check.unwrap();
        let why = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "{}: {why}", script.display());
    }
}

#[tokio::test]
async fn the_address_without_its_last_slash_leads_to_the_page() {
    let (_folder, serve) = start_serve(&[("PATH_PREFIX", "/proxy")]);
    for (path, location) in [("/proxy", "/proxy/"), ("/proxy?q=job:a", "/proxy/?q=job:a")] {
        let answer = get(&serve, path, HTML).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, location),
            "{path}"
        );
        assert_eq!(get(&serve, location, HTML).await.status, 200, "{location}");
    }
    assert!(
        get(&serve, "/proxy/", HTML)
            .await
            .text
            .contains("/proxy/metrics")
    );
    let sent = serve.post_to("/proxy", &event(1, "START")).await;
    assert_eq!(sent.status(), 200);
}

#[tokio::test]
async fn a_page_that_is_off_is_not_there() {
    let (_folder, serve) = start_serve(&[("PAGE", "off")]);
    for (path, _) in routes().filter(|(path, _)| path != "/") {
        assert_eq!(get(&serve, &path, HTML).await.status, 404, "{path}");
    }
    assert_eq!(get(&serve, "/", HTML).await.status, 405);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
}
