//! A stop while the body of a large event is on its way from S3.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use testing::serve::aws;

use super::*;

/// SQS with one message, whose body is in S3, and S3, which sends that body without end. Reports the requests.
fn endless_body(requests: Sender<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pointer = r#"[\"software.amazon.payloadoffloading.PayloadS3Pointer\",{\"s3BucketName\":\"events\",\"s3Key\":\"events/1\"}]"#;
    let message = format!(
        r#"{{"Messages":[{{"MessageId":"m","ReceiptHandle":"r","Body":"{pointer}","Attributes":{{"ApproximateReceiveCount":"1"}},
        "MessageAttributes":{{"ExtendedPayloadSize":{{"DataType":"Number","StringValue":"9000000"}}}}}}]}}"#
    );
    std::thread::spawn(move || {
        let mut messages = Some(message);
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request = request(&connection);
            if request.starts_with("GET ") {
                std::thread::spawn(move || send_without_end(connection));
            } else {
                let is_receive = request.contains("AmazonSQS.ReceiveMessage");
                let body = messages.take_if(|_| is_receive);
                let body = body.unwrap_or_else(|| "{}".to_owned());
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                let _ = connection.write_all((head + &body).as_bytes());
            }
            let _ = requests.send(request);
        }
    });
    url
}

/// Reads a request: its head and its body.
fn request(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") && reader.read_line(&mut text).is_ok_and(|read| read > 0) {}
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}

fn send_without_end(mut connection: TcpStream) {
    let mut sent = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n");
    while sent.is_ok() {
        std::thread::sleep(Duration::from_millis(50));
        sent = connection.write_all(b" ");
    }
}

#[test]
fn a_stop_does_not_wait_for_the_download_of_a_large_event() {
    let (sender, requests) = channel();
    let url = endless_body(sender);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let settings = [
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/events"),
        (
            "QUEUE_DEAD_LETTER_URL",
            "https://sqs.eu-west-1.amazonaws.com/1/dead",
        ),
        ("QUEUE_BUCKET", "events"),
        ("QUEUE_VISIBILITY_TIMEOUT", "600"),
        ("TARGET", "file"),
        ("FILE_PATH", file.to_str().unwrap()),
    ];
    let serve = Serve::start_with(folder.path(), &settings, &aws(&url));
    assert!(requests.iter().any(|request| request.starts_with("GET ")));
    let log = serve.log.clone();
    assert_eq!(serve.terminate(), Some(0));
    // The message is returned to the queue, where another process receives it now.
    let returned = |request: String| {
        request.contains("ChangeMessageVisibility") && request.contains(r#""VisibilityTimeout":0"#)
    };
    assert!(
        requests.try_iter().any(returned),
        "{:#?}",
        log.lock().unwrap()
    );
}
