mod kept;
mod terms;

use openlineage::Identity;
use proptest::prelude::*;

use super::*;

/// In milliseconds since 1970.
const NOW: i64 = 10_000_000;

const RUN: &str = "01a1faa6-e194-708b-a993-cc010cbe1ae4";

fn identity(namespace: &str, name: &str) -> Identity {
    Identity {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn id(n: u32) -> String {
    format!("0191f3a0-0000-7000-8000-{n:012x}")
}

/// An event of job `a`, accepted at `n` seconds.
fn entry(n: u32, outcome: Outcome) -> Entry {
    Entry {
        id: id(n),
        accepted_at: i64::from(n) * 1_000,
        at: i64::from(n) * 1_000 + 5,
        kind: Some("RunEvent START"),
        run: Some(RUN.to_owned()),
        job: Some(identity("air", "a")),
        datasets: Vec::new(),
        dataset_count: 0,
        time: None,
        delivered: None,
        size: 7,
        first_target: "one".to_owned(),
        target: "one".to_owned(),
        outcome,
        attempts: 1,
        duration: 3,
        reason: None,
        detail: None,
        rules: Vec::new(),
        merged: None,
    }
}

struct Place {
    _folder: tempfile::TempDir,
    history: History,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        let history = History::own(&claim).unwrap();
        Place {
            _folder: folder,
            history,
        }
    }

    async fn record(&self, entries: Vec<Entry>) {
        self.record_within(entries, Retention::default()).await;
    }

    async fn record_within(&self, entries: Vec<Entry>, retention: Retention) {
        let recorded = self.history.record(|| entries, None, retention, NOW);
        recorded.await.unwrap();
    }

    async fn page(&self, search: &str, page: Page, limit: usize) -> Found {
        let search = search.parse().unwrap();
        self.history.find(search, page, limit, NOW).await.unwrap()
    }

    /// The last digits of the ids, newest first.
    async fn found(&self, search: &str) -> Vec<u32> {
        numbers(&self.page(search, Page::Before(None), 1_000).await)
    }

    async fn count(&self, table: &'static str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        let read = move |it: &Connection| it.query_row(&count, [], |row| row.get(0));
        self.history.journal.read(read).await.unwrap()
    }
}

fn numbers(found: &Found) -> Vec<u32> {
    let ids = found.events.iter().map(|event| event.id.get(24..).unwrap());
    ids.map(|id| u32::from_str_radix(id, 16).unwrap()).collect()
}

#[tokio::test]
async fn an_event_has_one_row_that_tells_what_happened_last_at_each_target() {
    let place = Place::new();
    let retry = Entry {
        reason: Some("throttled"),
        ..entry(1, Outcome::Retry)
    };
    let at_two = Entry {
        target: "two".to_owned(),
        rules: vec!["a".to_owned(), "b".to_owned()],
        ..entry(1, Outcome::Delivered)
    };
    place
        .record(vec![retry, entry(2, Outcome::Delivered), at_two])
        .await;
    let delivered = Entry {
        attempts: 2,
        at: 9_000,
        ..entry(1, Outcome::Delivered)
    };
    place.record(vec![delivered.clone()]).await;
    // What changed last comes first.
    let found = place.page("", Page::Before(None), 10).await;
    assert_eq!((numbers(&found), found.more), (vec![1, 2], false));
    let event = &found.events[0];
    assert_eq!(event.changed_at, "1970-01-01T00:00:09.000Z");
    let outcomes: Vec<_> = event
        .outcomes
        .iter()
        .map(|it| {
            (
                it.target.as_str(),
                it.outcome.as_str(),
                it.attempts,
                it.reason.as_deref(),
                it.rules.join(","),
            )
        })
        .collect();
    let expected = [
        ("two", "delivered", 1, None, "a,b".to_owned()),
        ("one", "delivered", 2, None, String::new()),
    ];
    assert_eq!(outcomes, expected);
    // Each outcome has the number of its own change.
    let positions: Vec<i64> = event.outcomes.iter().map(|it| it.position).collect();
    assert_eq!((positions, event.position), (vec![3, 4], 4));
    // The same again changes nothing but the order.
    place.record(vec![delivered]).await;
    assert_eq!(place.count("events").await, 2);
    assert_eq!(place.count("outcomes").await, 3);
}

#[tokio::test]
async fn pages_follow_one_another_in_both_directions() {
    let place = Place::new();
    place
        .record((1..=5).map(|n| entry(n, Outcome::Delivered)).collect())
        .await;
    let first = place.page("", Page::Before(None), 2).await;
    assert_eq!((numbers(&first), first.more), (vec![5, 4], true));
    let last = first.events[1].position;
    let second = place.page("", Page::Before(Some(last)), 3).await;
    assert_eq!((numbers(&second), second.more), (vec![3, 2, 1], false));
    let newer = place.page("", Page::After(last), 10).await;
    assert_eq!((numbers(&newer), newer.newest), (vec![5], 5));
    // One that changes is found again.
    place.record(vec![entry(2, Outcome::Dropped)]).await;
    let newer = place.page("", Page::After(newer.newest), 10).await;
    assert_eq!(numbers(&newer), [2]);
}

#[tokio::test]
async fn a_page_of_large_events_ends_before_it_is_too_large() {
    let place = Place::new();
    let dataset = |n: usize| identity("pg", &format!("{n:0>4000}"));
    let large = |n| Entry {
        datasets: (0..MAX_DATASETS).map(dataset).collect(),
        ..entry(n, Outcome::Delivered)
    };
    place.record((1..=4).map(large).collect()).await;
    // An event has 4 MB.
    let first = place.page("", Page::Before(None), 10).await;
    assert_eq!((numbers(&first), first.more), (vec![4, 3], true));
    let place_of_last = Page::Before(Some(first.events[1].position));
    let second = place.page("", place_of_last, 10).await;
    assert_eq!((numbers(&second), second.more), (vec![2, 1], false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a term has, the query is one that SQLite can run.
    #[test]
    fn any_search_runs(text in "((job|dataset|target|rule|reason):)?[\\PC]{1,20}") {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema::SCHEMA.tables).unwrap();
        let (entries, mut held) = ([entry(1, Outcome::Delivered)], Held::default());
        record::record(&connection, &entries, &mut held, NOW).unwrap();
        if let Ok(search) = text.parse::<Search>() {
            find::find(&connection, &search, (Page::Before(Some(5)), 10), 0).unwrap();
        }
    }
}

#[tokio::test]
async fn a_search_matches_an_event_without_outcome_as_it_finds_one_with() {
    let names = [
        "a",
        "A",
        "ab",
        "aba",
        "a*b",
        "a?b",
        "a[b]",
        "a%b",
        "a_b",
        "axb",
        "a/b",
        "ä",
        "Ä",
        "orders.Daily",
    ];
    let place = Place::new();
    let entries: Vec<Entry> = (names.iter().zip(1..))
        .map(|(name, n)| Entry {
            kind: Some(if n % 2 == 0 {
                "RunEvent START"
            } else {
                "JobEvent"
            }),
            run: (n % 2 == 0).then(|| RUN.to_owned()),
            job: (n % 3 > 0).then(|| identity("air", name)),
            datasets: vec![identity(name, "data"), identity("lake", "b/c")],
            dataset_count: 2,
            ..entry(n, Outcome::Delivered)
        })
        .collect();
    place.record(entries.clone()).await;
    let mut searches: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let keyed = ["job:", "job:air/", "dataset:", "job:*", "dataset:*"];
            let keyed = keyed.map(|key| format!("{key}{name}"));
            keyed.into_iter().chain([
                (*name).to_owned(),
                format!("job:{name}*"),
                format!("{name}/DATA"),
            ])
        })
        .collect();
    searches.extend(
        [
            "job:*a*b*",
            "job:a*a",
            "dataset:*/data",
            "kind:run",
            "kind:start",
            "kind:job",
            "kind:fail",
            "run:01a1",
            "run:01a2",
            "id:0191f3a0",
            "id:0191f3a1",
            "0191F3A0",
            "01A1FAA6",
            "1faa6",
            "since:1970-01-01T00:00:05Z",
            "until:1970-01-01T00:00:05Z a",
            "",
        ]
        .map(str::to_owned),
    );
    let name = |it: &Identity| Name {
        namespace: it.namespace.clone(),
        name: it.name.clone(),
    };
    for text in searches {
        let search: Search = text.parse().unwrap();
        assert!(!search.needs_outcome());
        let matching = entries.iter().filter(|entry| {
            let (job, datasets) = (
                entry.job.as_ref().map(name),
                entry.datasets.iter().map(name),
            );
            let event = Unsettled {
                id: &entry.id,
                accepted_at: entry.accepted_at,
                kind: entry.kind,
                run: entry.run.as_deref(),
                job: job.as_ref(),
                datasets: &datasets.collect::<Vec<_>>(),
            };
            search.matches(&event, NOW)
        });
        let ids: Vec<&str> = matching.map(|entry| entry.id.as_str()).collect();
        let mut found = place.page(&text, Page::Before(None), 100).await.events;
        found.reverse();
        let found: Vec<&str> = found.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, found, "{text}");
    }
    for text in [
        "outcome:retry",
        "target:one",
        "rule:x",
        "a reason:throttled",
    ] {
        assert!(text.parse::<Search>().unwrap().needs_outcome(), "{text}");
    }
}
