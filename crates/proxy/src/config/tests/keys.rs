//! Keys: names, roles and hashes, and that no error shows one.

use super::*;

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
            "auth.keys: key a: hash: expected sha256: and 64 hex digits",
        ),
        (
            "{a: {hash: 'sha256:00'}}",
            "auth.keys: key a: expected 64 hex digits after sha256:",
        ),
        (
            "{a: [short]}",
            "auth.keys: key a-1: shorter than 16 characters",
        ),
    ];
    for (keys, message) in wrong {
        let errors = read(&format!("auth: {{keys: {keys}}}"), &[], Role::Serve).unwrap_err();
        let place = match keys.contains('[') {
            true => "proxy.yaml:1:19",
            false => "proxy.yaml:1:15",
        };
        let message = format!("{place}: {message}");
        assert!(errors[0].starts_with(&message), "{errors:?}");
    }
}

#[test]
fn all_wrong_keys_are_reported_each_where_it_stands() {
    let yaml = "auth:\n  keys:\n    a: {hash: x}\n    b: short\n    c: {key: 0123456789abcdef, member: 1}\n    d: {key: fedcba9876543210, roles: [write]}\n    e: 7\n    f: [1234567890abcdef, x]\n    g: 0123456789abcdef0\n    h: 0123456789abcdef0";
    let expected = [
        "proxy.yaml:3:5: auth.keys: key a: hash: expected sha256: and 64 hex digits (lineage-proxy keys hash)",
        "proxy.yaml:4:5: auth.keys: key b: shorter than 16 characters",
        "proxy.yaml:5:5: auth.keys: key c: expected hash or key, roles, and requests_per_second, found \"member\"",
        "proxy.yaml:6:5: auth.keys: key d: a role is send, read, metrics or operate, not \"write\"",
        "proxy.yaml:7:5: auth.keys: key e: expected a text: put it in quotes",
        "proxy.yaml:8:27: auth.keys: key f-2: shorter than 16 characters",
        "proxy.yaml:10:5: auth.keys: key h: the same key as g",
    ];
    assert_eq!(read(yaml, &[], Role::Serve).unwrap_err(), expected);
    // A variable has one place.
    let variable = [("LINEAGE_PROXY_AUTH_KEYS", r#"{"a": "short", "b": 7}"#)];
    let errors = read("", &variable, Role::Serve).unwrap_err();
    assert_eq!(
        errors,
        [
            "environment variable LINEAGE_PROXY_AUTH_KEYS: key b: expected a text: put it in quotes; key a: shorter than 16 characters"
        ]
    );
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
            errors[0].contains(": expected a text: put it in quotes"),
            "{errors:?}"
        );
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(!errors[0].contains("1234"), "{errors:?}");
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
            "key b: the same key as a",
        ),
        (
            format!(r#"{{"a": {{"key": "{one}"}}, "b": {{"hash": "{hash}"}}}}"#),
            "key b: the same key as a",
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
