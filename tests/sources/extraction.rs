//! What `extract` deletes, passes over and replaces: only what somebody has.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// Starts a server that answers each request, with its `X-Amz-Target` and body, by a status and a body. Returns its URL.
fn server(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || serve_one(connection, &*answer));
        }
    });
    url
}

/// Answers one request and closes the connection.
fn serve_one(connection: TcpStream, answer: &dyn Fn(&str, &str) -> (u16, String)) {
    let mut reader = BufReader::new(&connection);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            match line.trim().is_empty() {
                true => break,
                false => continue,
            }
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => target = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, text) = answer(&target, std::str::from_utf8(&body).unwrap());
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status} Some\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    (&connection).write_all((head + &text).as_bytes()).unwrap();
}

/// A queue with a message of each run, of which ten are received at once.
struct Sqs {
    url: String,
    messages: Arc<Mutex<Vec<u32>>>,
}

impl Sqs {
    /// Starts it. The receive with this number, from 0, is denied.
    fn start(runs: std::ops::Range<u32>, denied: usize) -> Sqs {
        let messages = Arc::new(Mutex::new(runs.collect::<Vec<_>>()));
        let (kept, received) = (messages.clone(), Mutex::new(Vec::new()));
        let receives = AtomicUsize::new(0);
        let url = server(move |target, body| {
            let mut kept = kept.lock().unwrap();
            let mut received = received.lock().unwrap();
            let answer = match target {
                "AmazonSQS.ReceiveMessage" => {
                    if receives.fetch_add(1, Ordering::Relaxed) == denied {
                        return (403, json!({"__type": "AccessDenied"}).to_string());
                    }
                    let visible = kept.iter().filter(|n| !received.contains(*n));
                    let taken: Vec<u32> = visible.take(10).copied().collect();
                    received.extend(&taken);
                    let messages = taken.iter().map(|n| {
                        json!({"MessageId": n.to_string(), "ReceiptHandle": n.to_string(), "Body": printed(*n)})
                    });
                    json!({"Messages": messages.collect::<Vec<_>>()})
                }
                "AmazonSQS.DeleteMessageBatch" => {
                    let body: Value = serde_json::from_str(body).unwrap();
                    for entry in body["Entries"].as_array().unwrap() {
                        let n: u32 = entry["ReceiptHandle"].as_str().unwrap().parse().unwrap();
                        kept.retain(|kept| *kept != n);
                    }
                    json!({"Successful": [], "Failed": []})
                }
                _ => json!({}),
            };
            (200, answer.to_string())
        });
        Sqs { url, messages }
    }

    /// Runs `extract` on it. Returns its exit status, output and errors.
    fn extract(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let queue = format!("queue_url={}/123456789012/q", self.url);
        let set = ["extract", "sqs", "--set", &queue, "--set", "wait=0s"];
        let mut command = Command::new(binary());
        command.args(set).args(arguments);
        outcome(command.envs(testing::serve::aws(&self.url)))
    }

    /// How many messages are in it.
    fn left(&self) -> usize {
        self.messages.lock().unwrap().len()
    }
}

#[test]
fn messages_whose_events_nobody_took_stay_in_the_queue() {
    let refusing = server(|_, _| (401, "who?".to_owned()));
    let moved = server(|_, _| (302, String::new()));
    for (to, status) in [
        ("http://127.0.0.1:1", 75),
        (refusing.as_str(), 64),
        (&moved, 64),
    ] {
        let queue = Sqs::start(0..12, usize::MAX);
        let (found, output, errors) = queue.extract(&["--to", to]);
        assert_eq!((found, queue.left()), (Some(status), 12), "{errors}");
        assert!(output.contains("10 not sent"), "{output}");
    }
}

#[test]
fn messages_whose_events_were_taken_or_refused_are_deleted() {
    let calls = AtomicUsize::new(0);
    // The first request fails for the moment, and the second event is refused.
    let endpoint = server(move |_, _| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => (500, "later".to_owned()),
        2 => (422, "not valid".to_owned()),
        _ => (200, "{}".to_owned()),
    });
    let queue = Sqs::start(0..12, usize::MAX);
    let (status, output, errors) = queue.extract(&["--to", &endpoint]);
    assert_eq!((status, queue.left()), (Some(1), 0), "{errors}");
    assert!(
        output.contains("12 events found: 11 new, 1 rejected"),
        "{output}"
    );
}

#[test]
fn what_was_taken_from_a_queue_before_it_refuses_stays_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let queue = Sqs::start(0..30, 2);
    let (status, _, errors) = queue.extract(&["--to", file.to_str().unwrap()]);
    assert_eq!((status, queue.left()), (Some(64), 10), "{errors}");
    assert!(errors.contains("stays in"), "{errors}");
    let kept = std::fs::read_to_string(folder.path().join("events.jsonl.new")).unwrap();
    assert_eq!(kept.lines().count(), 20);
    let (status, _, errors) = queue.extract(&["--to", file.to_str().unwrap()]);
    assert_eq!((status, queue.left()), (Some(64), 10), "{errors}");
    assert!(errors.contains("events.jsonl.new exists"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_does_not_pass_what_was_not_sent() {
    let service = stand_in(&[("etl", group(0..20))]).await;
    let refusing = server(|_, _| (401, "who?".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let set = ["logs", "--set", "groups=etl", "--set", "settle=0s"];
    let output = Command::new(binary())
        .arg("extract")
        .args(set)
        .args(["--since", "1h", "--to", &refusing, "--state"])
        .arg(&state)
        .envs(testing::serve::aws(&service.url()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(!state.exists());
}

#[test]
fn the_events_of_a_run_reach_an_endpoint_in_their_order_and_those_of_others_beside_them() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let (seen, open, most) = (
        bodies.clone(),
        Arc::new(Mutex::new(Vec::<String>::new())),
        Arc::new(AtomicUsize::new(0)),
    );
    let highest = most.clone();
    let endpoint = server(move |_, body| {
        let event: Value = serde_json::from_str(body).unwrap();
        let run = event["run"]["runId"].as_str().unwrap().to_owned();
        {
            let mut open = open.lock().unwrap();
            assert!(!open.contains(&run), "two events of {run} at once");
            open.push(run.clone());
            highest.fetch_max(open.len(), Ordering::SeqCst);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        seen.lock().unwrap().push(body.to_owned());
        open.lock().unwrap().retain(|other| *other != run);
        (200, String::new())
    });
    let events: Vec<String> = (0..60)
        .map(|n| printed(n % 20).replace("\"COMPLETE\"", &format!("\"COMPLETE\",\"n\":{n}")))
        .collect();
    let log = events.join("\n") + "\n";
    let (status, _, errors) = extract(&["logs", "--to", &endpoint], &log);
    assert_eq!(status, Some(0), "{errors}");
    let bodies = bodies.lock().unwrap();
    for run in 0..20 {
        let of = |text: &&String| run_of(text) == run_of(&printed(run));
        let (sent, expected): (Vec<_>, Vec<_>) = (
            bodies.iter().filter(of).collect(),
            events.iter().filter(of).collect(),
        );
        assert_eq!(sent, expected);
    }
    let most = most.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
}

fn run_of(text: &str) -> Value {
    let event: Value = serde_json::from_str(text).unwrap();
    event["run"]["runId"].clone()
}

#[test]
fn nothing_is_begun_after_a_request_that_is_refused() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let endpoint = server(move |_, _| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => (401, "who?".to_owned()),
        _ => {
            std::thread::sleep(std::time::Duration::from_millis(100));
            (200, String::new())
        }
    });
    let (status, output, errors) = extract(
        &["logs", "--to", &endpoint, "--output", "json"],
        &log(0..100),
    );
    assert_eq!(status, Some(64), "{errors}");
    let summary: Value = serde_json::from_str(&output).unwrap();
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls <= 8 + 7, "{calls} requests");
    let accepted = summary["accepted"].as_u64().unwrap();
    assert_eq!(accepted + 1, calls as u64);
    assert_eq!(summary["failed"].as_u64().unwrap(), 100 - accepted);
}

#[test]
fn an_output_that_is_read_is_not_replaced_and_no_password_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "log", &log(0..2));
    let path = file.to_str().unwrap();
    let (status, _, errors) = extract(&["logs", "--input", path, "--to", path], "");
    assert_eq!(status, Some(64), "{errors}");
    assert!(errors.contains("would be replaced"), "{errors}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), log(0..2));
    let (status, _, errors) = extract(&["logs", "--to", "http://me:secret@host:port"], "");
    assert_eq!(status, Some(64));
    assert!(!errors.contains("secret"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_that_of_one_group_and_time() {
    let service = stand_in(&[("etl", group(0..20)), ("other", group(30..35))]).await;
    let (folder, serve) = start_serve(&[]);
    let state = folder.path().join("state");
    let run = |groups: &str, since: &str| {
        let output = Command::new(binary())
            .args(["extract", "logs", "--set", groups, "--set", "settle=0s"])
            .args(["--since", since, "--to", &serve.url, "--state"])
            .arg(&state)
            .envs(testing::serve::aws(&service.url()))
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    };
    assert_eq!(run("groups=etl", "1h").0, Some(0));
    for (groups, since) in [("groups=other", "1h"), ("groups=etl", "2h")] {
        let (status, errors) = run(groups, since);
        assert_eq!(status, Some(64), "{errors}");
        assert!(errors.contains("other settings"), "{errors}");
    }
    assert_eq!(run("groups=etl", "1h").0, Some(0));
}

#[test]
fn a_dry_run_over_a_queue_that_ends_early_is_not_complete() {
    for to in [&["--dry-run"][..], &["--to", "-"]] {
        let queue = Sqs::start(0..12, usize::MAX);
        let (status, output, errors) = queue.extract(&[to, &["--output", "json"]].concat());
        assert_eq!((status, queue.left()), (Some(0), 12), "{errors}");
        assert!(errors.contains("stay in the queue"), "{errors}");
        assert!((output + &errors).contains("\"complete\":false"));
    }
}

#[test]
fn a_mistake_does_not_look_like_success() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(folder.path(), "empty", "nothing here\n");
    let packed = folder.path().join("packed.zst");
    std::fs::write(&packed, [0x28, 0xb5, 0x2f, 0xfd, 0, 0]).unwrap();
    let (empty, packed) = (empty.to_str().unwrap(), packed.to_str().unwrap());
    let backwards = [
        "logs", "--set", "groups=a", "--since", "1h", "--until", "2h",
    ];
    for (arguments, status, message) in [
        (&["logs", "--since", "1h"][..], 64, "--since"),
        (&["logs", "--until", "1h"], 64, "--until"),
        (&["logs", "--state", "s"], 64, "--state"),
        (&["logs", "--to", "localhost:5000"], 64, "--to"),
        (&["logs", "--to", "s3://bucket/x"], 64, "--to"),
        (&backwards, 64, "not before --until"),
        (&["logs", "--input", empty], 1, "no event found"),
        (&["logs", "--input", packed], 2, "zstd"),
    ] {
        let (found, _, errors) = extract(arguments, &log(0..1));
        assert_eq!(found, Some(status), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}
