//! `GET /api/v1/events`: what happened to events, as the history has it.
//!
//! Beside `read_back.rs`, which returns the events themselves. Few searches run at once, each for a limited time.

use std::sync::Arc;

use ::history::{FindError, FoundPage, Page, Search};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use page::line::events::EventLine as _;
use tokio::sync::Semaphore;

use crate::history::CurrentHistory;
use crate::http::{Query, Rejection};
use crate::page::ProxyEvents;
use crate::queue::now;

/// The most events of one page, and the default.
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 100;

const PARAMETERS: [&str; 4] = ["q", "limit", "before", "after"];

/// Searches the history within limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Searcher {
    history: CurrentHistory,
    /// The events that wait, of which the history knows nothing.
    events: Arc<ProxyEvents>,
    turns: Arc<Semaphore>,
}

/// What a request asks for.
#[derive(Debug)]
struct Request {
    search: Search,
    page: Page,
    limit: usize,
}

impl Searcher {
    /// With turns that others who read the history have too.
    pub(super) fn new(
        history: CurrentHistory,
        events: Arc<ProxyEvents>,
        turns: Arc<Semaphore>,
    ) -> Searcher {
        Searcher {
            history,
            events,
            turns,
        }
    }

    async fn find(&self, request: Request) -> Result<FoundPage, Rejection> {
        let Some(history) = self.history.opened().await else {
            return Err(Rejection::NoHistory);
        };
        let Request {
            search,
            page,
            limit,
        } = request;
        let events = self.events.clone();
        let find = async move {
            let found = history.find(search.clone(), page, limit, now()).await?;
            let waiting = match page {
                // What cannot be read now is left out.
                Page::Before(None) if limit > 0 => events.waiting(&search).await.ok(),
                Page::Before(_) | Page::After(_) => None,
            };
            let mut waiting = waiting.map(|waiting| waiting.besides(&found));
            if let Some(waiting) = &mut waiting {
                waiting.more |= waiting.events.len() > limit;
                waiting.events.truncate(limit);
            }
            Ok(FoundPage { found, waiting })
        };
        let found = super::in_turn(&self.turns, find).await;
        let found = found.map_err(|error| Rejection::Unavailable(error.to_string()))?;
        found.map_err(|error| match error {
            FindError::TooLong => Rejection::InvalidQuery(format!("q: {error}")),
            FindError::Failed(error) => Rejection::Unavailable(error.to_string()),
        })
    }
}

impl Request {
    fn parse(query: Option<&str>) -> Result<Request, String> {
        let query = Query::read(query, &PARAMETERS)?;
        let position = |name: &str| {
            let position = query.text(name).filter(|text| !text.is_empty());
            let wrong = |_| format!("{name}: expected the position of an event");
            position.map(str::parse).transpose().map_err(wrong)
        };
        let search = query.text("q").unwrap_or_default();
        let page = match (position("before")?, position("after")?) {
            (before, None) => Page::Before(before),
            (None, Some(after)) => Page::After(after),
            (Some(_), Some(_)) => return Err("after: cannot be combined with before".to_owned()),
        };
        Ok(Request {
            search: search.parse().map_err(|error| format!("q: {error}"))?,
            page,
            limit: query.number("limit", MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT) as usize,
        })
    }
}

/// Responds with a page of events, newest change first, or with `after` oldest first.
pub(super) async fn events(State(searcher): State<Option<Searcher>>, uri: Uri) -> Response {
    let Some(searcher) = searcher else {
        let why = "there is no history: history.age is 0, the queue is SQS, or this process only accepts events";
        return Rejection::NotFound(why.to_owned()).into_response();
    };
    let request = match Request::parse(uri.query()) {
        Ok(request) => request,
        Err(why) => return Rejection::InvalidQuery(why).into_response(),
    };
    match searcher.find(request).await {
        Ok(found) => Json(found).into_response(),
        Err(rejection) => rejection.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_response_says_that_the_history_is_not_open() {
        let waiting = Arc::new(ProxyEvents {
            log: None,
            targets: Vec::new(),
            pipelines: Arc::default(),
        });
        let turns = Arc::new(Semaphore::new(1));
        let searcher = Searcher::new(CurrentHistory::default(), waiting, turns);
        let response = events(State(Some(searcher)), Uri::from_static("/")).await;
        assert_eq!(response.status(), 503);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await;
        let body: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body["detail"], "the history is not open: see the log");
    }

    #[tokio::test]
    async fn a_search_keeps_its_turn_when_its_client_has_gone() {
        let turns = Arc::new(Semaphore::new(1));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = tokio::task::spawn_blocking(move || ended.recv());
        let request = crate::admin::in_turn(&turns, work);
        let gone = tokio::time::timeout(Duration::from_millis(50), request).await;
        assert!(gone.is_err());
        assert_eq!(turns.available_permits(), 0);
        end.send(()).unwrap();
        drop(turns.acquire().await.unwrap());
    }

    #[test]
    fn a_request_has_a_search_and_a_page() {
        let request = Request::parse(Some("q=job:dbt.*+since:2h&limit=5&before=7")).unwrap();
        assert_eq!(request.search.to_string(), "job:dbt.* since:2h");
        assert_eq!((request.page, request.limit), (Page::Before(Some(7)), 5));
        let request = Request::parse(Some("after=0")).unwrap();
        assert_eq!((request.page, request.limit), (Page::After(0), 100));
        let request = Request::parse(None).unwrap();
        assert_eq!(
            (request.page, request.search),
            (Page::Before(None), Search::default())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, expected) in [
            (
                "q=jbo:a",
                "q: character 1: unknown key \"jbo\": did you mean job? A text with a colon stands in quotes",
            ),
            ("before=x", "before: expected the position of an event"),
            ("before=1&after=2", "after: cannot be combined with before"),
            (
                "limit=1001",
                "limit: expected a whole number from 0 to 1000, found \"1001\"",
            ),
        ] {
            assert_eq!(Request::parse(Some(query)).unwrap_err(), expected);
        }
    }
}
