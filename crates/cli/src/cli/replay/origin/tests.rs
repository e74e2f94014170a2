use super::*;

fn range(since: i64, until: i64) -> Range {
    Range {
        accepted: AcceptedBetween { since, until },
        asked_until: until,
        last: None,
        after: None,
    }
}

#[test]
fn an_hour_is_skipped_only_if_none_of_its_objects_can_be_in_the_range() {
    let (day, hour) = ("dt=1970-01-02", "hour=10");
    let start = (24 + 10) * 3_600_000;
    for (since, until, is_in) in [
        (i64::MIN, i64::MAX, true),
        (start, start + 1, true),
        (start + 3_599_999, i64::MAX, true),
        (start + 3 * 3_600_000, i64::MAX, false),
        (i64::MIN, start - 2 * 3_600_000, false),
    ] {
        assert_eq!(
            is_in_range(day, hour, &range(since, until)),
            is_in,
            "{since} {until}"
        );
    }
    assert!(
        is_in_range("dt=x", "hour=y", &range(0, 1)),
        "not one of ours"
    );
}

#[test]
fn an_object_says_when_it_was_written() {
    let before = proxy::queue::now();
    let name = format!("{}.jsonl.gz", Uuid::now_v7());
    let time = archived_at(&name).unwrap();
    assert!((before..=proxy::queue::now()).contains(&time), "{time}");
    assert_eq!(archived_at("part-0001.jsonl.gz"), None);
}

#[test]
fn a_place_is_the_same_however_from_is_written() {
    assert_eq!(below("a/events.jsonl", "a/events.jsonl"), "");
    assert_eq!(below("a/b/", "a/b/c/d.jsonl"), "c/d.jsonl");
    assert_eq!(below("/x/a/b", "/x/a/b/c/d.jsonl"), "c/d.jsonl");
    assert_eq!(below("-", "-"), "");
}

#[test]
fn places_are_in_the_order_in_which_folders_are_read() {
    let mut places = ["a.x", "a/c", "a-b/x", "a/b"];
    places.sort_by(|one, other| Position::place_order(one, other));
    assert_eq!(places, ["a/b", "a/c", "a-b/x", "a.x"]);
}
