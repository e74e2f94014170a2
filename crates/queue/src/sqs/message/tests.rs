use super::*;
use crate::config::MAX_BYTES;

#[test]
fn requests_hold_ten_entries_and_a_mebibyte() {
    let sizes = |entries: Vec<usize>| -> Vec<usize> {
        let entries = entries.into_iter().map(|size| (size, ())).collect();
        let groups = grouped(entries, MAX_BYTES);
        groups.iter().map(Vec::len).collect()
    };
    assert_eq!(sizes(vec![100; 25]), [10, 10, 5]);
    assert_eq!(
        sizes(vec![600_000, 600_000, 100, MAX_BYTES, 1]),
        [1, 2, 1, 1]
    );
    assert!(sizes(Vec::new()).is_empty());
}

type Attributes = HashMap<String, MessageAttributeValue>;

fn received(header: Option<&str>, attributes: &Attributes) -> Record {
    let header = |name: &str| header.filter(|_| name == TRACE_HEADER).map(str::to_owned);
    let ours = |name: &str| Some(attributes.get(name)?.string_value()?.to_owned());
    Record::received("q".into(), "r".into(), "[1]".into(), header, ours)
}

fn dead(reason: &str, space: usize) -> Attributes {
    let salt = Attributes::from([(TOKEN_SALT.to_owned(), text(SALT))]);
    dead_letter_attributes(&received(Some(HEADER), &salt), reason, space)
}

const SALT: &str = "019ac1f2-7c1e-7d40-9c3a-4d1c3a0f5b11";

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

#[test]
fn a_dead_letter_that_is_redriven_has_its_trace_and_its_salt() {
    let letter = received(None, &dead("invalid", 1_000));
    let redriven = received(None, &redriven_attributes(&letter));
    assert_eq!(redriven.id, letter.id);
    let trace = redriven.trace.map(|trace| trace.to_string());
    assert_eq!(trace.as_deref(), Some(HEADER));
    assert_eq!(redriven.token_salt, TokenSalt::read(SALT));
}

#[test]
fn what_is_to_be_taken_again_is_no_copy_of_the_event_before() {
    let message = Message {
        id: "i-1".to_owned(),
        body: "[1]".into(),
        received_at: 7,
        group: "run 1".to_owned(),
        identity: None,
        memory_permit: None,
        trace: None,
        event: SharedEvent::default(),
    };
    let entry = |salt: Option<&str>| {
        let salt = salt.and_then(TokenSalt::read);
        entry(0, "[1]".to_owned(), &message, None, salt.as_ref(), true).unwrap()
    };
    let sent = entry(Some(SALT));
    let attributes = sent.message_attributes.unwrap();
    let record = received(None, &attributes);
    assert_eq!(record.token_salt, TokenSalt::read(SALT));
    let size = attributes.iter().map(|(name, value)| cost(name, value));
    assert!(
        size.sum::<usize>() < ATTRIBUTES / 2,
        "with room for a pointer and a trace"
    );
    let ids = [entry(None), entry(Some("another"))].map(|it| it.message_deduplication_id);
    assert!(!ids.contains(&sent.message_deduplication_id));
    assert_eq!(
        sent.message_deduplication_id,
        entry(Some(SALT)).message_deduplication_id
    );
}

#[test]
fn a_dead_letter_has_the_attributes_that_fit_and_its_reason_first() {
    for space in 0..300 {
        let attributes = dead("invalid: \u{e9}\u{e9}\u{e9}", space);
        let size: usize = attributes
            .iter()
            .map(|(name, value)| cost(name, value))
            .sum();
        assert!(size <= space);
        assert_eq!(attributes.contains_key("reason"), space >= 13);
        assert!(
            !attributes.contains_key(TRACE) || attributes.len() == 6,
            "the trace last"
        );
    }
    let long = dead(&"x".repeat(900_000), 1_000_000);
    assert!(cost("reason", &long["reason"]) < 2 * REASON);
    assert_eq!(long.len(), 6);
}

#[test]
fn characters_of_a_reason_that_sqs_refuses_are_replaced() {
    let attributes = dead("a\u{0}b\u{1b}\u{ffff}c", 1_000);
    assert_eq!(attributes["reason"].string_value(), Some("a?b??c"));
}

#[test]
fn attributes_of_another_writer_are_used_if_they_are_valid() {
    let system = |name: &str| (name == "SentTimestamp").then(|| "7".to_owned());
    let read = |id: &str, time: &str| {
        let ours = |name: &str| Some(if name == "id" { id } else { time }.to_owned());
        let record = Record::received("q".into(), "r".into(), "[1]".into(), system, ours);
        (record.id.to_string(), record.received_at)
    };
    assert_eq!(read("a-1", "9"), ("a-1".to_owned(), Some(9)));
    for (id, time) in [("", "soon"), ("a\nb", "-9"), (&"x".repeat(999), "1e3")] {
        assert_eq!(read(id, time), ("q".to_owned(), Some(7)));
    }
}

#[test]
fn a_trace_is_read_from_the_system_attribute_or_from_ours_if_it_came_through_a_topic() {
    let header = HEADER;
    let read = |system: Option<&str>, ours: Option<&str>| {
        let of = |name: &'static str, value: Option<&str>| {
            let value = value.map(str::to_owned);
            move |asked: &str| value.clone().filter(|_| asked == name)
        };
        let (system, ours) = (of(TRACE_HEADER, system), of(TRACE, ours));
        let record = Record::received("q".into(), "r".into(), "[1]".into(), system, ours);
        record.trace.map(|trace| trace.to_string())
    };
    assert_eq!(read(Some(header), None).as_deref(), Some(header));
    assert_eq!(read(None, Some(header)).as_deref(), Some(header));
    assert_eq!(read(Some("x"), Some(header)), None);
    assert_eq!(read(None, None), None);
}

#[test]
fn characters_that_sqs_refuses_travel_escaped() {
    assert_eq!(
        transportable("\"a\u{ffff}\u{fffe}b\""),
        r#""a\uffff\ufffeb""#
    );
}

#[test]
fn the_region_comes_from_the_url() {
    assert_eq!(
        region("https://sqs.eu-west-1.amazonaws.com/1/q"),
        Some("eu-west-1")
    );
    assert_eq!(
        region("https://sqs.cn-north-1.amazonaws.com.cn/1/q"),
        Some("cn-north-1")
    );
    assert_eq!(region("http://localhost:4566/1/q"), None);
}
