//! Clients that half-close the connection and wait for the response (RFC 9112, section 9.6), and clients that ask before they
//! send a body (RFC 9110, section 10.1.1). Each writes to a socket of its own, byte for byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use testing::Serve;
use testing::events::{event, event_with};

const KEY: &str = "a-key-that-may-send-0123456789";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn connect(serve: &Serve) -> TcpStream {
    let socket = TcpStream::connect(serve.url.trim_start_matches("http://")).unwrap();
    // Longer than any response takes, and far below the idle timeout of 75 s.
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    socket
}

/// Everything that is received until the end of the connection.
fn rest(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    match socket.read_to_string(&mut answer) {
        Ok(_) => answer,
        Err(error) => panic!("{error} after {answer:?}"),
    }
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}")
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_half_closes_after_its_request_gets_a_response_and_its_connection_ends() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let length = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let large = event_with(
        4,
        "START",
        &format!(r#""padding":"{}""#, "x".repeat(3_000_000)),
    );
    let (ok, bad) = ("HTTP/1.1 200", "HTTP/1.1 400");
    let post = |more: String| head("/api/v1/lineage", &more);
    let cases = [
        ("with a length", post(length(&event(1, "START"))), ok),
        (
            "Connection: close",
            post(format!(
                "Connection: close\r\n{}",
                length(&event(2, "START"))
            )),
            ok,
        ),
        (
            "chunked",
            post(format!(
                "Transfer-Encoding: chunked\r\n\r\n{}",
                chunked(&event(3, "START"))
            )),
            ok,
        ),
        ("large", post(length(&large)), ok),
        (
            "HTTP/1.0",
            post(length(&event(5, "START"))).replace("HTTP/1.1", "HTTP/1.0"),
            "HTTP/1.0 200",
        ),
        ("refused", post(length("{}")), bad),
        ("not there", head("/nothing", &length("{}")), "HTTP/1.1 404"),
        (
            "no body",
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            ok,
        ),
        (
            "an array",
            head(
                "/api/v1/lineage/batch",
                &length(&format!("[{},{}]", event(6, "START"), event(7, "START"))),
            ),
            ok,
        ),
        (
            "a body that ends too early",
            post("Content-Length: 900\r\n\r\n{\"a\":".to_owned()),
            bad,
        ),
        (
            "a chunk that ends too early",
            post("Transfer-Encoding: chunked\r\n\r\nff\r\n{".to_owned()),
            bad,
        ),
    ];
    for (what, request, status) in cases {
        // In one piece, and in two with a pause between them.
        for pieces in [1, 2] {
            let mut socket = connect(&serve);
            let bytes = request.as_bytes();
            let middle = bytes.len() / pieces;
            socket.write_all(&bytes[..middle]).unwrap();
            if pieces > 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                socket.write_all(&bytes[middle..]).unwrap();
            }
            socket.shutdown(Shutdown::Write).unwrap();
            let answer = rest(socket);
            assert!(answer.starts_with(status), "{what}, {pieces}: {answer:?}");
        }
    }
    // Two requests, and two responses in that order.
    let both = format!(
        "{}{}",
        post(length(&event(8, "START"))),
        post(length(&event(9, "START")))
    );
    let mut socket = connect(&serve);
    socket.write_all(both.as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(socket).matches(ok).count(), 2);
    // The events that were answered 200 are there: nine, each of which was sent twice.
    serve.stored_when(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_half_closed_and_idle_does_not_linger() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[("MAX_CONNECTIONS", "4")]);
    // Before any request, in the middle of a head, and after a response.
    for sent in ["", "POST /api/v1/lineage HTTP/1.1\r\nHo"] {
        let mut socket = connect(&serve);
        socket.write_all(sent.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        rest(socket);
    }
    let mut socket = connect(&serve);
    socket
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = [0; 4_096];
    assert!(socket.read(&mut answer).unwrap() > 0);
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(socket), "");
    // Clients that never read do not use up the connections of others.
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        let mut socket = connect(&serve);
        socket
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        held.push(socket);
    }
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_head_is_rejected_is_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[("AUTH_KEYS", KEY)]);
    let key = format!("Authorization: Bearer {KEY}\r\n");
    let large = "Content-Length: 50000000\r\n";
    let expects = "Expect: 100-continue\r\n";
    let length = "Content-Length: 2000\r\n";
    let text = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n{key}{length}"
    );
    let packed = format!("{key}{length}Content-Encoding: br\r\n");
    let cases = [
        ("no key", head("/api/v1/lineage", length), 401),
        (
            "a wrong key",
            head(
                "/api/v1/lineage",
                &format!("Authorization: Bearer nobody\r\n{length}"),
            ),
            403,
        ),
        (
            "no such path",
            head("/nothing", &format!("{key}{length}")),
            404,
        ),
        (
            "no such method",
            head("/api/v1/lineage", &format!("{key}{length}")).replace("POST", "PUT"),
            405,
        ),
        (
            "too large",
            head("/api/v1/lineage", &format!("{key}{large}")),
            413,
        ),
        (
            "too large, an array",
            head("/api/v1/lineage/batch", &format!("{key}{large}")),
            413,
        ),
        ("another type", text, 415),
        ("another coding", head("/api/v1/lineage", &packed), 415),
        (
            "validate, no such level",
            head(
                "/api/v1/lineage/validate?level=x",
                &format!("{key}{length}"),
            ),
            400,
        ),
    ];
    for (what, head, status) in cases {
        for word in [expects, "expect: 100-Continue\r\n"] {
            let mut socket = connect(&serve);
            socket
                .write_all(format!("{head}{word}\r\n").as_bytes())
                .unwrap();
            let answer = rest(socket);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{what}: {answer:?}"
            );
        }
    }
    // A client that does not wait receives the response too.
    let mut socket = connect(&serve);
    let body = "x".repeat(2_000);
    let request = format!(
        "{}{expects}Connection: close\r\n\r\n{body}",
        head("/nothing", &format!("{key}{length}"))
    );
    socket.write_all(request.as_bytes()).unwrap();
    let answer = rest(socket);
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_head_is_accepted_is_asked_for_once_and_gets_a_response() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let bodies = [
        (
            event(1, "START"),
            format!("Content-Length: {}\r\n", event(1, "START").len()),
            "200",
        ),
        (
            chunked(&event(2, "START")),
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "200",
        ),
        ("{}".to_owned(), "Content-Length: 2\r\n".to_owned(), "400"),
    ];
    for (body, more, status) in bodies {
        let mut socket = connect(&serve);
        let head = head(
            "/api/v1/lineage",
            &format!("{more}Expect: 100-continue\r\nConnection: close\r\n\r\n"),
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut asked = vec![0; CONTINUE.len()];
        socket.read_exact(&mut asked).unwrap();
        assert_eq!(asked, CONTINUE.as_bytes());
        // Nothing else comes before the body.
        socket.set_nonblocking(true).unwrap();
        let early = socket.read(&mut [0; 1]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        socket.set_nonblocking(false).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        let answer = rest(socket);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer:?}"
        );
    }
    serve.stored_when(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_is_sent_unasked_does_not_hide_the_response() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    for _ in 0..10 {
        let mut socket = connect(&serve);
        let length = 4_000_000;
        let more = format!("Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n");
        socket
            .write_all(head("/nothing", &more).as_bytes())
            .unwrap();
        let mut writing = socket.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            // The connection may be closed at any piece.
            let piece = [b'x'; 16_384];
            (0..length / piece.len())
                .try_for_each(|_| writing.write_all(&piece))
                .is_ok()
        });
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        drop(socket);
        let _ = sending.join();
    }
}
