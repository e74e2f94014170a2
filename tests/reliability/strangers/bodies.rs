//! Bodies that are made to be large in memory, deep, many, or slow to parse: each gets a response, and none is kept.

use std::time::Instant;

use testing::events::{event, event_with, gzip};
use testing::size;
use tokio::task::JoinSet;

use super::neighbours::{KEY, Neighbourhood};

/// A body, and the status of its response: on the route for one event, and on the route for many.
struct Attack {
    name: &'static str,
    coding: Option<&'static str>,
    body: Vec<u8>,
    one: u16,
    many: u16,
}

fn attack(name: &'static str, body: impl Into<Vec<u8>>, one: u16, many: u16) -> Attack {
    Attack {
        name,
        coding: None,
        body: body.into(),
        one,
        many,
    }
}

fn packed(name: &'static str, body: Vec<u8>, one: u16, many: u16) -> Attack {
    Attack {
        coding: Some("gzip"),
        ..attack(name, body, one, many)
    }
}

/// A valid event with this value as an unknown member.
fn around(value: &str) -> String {
    event_with(7, "START", &format!(r#""y":{value}"#))
}

fn list(item: &str, count: usize) -> String {
    format!("[{}{item}]", format!("{item},").repeat(count - 1))
}

fn object(member: impl Fn(usize) -> String, count: usize) -> String {
    let members: Vec<String> = (0..count).map(member).collect();
    format!("{{{}}}", members.join(","))
}

fn decompression_bombs() -> Vec<Attack> {
    let few = gzip(&vec![b' '; 4 << 20]);
    let zeros = gzip(&vec![b' '; size::of(4 << 20, 64 << 20)]);
    let member = gzip(b"");
    let whole = event(3, "START");
    let (head, tail) = whole.split_at(100);
    let mut claimed: Vec<Attack> = ["deflate", "br", "zstd", "gzip, gzip"]
        .into_iter()
        .map(|coding| Attack {
            coding: Some(coding),
            ..attack("another coding", gzip(whole.as_bytes()), 415, 415)
        })
        .collect();
    let members = |count| member.repeat(count);
    claimed.extend([
        packed(
            "a bomb of 1,000 to 1",
            gzip(&vec![b' '; size::of(40 << 20, 64 << 20)]),
            413,
            413,
        ),
        packed("members that are bombs", zeros.repeat(16), 413, 413),
        packed("gzip in gzip", gzip(&gzip(&zeros)), 400, 400),
        packed(
            "empty members",
            members(size::of(100_000, 450_000)),
            400,
            400,
        ),
        packed(
            "an event in two members",
            [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat(),
            200,
            400,
        ),
        packed("cut short", few[..few.len() / 2].to_vec(), 400, 400),
        packed(
            "a name without end",
            [
                b"\x1f\x8b\x08\x08\0\0\0\0\0\x03".to_vec(),
                vec![b'n'; 9_000_000],
            ]
            .concat(),
            400,
            400,
        ),
        packed(
            "commas, packed",
            gzip(list("0", 15_000_000).as_bytes()),
            400,
            413,
        ),
    ]);
    claimed
}

fn parser_bombs() -> Vec<Attack> {
    let key = |n: usize| format!("\"key {n}\":0");
    let nothing = |_| "\"\":0".to_owned();
    let (million, large) = (size::of(100_000, 1_000_000), size::of(500_000, 9_000_000));
    // These are too large only in full size.
    let many = size::of(200, 400);
    let facets = |facets: String| {
        event(8, "START").replace(r#"},"job""#, &format!(r#","facets":{facets}}},"job""#))
    };
    vec![
        attack("lists 100,000 deep", "[".repeat(100_000), 400, 400),
        attack("objects 100,000 deep", r#"{"a":"#.repeat(100_000), 400, 400),
        attack(
            "deep and closed",
            around(&("[".repeat(100_000) + &"]".repeat(100_000))),
            400,
            400,
        ),
        attack("a million keys", around(&object(key, million)), many, 400),
        attack(
            "half a million keys",
            around(&object(key, million / 2)),
            200,
            400,
        ),
        attack(
            "a million times the same key",
            around(&object(nothing, million)),
            many,
            400,
        ),
        attack(
            "two million times the same key on top",
            object(nothing, 2 * million),
            400,
            400,
        ),
        attack(
            "half a million facets",
            facets(object(|n| format!("\"{n}\":{{}}"), million / 2)),
            400,
            400,
        ),
        attack(
            "nine thousand facets",
            facets(object(|n| format!("\"{n}\":{{}}"), 9_000)),
            200,
            400,
        ),
        attack("a million elements", list("0", million), 400, 413),
        attack(
            "five million elements",
            list("0", 5 * million - 10),
            400,
            413,
        ),
        attack("ten thousand elements", list("0", 10_000), 400, 200),
        attack(
            "ten thousand events of a hundred faults",
            list(
                &format!("{{\"a\":{}}}", list("NaN", 100)),
                size::of(500, 10_000),
            ),
            400,
            200,
        ),
        attack(
            "inputs of nothing",
            event_with(
                9,
                "START",
                &format!("\"inputs\":{}", list("0", million - 100)),
            ),
            400,
            400,
        ),
        attack(
            "a key of nine megabytes",
            around(&format!("{{\"{}\":0}}", "k".repeat(large))),
            200,
            400,
        ),
        attack(
            "a long key above a hundred faults",
            format!("{{\"{}\":{}}}", "k".repeat(large), list("NaN", 1_000)),
            400,
            400,
        ),
        attack(
            "a job of nine megabytes",
            event(10, "START").replace("job 10", &"j".repeat(large)),
            200,
            400,
        ),
        attack(
            "an escaped job",
            event(11, "START").replace("job 11", &"\\u0000\\u001b[31m\\n".repeat(10_000)),
            200,
            400,
        ),
        attack(
            "a number of nine megabytes",
            around(&"9".repeat(large)),
            200,
            400,
        ),
        attack(
            "an exponent of a million digits",
            around(&format!("1e{}", "9".repeat(million))),
            200,
            400,
        ),
        attack(
            "surrogates",
            around(&format!("\"{}\"", "\\ud800".repeat(million))),
            400,
            400,
        ),
        attack("quotes", "\"".repeat(large), 400, 400),
        attack("backslashes", format!("\"{}", "\\".repeat(large)), 400, 400),
        attack(
            "UTF-16",
            event(12, "START")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
            400,
            400,
        ),
        attack("zero bytes", vec![0; large], 400, 400),
        attack("nothing", "", 400, 400),
    ]
}

/// Sends each body to each route, `at_once` at a time. A body for which there is no memory gets `503`.
async fn attack_with(case: &str, attacks: Vec<Attack>, at_once: usize, most: u64) {
    let neighbourhood = Neighbourhood::start(&[("MAX_BODY_SIZE", "20 MB")]).await;
    let http = reqwest::Client::new();
    let (mut slowest, mut largest, mut busy, mut count) = ((0, ""), (0, ""), 0, 0);
    for attack in attacks {
        for (route, expected) in [
            ("/api/v1/lineage", attack.one),
            ("/api/v1/lineage/batch", attack.many),
            ("/api/v1/lineage/validate", 0),
        ] {
            let began = Instant::now();
            let mut posts = JoinSet::new();
            for _ in 0..at_once {
                let post = http
                    .post(format!("{}{route}", neighbourhood.serve.url))
                    .bearer_auth(KEY);
                let post = match attack.coding {
                    Some(coding) => post.header("content-encoding", coding),
                    None => post,
                };
                let post = post.body(attack.body.clone());
                posts.spawn(async move {
                    let answer = post.send().await.expect("an answer");
                    (
                        answer.status().as_u16(),
                        answer.bytes().await.unwrap().len(),
                    )
                });
            }
            while let Some(post) = posts.join_next().await {
                let (status, length) = post.unwrap();
                let as_told = match route {
                    "/api/v1/lineage/validate" => [200, 400, 413, 415].contains(&status),
                    _ => status == expected,
                };
                let is_busy = at_once > 1 && status == 503;
                assert!(as_told || is_busy, "{} at {route}: {status}", attack.name);
                busy += usize::from(is_busy);
                largest = largest.max((length, attack.name));
                count += 1;
            }
            slowest = slowest.max((began.elapsed().as_millis(), attack.name));
        }
    }
    let log = neighbourhood.serve.log.lock().unwrap().clone();
    let longest = log
        .iter()
        .map(|line| line.to_string().len())
        .max()
        .unwrap_or(0);
    assert!(longest < 10_000, "a log line of {longest} bytes");
    assert!(
        largest.0 < 4_000_000,
        "an answer of {} bytes: {}",
        largest.0,
        largest.1
    );
    let figures = format!(
        "{count} bodies, {at_once} at once, {busy} answered 503; slowest {} ms ({}), largest answer {} KB ({}), longest log line {longest} bytes",
        slowest.0,
        slowest.1,
        largest.0 / 1_000,
        largest.1
    );
    neighbourhood.end(case, most, &figures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decompression_bombs_are_rejected_in_bounded_memory() {
    attack_with(
        "bombs",
        decompression_bombs(),
        size::of(1, 8),
        size::of(400, 500),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_many_and_long_bodies_are_validated_in_bounded_memory() {
    attack_with(
        "deep, many, long",
        parser_bombs(),
        size::of(1, 8),
        size::of(500, 800),
    )
    .await;
}
