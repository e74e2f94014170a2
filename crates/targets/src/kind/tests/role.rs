//! Targets that deliver to another account, by a role of it.

use std::time::Duration;

use ::openlineage::{Event, Level};
use aws_stand_in::{AssumableRole, Settings, StandIn};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::*;
use crate::{Delivery, Failure, Reason, Resources, Scope, Target, TargetConfig, TargetName};

/// Its name is one that CloudFormation makes, and redactions take for a secret.
const ROLE: &str = "arn:aws:iam::444455556666:role/lineage-Poster-1A2B3C4D5E6F7";
const ID: &str = "team-a:prod/1";

/// The kinds of targets that assume roles, with what each needs besides.
fn targets() -> [(Kind, Map<String, Value>); 2] {
    let settings = |settings: Value| serde_json::from_value(settings).unwrap();
    [
        (
            Kind::DataZone,
            settings(json!({"domain_id": "dzd_standin"})),
        ),
        (Kind::Glue, settings(json!({}))),
    ]
}

fn read(kind: Kind, settings: &Map<String, Value>, more: &Value) -> Result<KindConfig, String> {
    let mut settings = settings.clone();
    settings.extend(more.as_object().cloned().unwrap_or_default());
    let read = kind.read(Value::Object(settings));
    let read = read.map_err(|error: serde_json::Error| error.to_string())?;
    read.validate().map_err(|errors| format!("{errors:?}"))
}

/// A service of the account of [`ROLE`], with a table.
async fn account() -> StandIn {
    let settings = Settings {
        owner: Some(ROLE.to_owned()),
        ..Settings::default()
    };
    let address = ([127, 0, 0, 1], 0).into();
    let service = StandIn::start(address, settings).await.unwrap();
    let table = json!({"Name": "orders", "StorageDescriptor": {"Columns": []}, "Parameters": {}});
    service.put_table("shop", serde_json::from_value(table).unwrap());
    trust(&service);
    service
}

/// Lets the role trust whoever names [`ID`].
fn trust(service: &StandIn) {
    let role = AssumableRole {
        external_id: Some(ID.to_owned()),
        ..AssumableRole::default()
    };
    service.set(|settings| settings.roles = [(ROLE.to_owned(), role)].into());
}

/// A run that writes the table.
fn event() -> Event {
    let event = json!({
        "eventTime": "2026-01-01T00:00:00Z", "eventType": "COMPLETE", "producer": "urn:p", "schemaURL": "urn:s",
        "run": {"runId": "01900000-0000-7000-8000-000000000001"}, "job": {"namespace": "n", "name": "j"},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}],
        "outputs": [{"namespace": "arn:aws:glue:eu-west-1:444455556666", "name": "table/shop/orders"}],
    });
    Event::read(event.to_string().as_bytes(), Level::Strict)
        .unwrap()
        .event
}

async fn open(kind: KindConfig, service: &StandIn) -> Target {
    let config = TargetConfig {
        name: TargetName::new("catalog").unwrap(),
        section: "targets.catalog".to_owned(),
        kind,
    };
    let resources = Resources {
        aws: &service.aws(),
        credential: None,
    };
    Target::open(&config, resources).await.unwrap()
}

async fn deliver(target: &Target) -> Delivery {
    let end = Instant::now() + Duration::from_secs(10);
    let report = target.deliver(&event(), 1, None, end).await;
    report.delivery.unwrap()
}

#[tokio::test]
async fn a_target_delivers_by_its_role_which_it_assumes_once() {
    for (kind, settings) in targets() {
        let service = account().await;
        let by_role = json!({"role_arn": ROLE, "external_id": ID});
        let config = read(kind, &settings, &by_role).unwrap();
        let target = open(config, &service).await;
        for _ in 0..2 {
            let delivered = deliver(&target).await;
            assert!(
                matches!(delivered, Delivery::Delivered { .. }),
                "{kind:?}: {delivered:?}"
            );
        }
        let sessions = service.sessions();
        let [session] = sessions.as_slice() else {
            panic!("{kind:?}: {sessions:?}");
        };
        assert_eq!(session.role, ROLE);
        assert_eq!(session.name, format!("lineage-proxy-{}", kind.name()));
        assert_eq!(session.external_id.as_deref(), Some(ID));
        for post in service.posts() {
            assert!(post.signed_by.starts_with("ASIA"), "{post:?}");
        }
    }
}

#[tokio::test]
async fn an_event_waits_for_a_role_that_may_not_be_assumed_and_the_reason_names_it() {
    for (kind, settings) in targets() {
        let service = account().await;
        let by_role = json!({"role_arn": ROLE, "external_id": ID});
        let config = read(kind, &settings, &by_role).unwrap();
        let target = open(config, &service).await;
        service.set(|settings| settings.roles.clear());
        let Delivery::Transient(Failure {
            reason,
            scope,
            message,
            ..
        }) = deliver(&target).await
        else {
            panic!("{kind:?}: delivered");
        };
        assert_eq!((reason, scope), (Reason::Permission, Scope::Target));
        assert!(
            message.contains(&format!("role {ROLE} cannot be assumed")),
            "{kind:?}: {message}"
        );
        trust(&service);
        let delivered = deliver(&target).await;
        assert!(
            matches!(delivered, Delivery::Delivered { .. }),
            "{kind:?}: {delivered:?}"
        );
    }
}

#[test]
fn a_role_that_cannot_be_and_an_external_id_without_one_are_errors_of_the_setting() {
    for (kind, settings) in targets() {
        assert!(read(kind, &settings, &json!({"role_arn": ROLE})).is_ok());
        for (more, expected) in [
            (
                json!({"role_arn": "arn:aws:iam::12:role/x"}),
                "a role such as",
            ),
            (
                json!({"role_arn": ROLE, "external_id": "x".repeat(1_225)}),
                "an external id: 2 to 1224 letters",
            ),
            (
                json!({"external_id": ID}),
                r#"RequiredWith { setting: "role_arn", with: "external_id" }"#,
            ),
        ] {
            let error = read(kind, &settings, &more).unwrap_err();
            assert!(error.contains(expected), "{kind:?}: {error}");
        }
    }
}

#[test]
fn how_a_role_is_assumed_makes_no_other_destination() {
    for (kind, settings) in targets() {
        let config = |more: Value| read(kind, &settings, &more).unwrap();
        let one = config(json!({"role_arn": ROLE}));
        let other = config(json!({"role_arn": ROLE, "external_id": ID}));
        assert!(one.is_same_destination(&other));
        assert_eq!(one.destination_digest(), other.destination_digest());
    }
}
