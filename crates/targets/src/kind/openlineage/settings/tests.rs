use super::*;
use serde_json::json;
use settings::Choice;

const TOKENS: &str = "oauth2, token_exchange, ibm_iam, google or google_metadata";

fn validate(section: serde_json::Value) -> Result<OpenLineageConfig, Vec<String>> {
    let settings: OpenLineageSettings = serde_json::from_value(section).unwrap();
    let validated = settings.validate();
    validated.map_err(|errors| {
        let text = |error: &SettingError| format!("{}: {error}", error.setting());
        errors.iter().map(text).collect()
    })
}

#[test]
fn settings_name_what_they_lack_and_what_they_exclude() {
    for (section, errors) in [
        (json!({}), &[][..]),
        (
            json!({"auth": "header"}),
            &[
                "api_key: required when auth is header",
                "auth_field: required when auth is header",
            ],
        ),
        (
            json!({"auth": "query", "api_key": "k"}),
            &["auth_field: required when auth is query"],
        ),
        (
            json!({"auth": "basic", "api_key": "k"}),
            &["username: required when auth is basic"],
        ),
        (
            json!({"auth": "oauth2", "api_key": "k"}),
            &[
                "client_id: required when auth is oauth2",
                "token_url: required when auth is oauth2",
            ],
        ),
        (
            json!({"auth": "ibm_iam"}),
            &["api_key: required when auth is ibm_iam"],
        ),
        (json!({"auth": "ibm_iam", "api_key_file": "k"}), &[]),
        (
            json!({"auth": "token_exchange"}),
            &[
                "api_key: required when auth is token_exchange",
                "token_url: required when auth is token_exchange",
            ],
        ),
        (
            json!({"auth": "token_exchange", "api_key_file": "k", "token_url": "http://x"}),
            &[],
        ),
        (json!({"auth": "google_metadata"}), &[]),
        (
            json!({"auth": "google_metadata", "api_key_file": "k"}),
            &["api_key_file: cannot be combined with auth"],
        ),
        (
            json!({"auth": "google_metadata", "url": "http://me:pw@x"}),
            &["url: holds a user or a password, which cannot be combined with another credential"],
        ),
        (json!({"auth": "sigv4"}), &[]),
        (
            json!({"auth": "sigv4", "api_key": "k"}),
            &["api_key: cannot be combined with auth"],
        ),
        (
            json!({"api_key": "k", "api_key_file": "f", "api_key_secret_id": "s"}),
            &[
                "api_key_file: cannot be combined with api_key",
                "api_key_secret_id: cannot be combined with api_key",
            ],
        ),
        (
            json!({"auth": "sigv4", "url": "http://me:pw@x"}),
            &["url: holds a user or a password, which cannot be combined with another credential"],
        ),
        (
            json!({"api_key": "k", "url": "http://me:pw@x"}),
            &["url: holds a user or a password, which cannot be combined with another credential"],
        ),
        (json!({"url": "http://me:pw@x"}), &[]),
        (
            json!({"auth": "ibm_iam", "api_key": "k", "token_url": "http://me@x"}),
            &[
                "token_url: holds a user or a password: the client authenticates itself with client_id and the credential",
            ],
        ),
        (
            json!({"request_id_parameter": "id", "batch": "array"}),
            &["request_id_parameter: cannot be combined with batch"],
        ),
        (json!({"request_id_parameter": "id", "batch": "none"}), &[]),
        (
            json!({"retry_statuses": [409, 500], "reject_statuses": [400, 409]}),
            &["reject_statuses: a status cannot also be one of retry_statuses"],
        ),
        (
            json!({"retry_statuses": [409], "reject_statuses": [400]}),
            &[],
        ),
        (
            json!({"client_key_file": "k"}),
            &["client_certificate_file: required with client_key_file"],
        ),
    ] {
        let mut section = section;
        if section["url"].is_null() {
            section["url"] = json!("http://x");
        }
        let found = validate(section.clone()).map(drop);
        assert_eq!(found.err().unwrap_or_default(), errors, "{section}");
    }
}

#[test]
fn a_setting_of_another_way_to_authenticate_is_an_error_and_not_ignored() {
    for (name, value, values) in [
        ("auth_field", "X-Key", "header or query"),
        ("aws_service", "execute-api", "sigv4"),
        ("aws_region", "eu-west-1", "sigv4"),
        ("username", "me", "basic"),
        ("client_id", "me", "oauth2 or token_exchange"),
        ("client_auth", "body", "oauth2"),
        ("token_url", "http://x/token", TOKENS),
        ("token_parameters", "scope=s", TOKENS),
    ] {
        for (auth, _) in AuthKind::CHOICES {
            let mut section = json!({"url": "http://x", "auth": auth});
            section[name] = json!(value);
            let expected = format!("{name}: used only when auth is {values}");
            let errors = validate(section).map(drop).err().unwrap_or_default();
            let is_used = values.split([',', ' ']).any(|value| value == *auth);
            assert_eq!(!errors.contains(&expected), is_used, "{auth} {errors:?}");
        }
    }
    let section = json!({"url": "http://x", "client_id": "me", "token_url": "http://x/token", "api_key": "secret"});
    assert_eq!(validate(section).map(drop).unwrap_err().len(), 2);
}

#[test]
fn a_preset_fills_in_what_is_not_set() {
    let config =
        validate(json!({"preset": "openmetadata", "url": "https://om.example.com"})).unwrap();
    assert_eq!(config.path, "/api/v1/openlineage/lineage");
    assert_eq!(config.capabilities.event_types, EventTypes::Complete);
    assert_eq!(
        config.capabilities.datasets,
        RequiredDatasets::InputsAndOutputs
    );
    let section = json!({"preset": "openmetadata", "url": "https://om.example.com", "event_types": "all", "batch": "events"});
    let config = validate(section).unwrap();
    assert_eq!(config.path, "/api/v1/openlineage/lineage/batch");
    assert_eq!(config.capabilities.event_types, EventTypes::All);
    assert!(config.capabilities.batches);
}

#[test]
fn every_preset_is_complete_with_a_url_and_a_credential() {
    for (name, _) in Preset::CHOICES {
        let section =
            json!({"preset": name, "url": "https://x.example.com/a/path", "api_key": "k"});
        assert!(validate(section).is_ok(), "{name}");
    }
    for name in ["dataplex", "atlan", "egeria"] {
        let section = json!({"preset": name, "url": "https://x.example.com", "api_key": "k"});
        let errors = validate(section).map(drop).unwrap_err();
        assert!(errors[0].starts_with("url: needs a path"), "{errors:?}");
    }
    assert!(validate(json!({"preset": "datadog", "api_key": "k"})).is_ok());
}
