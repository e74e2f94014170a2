//! Sources that read another account, by a role of it: with a service that refuses everyone else.

use aws_stand_in::{AssumableRole, Crawlers, Settings, StandIn};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

const ROLE: &str = "arn:aws:iam::444455556666:role/lineage/reader";
const ID: &str = "team-a:prod/1";

/// The kinds of sources that assume roles, with what each needs besides.
fn sources() -> [(Kind, Value); 2] {
    [
        (Kind::GlueCrawlers, json!({"lookback": "135d"})),
        (
            Kind::Redshift,
            json!({"workgroup": "corp-wg", "database": "dev", "lookback": "2h"}),
        ),
    ]
}

fn config(kind: Kind, settings: &Value, more: &Value) -> Result<KindConfig, Vec<String>> {
    let mut settings = settings.clone();
    let more = more.as_object().cloned().unwrap_or_default();
    settings.as_object_mut().unwrap().extend(more);
    let read = kind.read(settings);
    let read = read.map_err(|error: serde_json::Error| vec![error.to_string()])?;
    read.validate()
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A role whose trust policy asks for the external id [`ID`].
fn trusting() -> AssumableRole {
    AssumableRole {
        external_id: Some(ID.to_owned()),
        ..AssumableRole::default()
    }
}

/// A service of the account of [`ROLE`], with crawlers and a warehouse.
async fn account(change: impl FnOnce(&mut Settings)) -> StandIn {
    let answers = include_str!("../../sources/tests/fixtures/crawler/answers.jsonl");
    let history =
        include_str!("../../sources/tests/fixtures/redshift/sys_query_history.page-1.json");
    let history = serde_json::from_str(history).unwrap();
    let with_history = Settings::with_history([("sys_query_history".to_owned(), history)]);
    let mut settings = Settings {
        crawlers: Crawlers::of_answers(answers).unwrap(),
        roles: [(ROLE.to_owned(), trusting())].into(),
        owner: Some(ROLE.to_owned()),
        ..with_history.unwrap()
    };
    change(&mut settings);
    let address = ([127, 0, 0, 1], 0).into();
    StandIn::start(address, settings).await.unwrap()
}

/// When the crawls and the statements of the fixtures were over.
fn now(kind: Kind) -> OffsetDateTime {
    let seconds = match kind {
        Kind::Redshift => 1_778_641_200,
        Kind::Logs | Kind::GlueCrawlers | Kind::Flyte | Kind::Sqs => 1_778_800_000,
    };
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

/// Polls until nothing is left. Returns the texts of the events, and the cursor.
async fn poll(
    source: &mut Source,
    kind: Kind,
    mut cursor: Option<Value>,
) -> Result<(Vec<String>, Option<Value>), FetchError> {
    let mut texts = Vec::new();
    loop {
        let fetched = source.next(cursor.as_ref(), now(kind)).await?;
        let events = fetched.extraction.events.into_iter();
        texts.extend(events.map(|event| event.text));
        if let Checkpoint::Cursor(next) = fetched.checkpoint {
            cursor = Some(next);
        }
        if !fetched.more {
            return Ok((texts, cursor));
        }
    }
}

#[tokio::test]
async fn a_source_reads_another_account_by_its_role_which_it_assumes_once() {
    for (kind, settings) in sources() {
        let service = account(|_| {}).await;
        let aws = service.aws();
        let by_role = json!({"role_arn": ROLE, "external_id": ID});
        let config = config(kind, &settings, &by_role).unwrap();
        let (events, cursor) = poll(&mut config.clone().open(&aws), kind, None)
            .await
            .unwrap();
        assert!(!events.is_empty(), "{kind:?}");
        if kind == Kind::GlueCrawlers {
            // The crawlers are those of the role's account, which nobody has to ask for.
            let job = "arn:aws:glue:eu-west-1:444455556666";
            assert!(events.iter().all(|event| event.contains(job)), "{events:?}");
        }
        // A source that is opened again, as for each invocation of the function, has the credentials that are there.
        poll(&mut config.open(&aws), kind, cursor).await.unwrap();
        let sessions = service.sessions();
        let [session] = sessions.as_slice() else {
            panic!("{kind:?}: {sessions:?}");
        };
        assert_eq!(session.role, ROLE);
        assert_eq!(session.name, format!("lineage-proxy-{}", kind.name()));
        assert_eq!(session.external_id.as_deref(), Some(ID));
    }
}

#[tokio::test]
async fn credentials_of_a_role_that_end_are_asked_for_again() {
    for (kind, settings) in sources() {
        // So short that the SDK renews them before each request.
        let service = account(|settings| {
            for role in settings.roles.values_mut() {
                role.seconds = 1;
            }
        });
        let service = service.await;
        let by_role = json!({"role_arn": ROLE, "external_id": ID});
        let config = config(kind, &settings, &by_role).unwrap();
        let polled = poll(&mut config.open(&service.aws()), kind, None).await;
        assert!(!polled.unwrap().0.is_empty(), "{kind:?}");
        assert!(service.sessions().len() > 1, "{kind:?}");
    }
}

#[tokio::test]
async fn without_the_role_the_other_account_is_not_read() {
    for (kind, settings) in sources() {
        let service = account(|_| {}).await;
        let own = json!({"account": "111122223333"});
        let config = config(kind, &settings, &own).unwrap();
        let refused = poll(&mut config.open(&service.aws()), kind, None).await;
        assert!(refused.is_err(), "{kind:?}: {refused:?}");
        assert!(service.sessions().is_empty());
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named_and_what_it_hides_is_read_later() {
    for (kind, settings) in sources() {
        let service = account(|_| {}).await;
        let by_role = |id: &str| {
            let more = json!({"role_arn": ROLE, "external_id": id});
            config(kind, &settings, &more).unwrap()
        };
        let whole = poll(&mut by_role(ID).open(&service.aws()), kind, None).await;
        let (whole, _) = whole.unwrap();

        // Without its external id, which looks like a role that trusts nobody.
        let refused = poll(&mut by_role("another").open(&service.aws()), kind, None).await;
        let Err(FetchError::Refused(why)) = refused else {
            panic!("{kind:?}: {refused:?}");
        };
        assert!(
            why.contains(&format!("role {ROLE} cannot be assumed")),
            "{kind:?}: {why}"
        );
        assert!(why.contains("AccessDenied"), "{kind:?}: {why}");

        // The trust is taken away while the source runs, and given back: nothing was passed over.
        service.set(|settings| settings.roles.clear());
        let mut source = by_role(ID).open(&service.aws());
        for _ in 0..2 {
            let refused = poll(&mut source, kind, None).await;
            assert!(matches!(refused, Err(FetchError::Refused(_))), "{kind:?}");
        }
        service.set(|settings| settings.roles = [(ROLE.to_owned(), trusting())].into());
        let (events, _) = poll(&mut source, kind, None).await.unwrap();
        assert_eq!(events, whole, "{kind:?}");
    }
}

#[test]
fn a_role_that_cannot_be_and_an_external_id_without_one_are_errors_of_the_setting() {
    for (kind, settings) in sources() {
        for (more, expected) in [
            (
                json!({"role_arn": "arn:aws:iam::1:role/x"}),
                "expected a role such as arn:aws:iam::123456789012:role/name",
            ),
            (
                json!({"role_arn": ROLE, "external_id": "x"}),
                "expected an external id: 2 to 1224 letters",
            ),
            (
                json!({"role_arn": ROLE, "external_id": "x".repeat(1_225)}),
                "expected an external id: 2 to 1224 letters",
            ),
            (
                json!({"external_id": ID}),
                "external_id: used only with role_arn",
            ),
        ] {
            let errors = config(kind, &settings, &more).unwrap_err();
            let [error] = errors.as_slice() else {
                panic!("{kind:?}: {errors:?}");
            };
            assert!(error.contains(expected), "{kind:?}: {error}");
        }
    }
}
