//! `GET /events/{id}`: the way of one event, and what it said before and after the rules.
//!
//! What happened is in the history; what the event says comes from the queue (`line/events.rs`), with everything hidden that
//! rules redact. What changed is in `event/change.rs`, what the event says in `event/said.rs`.

mod change;
mod pretty;
mod said;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use history::{Found, FoundEvent, FoundOutcome, Page, Search, Term};
use maud::{Markup, html};
use serde_json::json;

use crate::line::events::{EventTexts, NoTexts};
use crate::query::link;
use crate::reads::in_turn;
use crate::shell;
use crate::text::{name, shown};
use crate::time::{duration, number, time};
use crate::visit::{Fault, Visit};
use crate::{Site, events, outcome};

/// The most events at once whose texts are made: of some megabytes each, with what all rules make of them.
pub(crate) const TURNS: usize = 2;

/// How many other events of the run are listed.
const OF_RUN: usize = 20;

/// What is shown of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Change,
    Before,
    After,
}

/// An event, as far as it is known.
struct Known {
    id: String,
    /// What happened to it; `None` if nothing has, or that is recorded no longer.
    found: Option<FoundEvent>,
    texts: Result<EventTexts, NoTexts>,
}

/// How an event is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Screen(Show),
    Json,
    /// The event itself, to be saved.
    Raw,
}

/// Shows an event.
pub(crate) async fn page(
    State(site): State<Site>,
    Path(id): Path<String>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["show"])?;
    let form = match query.text("show") {
        Some("raw") => Form::Raw,
        Some("change" | "before" | "after") | None if visit.wants_json => Form::Json,
        None | Some("change") => Form::Screen(Show::Change),
        Some("before") => Form::Screen(Show::Before),
        Some("after") => Form::Screen(Show::After),
        Some(_) => {
            let why = "show: expected change, before, after or raw";
            return Err(Fault::bad_request(why));
        }
    };
    let (id, found) = find(&site, id).await?;
    let others = match (form, found.as_ref().and_then(|found| found.run.as_deref())) {
        (Form::Screen(_), Some(run)) => of_run(&site, run, &id).await?,
        (Form::Screen(_) | Form::Json | Form::Raw, _) => None,
    };
    let turns = site.event_turns().clone();
    let answer = async move {
        match form {
            Form::Raw => raw(&site, &id, found.as_ref()).await,
            Form::Screen(_) | Form::Json => {
                let known = Known::read(&site, id, found).await?;
                // Some megabytes take some 100 ms.
                let shown = move || match form {
                    Form::Screen(show) => known.screen(&site, &visit, show, others.as_ref()),
                    Form::Json | Form::Raw => known.json(),
                };
                let shown = tokio::task::spawn_blocking(shown).await;
                shown.map_err(|panic| Fault::unavailable(panic.to_string()))
            }
        }
    };
    let answered = in_turn(&turns, answer).await;
    answered.map_err(|panic| Fault::unavailable(panic.to_string()))?
}

/// Returns the id and what happened to the event, if that is known.
async fn find(site: &Site, id: String) -> Result<(String, Option<FoundEvent>), Fault> {
    let id = id.to_ascii_lowercase();
    let search: Search = format!("id:{id}").parse().map_err(|_| unknown())?;
    let is_id = matches!(search.terms.as_slice(), [Term::Id(_)]) && id.len() == 36;
    if !is_id {
        return Err(unknown());
    }
    let found = match site.history().await {
        Ok(history) => site.find(history, search, Page::Before(None), 1).await?,
        // What the event says is known all the same.
        Err(_) => Found {
            events: Vec::new(),
            more: false,
            newest: 0,
        },
    };
    Ok((id, found.events.into_iter().next()))
}

fn unknown() -> Fault {
    Fault::not_found("there is no event with this id")
}

/// Returns about when an event was accepted, in milliseconds since 1970.
fn accepted_at(id: &str, found: Option<&FoundEvent>) -> Option<i64> {
    match found {
        Some(found) => history::milliseconds(&found.accepted_at),
        None => time_of(id),
    }
}

/// Returns the event as it was accepted, to be saved.
async fn raw(site: &Site, id: &str, found: Option<&FoundEvent>) -> Result<Response, Fault> {
    let accepted = match accepted_at(id, found) {
        Some(near) => site.events().accepted(id, near).await,
        None => Err(NoTexts::Gone),
    };
    let accepted = accepted.map_err(|why| Fault::not_found(no_texts(&why)))?;
    let mut response = accepted.into_response();
    let headers = response.headers_mut();
    // Not JSON: a browser that shows it runs nothing in it.
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    let disposition = format!("attachment; filename=\"{id}.json\"");
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// Returns the other events of a run.
async fn of_run(site: &Site, run: &str, id: &str) -> Result<Option<Found>, Fault> {
    let Ok(search) = format!("run:{run}").parse::<Search>() else {
        return Ok(None); // an id that is no UUID
    };
    let history = site.history().await?;
    let mut found = site
        .find(history, search, Page::Before(None), OF_RUN + 1)
        .await?;
    found.events.retain(|event| event.id != id);
    found.events.truncate(OF_RUN);
    Ok((!found.events.is_empty()).then_some(found))
}

impl Known {
    async fn read(site: &Site, id: String, found: Option<FoundEvent>) -> Result<Known, Fault> {
        let texts = match accepted_at(&id, found.as_ref()) {
            Some(near) => site.events().texts(&id, near).await,
            None => Err(NoTexts::Gone),
        };
        match (&found, &texts) {
            (None, Err(NoTexts::Gone | NoTexts::NotKept)) => Err(unknown()),
            (None, Err(NoTexts::Failed)) => Err(Fault::unavailable(
                "the queue cannot be read: see the log of the proxy",
            )),
            (None, Ok(_) | Err(NoTexts::Unreadable(_) | NoTexts::TooLarge(_))) | (Some(_), _) => {
                Ok(Known { id, found, texts })
            }
        }
    }

    fn screen(&self, site: &Site, visit: &Visit, show: Show, others: Option<&Found>) -> Response {
        let content = self.content(site, visit, show, others);
        shell::plain(site, visit, "", &self.title(), content)
    }

    fn json(&self) -> Response {
        let (texts, reason) = match &self.texts {
            Ok(texts) => (Some(texts), None),
            Err(why) => (None, Some(no_texts(why))),
        };
        let event = json!({"event": self.found, "texts": texts, "no_texts": reason});
        axum::Json(event).into_response()
    }

    fn title(&self) -> String {
        let kind = self.found.as_ref().and_then(|found| found.kind.as_deref());
        let job = self.found.as_ref().and_then(|found| found.job.as_ref());
        match (kind, job) {
            (Some(kind), Some(job)) => format!("{kind} of {}", shown(&job.name, 80)),
            (Some(kind), None) => kind.to_owned(),
            (None, _) => format!("Event {}", self.id),
        }
    }

    fn content(&self, site: &Site, visit: &Visit, show: Show, others: Option<&Found>) -> Markup {
        let said = self
            .texts
            .as_ref()
            .ok()
            .and_then(|texts| said::Said::read(&texts.accepted));
        html! {
            (self.heading(site))
            (self.way())
            (self.tabs(site, show))
            section .body aria-label="What the event says" {
                @match &self.texts {
                    Ok(texts) => {
                        @match show {
                            Show::Change => (change::changes(texts, self.found.as_ref())),
                            Show::Before => (change::before(texts)),
                            Show::After => (change::after(texts)),
                        }
                    }
                    Err(why) => p .empty { (no_texts(why)) "." }
                }
            }
            @if visit.visitor.may_operate && self.texts.is_ok() {
                p .quiet { a href=(link(&site.path("/rules/try"), &[("q", &format!("id:{}", self.id))])) { "Try rules on this event" } }
            }
            @if let Some(said) = said { (said.summary(site)) }
            @if let Some(others) = others { (other_events(site, others)) }
        }
    }

    fn heading(&self, site: &Site) -> Markup {
        let found = self.found.as_ref();
        html! {
            p .crumbs { a href=(site.path("/")) { "Events" } " / " span .mono { (self.id) } }
            div .head {
                h1 {
                    @match found {
                        Some(found) => {
                            (events::kind(found.kind.as_deref())) " "
                            @match (&found.job, found.datasets.as_slice()) {
                                (Some(job), _) => (events::named(site, "/job", job)),
                                (None, [dataset, ..]) => (events::named(site, "/dataset", dataset)),
                                (None, []) => {}
                            }
                        }
                        None => "An event without an outcome"
                    }
                }
                @if let Some(job) = found.and_then(|found| found.job.as_ref()) {
                    a .button href=(link(&site.path("/lineage"), &[("job", job.name.as_str()), ("namespace", &job.namespace)])) { "See it in the lineage" }
                }
            }
            @if let Some(found) = found {
                p .quiet {
                    @if let Some(run) = &found.run { "run " a .mono href=(link(&site.path("/run"), &[("id", run)])) { (name(run)) } " · " }
                    (number(found.size_bytes)) " bytes"
                    @if events::dataset_count(found) > 0 { " · " (number(events::dataset_count(found))) " datasets" }
                }
            }
        }
    }

    /// What happened to it, from left to right.
    fn way(&self) -> Markup {
        let Some(found) = &self.found else {
            return html! {
                p .empty { "It waits for its first attempt, or what happened to it is recorded no longer." }
            };
        };
        html! {
            ol .way {
                li { span .o { "accepted" } (time(&found.accepted_at)) }
                @for outcome in &found.outcomes { (step(found, outcome)) }
            }
        }
    }

    fn tabs(&self, site: &Site, show: Show) -> Markup {
        let tabs = [
            (Show::Change, "change", "What changed"),
            (Show::Before, "before", "Before"),
            (Show::After, "after", "After"),
        ];
        let path = events::event_path(site, &self.id);
        html! {
            nav .tabs aria-label="What is shown of the event" {
                @for (tab, value, label) in tabs {
                    a href=(link(&path, &[("show", value)])) aria-current=[(tab == show).then_some("page")] { (label) }
                }
                @if matches!(self.texts, Ok(_) | Err(NoTexts::TooLarge(_))) {
                    a .raw href=(link(&path, &[("show", "raw")])) download { "Raw ⤓" }
                }
            }
        }
    }
}

/// An outcome, as a step of the way.
fn step(found: &FoundEvent, outcome: &FoundOutcome) -> Markup {
    let accepted = history::milliseconds(&found.accepted_at);
    let ended = history::milliseconds(&outcome.at);
    let took = accepted
        .zip(ended)
        .map(|(from, to)| to.saturating_sub(from).max(0).unsigned_abs());
    html! {
        li {
            (outcome::badge(&outcome.outcome)) " " span { "at " b { (shown(&outcome.target, 80)) } }
            (time(&outcome.at))
            small {
                @if let Some(took) = took { (duration(took)) " after it was accepted" }
                " · attempt " (outcome.attempts) " · took " (duration(outcome.duration_ms))
            }
            @if !outcome.rules.is_empty() { small .rules { "✎ " (shown(&outcome.rules.join(", "), 300)) } }
            @if let Some(reason) = &outcome.reason { small { "reason " code { (shown(reason, 80)) } } }
            @if let Some(detail) = &outcome.detail { small .why { bdi { (shown(detail, 1_000)) } } }
            @if let Some(merged) = &outcome.merged { small { "merged with others of its run, delivered as " code { (shown(merged, 80)) } } }
        }
    }
}

fn other_events(site: &Site, others: &Found) -> Markup {
    html! {
        h2 { "Other events of this run" }
        (events::table(site, others))
    }
}

/// Says why nothing is known of what an event says.
fn no_texts(why: &NoTexts) -> String {
    match why {
        NoTexts::NotKept => "What the event says is not kept: the queue is SQS, which keeps no event that was settled".to_owned(),
        NoTexts::Gone => "What the event says is kept no longer: the time or the size of the setting retention has passed".to_owned(),
        NoTexts::Unreadable(why) => format!("What the event says cannot be shown: {}", shown(why, 500)),
        NoTexts::TooLarge(bytes) => format!("What the event says is too much to be shown: {} bytes. All of it is in Raw", number(*bytes)),
        NoTexts::Failed => "What the event says cannot be read now: see the log of the proxy".to_owned(),
    }
}

/// Returns the time in a UUID of version 7 (RFC 9562, section 5.7), in milliseconds since 1970.
fn time_of(id: &str) -> Option<i64> {
    let plain: String = id.chars().filter(|c| *c != '-').collect();
    let is_v7 = plain.get(12..13) == Some("7");
    i64::from_str_radix(plain.get(..12).filter(|_| is_v7)?, 16).ok()
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn an_id_tells_when_the_event_was_accepted() {
        // The example of RFC 9562, A.6.
        assert_eq!(
            time_of("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
            Some(1_645_557_742_000)
        );
        assert_eq!(time_of("017f22e2-79b0-4cc3-98c4-dc0c0c07398f"), None);
        assert_eq!(time_of("x"), None);
    }
}
