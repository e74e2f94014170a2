//! The list of kinds, and the settings of each.

mod role;

use serde_json::json;

use super::*;

#[test]
fn every_kind_is_a_choice_and_reads_an_empty_section() {
    for kind in Kind::ALL {
        assert!(Kind::CHOICES.contains(&(kind.name(), kind)), "{kind:?}");
        assert!(kind.read(json!({})).is_ok(), "{kind:?}");
        assert!(kind.read(json!({"no_such": 1})).is_err(), "{kind:?}");
    }
    assert_eq!(Kind::CHOICES.len(), Kind::ALL.len());
}

#[test]
fn a_missing_setting_is_named_and_a_default_is_documented() {
    for (kind, required) in [
        (Kind::File, "path"),
        (Kind::Archive, "location"),
        (Kind::OpenLineage, "url"),
        (Kind::DataHub, "url"),
        (Kind::DataZone, "domain_id"),
    ] {
        let errors = kind.read(json!({})).unwrap().validate().unwrap_err();
        let missing = SettingError::Required {
            setting: required,
            kind,
        };
        assert_eq!(errors, [missing]);
        let mut entries = kind.settings().into_iter();
        assert!(entries.any(|entry| entry.name == required));
    }
    let entries = Kind::File.settings();
    let max_bytes = entries.iter().find(|entry| entry.name == "max_bytes");
    assert_eq!(max_bytes.unwrap().default.as_deref(), Some("100 MB"));
}

#[test]
fn settings_are_read_with_units_and_checked_against_each_other() {
    let read = |kind: Kind, section| kind.read(section).unwrap().validate();
    let file = read(Kind::File, json!({"path": "x", "max_bytes": "1 MB"}));
    assert!(
        matches!(file, Ok(KindConfig::File(file)) if file.max_bytes == 1_000_000 && file.keep == 0)
    );
    let both = json!({"url": "http://x", "api_key": "k", "api_key_secret_id": "s"});
    let errors = read(Kind::OpenLineage, both).unwrap_err();
    assert!(matches!(
        errors[..],
        [SettingError::Conflict {
            setting: "api_key_secret_id",
            with: "api_key"
        }]
    ));
}
