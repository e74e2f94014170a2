use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::unread::tests::BUG;

const ONE: &str =
    r#"{"eventTime":"2026-11-20T10:00:00Z", "run":{"runId":"1"}, "n": 1180591620717411303424}"#;
const TWO: &str = r#"{"job":{"namespace":"n","name":"j"}}"#;

fn texts(found: &StreamEvents) -> Vec<&str> {
    found
        .extraction
        .events
        .iter()
        .map(|event| event.text.as_str())
        .collect()
}

fn rules(found: &StreamEvents) -> Vec<FindingRule> {
    found
        .extraction
        .findings
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

#[test]
fn a_record_holds_an_event_an_array_or_several_and_the_bytes_are_kept() {
    for (text, expected) in [
        (ONE.to_owned(), vec![ONE]),
        (format!("[{ONE} , {TWO}]"), vec![ONE, TWO]),
        (format!(" {ONE}\n{TWO}\n"), vec![ONE, TWO]),
        (format!("{ONE}[{TWO}]"), vec![ONE, TWO]),
    ] {
        let found = events(text.as_bytes(), "p");
        assert_eq!(texts(&found), expected, "{text}");
        assert!(found.is_complete);
    }
}

#[test]
fn an_aggregate_of_the_producer_library_is_taken_apart() {
    let data = aggregate::aggregate(&[ONE.as_bytes(), TWO.as_bytes(), b"x"]);
    let found = events(&data, "shard-1:7");
    assert_eq!(texts(&found), [ONE, TWO]);
    let finding = found.extraction.findings[0].to_string();
    assert_eq!(
        finding,
        "unreadable: shard-1:7, record 2 of the aggregate: not JSON"
    );
    let mut damaged = aggregate::aggregate(&[ONE.as_bytes()]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(rules(&events(&damaged, "p")), [FindingRule::Unreadable]);
}

/// Made by the Python library of AWS, `aws_kinesis_agg` 1.2.3, from two records.
const MADE_BY_AWS: &str = "84mawgoHcnVuOm4vagoHcnVuOm4vaxooCAAaJHsiam9iIjp7Im5hbWVzcGFjZSI6Im4iLCJuYW1lIjoiaiJ9fRooCAEaJHsiam9iIjp7Im5hbWVzcGFjZSI6Im4iLCJuYW1lIjoiayJ9fUiP+EvAsescMTXKqj677DM=";

#[test]
fn an_aggregate_that_a_library_of_aws_made_is_read() {
    let data = BASE64_STANDARD.decode(MADE_BY_AWS).unwrap();
    let found = events(&data, "p");
    assert_eq!(texts(&found), [TWO, &TWO.replace("\"j\"", "\"k\"")]);
}

#[test]
fn the_envelope_of_sns_is_taken_off_and_raw_delivery_needs_none() {
    let envelope = json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": ONE}).to_string();
    assert_eq!(
        events(envelope.as_bytes(), "p"),
        events(ONE.as_bytes(), "p")
    );
}

#[test]
fn the_same_bytes_are_the_same_event_wherever_they_are() {
    let identity = |data: &[u8]| events(data, "any").extraction.events[0].identity;
    let aggregated = aggregate::aggregate(&[ONE.as_bytes()]);
    assert_eq!(identity(ONE.as_bytes()), identity(&aggregated));
    assert_ne!(identity(ONE.as_bytes()), identity(TWO.as_bytes()));
}

#[test]
fn what_is_no_event_is_reported_and_the_events_beside_it_are_taken() {
    let found = events(format!("[{ONE}, 7, {{}}, {TWO}]").as_bytes(), "p");
    assert_eq!(texts(&found), [ONE, TWO]);
    assert_eq!(
        rules(&found),
        [FindingRule::NotOpenlineage, FindingRule::NotOpenlineage]
    );
    assert!(!found.is_complete);
    for (data, rule) in [
        (&b""[..], FindingRule::Unreadable),
        (b"secret", FindingRule::Unreadable),
        (b"{\"run\":", FindingRule::Unreadable),
        (b"\xff", FindingRule::Unreadable),
        (b"\"secret\"", FindingRule::NotOpenlineage),
        (b"{\"run\":\"secret\"}", FindingRule::NotOpenlineage),
    ] {
        let found = events(data, "p");
        assert_eq!(rules(&found), [rule]);
        assert!(!found.extraction.findings[0].to_string().contains("secret"));
    }
}

#[test]
fn a_million_values_that_are_no_events_are_a_few_findings() {
    let found = events(
        &[b"0 ".repeat(500_000).as_slice(), ONE.as_bytes()].concat(),
        "p",
    );
    assert_eq!(texts(&found), [ONE]);
    assert_eq!(found.extraction.findings.len(), 21);
    assert_eq!(
        found.extraction.findings[20].message,
        "499980 more of it is no event"
    );
}

#[test]
fn each_service_that_invokes_a_function_is_taken_apart() {
    let data = BASE64_STANDARD.encode(ONE);
    let sqs = json!({"Records": [{"messageId": "m1", "receiptHandle": "r", "body": ONE, "attributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:q"}]});
    let sns = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"MessageId": "m1", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": ONE}}]});
    let kinesis = json!({"Records": [{"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": "495", "data": data}, "eventSource": "aws:kinesis", "eventID": "shardId-000000000006:495", "eventSourceARN": "arn:aws:kinesis:eu-west-1:111122223333:stream/s"}]});
    let kafka = json!({"eventSource": "aws:kafka", "bootstrapServers": "b:9092", "records": {"t-0": [
        {"topic": "t", "partition": 0, "offset": 15, "timestamp": 1, "timestampType": "CREATE_TIME", "key": "aw==", "value": data, "headers": []},
        {"topic": "t", "partition": 0, "offset": 16, "timestamp": 1, "timestampType": "CREATE_TIME", "key": "aw==", "headers": []},
    ]}});
    for (payload, source, item, place) in [
        (
            sqs,
            RecordSource::Sqs,
            "m1",
            "arn:aws:sqs:eu-west-1:111122223333:q message m1",
        ),
        (
            sns,
            RecordSource::Sns,
            "m1",
            "arn:aws:sns:eu-west-1:111122223333:t message m1",
        ),
        (
            kinesis,
            RecordSource::Kinesis,
            "495",
            "arn:aws:kinesis:eu-west-1:111122223333:stream/s shardId-000000000006:495",
        ),
        (
            kafka,
            RecordSource::Kafka,
            "t-0:15",
            "topic t partition 0 offset 15",
        ),
    ] {
        let (of, records) = records(payload.to_string().as_bytes()).unwrap();
        assert_eq!((of, records.len()), (source, 1));
        assert_eq!(
            (records[0].item.as_str(), records[0].place.as_str()),
            (item, place)
        );
        let data = records[0].data.as_ref().unwrap();
        assert_eq!(texts(&events(data, place)), [ONE]);
    }
}

#[test]
fn one_record_that_cannot_be_decoded_costs_no_other() {
    let record =
        |sequence: &str, data: &str| json!({"kinesis": {"sequenceNumber": sequence, "data": data}});
    let payload = json!({"Records": [record("1", "?"), record("2", &BASE64_STANDARD.encode(ONE))]});
    let (_, records) = records(payload.to_string().as_bytes()).unwrap();
    assert!(records[0].data.is_err());
    assert!(records[1].data.is_ok());
}

#[test]
fn a_payload_of_another_service_is_an_error() {
    for payload in [
        "",
        "{}",
        "[]",
        r#"{"Records":[]}"#,
        r#"{"Records":[{"s3":{}}]}"#,
        r#"{"awslogs":{"data":""}}"#,
    ] {
        assert_eq!(
            records(payload.as_bytes()).unwrap_err().rule,
            FindingRule::Unreadable,
            "{payload}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_events_or_findings(data in any::<Vec<u8>>(), at in any::<usize>(), byte in any::<u8>()) {
        for mut data in [data.clone(), aggregate::aggregate(&[&data, ONE.as_bytes()]), ONE.as_bytes().to_vec()] {
            if !data.is_empty() {
                let at = at % data.len();
                data[at] = byte;
            }
            let found = events(&data, "p");
            if found.is_complete && found.extraction.events.is_empty() {
                // An empty array, or an aggregate of nothing but those.
                let data = data.trim_ascii();
                prop_assert!(data.starts_with(b"[") || data.starts_with(&[0xf3]));
            }
            let _ = records(&data);
        }
    }
}

#[test]
fn a_record_whose_reading_panics_is_kept_apart_as_it_is() {
    let data = format!("{{\"job\":{{\"name\":\"{BUG}\"}}}}");
    let found = events(data.as_bytes(), "shard 7");
    assert!(!found.is_complete);
    let [input] = &found.extraction.unread[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (input.place.as_str(), input.bytes.as_slice()),
        ("shard 7", data.as_bytes())
    );
    assert_eq!(found.extraction.findings[0].rule, FindingRule::Bug);
}
