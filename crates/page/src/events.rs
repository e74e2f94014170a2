//! `GET /`: the events, newest change first, and what became of each at each target.
//!
//! Those that wait for their first attempt stand before them: the history has no outcome of them yet. With `part=rows` only what
//! changes is returned, for `page.js`, which puts it into the page while it is looked at.

mod without;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use history::{
    Found, FoundEvent, FoundPage, FoundWaiting, History, Name, Page, Search, WaitingEvent,
};
use maud::{Markup, html};
use tokio::time::Instant;

use crate::query::link;
use crate::reads::in_turn;
use crate::shell::{self, Screen};
use crate::tally::{self, Tally};
use crate::text::{name, shown};
use crate::time::{counted, number, time};
use crate::visit::{Fault, Visit};
use crate::{Site, outcome};
use without::{no_history, nothing_yet, syntax, wrong};

/// How many events a page has.
const ROWS: usize = 100;

/// How long all readers share the waiting events, the tally and, once their page is open, the newest events. News of a change end it
/// sooner. To read them takes up to a hundred events, with the rules of all targets.
pub(crate) const KEPT: Duration = Duration::from_millis(500);

/// What is shown.
struct List<'a> {
    /// What is looked for, as it was typed.
    text: &'a str,
    /// The place before which it is looked for; `None`: the newest.
    before: Option<i64>,
    found: Found,
    waiting: FoundWaiting,
    tally: Option<Tally>,
}

/// Shows a page of events.
pub(crate) async fn page(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["q", "before", "part"])?;
    let text = query.text("q").unwrap_or_default();
    let before = query.number("before").map_err(Fault::bad_request)?;
    let is_part = match query.text("part") {
        None => false,
        Some("rows") => true,
        Some(_) => return Err(Fault::bad_request("part: expected rows")),
    };
    let search = match text.parse::<Search>() {
        Ok(search) => search,
        Err(error) if visit.is_browser => {
            return Ok(wrong(&site, &visit, text, &error.to_string()));
        }
        Err(error) => return Err(Fault::bad_request(format!("q: {error}"))),
    };
    let history = match site.history().await {
        Ok(history) => history,
        Err(fault) if visit.is_browser => return Ok(no_history(&site, &visit, text, fault)),
        Err(fault) => return Err(fault),
    };
    let changed = site.changed().await;
    let read = || {
        Box::pin(read(
            &site,
            history.clone(),
            &search,
            (text, before),
            changed,
        ))
    };
    if visit.wants_json {
        let List { found, waiting, .. } = read().await?;
        let waiting = before.is_none().then_some(waiting);
        return Ok(axum::Json(FoundPage { found, waiting }).into_response());
    }
    if is_part && text.is_empty() && before.is_none() {
        // All readers of the newest events are told at about the same time that there are newer ones.
        let rows = async {
            let list = read().await?;
            Ok::<_, Fault>((!list.is_empty()).then(|| list.live(&site, &visit)))
        };
        if let Some(rows) = site.newest_rows().get(changed, rows).await? {
            return Ok(shell::fragment(rows));
        }
    }
    let list = read().await?;
    match is_part {
        true => Ok(shell::fragment(list.live(&site, &visit))),
        false => Ok(shell::respond(&site, &visit, list.screen(&site, &visit))),
    }
}

/// Reads what is shown.
async fn read<'a>(
    site: &Site,
    history: History,
    search: &Search,
    (text, before): (&'a str, Option<i64>),
    changed: Option<Instant>,
) -> Result<List<'a>, Fault> {
    let page = Page::Before(before);
    let found = site.find(history.clone(), search.clone(), page, ROWS);
    let found = found.await?;
    let (waiting, tally) = match before {
        None => {
            let waiting = waiting(site, changed, search.clone(), &found).await;
            let tally = site.tally().get(changed, tally::read(site, history));
            (waiting, Some(tally.await?))
        }
        Some(_) => (FoundWaiting::default(), None),
    };
    Ok(List {
        text,
        before,
        found,
        waiting,
        tally,
    })
}

/// Returns the events that wait, match, and have no outcome on the page.
async fn waiting(
    site: &Site,
    changed: Option<Instant>,
    search: Search,
    found: &Found,
) -> FoundWaiting {
    let is_all = search.terms.is_empty();
    let waiting = {
        let site = site.clone();
        async move { site.events().waiting(&search).await }
    };
    let waiting = match is_all {
        true => site.waiting().get(changed, waiting).await.ok(),
        false => in_turn(site.turns(), waiting)
            .await
            .ok()
            .and_then(Result::ok),
    };
    // What cannot be read now is not shown: the queue says so on its own screen.
    waiting.unwrap_or_default().besides(found)
}

impl List<'_> {
    fn screen(&self, site: &Site, visit: &Visit) -> Screen<'_> {
        let part = link(&site.path("/"), &[("q", self.text), ("part", "rows")]);
        let is_live = self.before.is_none();
        let content = html! {
            div .head {
                h1 { @if self.text.is_empty() { "Events" } @else { "Events that match" } }
                @if is_live {
                    span #news .quiet data-part=(part) hidden { "live" }
                    button #newer type="button" hidden { "0 new" }
                    span #said .unseen role="status" {}
                } @else {
                    a href=(link(&site.path("/"), &[("q", self.text)])) { "Newest events" }
                }
            }
            (self.live(site, visit))
        };
        Screen {
            title: "Events",
            path: "/",
            find: self.text,
            content,
        }
    }

    /// What changes while it is looked at.
    fn live(&self, site: &Site, visit: &Visit) -> Markup {
        let waiting = &self.waiting.events;
        html! {
            div #live data-newest=(self.found.newest) {
                @if let Some(tally) = &self.tally { (tally.strip(site)) }
                @if !self.text.is_empty() { (looked_through(&self.waiting)) }
                @if !self.is_empty() {
                    (rows(site, &self.found.events, waiting))
                } @else if self.before.is_some() {
                    p .empty { "There are no older events." }
                } @else if !self.text.is_empty() {
                    section .empty { h2 { "No event matches" } (syntax(site)) }
                } @else {
                    (nothing_yet(site, visit))
                }
                (self.older(site))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.found.events.is_empty() && self.waiting.events.is_empty()
    }

    fn older(&self, site: &Site) -> Markup {
        let last = self.found.events.last().filter(|_| self.found.more);
        html! {
            @if let Some(last) = last {
                @let before = last.position.to_string();
                p .pages { a .button rel="next" href=(link(&site.path("/"), &[("q", self.text), ("before", &before)])) { "Older events →" } }
            }
        }
    }
}

/// Says how many of the events that wait were looked through for a search.
fn looked_through(waiting: &FoundWaiting) -> Markup {
    let count = waiting.looked_through as u64;
    html! {
        @if count > 0 {
            p .quiet {
                @if waiting.more { "Of the events that wait, the newest " (number(count)) " were looked through, too." }
                @else { (counted(count, "event")) @if count == 1 { " that waits was" } @else { " that wait were" } " looked through, too." }
            }
        }
    }
}

/// The table of events.
pub(crate) fn table(site: &Site, found: &Found) -> Markup {
    rows(site, &found.events, &[])
}

/// The table of events, with those that wait before the others.
fn rows(site: &Site, events: &[FoundEvent], waiting: &[WaitingEvent]) -> Markup {
    let outcomes = events.iter().flat_map(|event| &event.outcomes);
    let targets: BTreeSet<&str> = outcomes.map(|outcome| outcome.target.as_str()).collect();
    html! {
        table .events {
            caption .unseen { "Events, newest change first" }
            thead {
                tr {
                    th scope="col" { "When" }
                    th scope="col" { "Event" }
                    th scope="col" { "Job" }
                    th scope="col" { "Run" }
                    th .n scope="col" { "Datasets" }
                    th scope="col" { "Outcome" }
                }
            }
            tbody {
                @for event in waiting { (waiting_row(site, event)) }
                @for event in events { (row(site, event, targets.len() > 1)) }
            }
        }
    }
}

/// A row of an event with an outcome. The names of targets are shown where there are several.
fn row(site: &Site, event: &FoundEvent, is_named: bool) -> Markup {
    let datasets = dataset_count(event);
    html! {
        tr {
            td .when { a href=(event_path(site, &event.id)) { (time(&event.changed_at)) } }
            td { (kind(event.kind.as_deref())) }
            td .job { (job(site, event.job.as_ref(), &event.datasets)) }
            td { (run(site, event.run.as_deref())) }
            td .n { @if datasets > 0 { (number(datasets)) } }
            td { @for found in &event.outcomes { (outcome::line(found, is_named)) } }
        }
    }
}

fn waiting_row(site: &Site, event: &WaitingEvent) -> Markup {
    html! {
        tr .waits {
            td .when { a href=(event_path(site, &event.id)) { (time(&event.accepted_at)) } }
            td { @if event.kind.is_some() { (kind(event.kind.as_deref())) } }
            td .job { (job(site, event.job.as_ref(), &[])) }
            td { (run(site, event.run.as_deref())) }
            td .n { @if event.datasets > 0 { (number(event.datasets)) } }
            td { div .ol { (outcome::badge("waiting")) @if event.is_in_hand { " " small { "in delivery" } } } }
        }
    }
}

/// How many datasets an event names.
pub(crate) fn dataset_count(event: &FoundEvent) -> u64 {
    event.dataset_count.unwrap_or(event.datasets.len() as u64)
}

/// The address of an event.
pub(crate) fn event_path(site: &Site, id: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    site.path(&format!("/events/{id}"))
}

/// The kind of an event, with its type.
pub(crate) fn kind(kind: Option<&str>) -> Markup {
    let Some(kind) = kind else {
        return html! { span .quiet { "no event" } };
    };
    match kind.split_once(' ') {
        Some((_, event_type)) => html! { span .kind data-type=(event_type) { (event_type) } },
        None => html! { span .kind { (kind.trim_end_matches("Event")) } },
    }
}

/// The job of an event, or else its first dataset.
fn job(site: &Site, job: Option<&Name>, datasets: &[Name]) -> Markup {
    match (job, datasets) {
        (Some(job), _) => named(site, "/job", job),
        (None, [dataset, ..]) => named(site, "/dataset", dataset),
        (None, []) => html! {},
    }
}

/// A link to what is known of a job or a dataset.
pub(crate) fn named(site: &Site, path: &str, subject: &Name) -> Markup {
    let parameters = [
        ("namespace", subject.namespace.as_str()),
        ("name", subject.name.as_str()),
    ];
    html! { a href=(link(&site.path(path), &parameters)) { (name(&subject.name)) } " " small { (name(&subject.namespace)) } }
}

fn run(site: &Site, run: Option<&str>) -> Markup {
    html! { @if let Some(run) = run { a .mono href=(link(&site.path("/run"), &[("id", run)])) { (shown(run, 8)) } } }
}
