//! The page of `serve`: what happened to events, what the proxy knows of them, and what an operator can do.
//!
//! HTML of the server, a file for each screen. Every screen works without script, but for drawn graphs, and its address has the
//! whole state of what it shows. `line.rs` is all that the page needs of the proxy; `history` is read directly.
//! Mounted by `proxy`.

mod assets;
mod differences;
mod event;
mod events;
mod inside;
pub mod line;
mod lineage;
mod login;
mod news;
mod outcome;
mod query;
mod queue;
mod reads;
mod security;
mod session;
mod shared;
mod shell;
mod subject;
mod tally;
mod text;
mod time;
mod trial;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use assets::Assets;
use history::FoundWaiting;
use line::events::EventLine;
use maud::Markup;
use news::LastNews;
use session::Sessions;
use shared::Shared;
use tally::Tally;

use line::queue::QueueLine;
use line::rules::RulesLine;

pub use line::{Answer, Credentials, Denial, Denied, Line, Recorded, Role, UsedKey, Visitor};
pub use reads::in_turn;

/// The paths of all routes, without the prefix.
pub const PATHS: [&str; 18] = [
    "/",
    "/events/{id}",
    "/news",
    "/lineage",
    "/job",
    "/dataset",
    "/run",
    "/queue",
    "/queue/redrive",
    "/queue/cancel",
    "/queue/look",
    "/queue/delete",
    "/rules",
    "/rules/try",
    "/login",
    "/logout",
    "/theme",
    "/assets/{file}",
];

/// What the page needs.
pub struct Page {
    /// The proxy that runs.
    pub line: Arc<dyn Line>,
    /// Its events.
    pub events: Arc<dyn EventLine>,
    /// Its queue.
    pub queue: Arc<dyn QueueLine>,
    /// Its rules.
    pub rules: Arc<dyn RulesLine>,
    /// The beginning of all paths: empty, or `/lineage`.
    pub prefix: String,
    /// Ends responses that do not end by themselves.
    pub stop: CancellationToken,
}

/// The state of all routes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Site(Arc<Inner>);

struct Inner {
    page: Page,
    sessions: Sessions,
    assets: Assets,
    /// For reads of the history.
    turns: Arc<Semaphore>,
    estates: lineage::Estates,
    /// For readers of news.
    readers: Arc<Semaphore>,
    last_news: Mutex<LastNews>,
    /// For what events say.
    event_turns: Arc<Semaphore>,
    /// What the list of events has beside those with an outcome.
    waiting: Shared<FoundWaiting>,
    tally: Shared<Tally>,
    /// The newest events as markup; nothing if there are none.
    newest_rows: Shared<Option<Markup>>,
}

/// Returns the routes of the page. `named` adds the check of the host, which stands before everything else.
pub fn router(page: Page, named: impl FnOnce(Router) -> Router) -> Router {
    let prefix = page.prefix.clone();
    let site = Site(Arc::new(Inner {
        page,
        sessions: Sessions::default(),
        assets: Assets::new(),
        turns: Arc::new(Semaphore::new(reads::MOST)),
        estates: lineage::Estates::default(),
        readers: Arc::new(Semaphore::new(news::MOST)),
        last_news: Mutex::default(),
        event_turns: Arc::new(Semaphore::new(event::TURNS)),
        waiting: Shared::new(events::KEPT),
        tally: Shared::new(events::KEPT),
        newest_rows: Shared::new(events::KEPT),
    }));
    let at = |path: &str| format!("{prefix}{path}");
    let admit = |role| from_fn_with_state((site.clone(), role), security::admit);
    let view = Router::new()
        .route(&at("/"), get(events::page))
        .route(&at("/events/{id}"), get(event::page))
        .route(&at("/news"), get(news::news))
        .route(&at("/queue"), get(queue::page))
        .route(&at("/rules"), get(trial::rules))
        .route(&at("/lineage"), get(lineage::page))
        .route(&at("/job"), get(subject::job))
        .route(&at("/dataset"), get(subject::dataset))
        .route(&at("/run"), get(subject::run))
        .route_layer(admit(Role::View));
    let operate = Router::new()
        .route(&at("/queue/redrive"), post(queue::redrive))
        .route(&at("/queue/cancel"), post(queue::cancel))
        .route(&at("/queue/look"), post(queue::look))
        .route(&at("/queue/delete"), get(queue::ask).post(queue::delete))
        .route(&at("/rules/try"), get(trial::form).post(trial::run))
        .route_layer(admit(Role::Operate));
    let open = Router::new()
        .route(&at("/login"), get(login::page).post(login::log_in))
        .route(&at("/logout"), post(login::log_out))
        .route(&at("/theme"), post(login::theme))
        .route(&at("/assets/{file}"), get(asset));
    // The address of the page, as it is often typed.
    let open = match prefix.is_empty() {
        true => open,
        false => open.route(&prefix, get(start)),
    };
    let routes = view
        .merge(operate)
        .merge(open)
        .route_layer(from_fn_with_state(site.clone(), security::same_site))
        .with_state(site);
    named(routes).route_layer(map_response(security::secure))
}

impl Site {
    pub(crate) fn line(&self) -> &dyn Line {
        &*self.0.page.line
    }

    pub(crate) fn queue(&self) -> &dyn QueueLine {
        &*self.0.page.queue
    }

    pub(crate) fn rules(&self) -> &dyn RulesLine {
        &*self.0.page.rules
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0.page.prefix
    }

    /// Returns the path of a route.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix())
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn events(&self) -> &dyn EventLine {
        &*self.0.page.events
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.page.stop
    }

    pub(crate) fn readers(&self) -> &Arc<Semaphore> {
        &self.0.readers
    }

    pub(crate) fn last_news(&self) -> &Mutex<LastNews> {
        &self.0.last_news
    }

    pub(crate) fn event_turns(&self) -> &Arc<Semaphore> {
        &self.0.event_turns
    }

    pub(crate) fn waiting(&self) -> &Shared<FoundWaiting> {
        &self.0.waiting
    }

    pub(crate) fn tally(&self) -> &Shared<Tally> {
        &self.0.tally
    }

    pub(crate) fn newest_rows(&self) -> &Shared<Option<Markup>> {
        &self.0.newest_rows
    }

    pub(crate) fn turns(&self) -> &Arc<Semaphore> {
        &self.0.turns
    }

    pub(crate) fn estates(&self) -> &lineage::Estates {
        &self.0.estates
    }

    pub(crate) fn assets(&self) -> &Assets {
        &self.0.assets
    }
}

/// Leads from the prefix alone to the first screen.
async fn start(State(site): State<Site>, RawQuery(query): RawQuery) -> Redirect {
    let query = query.map(|query| format!("?{query}"));
    Redirect::to(&site.path(&format!("/{}", query.unwrap_or_default())))
}

async fn asset(State(site): State<Site>, Path(file): Path<String>) -> Response {
    site.assets().respond(&file)
}
