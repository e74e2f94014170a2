//! Targets that answer with what they were sent: an OpenLineage endpoint that puts it where the event asks, and
//! DataZone.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testing::events::gzip;
use testing::{FaultKind, FaultyTarget};

use super::{KEY, LITERAL, PASSWORD, SESSION, SHORT, TOKEN, USER};

/// A target that answers with the status that the name of the event's job begins with, and puts what it was sent into the
/// place that the name ends with.
pub(crate) async fn echoing() -> FaultyTarget {
    FaultyTarget::scripted(|request| {
        let event: Value = serde_json::from_str(&request.body).unwrap();
        let name = event["job"]["name"].as_str().unwrap();
        let (status, place) = name.split_once(' ').unwrap();
        if place == "endless" {
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 1000000000\r\n\r\n");
            return FaultKind::Endless(head.into_bytes());
        }
        FaultKind::Bytes(echo(status, place, &request.head, &request.body))
    })
    .await
}

fn echo(status: &str, place: &str, head: &str, body: &str) -> Vec<u8> {
    let all = format!("{head}\n{body}");
    let line: String = all.replace(['\r', '\n'], " ");
    // It can only return what it was sent.
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let (user, password) = match all.contains(&basic) {
        true => (USER, PASSWORD),
        false => ("user", "password"),
    };
    let key = if all.contains(KEY) { KEY } else { "key" };
    let mut more = String::new();
    let mut reason = "Refused".to_owned();
    let body = match place {
        "status text" => {
            reason.clone_from(&line);
            Vec::new()
        }
        "headers" => {
            for name in ["location", "www-authenticate", "retry-after", "x-amzn-errortype", "x-amzn-errormessage", "content-type", "server", "x-amzn-requestid"] {
                more += &format!("{name}: {line}\r\n");
            }
            Vec::new()
        }
        "json" => json!({"code": 400, "message": all, "error": all, "findings": [{"message": all}]}).to_string().into_bytes(),
        "json in json" => json!({"message": json!({"request": json!({"sent": all}).to_string()}).to_string()}).to_string().into_bytes(),
        "json keys" => json!({(LITERAL): 1, (key): 2, (SHORT): 3, (all.as_str()): {(password): {(LITERAL): LITERAL}}}).to_string().into_bytes(),
        "codes" => json!({"__type": LITERAL, "code": 7731, "error": LITERAL, "errorCode": user, "type": password, "reason": TOKEN, "status": SHORT}).to_string().into_bytes(),
        "html" => format!("<html><h1>Refused</h1><pre>{}</pre></html>", all.replace('"', "&quot;")).into_bytes(),
        "text" => all.into_bytes(),
        "gzip" => {
            more += "content-encoding: gzip\r\n";
            gzip(json!({"message": all, "error": LITERAL}).to_string().as_bytes())
        }
        "base64" => format!("{} {}", STANDARD.encode(&all), STANDARD.encode(key)).into_bytes(),
        "percent" => all.bytes().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes(),
        "broken off" => {
            let head = format!("HTTP/1.1 {status} {line}\r\ncontent-length: 100000000\r\n\r\n{all}");
            return head.into_bytes();
        }
        "no http" => return format!("{line} {status}\r\n{all}\r\n\r\n").into_bytes(),
        other => unreachable!("{other}"),
    };
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

/// A target that answers like DataZone, with words of the request in every place that the client reads: another one for
/// each request.
pub(crate) async fn datazone() -> FaultyTarget {
    const SHAPES: [&str; 7] = [
        "ValidationException",
        "InvalidSignatureException",
        "AccessDeniedException",
        LITERAL,
        "untyped",
        "html",
        "broken off",
    ];
    let next = AtomicUsize::new(0);
    FaultyTarget::scripted(move |request| {
        let shape = SHAPES[next.fetch_add(1, Ordering::Relaxed) % SHAPES.len()];
        let (head, body) = (&request.head, &request.body);
        let event: Value = serde_json::from_str(body).unwrap_or_default();
        let sent = format!("{head}\n{event}\n{body} {LITERAL} x-amz-security-token:{SESSION}");
        let text = match shape {
            "html" => format!("<h1>{sent}</h1>"),
            "untyped" => json!({"message": sent, "code": LITERAL, "__type": LITERAL}).to_string(),
            "AccessDeniedException" => json!({"message": format!("User: arn:aws:sts::1:assumed-role/x is not authorized to perform: datazone:PostLineageEvent on {sent}")}).to_string(),
            _ => json!({"message": format!("The Canonical String for this request should have been '{sent}'")}).to_string(),
        };
        let length = if shape == "broken off" {
            9_999_999
        } else {
            text.len()
        };
        let answer = format!(
            "HTTP/1.1 400 {LITERAL}\r\nx-amzn-errortype: {shape}\r\nx-echo: {LITERAL}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
        FaultKind::Bytes(answer.into_bytes())
    })
    .await
}
