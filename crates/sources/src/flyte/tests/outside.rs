//! Whatever else lies in the queue, in any order and any number of times.

use openlineage::{Event, Level};
use proptest::prelude::*;

use super::*;

#[test]
fn what_is_not_from_flyte_is_said_without_a_word_of_it() {
    let envelope = |subject: &str, message: &str| {
        json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Subject": subject, "Message": message}).to_string()
    };
    let confirmation = json!({"Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": "secret"}).to_string();
    let unnamed = json!({"rawEvent": {"taskId": {"name": "secret"}, "phase": "RUNNING", "occurredAt": "2026-11-20T10:00:00Z"}});
    for (body, why) in [
        (
            "secret!".to_owned(),
            "neither an envelope of SNS nor base64",
        ),
        (
            r#"{"secret": 1}"#.to_owned(),
            "neither an envelope of SNS nor base64",
        ),
        (confirmation, "confirm a subscription"),
        (envelope("secret", "AAAA"), "subject"),
        (
            envelope("flyteidl.admin.NodeExecutionEventRequest", "c2VjcmV0"),
            "protobuf message that the subject names",
        ),
        (raw(b"secret"), "none of the protobuf messages"),
        (cloud("secret", &json!({})), "type"),
        (
            cloud("cloudevents.TaskExecution", &json!({"rawEvent": "secret"})),
            "protojson",
        ),
        (
            cloud("cloudevents.TaskExecution", &json!({})),
            "does not name",
        ),
        (
            cloud("cloudevents.TaskExecution", &unnamed),
            "does not name",
        ),
        (task(&json!({"phase": "SECRET"})), "phase is not known"),
        (task(&json!({"phase": 99})), "phase is not known"),
        (task(&json!({"occurredAt": null})), "no time"),
    ] {
        let finding = read(&body, "message 1").unwrap_err();
        assert_eq!(finding.rule, FindingRule::Unreadable);
        assert!(finding.message.contains(why), "{why}: {finding}");
        assert!(
            !finding.to_string().to_lowercase().contains("secret"),
            "{finding}"
        );
    }
}

fn all() -> Vec<String> {
    FLAVOURS
        .iter()
        .flat_map(|flavour| bodies(flavour))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_and_any_repetition_give_the_same_events(
        order in Just((0..48usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..48usize, 0..20),
    ) {
        let all = all();
        let found = |order: &[usize]| -> BTreeMap<_, _> {
            let events = order.iter().flat_map(|index| extract(&all[*index], &options()).events);
            events.map(|event| (event.identity, json(&event)["run"]["runId"].clone())).collect()
        };
        let straight: Vec<_> = (0..48).collect();
        let shuffled: Vec<_> = again.iter().chain(&order).copied().collect();
        prop_assert_eq!(found(&shuffled), found(&straight));
    }

    #[test]
    fn any_bytes_are_a_message_or_a_finding(bytes in any::<Vec<u8>>(), flips in proptest::collection::vec((0..48usize, any::<usize>(), any::<u8>()), 1..20)) {
        let _ = read(&raw(&bytes), "");
        let _ = read(&String::from_utf8_lossy(&bytes), "");
        for (which, at, byte) in flips {
            let envelope: Value = serde_json::from_str(&all()[which]).unwrap();
            let mut message = BASE64_STANDARD.decode(envelope["Message"].as_str().unwrap()).unwrap();
            let at = at % message.len();
            message[at] = byte;
            if let Ok(message) = read(&raw(&message), "") {
                let mut objects = Objects::default();
                for uri in message.needed(&logical(), &objects) {
                    objects.insert(uri, Ok(bytes.clone()));
                }
                for event in message.extraction(&logical(), &objects).events {
                    prop_assert!(Event::read(event.text.as_bytes(), Level::Repair).is_ok(), "{}", event.text);
                }
            }
        }
    }
}
