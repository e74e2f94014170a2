//! Targets: what each kind requires, and targets with names.

use targets::Kind;

use super::*;

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
            "proxy.yaml:1:21: targets.a.type: expected one of store, file, archive, openlineage, datazone, found \"datzone\" (did you mean datazone?)",
        ),
        (
            "targets: {a: {path: x}}",
            "proxy.yaml:1:11: targets.a: lacks its type: one of store, file, archive, openlineage, datazone",
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
fn an_archive_beside_a_rules_file_has_to_say_whether_its_rules_apply() {
    let yaml = |apply: &str| {
        format!(
            "target: archive\narchive: {{location: x{apply}}}\nrules: {{file: r.yaml}}\nredshift: {{style: arn}}"
        )
    };
    let errors = read(&yaml(""), &[], Role::Tool).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("archive.apply_rules: is required with rules.file"),
        "{errors:?}"
    );
    for (apply, is_applied) in [
        (", apply_rules: true", true),
        (", apply_rules: false", false),
    ] {
        let config = read(&yaml(apply), &[], Role::Tool).unwrap();
        assert_eq!(config.rules.source.is_some(), is_applied);
        assert_eq!(config.redshift.style != transform::Style::None, is_applied);
    }
}

#[test]
fn a_missing_setting_of_a_target_with_a_name_is_named_as_it_would_stand_in_the_file() {
    let yaml = "targets: {catalog: {type: openlineage, url: 'http://x', auth: basic}}";
    let errors = read(yaml, &[], Role::Tool).unwrap_err();
    let expected = [
        "targets.catalog.api_key: is required with targets.catalog.auth",
        "targets.catalog.username: is required with targets.catalog.auth",
    ];
    assert_eq!(errors, expected);
    let errors = read("targets: {a: {type: datazone}}", &[], Role::Tool).unwrap_err();
    assert_eq!(
        errors,
        [r#"targets.a.domain_id: is required when target is "datazone""#]
    );
}
