//! One event, and those that wait, as a person looks at them.

use super::*;
use crate::StoredForm;

fn waiting_ids(waiting: &[WaitingEvent]) -> Vec<String> {
    let one = |it: &WaitingEvent| {
        let of = |(target, in_hand): &(String, bool)| {
            format!("{target}{}", if *in_hand { "!" } else { "" })
        };
        let targets: Vec<String> = it.targets.iter().map(of).collect();
        format!("{} {}", it.id, targets.join(","))
    };
    waiting.iter().map(one).collect()
}

#[tokio::test]
async fn an_event_is_found_by_its_id_however_many_others_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let begin = now() - 10_000_000;
    let aged = |n: i64| Message {
        received_at: begin + n * 1_000,
        ..message(&n.to_string())
    };
    log.append((0..5_000).map(aged).collect()).await;
    for n in [0, 17, 2_500, 4_999] {
        let near = begin + n * 1_000 + 700;
        let found = log.event(n.to_string(), near).await.unwrap().unwrap();
        assert_eq!(found.event.body, format!("body of {n}"));
        assert_eq!(found.stored, None);
        // A clock was half a minute wrong.
        let far = log.event(n.to_string(), near + 30_000).await.unwrap();
        assert_eq!(far.unwrap().event.position, found.event.position);
    }
    assert_eq!(log.event("none".to_owned(), begin).await.unwrap(), None);
    assert_eq!(
        log.event("17".to_owned(), begin + 4_000_000).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn what_the_store_has_of_an_event_is_told_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let store = log.consumer("store", Start::Oldest).await.unwrap();
    log.set_store(Some("store")).await.unwrap();
    append(&log, &["same", "changed", "dropped", "waits"]).await;
    let records = receive(&store, 3).await;
    let changed = StoredForm::Changed("other".into());
    let settled = [
        (&records[0], Settlement::Store(StoredForm::Accepted)),
        (&records[1], Settlement::Store(changed.clone())),
        (&records[2], Settlement::Acknowledge),
    ];
    store.settle(&settled).await;
    for (id, expected) in [
        ("same", Some(StoredForm::Accepted)),
        ("changed", Some(changed)),
        ("dropped", None),
        ("waits", None),
    ] {
        let found = log.event(id.to_owned(), now()).await.unwrap().unwrap();
        assert_eq!(found.stored, expected, "{id}");
    }
}

#[tokio::test]
async fn events_wait_until_they_are_attempted_and_the_newest_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    assert_eq!(log.waiting(9).await.unwrap(), []);
    let one = log.consumer("one", Start::Oldest).await.unwrap();
    let two = log.consumer("two", Start::Oldest).await.unwrap();
    append(&log, &["a", "b", "c"]).await;
    let records = receive(&one, 2).await;
    let waiting = log.waiting(9).await.unwrap();
    assert_eq!(
        waiting_ids(&waiting),
        ["c one,two", "b one!,two", "a one!,two"]
    );
    assert_eq!(waiting[0].body.as_deref(), Some("body of c"));
    assert_eq!(waiting_ids(&log.waiting(1).await.unwrap()), ["c one,two"]);
    // One that is attempted again does not wait for its first attempt, and one that is redriven does again.
    let retry = Settlement::Retry(Duration::from_secs(60));
    let dead = Settlement::DeadLetter("no".to_owned());
    one.settle(&[(&records[0], retry), (&records[1], dead)])
        .await;
    acknowledge(&two, &receive(&two, 9).await).await;
    assert_eq!(waiting_ids(&log.waiting(9).await.unwrap()), ["c one"]);
    assert!(one.redrive("b").await.unwrap());
    assert_eq!(
        waiting_ids(&log.waiting(9).await.unwrap()),
        ["c one", "b one"]
    );
    // The same a part at a time; what is settled meanwhile waits no longer.
    let numbers = log.waiting_numbers(9).await.unwrap();
    assert_eq!(numbers.len(), 2);
    let part = log.waiting_events(numbers[1..].to_vec()).await.unwrap();
    assert_eq!(waiting_ids(&part), ["b one"]);
    acknowledge(&one, &receive(&one, 9).await).await;
    assert_eq!(log.waiting_events(numbers).await.unwrap(), []);
}

#[tokio::test]
async fn a_large_event_waits_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    log.consumer("one", Start::Oldest).await.unwrap();
    let large = Message {
        body: "x".repeat(100_000).into(),
        ..message("a")
    };
    log.append(vec![large]).await;
    let waiting = log.waiting(9).await.unwrap();
    assert_eq!((waiting[0].size, &waiting[0].body), (100_000, &None));
}
