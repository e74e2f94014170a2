//! The bodies of the newest events.

use std::collections::HashSet;

use super::*;

const LIMITS: BodyLimits = BodyLimits {
    events: 10,
    bytes: 1_000,
    time: MINUTE,
};

async fn found(log: &Log, ids: Option<&[&str]>, limits: BodyLimits) -> Vec<String> {
    let ids = ids.map(|ids| {
        ids.iter()
            .map(|id| (*id).to_owned())
            .collect::<HashSet<_>>()
    });
    let found = log.newest_bodies(ids, limits).await.unwrap();
    assert!(
        found
            .iter()
            .all(|it| it.body == format!("body of {}", it.id))
    );
    found.into_iter().map(|it| it.id).collect()
}

#[tokio::test]
async fn the_newest_are_found_by_their_ids_or_as_many_as_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    append(&log, &["a", "b", "c", "d"]).await;
    assert_eq!(found(&log, None, LIMITS).await, ["d", "c", "b", "a"]);
    let two = BodyLimits {
        events: 2,
        ..LIMITS
    };
    assert_eq!(found(&log, None, two).await, ["d", "c"]);
    assert_eq!(
        found(&log, Some(&["a", "c", "x"]), LIMITS).await,
        ["c", "a"]
    );
    let few = BodyLimits {
        bytes: 10,
        ..LIMITS
    };
    assert_eq!(found(&log, None, few).await, ["d", "c"], "beyond the last");
}
