//! What users set, and the errors they see when it is wrong.

use std::collections::BTreeSet;

use targets::Kind;

use super::*;

fn read(yaml: &str, variables: &[(&str, &str)], role: Role) -> Result<Config, Vec<String>> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources::environment(variables).over(Sources::yaml("proxy.yaml", yaml));
    Config::read(sources, role)
        .map_err(|Errors(errors)| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn without_settings_it_is_a_proxy_for_one_machine() {
    let config = read("", &[], Role::Serve).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!((config.batch.size, config.batch.window.as_secs()), (20, 5));
    assert_eq!(config.target.name.as_str(), "store");
}

#[test]
fn the_environment_overrides_the_file() {
    let yaml = "batch: {size: 7, window: 500ms}\nredshift:\n  hosts: {10.1.2.3: a.b.eu-west-1.redshift.amazonaws.com}\nauth: {keys: [0123456789abcdef]}";
    let config = read(
        yaml,
        &[("LINEAGE_PROXY_BATCH_SIZE", "9"), ("HOME", "/")],
        Role::Serve,
    )
    .unwrap();
    assert_eq!(
        (config.batch.size, config.batch.window.as_millis()),
        (9, 500)
    );
    assert!(config.redshift.hosts.contains_key("10.1.2.3"));
    assert_eq!(config.ingest.auth.keys.len(), 1);
}

#[test]
fn all_errors_are_reported_together_with_their_place() {
    let yaml =
        "listen: 0.0.0.0:80\nbatch: {size: 0, sizes: 3}\ntarget: datazone\nauth: {keys: [short]}";
    let errors = read(
        yaml,
        &[("LINEAGE_PROXY_DATAZONE_DOMAIN_ID", "x")],
        Role::Serve,
    )
    .unwrap_err();
    let expected = [
        "proxy.yaml:2:15: batch.size: expected a whole number from 1 to 10000, found \"0\"",
        "proxy.yaml:2:18: batch.sizes: unknown setting (did you mean batch.size?)",
        "proxy.yaml:4:14: auth.keys: key 1: shorter than 16 characters",
        "environment variable LINEAGE_PROXY_DATAZONE_DOMAIN_ID: expected a domain id such as dzd_a1b2c3, found \"x\"",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn keys_have_names_and_roles_in_the_file_and_in_the_environment() {
    let key = "0123456789abcdef";
    let hash = format!("sha256:{}", "ab".repeat(32));
    let yaml = format!(
        "auth:\n  keys:\n    airflow: {{hash: '{hash}'}}\n    grafana: {{key: {key}, roles: [metrics, read]}}"
    );
    let json = format!(
        r#"{{"airflow": {{"hash": "{hash}"}}, "grafana": {{"key": "{key}", "roles": "metrics, read"}}}}"#
    );
    let in_environment = [("LINEAGE_PROXY_AUTH_KEYS", json.as_str())];
    let in_file = read(&yaml, &[], Role::Serve).unwrap();
    let in_environment = read("", &in_environment, Role::Serve).unwrap();
    let keys = &in_file.ingest.auth.keys;
    assert_eq!(keys, &in_environment.ingest.auth.keys);
    assert_eq!(
        format!("{keys:?}"),
        "[airflow {Send}, grafana {Read, Metrics}]"
    );
    let wrong = [
        (
            "{a: {hash: short}}",
            "auth.keys: a: hash: expected sha256: and 64 hex digits",
        ),
        (
            "{a: {hash: 'sha256:00'}}",
            "auth.keys: a: expected 64 hex digits after sha256:",
        ),
        ("{a: [short]}", "auth.keys: a-1: shorter than 16 characters"),
    ];
    for (keys, message) in wrong {
        let errors = read(&format!("auth: {{keys: {keys}}}"), &[], Role::Serve).unwrap_err();
        let message = format!("proxy.yaml:1:14: {message}");
        assert!(errors[0].starts_with(&message), "{errors:?}");
    }
}

#[test]
fn an_allowed_host_is_a_name_not_a_url() {
    let hosts = |text: &str| read("", &[("LINEAGE_PROXY_ALLOWED_HOSTS", text)], Role::Serve);
    let config = hosts("proxy.example.com,*.svc.cluster.local,fd00::1").unwrap();
    assert_eq!(config.ingest.allowed_hosts.len(), 3);
    let errors = hosts("http://proxy.example.com").unwrap_err();
    assert!(
        errors[0].starts_with(
            "environment variable LINEAGE_PROXY_ALLOWED_HOSTS: expected a list of names such as"
        ),
        "{errors:?}"
    );
}

#[test]
fn a_role_is_an_arn_and_the_check_function_requires_datazone() {
    let role = |text: &str| {
        let yaml = format!("target: datazone\ndatazone: {{domain_id: dzd_a, role_arn: '{text}'}}");
        read(&yaml, &[], Role::Tool).map(drop)
    };
    assert_eq!(role("arn:aws:iam::123456789012:role/lineage"), Ok(()));
    assert_eq!(role("arn:aws-cn:iam::123456789012:role/a/b"), Ok(()));
    for wrong in [
        "lineage",
        "arn:aws:iam::1:role/x",
        "arn:aws:iam::123456789012:user/x",
    ] {
        assert!(role(wrong).is_err(), "{wrong}");
    }
    let errors = read("target: file\nfile: {path: x}", &[], Role::Check).unwrap_err();
    assert_eq!(
        errors,
        [r#"proxy.yaml:1:9: target: the check function requires target "datazone""#]
    );
    let keys =
        "openlineage: {url: 'http://x', api_key: k, api_key_secret_id: s}\ntarget: openlineage";
    assert_eq!(read(keys, &[], Role::Tool).unwrap_err().len(), 1);
}

#[test]
fn the_functions_need_their_queues() {
    let errors = read("", &[("LINEAGE_PROXY_TARGET", "")], Role::Batch).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
}

/// A row of the table of settings in `docs/configuration.md`.
fn row(entry: &settings::Entry) -> String {
    let note = |name: &str| entry.extra.get(name).and_then(|note| note.as_str());
    let default = entry.default.as_ref().map(|default| format!("`{default}`"));
    let default = default.or(note("x-default").map(str::to_owned));
    let cells = [
        format!("`{}`", entry.name),
        entry.values.clone(),
        default.unwrap_or_default(),
        entry.description.clone(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.join(" | ")).replace("  ", " ")
}

/// `UPDATE_DOCS=1 cargo test -p proxy --lib the_documentation_lists_every_setting` writes the table.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_documentation_lists_every_setting() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- settings -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
    let rows: Vec<String> = names::all().iter().map(row).collect();
    let header = "| setting | values | default | meaning |\n|---|---|---|---|";
    let table = format!(
        "<!-- settings -->\n{header}\n{}\n<!-- end of settings -->",
        rows.join("\n")
    );
    let expected = format!("{before}{table}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/configuration.md is stale: see the comment of this test"
    );
}

#[test]
fn the_template_and_the_settings_name_the_same() {
    let template = include_str!("../../../../infra/openlineage-proxy.yaml");
    let named = |text: &str| -> String {
        let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let passed: BTreeSet<String> = template.split(PREFIX).skip(1).map(named).collect();
    let is_passed = |entry: &&settings::Entry| !entry.extra.contains_key("x-not-on-aws");
    let expected = names::all().iter().filter(is_passed);
    let expected = expected.map(|entry| names::variable(&entry.name).replacen(PREFIX, "", 1));
    assert_eq!(passed, expected.collect::<BTreeSet<String>>());
}

#[test]
fn sizes_that_no_machine_has_are_errors_without_overflow() {
    let most = u64::MAX.to_string();
    let variables = [("LINEAGE_PROXY_MAX_BODY_SIZE", most.as_str())];
    let errors = read("", &variables, Role::Serve).unwrap_err();
    assert!(
        errors[0].starts_with("max_body_memory: expected at least "),
        "{errors:?}"
    );
}

#[test]
fn lists_and_maps_have_one_form_in_a_text() {
    let (one, two) = ("0123456789abcdef", "fedcba9876543210");
    for keys in [format!("{one},{two}"), format!("[\"{one}\", \"{two}\"]")] {
        let config = read("", &[("LINEAGE_PROXY_AUTH_KEYS", &keys)], Role::Serve).unwrap();
        assert_eq!(config.ingest.auth.keys.len(), 2, "{keys}");
        let yaml = format!("auth: {{keys: '{keys}'}}");
        assert!(read(&yaml, &[], Role::Serve).is_ok(), "{keys}");
    }
    for hosts in ["a=b:1,c=d", "{\"a\":\"b:1\",\"c\":\"d\"}"] {
        let variables = [("LINEAGE_PROXY_REDSHIFT_HOSTS", hosts)];
        let config = read("", &variables, Role::Serve).unwrap();
        assert_eq!(config.redshift.hosts.len(), 2, "{hosts}");
    }
    for (variable, value, form) in [
        ("LINEAGE_PROXY_AUTH_KEYS", format!("{one};{two}"), "a,b"),
        ("LINEAGE_PROXY_AUTH_KEYS", format!("{one} {two}"), "a,b"),
        (
            "LINEAGE_PROXY_AUTH_KEYS",
            format!("[{one}]"),
            "[\"a\",\"b\"]",
        ),
        ("LINEAGE_PROXY_REDSHIFT_HOSTS", "a:b".to_owned(), "a=b,c=d"),
        (
            "LINEAGE_PROXY_REDSHIFT_HOSTS",
            "{a: b}".to_owned(),
            "{\"a\":\"b\",\"c\":\"d\"}",
        ),
    ] {
        let errors = read("", &[(variable, &value)], Role::Serve).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(&format!("environment variable {variable}: ")),
            "{errors:?}"
        );
        assert!(
            errors[0].contains(form) && !errors[0].contains(one),
            "{errors:?}"
        );
    }
    for (yaml, message) in [
        (
            "auth: {keys: [[a]]}",
            "proxy.yaml:1:14: auth.keys: expected keys that are texts, found one that is not: put it in quotes",
        ),
        (
            "redshift: {hosts: [a=b]}",
            "proxy.yaml:1:19: redshift.hosts: expected a map, found a list",
        ),
        (
            "batch: {size: [1]}",
            "proxy.yaml:1:15: batch.size: expected a single value, found a list",
        ),
    ] {
        assert_eq!(read(yaml, &[], Role::Serve).unwrap_err(), [message]);
    }
}

#[test]
fn the_nearest_setting_is_suggested_as_it_is_named_there() {
    for (yaml, message) in [
        ("listn: x", "listn: unknown setting (did you mean listen?)"),
        (
            "dataDir: x",
            "dataDir: unknown setting (did you mean data_dir?)",
        ),
        (
            "queue: {visibility: 60}",
            "(did you mean queue.visibility_timeout?)",
        ),
        ("api_key: x", "(did you mean openlineage.api_key?)"),
        (
            "batch: 5",
            "batch: is a section; its settings are batch.concurrency, batch.deduplication_window, batch.size, batch.window",
        ),
        (
            "listen: {port: 5000}",
            "proxy.yaml:1:9: listen: expected a single value, found a map",
        ),
        (
            "queue: {foo: 1}",
            "queue.foo: unknown setting (the settings of queue are queue.bucket, queue.dead_letter_url, queue.max_attempts, queue.url, queue.visibility_timeout)",
        ),
        ("quue: {url: x}", "(did you mean queue?)"),
        ("zzz: 1", "proxy.yaml:1:1: zzz: unknown setting"),
        ("data_dir: a\ndata-dir: b", "(did you mean data_dir?)"),
        (
            "batch: {size: 5}\nbatch_size: 6",
            "proxy.yaml:2:1: batch_size: unknown setting (did you mean batch.size?)",
        ),
        ("a: [", "proxy.yaml:1:"),
        (
            "[]",
            "proxy.yaml:1:1: expected settings by name (`listen: …`), found a list",
        ),
    ] {
        let errors = read(yaml, &[], Role::Serve).unwrap_err();
        assert!(
            errors.len() == 1 && errors[0].contains(message),
            "{yaml}: {errors:?}"
        );
    }
    let variables = [
        ("LINEAGE_PROXY_LISTN", "x"),
        ("LINEAGE_PROXY_TARGET", "datzone"),
    ];
    let errors = read("", &variables, Role::Serve).unwrap_err();
    let expected = [
        "environment variable LINEAGE_PROXY_LISTN: unknown setting (did you mean LINEAGE_PROXY_LISTEN?)",
        "environment variable LINEAGE_PROXY_TARGET: expected one of store, file, openlineage, datazone, found \"datzone\" (did you mean datazone?)",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_name_with_a_port_is_an_address_and_other_forms_are_explained() {
    let listen = |text: &str| {
        let variables = [
            ("LINEAGE_PROXY_LISTEN", text),
            ("LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS", "true"),
        ];
        read("", &variables, Role::Serve)
            .map(|config| config.listen.to_string())
            .map_err(|errors| errors.join("\n"))
    };
    for (text, address) in [
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("localhost:5000", "127.0.0.1:5000"),
        ("LOCALHOST:0", "127.0.0.1:0"),
        ("[::1]:5000", "[::1]:5000"),
        ("[::]:5000", "[::]:5000"),
        ("[127.0.0.1]:5000", "127.0.0.1:5000"),
    ] {
        assert_eq!(listen(text), Ok(address.to_owned()));
    }
    for (text, hint) in [
        (":5000", "0.0.0.0:5000 for all"),
        ("*:5000", "0.0.0.0:5000 for all"),
        ("::1:5000", "an IPv6 address needs brackets: [::1]:5000"),
        ("5000", "localhost:5000"),
        ("localhost", "localhost:5000"),
        ("localhost:http", "localhost:5000"),
        ("localhost:70000", "localhost:5000"),
        ("http://localhost:5000", "localhost:5000"),
        ("no-such-host.invalid:5000", "no-such-host.invalid"),
    ] {
        let error = listen(text).unwrap_err();
        assert!(
            error.contains(hint) && error.contains("found"),
            "{text}: {error}"
        );
    }
    // A name that is not this machine is as open as its address.
    let error = read("listen: '0.0.0.0:80'", &[], Role::Serve).unwrap_err();
    assert!(error[0].contains("--allow-anonymous"), "{error:?}");
}

#[test]
fn a_variable_that_is_not_utf8_is_an_error_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let wrong = || std::ffi::OsString::from_vec(vec![0xff]);
    let sources = Sources::environment([("PATH".into(), wrong()), (wrong(), wrong())]);
    assert!(Config::read(sources, Role::Serve).is_ok());
    let sources =
        Sources::environment([(std::ffi::OsString::from("LINEAGE_PROXY_LISTEN"), wrong())]);
    let Errors(errors) = Config::read(sources, Role::Serve).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["environment variable LINEAGE_PROXY_LISTEN: expected UTF-8"]
    );
}

#[test]
fn a_relative_path_in_a_file_starts_at_its_folder() {
    let file = |yaml: &str| {
        let sources = Sources::yaml("conf/proxy.yaml", yaml);
        let sources = sources.beside("rules.file", std::path::Path::new("conf"));
        Config::read(sources, Role::Serve).unwrap().rules.source
    };
    let path = |path: &str| Some(RulesSource::Path(path.into()));
    assert_eq!(file("rules: {file: t.yaml}"), path("conf/t.yaml"));
    assert_eq!(file("rules: {file: /t.yaml}"), path("/t.yaml"));
    assert!(matches!(
        file("rules: {file: 's3://b/k'}"),
        Some(RulesSource::S3 { .. })
    ));
}

#[test]
fn a_key_that_is_not_a_text_is_an_error() {
    for keys in [
        "{a: 1234567890123456}",
        "{a: [1234567890123456]}",
        "{a: true}",
        "{a: {}}",
        "{a: {b: {}}}",
    ] {
        let errors = read(&format!("auth: {{keys: {keys}}}"), &[], Role::Serve).unwrap_err();
        assert!(
            errors[0].contains("auth.keys: expected keys that are texts"),
            "{errors:?}"
        );
        assert!(!errors[0].contains("1234"), "{errors:?}");
    }
}

#[test]
fn a_required_setting_that_is_invalid_is_not_reported_as_missing() {
    for (yaml, message) in [
        (
            "target: file",
            r#"file.path: is required when target is "file""#,
        ),
        (
            "target: openlineage\nopenlineage: {url: localhost}",
            "proxy.yaml:2:20: openlineage.url: expected http://… or https://…",
        ),
        (
            "target: datazone\ndatazone: {domain_id: x}",
            "proxy.yaml:2:23: datazone.domain_id: expected a domain id such as dzd_a1b2c3, found \"x\"",
        ),
    ] {
        assert_eq!(read(yaml, &[], Role::Serve).unwrap_err(), [message]);
    }
}

#[test]
fn a_key_has_one_name_and_a_name_has_one_key() {
    let (one, two) = ("0123456789abcdef", "fedcba9876543210");
    let hash = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
    let error = |keys: &str| {
        let given = read("", &[("LINEAGE_PROXY_AUTH_KEYS", keys)], Role::Serve).unwrap_err();
        assert!(!given[0].contains(one), "{given:?}");
        given[0].clone()
    };
    for (keys, message) in [
        (
            format!(r#"{{"a": "{one}", "b": {{"key": "{one}", "roles": ["read"]}}}}"#),
            "b: the same key as a",
        ),
        (
            format!(r#"{{"a": {{"key": "{one}"}}, "b": {{"hash": "{hash}"}}}}"#),
            "b: the same key as a",
        ),
        (
            format!(r#"{{"a": "{one}", "a": "{two}"}}"#),
            "expected a list, or a map in JSON: a name stands in it twice",
        ),
        (
            format!(r#"{{"a": {{"key": "{one}", "roles": ["send"], "roles": ["read"]}}}}"#),
            "a name stands in it twice",
        ),
        (format!("airflow={one}"), "element 1 has `=` within it"),
    ] {
        assert!(error(&keys).contains(message), "{keys}: {}", error(&keys));
    }
    let list = format!("{one},{one}");
    assert!(read("", &[("LINEAGE_PROXY_AUTH_KEYS", &list)], Role::Serve).is_ok());
}

#[test]
fn an_invalid_log_filter_is_an_error() {
    for filter in ["loud", "info,foo=loud", "[[[", "debug,x=y=z"] {
        let errors = read("", &[("LINEAGE_PROXY_LOG", filter)], Role::Serve).unwrap_err();
        assert!(
            errors[0].starts_with("environment variable LINEAGE_PROXY_LOG: expected a filter"),
            "{errors:?}"
        );
    }
    for filter in [
        "",
        "warn",
        "info,transform=debug",
        "off",
        "DEBUG",
        "proxy[batch{id=1}]=trace",
    ] {
        assert!(
            read("", &[("LINEAGE_PROXY_LOG", filter)], Role::Serve).is_ok(),
            "{filter}"
        );
    }
}

#[test]
fn a_target_with_a_name_is_one_with_the_settings_of_its_kind() {
    let yaml =
        "targets:\n  catalog:\n    type: datazone\n    domain_id: dzd_a\n    posts_per_second: 7";
    let config = read(yaml, &[], Role::Batch).unwrap_err();
    assert_eq!(config.len(), 2, "only the queues are missing: {config:?}");
    let target = |variables: &[(&str, &str)]| read(yaml, variables, Role::Tool).unwrap().target;
    let catalog = target(&[]);
    assert_eq!(
        (catalog.name.as_str(), catalog.kind.kind()),
        ("catalog", Kind::DataZone)
    );
    assert_eq!(catalog.setting("domain_id"), "targets.catalog.domain_id");
    assert!(format!("{:?}", catalog.kind).contains("dzd_a"));
    // The environment sets the one target, whatever its name.
    let catalog = target(&[("LINEAGE_PROXY_DATAZONE_DOMAIN_ID", "dzd_b")]);
    assert_eq!(catalog.name.as_str(), "catalog");
    assert!(format!("{:?}", catalog.kind).contains("dzd_b"));
    // Another kind is another target.
    let store = target(&[("LINEAGE_PROXY_TARGET", "store")]);
    assert_eq!(
        (store.name.as_str(), store.section.as_str()),
        ("store", "store")
    );
    let config = read("target: file\nfile: {path: x}", &[], Role::Tool).unwrap();
    assert_eq!(
        (config.target.name.as_str(), config.target.section.as_str()),
        ("file", "file")
    );
}

#[test]
fn what_is_wrong_with_named_targets_is_reported_where_it_is() {
    for (yaml, message) in [
        (
            "targets: {a: {type: store}, b: {type: store}}",
            "proxy.yaml:1:29: targets: several targets are not supported yet",
        ),
        (
            "target: file\ntargets: {a: {type: store}}",
            "proxy.yaml:2:1: targets: cannot be combined with target: put the settings of a target beside its type",
        ),
        (
            "targets: {a: {type: datazone, domain: dzd_a}}",
            "proxy.yaml:1:31: targets.a.domain: unknown setting (did you mean domain_id?)",
        ),
        (
            "targets: {a: {type: datazone, domain_id: x}}",
            "proxy.yaml:1:42: targets.a.domain_id: expected a domain id such as dzd_a1b2c3, found \"x\"",
        ),
        (
            "targets: {a: {type: datzone}}",
            "proxy.yaml:1:21: targets.a.type: expected one of store, file, openlineage, datazone, found \"datzone\" (did you mean datazone?)",
        ),
        (
            "targets: {a: {path: x}}",
            "proxy.yaml:1:11: targets.a: lacks its type: one of store, file, openlineage, datazone",
        ),
        (
            "targets: {A b: {type: store}}",
            "proxy.yaml:1:11: targets.A b: expected a name of at most 63 lower-case letters, digits, _ and -, beginning with a letter, found \"A b\"",
        ),
        (
            "targets: [datazone]",
            "proxy.yaml:1:10: targets: expected targets by name (`catalog: {type: datazone, …}`), found a list",
        ),
    ] {
        let errors = read(yaml, &[], Role::Tool).unwrap_err();
        assert_eq!(
            errors.first().map(String::as_str),
            Some(message),
            "{errors:?}"
        );
    }
}

#[test]
fn no_error_shows_a_secret() {
    let secret = "hunter2-hunter2";
    for yaml in [
        format!("openlineage: {{api_key: [{secret}]}}"),
        format!("openlineage: {{api_key: {{a: {secret}}}}}"),
        format!("rules: {{hash_key: {secret}}}"),
        format!("auth: {{keys: [x, {secret}, 7]}}"),
        format!("auth: {{keys: {{a: {{hash: {secret}}}}}}}"),
        format!("openlineage: {{url: '{secret}'}}"),
        format!("auth: {secret}"),
    ] {
        let errors = read(&yaml, &[], Role::Tool).unwrap_err();
        assert!(!errors.join("\n").contains(secret), "{errors:?}");
    }
}
