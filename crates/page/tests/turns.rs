//! How many events at once are read to be shown, over the routes of a page whose proxy takes its time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use history::{FoundWaiting, Search};
use page::line::events::{EventLine, EventTexts, NoTexts};
use page::line::queue::{
    By, DeadLetters, Deletion, Group, QueueFailure, QueueLine, QueueState, Selection,
};
use page::line::rules::{RulesLine, TargetRules, TrialFailure, TrialReport, TrialRequest};
use page::{Answer, Credentials, Denied, Line, Page, Recorded, Role, Visitor};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How many are read now, how many were at most, and how many have ended.
#[derive(Default)]
struct Reads {
    now: AtomicUsize,
    most: AtomicUsize,
    ended: AtomicUsize,
}

struct Proxy(Arc<Reads>);

impl Proxy {
    async fn read<T>(&self, result: T) -> Result<T, NoTexts> {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        Ok(result)
    }
}

impl EventLine for Proxy {
    fn waiting<'a>(&'a self, _: &'a Search) -> Answer<'a, Result<FoundWaiting, String>> {
        Box::pin(async { Ok(FoundWaiting::default()) })
    }

    fn accepted<'a>(&'a self, _: &'a str, _: i64) -> Answer<'a, Result<String, NoTexts>> {
        Box::pin(self.read("{}".to_owned()))
    }

    fn texts<'a>(&'a self, _: &'a str, _: i64) -> Answer<'a, Result<EventTexts, NoTexts>> {
        Box::pin(self.read(EventTexts {
            accepted: "{}".to_owned(),
            hidden: Vec::new(),
            targets: Vec::new(),
        }))
    }
}

impl Line for Proxy {
    fn now(&self) -> i64 {
        0
    }

    fn has_keys(&self) -> bool {
        false
    }

    fn admit<'a>(&'a self, _: Credentials<'a>, _: Role) -> Answer<'a, Result<Visitor, Denied>> {
        let visitor = Visitor {
            key: None,
            may_view: true,
            may_operate: true,
        };
        Box::pin(async { Ok(visitor) })
    }

    fn history(&self) -> Answer<'_, Recorded> {
        Box::pin(async { Recorded::Never("it is a test") })
    }
}

impl QueueLine for Proxy {
    fn dead_letter_count(&self) -> Option<u64> {
        None
    }

    fn state(&self) -> Answer<'_, QueueState> {
        unreachable!("no screen of an event asks for it")
    }

    fn dead_letters(&self) -> Answer<'_, Result<DeadLetters, QueueFailure>> {
        unreachable!("no screen of an event asks for it")
    }

    fn look<'a>(&'a self, _: &'a By) -> Answer<'a, Result<DeadLetters, QueueFailure>> {
        unreachable!("no screen of an event asks for it")
    }

    fn select(&self, _: Group) -> Answer<'_, Result<Selection, QueueFailure>> {
        unreachable!("no screen of an event asks for it")
    }

    fn redrive<'a>(
        &'a self,
        _: Group,
        _: u32,
        _: &'a By,
    ) -> Answer<'a, Result<Selection, QueueFailure>> {
        unreachable!("no screen of an event asks for it")
    }

    fn cancel<'a>(&'a self, _: &'a str, _: &'a By) -> Answer<'a, bool> {
        unreachable!("no screen of an event asks for it")
    }

    fn delete<'a>(&'a self, _: Selection, _: &'a By) -> Answer<'a, Result<Deletion, QueueFailure>> {
        unreachable!("no screen of an event asks for it")
    }
}

impl RulesLine for Proxy {
    fn rules(&self) -> Answer<'_, Vec<TargetRules>> {
        unreachable!("no screen of an event asks for it")
    }

    fn try_rules(&self, _: TrialRequest) -> Answer<'_, Result<TrialReport, TrialFailure>> {
        unreachable!("no screen of an event asks for it")
    }
}

/// The routes, and what is counted.
fn routes() -> (Router, Arc<Reads>) {
    let reads = Arc::<Reads>::default();
    let proxy = Arc::new(Proxy(reads.clone()));
    let page = Page {
        line: proxy.clone(),
        events: proxy.clone(),
        queue: proxy.clone(),
        rules: proxy,
        prefix: String::new(),
        stop: CancellationToken::new(),
    };
    (page::router(page, |routes| routes), reads)
}

async fn get(routes: Router, show: &str) -> u16 {
    let path = format!("/events/01a1faa6-e194-708b-a993-000000000001?show={show}");
    let request = Request::get(path).header("accept", "text/html");
    let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn two_events_at_most_are_read_at_once_to_be_shown() {
    let (routes, reads) = routes();
    let shows = ["change", "raw", "before", "after", "raw", "change"];
    let asked = shows.map(|show| tokio::spawn(get(routes.clone(), show)));
    for asked in asked {
        assert_eq!(asked.await.unwrap(), 200);
    }
    let counts = (&reads.most, &reads.ended);
    let counts = (
        counts.0.load(Ordering::SeqCst),
        counts.1.load(Ordering::SeqCst),
    );
    assert_eq!(counts, (2, shows.len()));
}

#[tokio::test]
async fn a_reader_who_goes_away_has_the_turn_until_the_reading_has_ended() {
    let (routes, reads) = routes();
    for _ in 0..3 {
        let asked = get(routes.clone(), "change");
        assert!(
            tokio::time::timeout(Duration::from_millis(5), asked)
                .await
                .is_err()
        );
    }
    assert_eq!(get(routes, "change").await, 200);
    assert!(reads.most.load(Ordering::SeqCst) <= 2);
}
