//! What is kept of responses that echo what they were sent.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const KEY: &str = "Zq7/pW+xK3-vB9.tR2mN";
const EVENT: &str = r#"{"eventType":"COMPLETE","run":{"facets":{"sql":{"query":"select card from \"crm\".people where pin = '4711' and mail = 'ann@example.org'"}}},"job":{"namespace":"shop","name":"nightly"}}"#;

fn filter(response: ResponseDetail) -> ResponseFilter {
    let own = OwnCredentials::of([KEY, "user:Zq7/pW+xK3-vB9.tR2mN"]);
    ResponseFilter { response, own }
}

fn structure(body: &str) -> String {
    let kept =
        filter(ResponseDetail::Structure).body(Some("application/json"), body.as_bytes(), EVENT);
    kept.unwrap_or_default()
}

fn redacted(body: &str) -> String {
    let kept = filter(ResponseDetail::Redacted).body(None, body.as_bytes(), EVENT);
    kept.unwrap_or_default()
}

#[test]
fn the_structure_has_the_fields_and_the_codes() {
    let cases = [
        (
            r#"{"code": 1001, "message": "no such pin '4711'"}"#,
            r#"{"code": 1001, "message"}"#,
        ),
        (
            r#"{"error": {"code": "INVALID_ARGUMENT", "details": [{"field": "pin"}, {}]}}"#,
            r#"{"error": {"code": "INVALID_ARGUMENT", "details": [{"field"}, …]}}"#,
        ),
        (
            r#"{"error": "select card from people", "status": 400}"#,
            r#"{"error", "status": 400}"#,
        ),
        (
            r#"{"errorCode": "ORA-00942", "exception": "io.openlineage.BadEvent"}"#,
            r#"{"errorCode": "ORA-00942", "exception": "io.openlineage.BadEvent"}"#,
        ),
        (
            r#"{"code": "nightly", "select card from people": 1, "crm": 2}"#,
            r#"{"code", …}"#,
        ),
        (r#"{"code": 4711}"#, r#"{"code"}"#),
        (r#""pin 4711""#, "text"),
        ("pin 4711", "8 bytes of application/json"),
    ];
    for (body, kept) in cases {
        assert_eq!(structure(body), kept, "{body}");
    }
    let html =
        filter(ResponseDetail::Structure).body(Some("text/html; a=b"), b"<h1>pin 4711</h1>", EVENT);
    assert_eq!(html.as_deref(), Some("17 bytes of text/html"));
    let odd = filter(ResponseDetail::Structure).body(Some("pin/4711"), b"x", EVENT);
    assert_eq!(odd.as_deref(), Some("1 bytes of another type"));
    assert_eq!(
        filter(ResponseDetail::Structure).body(None, b" \n", EVENT),
        None
    );
}

#[test]
fn no_word_of_an_event_too_large_to_search_is_kept() {
    let event = format!("{EVENT}{}", " ".repeat(MAX_SEARCHED));
    for response in [ResponseDetail::Structure, ResponseDetail::Redacted] {
        let body = br#"{"status": 400, "error": "nightly", "message": "pin 4711", "people": 1}"#;
        let kept = filter(response).body(None, body, &event);
        let expected = r#"{"status": 400, "error", "message", …}"#;
        let mut fields: Vec<&str> = kept.as_deref().unwrap().split(", ").collect();
        fields.sort_unstable();
        for field in expected.trim_matches(['{', '}']).split(", ") {
            assert!(kept.as_deref().unwrap().contains(field), "{fields:?}");
        }
        assert!(!kept.unwrap().contains("nightly"));
    }
}

#[test]
fn a_redacted_text_is_readable_and_contains_nothing_of_the_event() {
    let message = redacted(
        r#"{"message": "cannot parse field 'pin' at line 1 column 42: value '4711' of ann@example.org is not allowed", "password": "x1"}"#,
    );
    assert!(message.contains("cannot parse field"), "{message}");
    assert!(message.contains("at line 1 column 42"), "{message}");
    for word in ["pin", "4711", "ann@", "example", "x1"] {
        assert!(!message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_key_is_not_kept_in_any_form() {
    let basic = STANDARD.encode(format!("user:{KEY}"));
    let forms = [
        KEY.to_owned(),
        KEY.to_uppercase(),
        KEY.replace('/', "\\/"),
        KEY.replace('/', "%2F").replace('+', "%2B"),
        KEY.replace('/', "&#x2F;").replace('+', "&#43;"),
        KEY.chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect(),
        KEY.split_at(9).0.to_owned() + "\r\n " + KEY.split_at(9).1,
        KEY.chars().map(|c| format!("{c} ")).collect(),
        hex::encode(KEY),
        STANDARD.encode(KEY),
        URL_SAFE_NO_PAD.encode(format!("x{KEY}")),
        STANDARD.encode(format!("xy{KEY}")),
        format!("Basic {basic}"),
    ];
    for form in forms {
        for body in [
            format!(r#"{{"message": "no such key {form}", "code": "{form}", "{form}": 1}}"#),
            format!("<p>Authorization: Bearer {form}</p>"),
        ] {
            for kept in [structure(&body), redacted(&body)] {
                let squeezed: String = own::squeezed(&kept).map(|(_, c)| c).collect();
                for part in [&form, KEY, basic.as_str()] {
                    let part: Vec<char> = own::squeezed(part).map(|(_, c)| c).collect();
                    for row in part.windows(8) {
                        let row: String = row.iter().collect();
                        assert!(!squeezed.contains(&row), "{form} in {kept}");
                    }
                }
            }
        }
    }
}

#[test]
fn characters_that_change_the_direction_of_text_are_escaped() {
    assert_eq!(escaped("a\u{202e}b\nc\u{7}"), "a\\u{202e}b\\nc\\u{7}");
    assert_eq!(escaped(&"x".repeat(600)).chars().count(), 501);
    let message = redacted("bad\u{202e}\u{1b}[31m");
    assert!(!message.contains(['\u{202e}', '\u{1b}']), "{message}");
}

#[test]
fn an_unrequested_gzip_body_is_read_and_a_bomb_is_not() {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let kept = filter(ResponseDetail::Structure).body(None, &gzip(br#"{"code": 7}"#), EVENT);
    assert_eq!(kept.as_deref(), Some(r#"{"code": 7}"#));
    let kept = filter(ResponseDetail::Structure).body(None, &gzip(&vec![b' '; 50_000_000]), EVENT);
    assert_eq!(kept, None);
}

#[test]
fn the_message_of_a_service_stays_readable() {
    for text in [
        "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/batch/x is not authorized to perform: sqs:SendMessage",
        "NoSuchKey: The specified key does not exist.",
        "dispatch failure: io error: Connection refused (os error 111)",
    ] {
        assert_eq!(words(text), text);
    }
}

/// What a target can do to a text that it gives back.
fn echoes(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap();
    vec![
        text.to_owned(),
        json.clone(),
        serde_json::to_string(&json).unwrap(),
        text.to_uppercase(),
        text.chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect(),
        text.bytes().map(|b| format!("%{b:02X}")).collect(),
        text.bytes().map(|b| format!("%25{b:02X}")).collect(),
        text.chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect(),
        text.replace(' ', "+"),
        STANDARD.encode(text),
        hex::encode(text),
    ]
}

#[test]
fn a_text_of_escapes_is_as_short_as_any_other() {
    let kept = escaped(&"\u{1}".repeat(400));
    assert_eq!(kept, format!("{}…", r"\u{1}".repeat(100)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever a target does to the statement it was sent, no literal of it is kept, in any form of it.
    #[test]
    fn no_literal_of_the_event_is_kept(
        mark in "[a-z]{3}[0-9]{2}[a-zäß]{4,12}",
        before in "[A-Za-z ,.:'=]{0,12}",
        cut in 0usize..6,
    ) {
        let sql = format!("select x from t where a = '{mark}' and b like '%{mark}%'");
        let event = serde_json::json!({"job": {"facets": {"sql": {"query": sql}}}}).to_string();
        for text in [sql.clone(), mark.clone(), sql.chars().skip(cut).collect()] {
            for echo in echoes(&text) {
                let bodies = [
                    format!(r#"{{"message": "{before}{echo}", "code": "{echo}", "error": {{"type": "{echo}", "{echo}": 1}}}}"#),
                    format!("<html>{before} {echo}</html>"),
                    echo,
                ];
                for body in bodies {
                    for response in [ResponseDetail::Structure, ResponseDetail::Redacted] {
                        let kept = filter(response).body(None, body.as_bytes(), &event).unwrap_or_default();
                        let lower = kept.to_lowercase();
                        for form in echoes(&mark) {
                            prop_assert!(!lower.contains(form.trim_matches('"').to_lowercase().as_str()), "{} of {} in {}", form, body, kept);
                        }
                    }
                }
            }
        }
    }

    /// Any bytes are kept as something short that a terminal shows as it is.
    #[test]
    fn any_answer_is_kept_within_bounds(body in prop::collection::vec(any::<u8>(), 0..300), response in prop::sample::select(vec![ResponseDetail::Structure, ResponseDetail::Redacted])) {
        if let Some(kept) = filter(response).body(None, &body, EVENT) {
            prop_assert!(kept.chars().count() <= 501);
            prop_assert!(!kept.chars().any(|c| c.is_control()));
        }
    }
}
