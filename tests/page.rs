//! The page over HTTP: who may do what on each route, what all responses have, and what is shown of events.
//!
//! In a browser it is tested by `tests/real/test_page.py`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "page/events.rs"]
mod events;
#[path = "page/routes.rs"]
mod routes;
#[path = "page/sessions.rs"]
mod sessions;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use testing::events::{event, event_with};
use testing::{Serve, start_serve, until, write};

const SEND: &str = "a-key-that-may-send";
const READ: &str = "a-key-that-may-read";
const OPERATE: &str = "a-key-that-operates";

/// What a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    View,
    Operate,
}

fn needs(path: &str) -> Needs {
    match path {
        "/login" | "/logout" | "/theme" | "/assets/{file}" => Needs::Nothing,
        path if path.starts_with("/queue/") || path.starts_with("/rules/") => Needs::Operate,
        _ => Needs::View,
    }
}

/// An answer, without following where it leads.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }

    /// The cookie that it sets, as it is sent back.
    fn cookie(&self) -> String {
        let (cookie, _) = self.header("set-cookie").split_once(';').unwrap();
        cookie.to_owned()
    }
}

async fn ask(
    serve: &Serve,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let url = format!("{}{path}", serve.url);
    let mut request = client
        .build()
        .unwrap()
        .request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let form = "application/x-www-form-urlencoded";
    let request = request.header("content-type", form).body(body.to_owned());
    let mut response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    // News do not end.
    let is_news = headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream");
    let body = match is_news {
        true => response.chunk().await.unwrap().unwrap_or_default(),
        false => response.bytes().await.unwrap(),
    };
    Answer {
        status,
        headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

async fn get(serve: &Serve, path: &str, accept: &str) -> Answer {
    ask(serve, "GET", path, &[("accept", accept)], "").await
}

const HTML: &str = "text/html,application/xhtml+xml";
const JSON: &str = "application/json";

fn keys() -> String {
    let keys = json!({
        "airflow": {"key": SEND},
        "auditor": {"key": READ, "roles": ["read"]},
        "ops": {"key": OPERATE, "roles": "operate"},
    });
    keys.to_string()
}

/// Every route, with something in the place of a parameter.
fn routes() -> impl Iterator<Item = (String, Needs)> {
    let some = |path: &str| {
        let path = path.replace("{id}", "01a1faa6-e194-708b-a993-000000000001");
        path.replace("{file}", "none.css")
    };
    page::PATHS
        .iter()
        .map(move |path| (some(path), needs(path)))
}

async fn log_in(serve: &Serve, key: &str) -> Answer {
    let own = [("sec-fetch-site", "same-origin"), ("accept", HTML)];
    ask(
        serve,
        "POST",
        "/login",
        &own,
        &format!("key={key}&next=%2F%3Fq%3Da"),
    )
    .await
}

/// Posts events of these runs, and waits until the page has what became of them.
async fn post_runs(serve: &Serve, runs: std::ops::Range<u32>) {
    let count = runs.len();
    for run in runs {
        assert_eq!(serve.post(&event(run, "START")).await.status(), 200);
    }
    found_when(serve, "/", count).await;
}

/// The events of a page as JSON, once there are so many or more.
async fn found_when(serve: &Serve, path: &str, count: usize) -> Value {
    until(async || {
        let found: Value = serde_json::from_str(&get(serve, path, JSON).await.text).unwrap();
        let events = found["events"].as_array().map_or(0, Vec::len);
        (events >= count.min(100)).then_some(found)
    })
    .await
}

/// The id that ingest returned.
async fn id_of(sent: reqwest::Response) -> String {
    let sent: Value = serde_json::from_str(&sent.text().await.unwrap()).unwrap();
    sent["id"].as_str().unwrap().to_owned()
}
