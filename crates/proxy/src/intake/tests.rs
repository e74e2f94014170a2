use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::queue::{Embedded, Settlement};

const ORIGIN: Origin = Origin::Http {
    sender: None,
    trace: None,
};

fn valid(job: &str) -> String {
    format!(
        r#"{{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","producer":"urn:test","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","run":{{"runId":"01890000-0000-7000-8000-000000000000"}},"job":{{"namespace":"n","name":"{job}"}}}}"#
    )
}

fn raw(text: &str) -> RawEvent {
    RawEvent {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        identity: None,
    }
}

async fn intake(folder: &std::path::Path) -> (Intake, Queue) {
    let queue = Embedded::own(folder, Duration::from_secs(60)).await;
    let queue = Queue::Embedded(queue.unwrap());
    let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
    (intake, queue)
}

/// The ids and bodies in the queue, which is empty afterwards.
async fn queued(queue: &Queue) -> Vec<(String, String)> {
    let stop = CancellationToken::new();
    let mut all = Vec::new();
    loop {
        let records = queue.receive(100, Duration::ZERO, &stop).await.unwrap();
        if records.is_empty() {
            return all;
        }
        let done: Vec<_> = records
            .iter()
            .map(|record| (record, Settlement::Acknowledge))
            .collect();
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        queue.settle(&done, until).await;
        let pair = |record: &crate::queue::Record| (record.id.to_string(), record.body.to_string());
        all.extend(records.iter().map(pair));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn each_event_is_answered_once_in_order_and_accepted_exactly_when_it_is_queued(
        kinds in proptest::collection::vec(0u8..4, 0..40),
    ) {
        let text = |(n, kind): (usize, &u8)| match kind {
            0 | 1 => valid(&format!("job {n}")),
            2 => "{}".to_owned(),
            _ => format!("{{\"v\": NaN, \"n\": {n}"),
        };
        let texts: Vec<String> = kinds.iter().enumerate().map(text).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (answers, queued) = runtime.block_on(async {
            let (intake, queue) = intake(folder.path()).await;
            let events = texts.iter().map(|text| raw(text)).collect();
            let memory = MemoryBudget::new(1_000_000).reserve();
            let answers = intake.accept(events, &ORIGIN, memory).await;
            (answers, queued(&queue).await)
        });
        prop_assert_eq!(answers.len(), kinds.len());
        let mut accepted = Vec::new();
        for ((kind, text), answer) in kinds.iter().zip(&texts).zip(answers) {
            match answer {
                Ok(answer) => {
                    prop_assert!(*kind < 2);
                    accepted.push((answer.id, text.clone()));
                }
                Err(rejected) => {
                    prop_assert!(*kind >= 2);
                    prop_assert!(!rejected.reason.is_retriable());
                }
            }
        }
        prop_assert_eq!(accepted, queued);
    }

    #[test]
    fn an_event_is_accepted_only_when_the_queue_confirms_it(
        kinds in proptest::collection::vec(0u8..4, 0..20),
        missing in 0usize..3,
    ) {
        // 0: confirmed, 1: too large, 2: unavailable, 3: invalid, and so never sent.
        let event = |(n, kind): (usize, &u8)| match kind {
            3 => raw("{}"),
            _ => raw(&valid(&format!("job {n}"))),
        };
        let events = kinds.iter().enumerate().map(event).collect();
        let candidates = validate_all(events, Level::Repair, validate::validate);
        let answer = |kind: &u8| match kind {
            0 => Ok(SendOutcome::Queued),
            1 => Err(SendError::TooLarge { limit: 7 }),
            _ => Err(SendError::Unavailable("full".to_owned())),
        };
        let mut sent: Vec<_> = kinds.iter().filter(|kind| **kind < 3).map(answer).collect();
        sent.truncate(sent.len().saturating_sub(missing));
        let confirmed = sent.len();
        let answers = resolve(candidates, sent);
        prop_assert_eq!(answers.len(), kinds.len());
        let mut nth = 0;
        for (kind, answer) in kinds.iter().zip(answers) {
            let is_confirmed = *kind == 0 && nth < confirmed;
            nth += usize::from(*kind < 3);
            prop_assert_eq!(answer.is_ok(), is_confirmed);
            if let Err(rejected) = answer {
                let is_retriable = *kind < 3 && (*kind != 1 || nth > confirmed);
                prop_assert_eq!(rejected.reason.is_retriable(), is_retriable);
            }
        }
    }
}

#[test]
fn the_findings_of_many_bad_events_are_bounded_and_each_has_its_reason() {
    let events = vec![raw("{}"); 2_000];
    let (mut findings, mut reasons) = (0, 0);
    for answer in validate_all(events, Level::Repair, validate::validate) {
        let reason = answer.err().unwrap().reason;
        reasons += usize::from(
            reason
                .to_string()
                .starts_with("invalid OpenLineage event: "),
        );
        if let RejectionReason::Invalid { findings: some, .. } = reason {
            findings += some.len();
        }
    }
    assert_eq!((findings, reasons), (MAX_FINDINGS, 2_000));
}

#[tokio::test]
async fn an_event_with_an_identity_is_queued_once_and_has_it_as_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, queue) = intake(folder.path()).await;
    let identity = Uuid::from_u128(7);
    let origin = Origin::Source {
        name: "glue".into(),
    };
    let event = RawEvent {
        identity: Some(identity),
        ..raw(&valid("job"))
    };
    let mut answers = Vec::new();
    for events in [vec![event.clone(), event.clone()], vec![event]] {
        let memory = MemoryBudget::new(1_000_000).reserve();
        answers.extend(intake.accept(events, &origin, memory).await);
    }
    let answers = answers.into_iter().map(Result::unwrap);
    let answers: Vec<_> = answers.map(|it| (it.id, it.is_known)).collect();
    let id = identity.to_string();
    let expected = [false, true, true].map(|is_known| (id.clone(), is_known));
    assert_eq!(answers, expected);
    assert_eq!(queued(&queue).await, [(id, valid("job"))]);
}
