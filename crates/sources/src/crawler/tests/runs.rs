//! Which runs a crawl has, and what they say.

use super::*;
use crate::unread::tests::BUG;

#[test]
fn a_crawl_has_no_run_for_a_table_that_came_later() {
    let (events, _) = runs(
        &completed(),
        &kept(json!({"CreateTime": 201})),
        &Connections::new(),
    );
    assert_eq!(events, Vec::<Value>::new());
}

#[test]
fn an_older_crawl_does_not_claim_the_columns_of_a_later_one() {
    let table = kept(json!({"UpdateTime": 300}));
    let schema = |is_newest| {
        let crawl = completed();
        let completed = [CompletedCrawl {
            crawl: &crawl,
            is_newest,
        }];
        let tables = std::slice::from_ref(&table);
        let none = Connections::new();
        let found = table_runs(&place(), &crawler(), &completed, tables, &none, Tables::All);
        found.events[0].text.contains("SchemaDatasetFacet")
    };
    assert!(!schema(false));
    assert!(schema(true));
}

#[test]
fn only_changed_tables_have_runs_where_only_changes_count() {
    let crawl = completed();
    let count = |updated: u32, created: u32| {
        let table = kept(json!({"UpdateTime": updated, "CreateTime": created}));
        let completed = [CompletedCrawl {
            crawl: &crawl,
            is_newest: true,
        }];
        let none = Connections::new();
        table_runs(
            &place(),
            &crawler(),
            &completed,
            &[table],
            &none,
            Tables::Changed,
        )
        .events
        .len()
    };
    assert_eq!(
        [
            count(99, 50),
            count(100, 50),
            count(200, 50),
            count(201, 50)
        ],
        [0, 1, 1, 0]
    );
    // Somebody changed it since, but the crawl made it.
    assert_eq!(count(300, 150), 1);
}

#[test]
fn a_table_of_another_catalog_is_named_by_its_account() {
    for (catalog, account) in [
        ("444455556666", "444455556666"),
        ("444455556666:s3tablescatalog/b", "444455556666"),
        ("odd", "111122223333"),
    ] {
        let (events, _) = runs(
            &completed(),
            &kept(json!({"CatalogId": catalog})),
            &Connections::new(),
        );
        let namespace = &events[0]["outputs"][0]["namespace"];
        assert_eq!(namespace, &format!("arn:aws:glue:eu-west-1:{account}"));
        assert_eq!(
            events[0]["job"]["namespace"],
            "arn:aws:glue:eu-west-1:111122223333"
        );
    }
}

#[test]
fn an_error_message_keeps_no_secret_and_is_bounded() {
    let mut crawl = completed();
    crawl.state = CrawlState::Failed;
    crawl.error = Some(format!(
        "jdbc:postgresql://u:s3cr3t@h/db {}",
        "x".repeat(10_000)
    ));
    let text = crawl_runs(&place(), &crawler(), [&crawl]).events[0]
        .text
        .clone();
    assert!(!text.contains("s3cr3t"));
    assert!(text.len() < 4_000);
}

#[test]
fn a_crawl_in_a_state_that_is_not_known_is_waited_for() {
    let crawl = json!({"CrawlId": "i", "State": "PAUSED", "StartTime": 1});
    let crawl = answer::crawl(&crawl).unwrap();
    assert_eq!(crawl_runs(&place(), &crawler(), [&crawl]).events, []);
}

#[test]
fn a_crawler_of_a_catalog_target_keeps_tables_in_the_database_of_the_target() {
    let crawler = answer::crawler(&json!({
        "Name": "c", "Targets": {"CatalogTargets": [{"DatabaseName": "lake", "Tables": ["t"]}]},
    }));
    assert_eq!(crawler.unwrap().databases, ["lake".to_owned()].into());
}

#[test]
fn a_crawl_or_a_table_that_panics_is_kept_apart_and_read_again_from_what_is_kept() {
    let (crawler, crawl) = (crawler(), completed());
    let bad = Crawl {
        id: BUG.to_owned(),
        ..crawl.clone()
    };
    let found = crawl_runs(&place(), &crawler, [&bad, &crawl]);
    assert_eq!((found.events.len(), found.unread.len()), (1, 1));
    let table = kept(json!({"CatalogId": "111122223333"}));
    let bad = Table {
        name: BUG.to_owned(),
        ..table.clone()
    };
    let crawls = [CompletedCrawl {
        crawl: &crawl,
        is_newest: true,
    }];
    let tables = [bad.clone(), table];
    let connections = Connections::new();
    let found = table_runs(
        &place(),
        &crawler,
        &crawls,
        &tables,
        &connections,
        Tables::All,
    );
    assert_eq!(found.events.len(), 1);
    let [input] = &found.unread[..] else {
        panic!("{found:?}")
    };
    assert_eq!(input.place, format!("table d.{BUG}"));
    let kept = String::from_utf8(input.bytes.clone()).unwrap();
    let mut answers = Answers::default();
    answers.add("kept", kept.replace(BUG, "mended").as_bytes());
    let again = answers.extract("eu-west-1", None, Tables::All).unwrap();
    assert_eq!(again.findings, []);
    assert_eq!(again.events.len(), 2);
    assert!(again.events[1].text.contains("table/d/mended"));
}

#[test]
fn an_item_of_an_answer_that_panics_is_kept_apart() {
    let items = [
        json!({"Name": BUG, "DatabaseName": "d"}),
        json!({"Name": "t", "DatabaseName": "d"}),
    ];
    let (read, found) = tables("d", &items);
    assert_eq!((read.len(), found.unread.len()), (1, 1));
}
