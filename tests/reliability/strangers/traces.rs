//! What a hostile client leaves behind: log lines, metrics, memory for each rejection.

use std::time::{Duration, Instant};

use serde_json::Value;
use testing::events::event;
use testing::eventually;
use testing::size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::neighbours::{Neighbourhood, statuses};

const AUTH: &str = "Host: localhost\r\nAuthorization: Bearer a-key-of-the-neighbour\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_at_full_speed_cost_a_line_a_second_and_no_memory() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let until = Instant::now() + Duration::from_secs(size::of(4, 60));
    let lines = || {
        neighbourhood
            .serve
            .log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line["fields"]["message"] == "request rejected")
            .count()
    };
    let mut guessing = JoinSet::new();
    for client in 0..8 {
        let (address, whole) = (neighbourhood.address, event(client, "START"));
        guessing.spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (mut refused, mut answer) = (0_u64, vec![0; 65_536]);
            while Instant::now() < until {
                let guess = format!(
                    "POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {refused:016}\u{1}\r\nContent-Length: {}\r\n\r\n{whole}",
                    whole.len()
                ).replace('\u{1}', "\t\u{e9}");
                stream.write_all(guess.repeat(20).as_bytes()).await.unwrap();
                let mut text = String::new();
                while text.matches("\"status\":403").count() < 20 {
                    let count = stream.read(&mut answer).await.unwrap();
                    assert!(count > 0);
                    text += &String::from_utf8_lossy(&answer[..count]);
                    assert!(!text.contains("HTTP/1.1 200"));
                }
                refused += 20;
            }
            refused
        });
    }
    let refused: u64 = guessing.join_all().await.into_iter().sum();
    let lines = lines();
    assert!((1..=size::of(20, 70)).contains(&lines), "{lines} lines");
    neighbourhood
        .end(
            "wrong keys",
            200,
            &format!("{refused} refused, {lines} lines"),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_a_stranger_sends_makes_a_log_line_or_a_metric_of_its_own() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let odd = "\\n{\\\"level\\\":\\\"forged\\\"}\\u001b[31m";
    let named = event(5, "START").replace("job 5", odd);
    let post = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\n{AUTH}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for n in 0..size::of(50, 1_000) {
        for shape in [
            post(&format!("/forged-{n}"), "application/json", &named),
            post("/api/v1/lineage", &format!("forged/{n}"), &named),
            post(
                "/api/v1/lineage",
                "application/json",
                &format!("{{\"forged {n} {odd}\":NaN}}"),
            ),
            format!("FORGED{n} /metrics HTTP/1.1\r\nX-Forged: {n}\r\n{AUTH}\r\n"),
        ] {
            let mut stream = neighbourhood.connect().await;
            stream.write_all(shape.as_bytes()).await.unwrap();
            let mut answer = [0; 1_024];
            assert!(stream.read(&mut answer).await.unwrap() > 0);
        }
    }
    let taken = post("/api/v1/lineage", "application/json", &named);
    let answer = neighbourhood.answers(taken.as_bytes(), 1).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    // The event that was accepted has its line, with the name in it, and in one piece.
    eventually(|| {
        let outcomes = neighbourhood.serve.outcomes();
        let named = |line: &Value| {
            line["job.name"]
                .as_str()
                .is_some_and(|name| name.contains("forged"))
        };
        outcomes.iter().any(named).then_some(())
    });
    let get = format!("GET /metrics HTTP/1.1\r\n{AUTH}\r\n");
    let metrics = neighbourhood.raw(get.as_bytes()).await;
    assert!(!metrics.contains("forged"), "{metrics}");
    assert!(metrics.len() < 100_000, "{} bytes", metrics.len());
    let log = neighbourhood.serve.log.lock().unwrap().clone();
    assert!(
        log.iter()
            .all(|line| line.is_object() && line["level"] != "forged"),
        "{log:#?}"
    );
    neighbourhood
        .end(
            "log and metrics",
            200,
            &format!("{} bytes of metrics, {} lines", metrics.len(), log.len()),
        )
        .await;
}
