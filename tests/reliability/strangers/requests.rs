//! Requests that are made to be misread: smuggled, wrongly framed, wrongly addressed.

use testing::events::event;
use testing::size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::neighbours::{KEY, Neighbourhood, statuses};

const AUTH: &str = "Host: localhost\r\nAuthorization: Bearer a-key-of-the-neighbour\r\n";

/// The same for a single request: its response is complete when the connection ends.
const ONCE: &str =
    "Host: localhost\r\nAuthorization: Bearer a-key-of-the-neighbour\r\nConnection: close\r\n";

/// A request with an event that must never be accepted, hidden in the body of another.
fn smuggled() -> String {
    let event = event(1, "START").replace("job 1", "smuggled");
    format!(
        "POST /api/v1/lineage HTTP/1.1\r\n{AUTH}Content-Length: {}\r\n\r\n{event}",
        event.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_hidden_in_another() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let inner = smuggled();
    let length = inner.len();
    let post = |headers: &str, body: &str| {
        format!("POST /api/v1/lineage HTTP/1.1\r\n{AUTH}{headers}\r\n{body}")
    };
    let chunk = format!("{length:x}\r\n{inner}\r\n0\r\n\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let long = "x".repeat(1 << 20);
    let shapes = [
        // Two lengths, or a length and chunks: a proxy in front may use the other one.
        (
            "two lengths",
            post(
                "Content-Length: 2\r\nContent-Length: 5\r\n",
                &format!("{{}}{inner}"),
            ),
        ),
        (
            "two lengths in one",
            post("Content-Length: 2, 5\r\n", &format!("{{}}{inner}")),
        ),
        (
            "length and chunks",
            post(
                &format!("Content-Length: {length}\r\n{chunked}"),
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "chunks and length",
            post(
                &format!("{chunked}Content-Length: {length}\r\n"),
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "odd case",
            post(
                &format!("Content-Length: {length}\r\ntransfer-ENCODING: CHUNKED\r\n"),
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "space before the colon",
            post(
                "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "tab",
            post(
                &format!("Content-Length: {length}\r\nTransfer-Encoding:\tchunked\r\n"),
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "not chunked",
            post(
                "Transfer-Encoding: xchunked\r\n",
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "chunked not last",
            post(
                "Transfer-Encoding: chunked, identity\r\n",
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "folded",
            post(
                "Transfer-Encoding:\r\n chunked\r\n",
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        (
            "a sign",
            post("Content-Length: +2\r\n", &format!("{{}}{inner}")),
        ),
        (
            "hexadecimal",
            post("Content-Length: 0x2\r\n", &format!("{{}}{inner}")),
        ),
        (
            "a length past all",
            post("Content-Length: 99999999999999999999999\r\n", &inner),
        ),
        ("a negative length", post("Content-Length: -1\r\n", &inner)),
        (
            "a chunk size past all",
            post(chunked, &format!("fffffffffffffffff\r\n{inner}")),
        ),
        (
            "a chunk size that wraps",
            post(
                chunked,
                &format!("10000000000000002\r\n{{}}\r\n0\r\n\r\n{inner}"),
            ),
        ),
        (
            "a chunk size that is none",
            post(chunked, &format!("zz\r\n{inner}")),
        ),
        (
            "a chunk size with a sign",
            post(chunked, &format!("-1\r\n{inner}")),
        ),
        (
            "a chunk without its end",
            post(chunked, &format!("2\r\n{{}}0\r\n\r\n{inner}")),
        ),
        (
            "a huge extension",
            post(chunked, &format!("2;{long}\r\n{{}}\r\n0\r\n\r\n{inner}")),
        ),
        (
            "a huge trailer",
            post(
                chunked,
                &format!("2\r\n{{}}\r\n0\r\nX: {long}\r\n\r\n{inner}"),
            ),
        ),
        (
            "bare line feeds in the body",
            post(chunked, &format!("2\n{{}}\n0\n\n{inner}")),
        ),
        ("inside a chunk", post(chunked, &chunk)),
        (
            "inside a length",
            post(&format!("Content-Length: {length}\r\n"), &inner),
        ),
        (
            "inside a refused body",
            format!("POST /nowhere HTTP/1.1\r\n{AUTH}Content-Length: {length}\r\n\r\n{inner}"),
        ),
        (
            "in a body that was announced larger",
            post("Content-Length: 20000000\r\n", &inner),
        ),
        (
            "in a header",
            post(
                &format!(
                    "X-A: {}\r\nContent-Length: 2\r\n",
                    inner.replace("\r\n", "\r")
                ),
                "{}",
            ),
        ),
    ];
    let mut seen = Vec::new();
    for (name, shape) in &shapes {
        let answer = neighbourhood.raw(shape.as_bytes()).await;
        let statuses = statuses(&answer);
        assert!(!statuses.contains(&200), "{name}: {answer}");
        seen.push(format!("{name} {statuses:?}"));
    }
    println!("{seen:#?}");
    // What follows a valid request is another valid request.
    let whole = event(2, "START");
    let honest = post(&format!("Content-Length: {}\r\n", whole.len()), &whole);
    assert_eq!(
        statuses(&neighbourhood.answers(honest.repeat(3).as_bytes(), 3).await),
        [200; 3]
    );
    let stored = everything(&neighbourhood).await;
    assert!(!stored.contains("smuggled"));
    neighbourhood
        .end("smuggling", 300, &format!("{} shapes", shapes.len()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_rejected() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n{ONCE}\r\n");
    let long = "x".repeat(size::of(1 << 20, 8 << 20));
    let headers = |count: usize| {
        let headers: String = (0..count).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
    };
    let h2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let shapes: Vec<(&str, String, &[u16])> = vec![
        ("a second slash", get("//metrics"), &[404]),
        ("up", get("/x/../metrics"), &[404]),
        ("up, encoded", get("/x/%2e%2e/metrics"), &[404]),
        (
            "a slash, encoded",
            get("/api%2fv1%2fevents%2flineage"),
            &[404],
        ),
        ("a zero byte, encoded", get("/metrics%00"), &[404]),
        ("a zero byte", get("/metrics\0"), &[400]),
        ("a bad escape", get("/%zz%"), &[404]),
        ("a file", get("/../../../../etc/passwd"), &[404]),
        ("a fragment", get("/metrics#x"), &[200, 400]),
        (
            "a bad query",
            get("/api/v1/events/lineage?limit=-1"),
            &[400],
        ),
        (
            "another bad query",
            get("/api/v1/events/lineage?limit=%ff&offset=1e9"),
            &[400],
        ),
        (
            "a query of a thousand parts",
            get(&format!("/api/v1/events/lineage?{}", "a=b&".repeat(1_000))),
            &[400],
        ),
        ("a long path", get(&format!("/{long}")), &[414, 431]),
        (
            "a long header",
            format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n"),
            &[431],
        ),
        ("a hundred thousand headers", headers(100_000), &[431]),
        ("a hundred and one headers", headers(101), &[431]),
        (
            "absolute form",
            get("http://elsewhere/metrics"),
            &[421],
        ),
        (
            "another method",
            format!("BREW /metrics HTTP/1.1\r\n{ONCE}\r\n"),
            &[405],
        ),
        (
            "CONNECT",
            format!("CONNECT elsewhere:443 HTTP/1.1\r\n{ONCE}\r\n"),
            &[400, 404, 405],
        ),
        ("TRACE", format!("TRACE / HTTP/1.1\r\n{ONCE}\r\n"), &[405]),
        (
            "OPTIONS *",
            format!("OPTIONS * HTTP/1.1\r\n{ONCE}\r\n"),
            &[400, 404, 405],
        ),
        (
            "an upgrade",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n".to_owned(),
            &[200],
        ),
        ("HTTP/2", h2.to_owned(), &[400, 505]),
        ("HTTP/0.9", "GET /metrics\r\n".to_owned(), &[400]),
        (
            "HTTP/9.9",
            "GET /metrics HTTP/9.9\r\n\r\n".to_owned(),
            &[400, 505],
        ),
        (
            "TLS",
            "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03".to_owned() + &"\x11".repeat(500),
            &[400],
        ),
        ("anything", "\0\x7f\n\r".repeat(1_000), &[400]),
        (
            "a control character in a header",
            "GET /healthz HTTP/1.1\r\nX: a\x1bb\r\n\r\n".to_owned(),
            &[400],
        ),
    ];
    for (name, shape, expected) in &shapes {
        let answer = neighbourhood.raw(shape.as_bytes()).await;
        let found = statuses(&answer);
        assert!(
            found.len() <= 1 && found.iter().all(|status| expected.contains(status)),
            "{name}: {answer}"
        );
        assert!(!answer.contains("root:"), "{name}");
    }
    // HTTP/2 is rejected, however often it is requested.
    let mut flood = JoinSet::new();
    for _ in 0..size::of(100, 5_000) {
        let mut stream = neighbourhood.connect().await;
        flood.spawn(async move {
            let _ = stream.write_all(h2.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer.len()
        });
    }
    let answers = flood.join_all().await;
    assert!(answers.iter().all(|length| *length < 1_000));
    neighbourhood
        .end("odd requests", 300, &format!("{} shapes", shapes.len()))
        .await;
}

/// The store, as text.
async fn everything(neighbourhood: &Neighbourhood) -> String {
    let url = format!(
        "{}/api/v1/events/lineage?limit=1000",
        neighbourhood.serve.url
    );
    let answer = neighbourhood
        .serve
        .http
        .get(url)
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap();
    answer.text().await.unwrap()
}
