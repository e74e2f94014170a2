//! What users set, and the errors they see when it is wrong.
//!
//! This file has defaults, origins and single settings. `tests/keys.rs` has keys, `tests/kinds.rs` targets,
//! `tests/source.rs` sources, `tests/roles.rs` the roles that all of these assume, `tests/forms.rs` the forms of values, and `tests/documentation.rs` compares the settings with the documentation.

mod documentation;
mod forms;
mod function;
mod keys;
mod kinds;
mod roles;
mod source;

use super::*;

fn read(yaml: &str, variables: &[(&str, &str)], role: Role) -> Result<Config, Vec<String>> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let layers = Layers::environment(variables).over(Layers::yaml("proxy.yaml", yaml));
    Config::read(layers, role)
        .map_err(|Errors(errors)| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn without_settings_it_is_a_proxy_for_one_machine() {
    let config = read("", &[], Role::Serve).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(
        (
            config.pipeline.batch.size,
            config.pipeline.batch.window.as_secs()
        ),
        (20, 5)
    );
    assert_eq!(config.pipeline.target.name.as_str(), "store");
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
        (
            config.pipeline.batch.size,
            config.pipeline.batch.window.as_millis()
        ),
        (9, 500)
    );
    assert!(config.pipeline.redshift.hosts.contains_key("10.1.2.3"));
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
        "proxy.yaml:4:15: auth.keys: key 1: shorter than 16 characters",
        "environment variable LINEAGE_PROXY_DATAZONE_DOMAIN_ID: expected a domain id such as dzd_a1b2c3, found \"x\"",
    ];
    assert_eq!(errors, expected);
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
fn the_functions_need_their_queues() {
    let errors = read("", &[("LINEAGE_PROXY_TARGET", "")], Role::Batch).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
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
fn a_variable_that_is_not_utf8_is_an_error_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let wrong = || std::ffi::OsString::from_vec(vec![0xff]);
    let layers = Layers::environment([("PATH".into(), wrong()), (wrong(), wrong())]);
    assert!(Config::read(layers, Role::Serve).is_ok());
    let layers = Layers::environment([(std::ffi::OsString::from("LINEAGE_PROXY_LISTEN"), wrong())]);
    let Errors(errors) = Config::read(layers, Role::Serve).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["environment variable LINEAGE_PROXY_LISTEN: expected UTF-8"]
    );
}

#[test]
fn a_relative_path_in_a_file_starts_at_its_folder() {
    let file = |yaml: &str| {
        let layers = Layers::yaml("conf/proxy.yaml", yaml);
        let layers = layers.beside("rules.file", std::path::Path::new("conf"));
        Config::read(layers, Role::Serve)
            .unwrap()
            .pipeline
            .rules
            .source
    };
    let path = |path: &str| Some(RulesSource::Path(path.into()));
    assert_eq!(file("rules: {file: t.yaml}"), path("conf/t.yaml"));
    assert_eq!(file("rules: {file: /t.yaml}"), path("/t.yaml"));
    assert!(matches!(
        file("rules: {file: 's3://rules/k'}"),
        Some(RulesSource::S3 { .. })
    ));
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
