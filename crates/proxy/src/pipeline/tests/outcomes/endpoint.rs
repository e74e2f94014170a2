//! An endpoint over HTTP that answers as it is told, closes the connection, or hangs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How an endpoint answers a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// With this status.
    Status(u16),
    /// Not, and it closes the connection.
    Closes,
    /// Not at all.
    Hangs,
}

/// Answers requests in turn, and accepts all that come after.
#[derive(Default)]
pub(super) struct Endpoint {
    pub(super) answers: Mutex<VecDeque<Answer>>,
    pub(super) hanging: AtomicUsize,
}

impl Endpoint {
    pub(super) async fn listen(self: Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream));
            }
        });
        address
    }

    async fn answer(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.unwrap_or(Answer::Status(201)) {
            Answer::Status(status) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await; // the attempt may be cancelled
            }
            Answer::Closes => {}
            Answer::Hangs => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        }
    }
}
