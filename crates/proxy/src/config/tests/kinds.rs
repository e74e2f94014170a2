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
            r#"proxy.yaml:1:9: file.path: is required when target is "file""#,
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
    let target =
        |variables: &[(&str, &str)]| read(yaml, variables, Role::Tool).unwrap().pipeline.target;
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
        (
            config.pipeline.target.name.as_str(),
            config.pipeline.target.section.as_str()
        ),
        ("file", "file")
    );
}

#[test]
fn what_is_wrong_with_named_targets_is_reported_where_it_is() {
    for (yaml, message) in [
        (
            "targets: {a: {type: store}, b: {type: store}}",
            "proxy.yaml:1:39: targets.b: is the same destination as targets.a",
        ),
        (
            "targets: {a: {type: file, path: x}, b: {type: file, path: ./x}}",
            "proxy.yaml:1:47: targets.b: is the same destination as targets.a",
        ),
        (
            "targets: {a: {type: store}, b: {type: file}}",
            "proxy.yaml:1:39: targets.b.path: is required when targets.b.type is \"file\"",
        ),
        (
            "targets: {a: {type: store}, b: {type: file, path: x}}\nqueue: {url: 'https://sqs.eu-west-1.amazonaws.com/1/q'}",
            "proxy.yaml:1:39: targets.b: cannot be combined with queue.url: an SQS queue has one target, and each message is received once",
        ),
        (
            "targets: {a: {type: store, batch_size: 0}}",
            "proxy.yaml:1:40: targets.a.batch_size: expected a whole number from 1 to 10000, found \"0\"",
        ),
        (
            "targets:\n  a:\n    type: store\n    when:\n      kind: runs",
            "proxy.yaml:5:13: targets.a.when: expected one of run, job, dataset, found \"runs\" (did you mean \"run\"?)",
        ),
        (
            "targets: {a: {type: store, when: {target: b}}, b: {type: file, path: x}}",
            "proxy.yaml:1:43: targets.a.when: expected one of a, found \"b\"",
        ),
        (
            "targets: {a: {type: store, when: {smaller_than: 0}}}",
            "proxy.yaml:1:34: targets.a.when: no event meets these conditions: no event has less than 0 bytes",
        ),
        (
            "targets: {a: {type: store, rules: {refresh: 1s}}}",
            "proxy.yaml:1:36: targets.a.rules.refresh: is the same for all targets: set rules.refresh",
        ),
        (
            "targets: {a: {type: store, batch_sizes: 1}}",
            "proxy.yaml:1:28: targets.a.batch_sizes: unknown setting (did you mean batch_size?)",
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
            "proxy.yaml:1:21: targets.a.type: expected one of store, file, archive, openlineage, datahub, datazone, glue, found \"datzone\" (did you mean datazone?)",
        ),
        (
            "targets: {a: {path: x}}",
            "proxy.yaml:1:11: targets.a: lacks its type: one of store, file, archive, openlineage, datahub, datazone, glue",
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
        assert!(errors.contains(&message.to_owned()), "{errors:?}");
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
        errors[0].starts_with("proxy.yaml:1:9: archive.apply_rules: is required with rules.file"),
        "{errors:?}"
    );
    // Nothing else that is wrong hides it.
    let wrong = yaml("").replace("location: x", "location: 's3://'");
    let errors = read(&wrong, &[], Role::Tool).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    for (apply, is_applied) in [
        (", apply_rules: true", true),
        (", apply_rules: false", false),
    ] {
        let config = read(&yaml(apply), &[], Role::Tool).unwrap();
        assert_eq!(config.pipeline.rules.source.is_some(), is_applied);
        assert_eq!(
            config.pipeline.redshift.style != transform::Style::None,
            is_applied
        );
    }
}

#[test]
fn a_missing_setting_of_a_target_with_a_name_is_named_as_it_would_stand_in_the_file() {
    let yaml = "targets: {catalog: {type: openlineage, url: 'http://x', auth: basic}}";
    let errors = read(yaml, &[], Role::Tool).unwrap_err();
    let expected = [
        "proxy.yaml:1:63: targets.catalog.api_key: is required when targets.catalog.auth is basic",
        "proxy.yaml:1:63: targets.catalog.username: is required when targets.catalog.auth is basic",
    ];
    assert_eq!(errors, expected);
    let errors = read("targets: {a: {type: datazone}}", &[], Role::Tool).unwrap_err();
    assert_eq!(
        errors,
        [r#"proxy.yaml:1:21: targets.a.domain_id: is required when targets.a.type is "datazone""#]
    );
    // A variable would be taken for the setting that it names.
    let variable = [("LINEAGE_PROXY_TARGET", "file")];
    let errors = read("", &variable, Role::Tool).unwrap_err();
    assert_eq!(errors, [r#"file.path: is required when target is "file""#]);
}

#[test]
fn a_target_beside_targets_hides_no_error_inside_them() {
    let yaml = "target: file\ntargets: {a: {type: store, batch_size: 0}, b: {type: file, paht: x}}";
    let errors = read(yaml, &[], Role::Serve).unwrap_err();
    let expected = [
        "proxy.yaml:2:1: targets: cannot be combined with target: put the settings of a target beside its type",
        "proxy.yaml:2:40: targets.a.batch_size: expected a whole number from 1 to 10000, found \"0\"",
        "proxy.yaml:2:54: targets.b.path: is required when targets.b.type is \"file\"",
        "proxy.yaml:2:60: targets.b.paht: unknown setting (did you mean path?)",
    ];
    assert_eq!(errors, expected);
}

const SEVERAL: &str = "
rules: {file: r.yaml}
batch: {size: 7}
targets:
  catalog: {type: datazone, domain_id: dzd_a}
  lake: {type: archive, location: x, apply_rules: true, batch_size: 1000, batch_window: 1m}
  marquez: {type: openlineage, url: 'http://x', rules: {file: m.yaml}}
  other: {type: openlineage, url: 'http://y'}";

#[test]
fn each_of_several_targets_has_its_own_settings_and_those_of_all() {
    let layers = Layers::yaml("conf/proxy.yaml", SEVERAL);
    let layers = layers.beside("rules.file", std::path::Path::new("conf"));
    let config = Config::read(layers, Role::Serve).unwrap();
    assert_eq!(
        config.target_names(),
        ["catalog", "lake", "marquez", "other"]
    );
    let sizes: Vec<usize> = config.pipelines().map(|it| it.batch.size).collect();
    assert_eq!(sizes, [7, 1000, 7, 7]);
    let rules = config.pipelines().map(|it| match &it.rules.source {
        Some(RulesSource::Path(path)) => path.display().to_string(),
        Some(RulesSource::S3 { .. }) | None => String::new(),
    });
    let expected = ["conf/r.yaml", "conf/r.yaml", "conf/m.yaml", "conf/r.yaml"];
    assert_eq!(rules.collect::<Vec<_>>(), expected);
    // Only DataZone needs the names of endpoints.
    let lookups: Vec<bool> = config.pipelines().map(|it| it.redshift_lookup).collect();
    assert_eq!(lookups, [true, false, false, false]);
}

#[test]
fn a_target_has_conditions_of_its_own_or_those_of_all() {
    let yaml = "
when: {kind: run}
targets:
  a: {type: store}
  b: {type: file, path: x, when: {any: [{kind: job}, {job: {name: 'n*'}}]}}";
    let conditions = |variables: &[(&'static str, &'static str)]| {
        let config = read(yaml, variables, Role::Serve).unwrap();
        let texts = config
            .pipelines()
            .map(|it| it.when.as_ref().map(|when| when.text().to_owned()));
        texts.flatten().collect::<Vec<_>>()
    };
    assert_eq!(
        conditions(&[]),
        [
            r#"{"kind":"run"}"#,
            r#"{"any":[{"kind":"job"},{"job":{"name":"n*"}}]}"#
        ]
    );
    let variable = [("LINEAGE_PROXY_WHEN", r#"{"kind": "dataset"}"#)];
    assert_eq!(conditions(&variable), [r#"{"kind":"dataset"}"#; 2]);
    let errors = read("", &[("LINEAGE_PROXY_WHEN", "kind: runs")], Role::Serve).unwrap_err();
    assert_eq!(
        errors,
        [
            r#"environment variable LINEAGE_PROXY_WHEN: expected one of run, job, dataset, found "runs" (did you mean "run"?)"#
        ]
    );
}

#[test]
fn every_error_in_the_conditions_of_targets_is_reported() {
    let yaml = "when: {kind: x, job: 1}\ntargets: {a: {type: file, when: {inputs: maybe}}}";
    let errors = read(yaml, &[], Role::Serve).unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn the_environment_sets_one_of_several_targets_or_all_but_not_some() {
    let with =
        |name: &'static str, value: &'static str| read(SEVERAL, &[(name, value)], Role::Serve);
    let config = with("LINEAGE_PROXY_DATAZONE_DOMAIN_ID", "dzd_b").unwrap();
    assert!(format!("{:?}", config.pipeline.target.kind).contains("dzd_b"));
    let config = with("LINEAGE_PROXY_BATCH_SIZE", "9").unwrap();
    assert!(config.pipelines().all(|it| it.batch.size == 9));
    assert_eq!(
        with("LINEAGE_PROXY_OPENLINEAGE_API_KEY", "k").unwrap_err(),
        [
            "environment variable LINEAGE_PROXY_OPENLINEAGE_API_KEY: would set several targets (marquez, other): set it in targets"
        ]
    );
    let errors = with("LINEAGE_PROXY_TARGET", "store").unwrap_err();
    assert!(
        errors[0].contains("would set several targets"),
        "{errors:?}"
    );
}

#[test]
fn an_error_for_all_targets_is_reported_once() {
    let yaml = SEVERAL.replace("batch: {size: 7}", "batch: {size: 0}");
    let errors = read(&yaml, &[], Role::Serve).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn a_function_has_one_target() {
    let queues = [
        (
            "LINEAGE_PROXY_QUEUE_URL",
            "https://sqs.eu-west-1.amazonaws.com/1/q",
        ),
        (
            "LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL",
            "https://sqs.eu-west-1.amazonaws.com/1/d",
        ),
    ];
    let errors = read(SEVERAL, &queues, Role::Batch).unwrap_err();
    assert!(
        errors[0].contains("a function delivers to one target"),
        "{errors:?}"
    );
}

#[test]
fn config_show_lists_the_settings_of_every_target_once() {
    let shown = Config::effective(Layers::yaml("proxy.yaml", SEVERAL), Role::Serve).unwrap();
    let shown = |name: &str| -> Vec<(String, String)> {
        let of = shown.iter().filter(|it| it.setting == name);
        of.map(|it| (it.value.clone(), it.origin.clone())).collect()
    };
    assert_eq!(shown("listen").len(), 1);
    let size = |value: &str, origin: &str| vec![(value.to_owned(), origin.to_owned())];
    assert_eq!(shown("batch.size"), size("7", "proxy.yaml:3:15"));
    assert_eq!(
        shown("targets.lake.batch_size"),
        size("1000", "proxy.yaml:6:69")
    );
    assert_eq!(
        shown("targets.other.url"),
        size("http://y/", "proxy.yaml:8:35")
    );
    let lookup = shown("redshift.lookup");
    assert_eq!(lookup.len(), 4, "{lookup:?}");
    assert_eq!(lookup[1].1, "default of target lake");
}
