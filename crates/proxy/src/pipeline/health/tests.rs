use super::*;
use proptest::prelude::*;

fn failed(scope: Scope) -> Delivery {
    Delivery::Transient(Failure {
        reason: Reason::Unavailable,
        scope,
        message: "503".to_owned(),
        after: None,
    })
}

fn delivered() -> Delivery {
    Delivery::Delivered { id: None }
}

/// Records what happens at each second. Returns the notices, each with its second.
fn notices(happens: &[(u64, Option<Delivery>)]) -> Vec<(u64, Notice)> {
    let begin = Instant::now();
    let mut health = Health::default();
    let mut found = Vec::new();
    for (n, (at, what)) in happens.iter().enumerate() {
        let now = begin + Duration::from_secs(*at);
        let notice = match what {
            Some(delivery) => health.record(delivery, &n.to_string(), now),
            None => health.tick(now),
        };
        found.extend(notice.map(|notice| (*at, notice)));
    }
    found
}

fn cause() -> Cause {
    Cause {
        reason: Reason::Unavailable,
        error: "503".to_owned(),
    }
}

#[test]
fn an_outage_is_a_line_when_it_begins_one_a_minute_and_one_when_it_is_over() {
    let mut happens = vec![(0, Some(delivered()))];
    happens.extend((10..135).map(|at| (at, Some(failed(Scope::Target)))));
    happens.push((135, Some(delivered())));
    happens.push((136, None));
    happens.push((137, None));
    let seconds = Duration::from_secs;
    assert_eq!(
        notices(&happens),
        [
            (
                12,
                Notice::Down {
                    ago: seconds(2),
                    cause: cause()
                }
            ),
            (
                72,
                Notice::StillDown {
                    ago: seconds(62),
                    failures: 63,
                    cause: cause()
                }
            ),
            (
                132,
                Notice::StillDown {
                    ago: seconds(122),
                    failures: 123,
                    cause: cause()
                }
            ),
            (
                137,
                Notice::Recovered {
                    down: seconds(125),
                    failures: 125
                }
            ),
        ]
    );
}

#[test]
fn a_target_that_has_never_responded_is_down_at_its_first_failure() {
    let found = notices(&[(0, Some(failed(Scope::Target)))]);
    assert_eq!(
        found,
        [(
            0,
            Notice::Down {
                ago: Duration::ZERO,
                cause: cause()
            }
        )]
    );
}

#[test]
fn a_hiccup_is_not_an_outage_and_one_response_is_not_a_recovery() {
    let (target, event) = (
        || Some(failed(Scope::Target)),
        || Some(failed(Scope::Event)),
    );
    let up = |at| (at, Some(delivered()));
    let hiccups = [
        up(0),
        (1, target()),
        up(2),
        (3, target()),
        up(4),
        (10, target()),
        (11, target()),
        up(12),
    ];
    assert_eq!(notices(&hiccups), []);
    // Two events that fail by themselves while no other arrives.
    assert_eq!(notices(&[up(0), (1, event()), (9, event())]), []);
    let flaps = [
        up(0),
        (1, target()),
        (3, target()),
        up(4),
        (5, target()),
        up(6),
        (7, target()),
        (8, None),
    ];
    let found = notices(&flaps);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_target_that_fails_on_every_event_is_down_and_one_bad_event_is_not_an_outage() {
    let all: Vec<_> = (0..6).map(|at| (at, Some(failed(Scope::Event)))).collect();
    assert!(matches!(notices(&all)[..], [(2, Notice::Down { .. })]));
    let (mut health, begin) = (Health::default(), Instant::now());
    for second in 0..100 {
        let now = begin + Duration::from_secs(second);
        assert_eq!(health.record(&failed(Scope::Event), "the same", now), None);
    }
}

proptest! {
    #[test]
    fn down_and_back_alternate_and_reminders_are_a_minute_apart(
        happens in proptest::collection::vec((0u64..90_000, 0u8..4), 0..200),
    ) {
        let begin = Instant::now();
        let (mut health, mut at, mut down, mut noticed_at) = (Health::default(), begin, false, begin);
        for (n, (after, what)) in happens.into_iter().enumerate() {
            at += Duration::from_millis(after / 7);
            let notice = match what {
                0 => health.tick(at),
                1 => health.record(&delivered(), "", at),
                2 => health.record(&failed(Scope::Target), &n.to_string(), at),
                _ => health.record(&failed(Scope::Event), &n.to_string(), at),
            };
            match notice {
                Some(Notice::Down { .. }) => {
                    prop_assert!(!down);
                    (down, noticed_at) = (true, at);
                }
                Some(Notice::StillDown { .. }) => {
                    prop_assert!(down && at - noticed_at >= REMINDER);
                    noticed_at = at;
                }
                Some(Notice::Recovered { .. }) => {
                    prop_assert!(down);
                    down = false;
                }
                None => {}
            }
            prop_assert_eq!(down, health.is_down());
        }
    }
}
