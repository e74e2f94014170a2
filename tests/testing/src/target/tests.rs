//! What each fault does, and what the target counts.

use super::*;

async fn post(target: &FaultyTarget, body: &str) -> Option<u16> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10));
    let post = http.build().unwrap();
    let post = post.post(format!("{}/api/v1/lineage", target.url));
    let response = post.body(body.to_owned()).send().await.ok()?;
    let status = response.status().as_u16();
    response.text().await.ok().map(|_| status)
}

#[tokio::test]
async fn an_event_is_accepted_only_with_a_whole_response_of_success() {
    let whole = [FaultKind::Status(201, None), FaultKind::Trickle];
    let faults = [
        FaultKind::Status(503, Some(2)),
        FaultKind::Reset,
        FaultKind::HalfHeaders,
        FaultKind::HalfBody,
        FaultKind::Garbage,
    ];
    for (kinds, accepted) in [(&whole[..], 1), (&faults[..], 0)] {
        for kind in kinds {
            let target = FaultyTarget::start(Fault::Always(kind.clone())).await;
            let status = post(&target, "{}").await;
            assert_eq!(target.accepted().len(), accepted, "{kind:?}: {status:?}");
            assert_eq!(status.is_some_and(|status| status < 300), accepted == 1);
            assert_eq!(target.figures().posts, 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_post_on_hold_is_answered_when_the_fault_changes() {
    let target = FaultyTarget::start(Fault::Always(FaultKind::Hold)).await;
    let release = async {
        until(async || (target.figures().posts == 1).then_some(())).await;
        assert!(target.answered().is_empty());
        target.set(Fault::None);
    };
    let (status, ()) = tokio::join!(post(&target, "{}"), release);
    assert_eq!(status, Some(200));
}

#[tokio::test]
async fn a_post_whose_client_has_gone_is_never_accepted() {
    let target = FaultyTarget::start(Fault::Always(FaultKind::Hold)).await;
    let gone = tokio::time::timeout(Duration::from_millis(100), post(&target, "{}"));
    assert!(gone.await.is_err());
    until(async || target.state.lock().under_way.is_empty().then_some(())).await;
    target.set(Fault::None);
    assert_eq!(post(&target, r#"{"n":2}"#).await, Some(200));
    assert_eq!(target.accepted(), [r#"{"n":2}"#]);
}

#[tokio::test]
async fn two_posts_of_an_event_at_a_time_are_an_overlap() {
    let target = FaultyTarget::start(Fault::None).await;
    target.delay(Duration::from_millis(100));
    tokio::join!(post(&target, "{}"), post(&target, "{}"));
    assert_eq!(target.figures().overlaps, 1);
}

#[tokio::test]
async fn an_event_chooses_its_response() {
    let target = FaultyTarget::start(Fault::status(503)).await;
    assert_eq!(post(&target, r#"{"answer":422}"#).await, Some(422));
}
