//! What users set, and what they are told when it is wrong.

use super::*;

fn read(yaml: &str, variables: &[(&str, &str)], role: Role) -> Result<Config, Vec<String>> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::environment(variables).over(Settings::yaml("proxy.yaml", yaml));
    Config::read(settings, role).map_err(|Errors(errors)| errors)
}

#[test]
fn nothing_set_is_a_proxy_for_one_machine() {
    let config = read("", &[], Role::Serve).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!((config.batch.size, config.batch.window.as_secs()), (20, 5));
    assert_eq!(config.target.name(), "store");
}

#[test]
fn the_environment_is_over_the_file_and_both_have_the_same_names() {
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
fn all_that_is_wrong_is_shown_together_with_its_place() {
    let yaml =
        "listen: 0.0.0.0:80\nbatch: {size: 0, sizes: 3}\ntarget: datazone\nauth: {keys: [short]}";
    let errors = read(
        yaml,
        &[("LINEAGE_PROXY_DATAZONE_DOMAIN_ID", "x")],
        Role::Serve,
    )
    .unwrap_err();
    let expected = [
        "auth.keys: key 1: shorter than 16 characters",
        "proxy.yaml: batch.size: expected a whole number from 1 to 10000, found \"0\"",
        "environment variable LINEAGE_PROXY_DATAZONE_DOMAIN_ID: expected a domain id such as dzd_a1b2c3, found \"x\"",
        "datazone.domain_id: the target that was chosen needs it",
        "anyone who can reach it could send: set auth.keys or auth.secret_id, or say --allow-anonymous (auth.allow_anonymous: true)",
        "proxy.yaml: batch.sizes: there is no such setting",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn the_functions_need_their_queues() {
    let errors = read("", &[("LINEAGE_PROXY_TARGET", "")], Role::Batch).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn the_readme_names_every_setting() {
    let readme = include_str!("../../../../README.md");
    let (_, table) = readme.split_once("## Configure").unwrap();
    for name in Config::names() {
        let is_named = |cell: &str| cell.replace('.', "_").eq_ignore_ascii_case(&name);
        assert!(
            table.split('`').any(is_named),
            "{name} is not in the README"
        );
    }
}
