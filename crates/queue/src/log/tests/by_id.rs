//! Events that are found by their ids, several at once.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::{SoughtText, StoredForm};

const SECOND: i64 = 1_000;

/// An event of the log: after how many milliseconds it was accepted, with which id, and whether it was taken over from an older version.
type Row = (i64, u8, bool);

/// Which event is asked for: the time of which one, how many milliseconds from it, and which id.
type Question = (Index, i64, u8);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Many at once, some with a pause between them, and a clock that is set back.
    let gap = prop_oneof![
        6 => 0..40i64,
        2 => SECOND..4 * SECOND,
        1 => Just(90 * SECOND),
        1 => Just(-30 * SECOND),
    ];
    vec((gap, 0..30u8, prop::bool::weighted(0.3)), 1..150)
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let distance = prop_oneof![
        Just(0),
        -3 * SECOND..3 * SECOND,
        -70 * SECOND..70 * SECOND,
        Just(i64::MAX),
    ];
    vec((any::<Index>(), distance, 0..35u8), 0..40)
}

/// Writes the events, and returns when each was accepted. Of those that were taken over the store has some in another form.
async fn write(log: &Log, rows: Vec<Row>) -> Vec<i64> {
    let mut time = now() - 10_000 * SECOND;
    let write = move |c: &Connection| {
        let mut times = Vec::new();
        for (at, (gap, id, is_old)) in (1..).zip(rows) {
            time += gap;
            let seq = if is_old { at - 1_000 } else { at };
            let insert = "INSERT INTO events (seq, received_at, id, body) VALUES (?1, ?2, ?3, 'body of ' || ?1)";
            c.execute(insert, (seq, time, id.to_string()))?;
            times.push(time);
        }
        c.execute_batch(
            "INSERT INTO stored_ranges (consumer, first, last) VALUES (0, -1000, -1);
             INSERT INTO stored_texts (seq, text) SELECT seq, 'other' FROM events WHERE seq < 0 AND seq % 3 = 0;
             INSERT INTO unstored SELECT seq FROM events WHERE seq < 0 AND seq % 5 = 0;",
        )?;
        Ok(times)
    };
    log.journal.write(write).await.unwrap()
}

/// The text in this form of an event that is looked for alone.
fn in_form(found: Option<KeptEvent>, form: Form) -> SoughtText {
    let Some(found) = found else {
        return SoughtText::NotFound;
    };
    match (form, found.stored) {
        (Form::Accepted, _) | (Form::Stored, Some(StoredForm::Accepted)) => {
            SoughtText::Found(found.event.body)
        }
        (Form::Stored, Some(StoredForm::Changed(text))) => SoughtText::Found(text.to_string()),
        (Form::Stored, None) => SoughtText::NotInForm,
    }
}

/// The texts of several events, with those that are further from their times.
async fn all_texts(log: &Log, sought: &[(String, i64)], form: Form) -> Vec<SoughtText> {
    let close = log.texts_of(sought.to_vec(), form).await.unwrap();
    let distant = log.distant_texts_of(sought.to_vec(), form).await.unwrap();
    let both = close.into_iter().zip(distant);
    let nearest = |(close, distant): (SoughtText, SoughtText)| match close {
        SoughtText::Found(_) | SoughtText::NotInForm => close,
        SoughtText::NotFound => distant,
    };
    both.map(nearest).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn events_that_are_asked_for_together_are_those_that_are_found_alone(
        rows in rows(),
        questions in questions(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let log = log_with(folder.path(), Retention::default()).await;
            let times = write(&log, rows).await;
            let sought = questions.iter().map(|(of, distance, id)| {
                (id.to_string(), of.get(&times).saturating_add(*distance))
            });
            let sought: Vec<(String, i64)> = sought.collect();
            for form in [Form::Accepted, Form::Stored] {
                let mut expected = Vec::new();
                for (id, near) in &sought {
                    let found = log.event(id.clone(), *near).await.unwrap();
                    expected.push(in_form(found, form));
                }
                assert_eq!(all_texts(&log, &sought, form).await, expected);
            }
        });
    }
}

/// A log that accepted an event each so many milliseconds, with these ids, and the time of the first one.
async fn log_of(folder: &Path, interval: i64, ids: &[String]) -> (Log, i64) {
    let log = log_with(folder, Retention::default()).await;
    let begin = now() - 10_000 * SECOND;
    let messages = (0..).zip(ids).map(|(n, id)| Message {
        received_at: begin + n * interval,
        body: format!("text {n}").into(),
        ..message(id)
    });
    log.append(messages.collect()).await;
    (log, begin)
}

#[tokio::test]
async fn each_event_is_found_by_its_own_time_in_the_order_of_asking() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..1_000).map(|n| (n % 500).to_string()).collect(); // each twice
    let (log, begin) = log_of(folder.path(), SECOND, &ids).await;
    let at = |id: &str, second: i64| (id.to_owned(), begin + second * SECOND);
    let sought = vec![
        at("7", 507),
        at("none", 9),
        at("8", 8),
        at("7", 7),
        at("7", 507),
    ];
    let found = log.texts_of(sought, Form::Accepted).await.unwrap();
    let text = |n: i64| SoughtText::Found(format!("text {n}"));
    assert_eq!(
        found,
        [text(507), SoughtText::NotFound, text(8), text(7), text(507)]
    );
}

#[tokio::test]
async fn an_event_that_is_further_from_its_time_is_found_only_among_the_distant_ones() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let (log, begin) = log_of(folder.path(), SECOND, &ids).await;
    let sought = vec![("9".to_owned(), begin + 39 * SECOND)];
    let close = log.texts_of(sought.clone(), Form::Accepted).await.unwrap();
    let distant = log.distant_texts_of(sought, Form::Accepted).await.unwrap();
    assert_eq!(close, [SoughtText::NotFound]);
    assert_eq!(distant, [SoughtText::Found("text 9".to_owned())]);
}

#[tokio::test]
async fn events_are_found_however_many_they_are_and_whatever_is_in_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..200).map(|n| format!("\"é\\ {n}")).collect();
    let (log, begin) = log_of(folder.path(), 1, &ids).await;
    for count in [0, 1, 7, 200] {
        let sought = (begin..).zip(&ids).take(count);
        let sought = sought.map(|(time, id)| (id.clone(), time)).collect();
        let found = log.texts_of(sought, Form::Accepted).await.unwrap();
        let expected: Vec<_> = (0..count)
            .map(|n| SoughtText::Found(format!("text {n}")))
            .collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn of_several_events_with_an_id_the_newest_one_close_to_the_time_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let begin = now() - 10_000 * SECOND;
    // The id at 20, 21 and 40 seconds.
    let aged = |n: i64| Message {
        received_at: begin + n * SECOND / 10,
        ..message(if [200, 210, 400].contains(&n) {
            "x"
        } else {
            "other"
        })
    };
    log.append((0..600).map(aged).collect()).await;
    for (second, expected) in [(20, 211), (10, 401), (39, 401)] {
        let near = begin + second * SECOND;
        let found = log.event("x".to_owned(), near).await.unwrap().unwrap();
        assert_eq!(found.event.position, expected, "{second}");
    }
}
