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
fn a_role_is_an_arn_and_only_datazone_is_checked() {
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
    assert_eq!(errors, ["target: only what is at datazone can be checked"]);
    let keys =
        "openlineage: {url: 'http://x', api_key: k, api_key_secret_id: s}\ntarget: openlineage";
    assert_eq!(read(keys, &[], Role::Tool).unwrap_err().len(), 1);
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

/// What the template's functions are not told, and why.
const NOT_ON_AWS: [(&str, &str); 21] = [
    ("LISTEN", "API Gateway does"),
    ("DATA_DIR", "nothing is kept on a function's disk"),
    ("ONLY", "each function is one half"),
    ("PATH_PREFIX", "the stage is taken off by the runtime"),
    ("MAX_CONNECTIONS", "API Gateway has its own"),
    ("MAX_BODY", "API Gateway takes less"),
    ("MAX_UNPACKED", "the default fits a function"),
    ("MAX_IN_MEMORY", "a function has one request at a time"),
    ("AUTH_KEYS", "keys are in the secret"),
    ("QUEUE_VISIBILITY_TIMEOUT", "an attribute of the queue"),
    ("BATCH_SIZE", "a property of the event source"),
    ("BATCH_WINDOW", "a property of the event source"),
    ("BATCH_IN_FLIGHT", "bounded by the batch and the rate"),
    ("BATCH_DEDUPLICATION", "the default fits all clients"),
    ("FILE_PATH", "no file outlives a function"),
    ("FILE_MAX_BYTES", "no file outlives a function"),
    ("FILE_KEEP", "no file outlives a function"),
    ("OPENLINEAGE_API_KEY", "the key is in a secret"),
    (
        "OPENLINEAGE_COMPRESSION",
        "the default is understood everywhere",
    ),
    ("OPENLINEAGE_TIMEOUT", "the default fits a function"),
    ("RULES_HASH_KEY", "the key is in a secret"),
];

#[test]
fn the_template_and_the_settings_name_the_same() {
    let template = include_str!("../../../../infra/openlineage-proxy.yaml");
    let named = |text: &str| -> String {
        let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let told: BTreeSet<String> = template
        .split("LINEAGE_PROXY_")
        .skip(1)
        .map(named)
        .collect();
    let excepted: BTreeSet<String> = NOT_ON_AWS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let names = Config::names();
    let unknown: Vec<_> = told.difference(&names).collect();
    assert!(unknown.is_empty(), "no such settings: {unknown:?}");
    let expected: BTreeSet<String> = names.difference(&excepted).cloned().collect();
    assert_eq!(
        told, expected,
        "told to the functions, and excepted with a reason"
    );
}

#[test]
fn sizes_that_no_machine_has_are_wrong_and_no_overflow() {
    let most = u64::MAX.to_string();
    let variables = [("LINEAGE_PROXY_MAX_BODY", most.as_str())];
    let errors = read("", &variables, Role::Serve).unwrap_err();
    assert!(errors[0].starts_with("max_in_memory:"), "{errors:?}");
}
