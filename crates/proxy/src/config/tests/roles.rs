//! Roles of AWS that are assumed: by targets, by sources, and for looking up names.

use super::*;

const ROLE: &str = "arn:aws:iam::444455556666:role/lineage";

fn errors(yaml: &str) -> Vec<String> {
    read(yaml, &[], Role::Serve).unwrap_err()
}

#[test]
fn names_are_looked_up_by_a_role_and_show_tells_it() {
    let yaml = format!(
        "target: datazone\ndatazone: {{domain_id: dzd_a}}\nredshift: {{role_arn: '{ROLE}', external_id: team-a}}"
    );
    let config = read(&yaml, &[], Role::Serve).unwrap();
    let expected = aws::Role::of(Some(ROLE.to_owned()), Some("team-a".to_owned()));
    assert_eq!(config.pipeline.redshift_role, expected.unwrap());
    // No secret: it is shown like all others.
    let shown = Config::effective(Layers::yaml("proxy.yaml", &yaml), Role::Serve).unwrap();
    let setting = |name: &str| {
        let found = shown.iter().find(|it| it.setting == name).unwrap();
        (found.value.as_str(), found.origin.as_str())
    };
    assert_eq!(setting("redshift.role_arn"), (ROLE, "proxy.yaml:3:22"));
    assert_eq!(setting("redshift.external_id").0, "team-a");
    let variables = [
        ("LINEAGE_PROXY_REDSHIFT_ROLE_ARN", ROLE),
        ("LINEAGE_PROXY_REDSHIFT_EXTERNAL_ID", ""),
    ];
    let config = read("", &variables, Role::Serve).unwrap();
    assert_eq!(config.pipeline.redshift_role.unwrap().arn(), ROLE);
}

#[test]
fn an_external_id_without_a_role_is_an_error_where_it_stands() {
    for (yaml, expected) in [
        (
            "target: datazone\ndatazone: {domain_id: dzd_a, external_id: team-a}",
            "proxy.yaml:2:43: datazone.role_arn: is required with datazone.external_id",
        ),
        (
            "targets: {a: {type: glue, external_id: team-a}}",
            "proxy.yaml:1:40: targets.a.role_arn: is required with targets.a.external_id",
        ),
        (
            "redshift: {external_id: team-a}",
            "proxy.yaml:1:25: redshift.role_arn: is required with redshift.external_id",
        ),
        (
            "sources: {a: {type: glue-crawlers, external_id: team-a}}",
            "proxy.yaml:1:49: sources.a.external_id: used only with role_arn, whose trust policy asks for it",
        ),
        (
            "sources: {a: {type: redshift, workgroup: corp-wg, database: dev, external_id: team-a}}",
            "proxy.yaml:1:79: sources.a.external_id: used only with role_arn, whose trust policy asks for it",
        ),
    ] {
        assert_eq!(errors(yaml), [expected]);
    }
}

#[test]
fn a_role_that_is_none_is_reported_once() {
    for before in [
        "target: datazone\ndatazone: {domain_id: dzd_a, ",
        "redshift: {",
    ] {
        let yaml = format!("{before}role_arn: 'arn:aws:iam::1:user/x', external_id: team-a}}");
        let errors = errors(&yaml);
        let [error] = errors.as_slice() else {
            panic!("{errors:?}");
        };
        assert!(
            error.contains("role_arn: expected a role such as"),
            "{error}"
        );
    }
    for id in ["x", "a b"] {
        let yaml = format!("redshift: {{role_arn: '{ROLE}', external_id: '{id}'}}");
        let errors = errors(&yaml);
        let [error] = errors.as_slice() else {
            panic!("{errors:?}");
        };
        let expected = "redshift.external_id: expected an external id: 2 to 1224 letters";
        assert!(error.contains(expected), "{error}");
    }
}
