//! `/queue`: how much is queued for each target, what the targets answer, and dead letters by reason, which can be redriven and
//! deleted.
//!
//! Deleting asks first: a page says what and how many, and the number has to be typed. It deletes what was there when the page
//! was shown, and nothing that came since.

mod letters;
mod targets;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;
use serde_json::json;

use crate::Site;
use crate::line::queue::{
    DeadLetters, Deletion, Group, Moment, Operation, QueueFailure, QueueState, RedriveEnd,
    RedriveState, Selection,
};
use crate::query::Query;
use crate::security::form;
use crate::shell;
use crate::text::{REASON, shown};
use crate::time::{counted, number, time};
use crate::visit::{Fault, Visit};

/// The rate of a redrive that is proposed, and the highest, in events a second. DataZone takes 20.
const RATE: u32 = 10;
const MAX_RATE: u32 = 1_000;

const PATH: &str = "/queue";

/// What `/queue` returns as JSON.
#[derive(Serialize)]
struct Queue {
    #[serde(flatten)]
    state: QueueState,
    /// The dead letters by reason; nothing if they cannot be listed.
    dead_letters: Option<DeadLetters>,
}

/// Shows the queue.
pub(crate) async fn page(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["part"])?;
    let is_part = match query.text("part") {
        None => false,
        Some("all") => true,
        Some(_) => return Err(Fault::bad_request("part: expected all")),
    };
    let state = site.queue().state().await;
    let letters = site.queue().dead_letters().await;
    if visit.wants_json {
        let dead_letters = letters.ok();
        return Ok(axum::Json(Queue {
            state,
            dead_letters,
        })
        .into_response());
    }
    let runs = state.redrives.iter().any(|redrive| redrive.end.is_none());
    // While a redrive runs, the script shows the parts anew, each in its place.
    let parts = html! {
        div #parts data-again=[runs.then_some("1")] {
            div { (targets::table(&site, &state)) }
            div { (targets::sources(&state)) }
            div { (redrives(&site, &visit, &state.redrives)) }
            div { (letters::section(&site, &visit, &letters, &state)) }
            @if is_part { (shell::dead_letters(&site)) }
        }
    };
    Ok(match is_part {
        true => shell::fragment(parts),
        false => {
            let content = html! {
                h1 { "Queue" }
                (parts)
            };
            screen(&site, &visit, "Queue", content)
        }
    })
}

/// Starts to redrive a group.
pub(crate) async fn redrive(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Fault> {
    let body = form(body).await?;
    let query = read(&body, &["target", "key", "rate"])?;
    let rate = query.number("rate").map_err(Fault::bad_request)?;
    let rate: u32 = rate.unwrap_or(RATE);
    if !(1..=MAX_RATE).contains(&rate) {
        let why = format!("rate: expected 1 to {MAX_RATE} events a second, found {rate}");
        return Err(Fault::bad_request(why));
    }
    let redriven = site
        .queue()
        .redrive(group(&query)?, rate, &visit.visitor.key)
        .await;
    let selection = redriven.map_err(fault)?;
    Ok(match visit.wants_json {
        true => axum::Json(selection).into_response(),
        false => {
            let count = counted(selection.count, "dead letter");
            let message = format!("Redriving {count} of {}.", selection.target);
            shell::redirect(&site, PATH, &message)
        }
    })
}

/// Looks at dead letters of a queue that does not list them.
pub(crate) async fn look(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Fault> {
    read(&form(body).await?, &[])?;
    let letters = site.queue().look(&visit.visitor.key).await.map_err(fault)?;
    Ok(match visit.wants_json {
        true => axum::Json(letters).into_response(),
        false => shell::redirect(&site, PATH, "The dead letters were looked at."),
    })
}

/// Cancels a redrive.
pub(crate) async fn cancel(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Fault> {
    let body = form(body).await?;
    let query = read(&body, &["target"])?;
    let target = required(&query, "target")?;
    let is_cancelled = site.queue().cancel(target, &visit.visitor.key).await;
    if visit.wants_json {
        return Ok(axum::Json(json!({"cancelled": is_cancelled})).into_response());
    }
    let message = match is_cancelled {
        true => format!("It ends. What was done to dead letters of {target} is not undone."),
        false => format!("Nothing was running for {target} any more."),
    };
    Ok(shell::redirect(&site, PATH, &message))
}

/// Asks whether to delete a group.
pub(crate) async fn ask(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["target", "key"])?;
    let selection = site.queue().select(group(&query)?).await.map_err(fault)?;
    Ok(match visit.wants_json {
        true => axum::Json(selection).into_response(),
        false => confirmation(&site, &visit, &selection, None),
    })
}

/// Deletes a group, if the number is right.
pub(crate) async fn delete(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Fault> {
    let body = form(body).await?;
    let query = read(&body, &["target", "key", "row", "at", "count", "typed"])?;
    let number = |name: &str| {
        let number = query.number::<i64>(name).map_err(Fault::bad_request)?;
        number.ok_or_else(|| missing(name))
    };
    let Group { target, key } = group(&query)?;
    let selection = Selection {
        target,
        key,
        shape: None,
        count: number("count")?.unsigned_abs(),
        until: Moment {
            row: number("row")?,
            at: number("at")?,
        },
    };
    // People type 1,234 as it is shown to them.
    let typed: String = query.text("typed").unwrap_or_default().to_owned();
    let typed = typed.replace([',', ' ', '.', '\'', '_'], "");
    if typed != selection.count.to_string() {
        let group = Group {
            target: selection.target,
            key: selection.key,
        };
        let selection = site.queue().select(group).await.map_err(fault)?;
        let why = "Nothing was deleted: type the number of dead letters to delete them.";
        if visit.wants_json {
            return Err(Fault::bad_request(format!("typed: {why}")));
        }
        let mut response = confirmation(&site, &visit, &selection, Some(why));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    }
    let target = selection.target.clone();
    let deleted = site.queue().delete(selection, &visit.visitor.key).await;
    let deleted = deleted.map_err(fault)?;
    let (status, json, message) = match deleted {
        Deletion::Done(count) => {
            let json = json!({"deleted": count});
            let count = counted(count, "dead letter");
            (
                StatusCode::OK,
                json,
                format!("Deleted {count} of {target}."),
            )
        }
        Deletion::Runs => {
            let json = json!({"deleted": null});
            let message = format!("Dead letters of {target} are being deleted.");
            (StatusCode::ACCEPTED, json, message)
        }
    };
    Ok(match visit.wants_json {
        true => (status, axum::Json(json)).into_response(),
        false => shell::redirect(&site, PATH, &message),
    })
}

/// The page that asks before a group is deleted.
fn confirmation(
    site: &Site,
    visit: &Visit,
    selection: &Selection,
    error: Option<&str>,
) -> Response {
    let count = counted(selection.count, "dead letter");
    let content = html! {
        section .narrow {
            h1 { "Delete " (count) "?" }
            @match &selection.shape {
                None => p { "There are no dead letters for this reason any more." },
                Some(shape) => {
                    dl .facts {
                        dt { "Target" } dd { bdi { (shown(&selection.target, REASON)) } }
                        dt { "Reason" } dd .reason { (shown(shape, REASON)) }
                        dt { "How many" } dd { (number(selection.count)) }
                    }
                    p {
                        "Their events are deleted for good. What becomes a dead letter after "
                        (time(&history::shown(selection.until.at))) " is kept."
                    }
                    form .stack method="post" action=(site.path("/queue/delete")) {
                        input type="hidden" name="target" value=(selection.target);
                        input type="hidden" name="key" value=(selection.key);
                        input type="hidden" name="row" value=(selection.until.row);
                        input type="hidden" name="at" value=(selection.until.at);
                        input type="hidden" name="count" value=(selection.count);
                        label for="typed" { "Type " strong { (number(selection.count)) } " to delete them" }
                        input #typed name="typed" inputmode="numeric" autocomplete="off" required
                            aria-describedby=[error.map(|_| "wrong")];
                        @if let Some(error) = error {
                            p #wrong .problem role="alert" { (error) }
                        }
                        button .danger { "Delete for good" }
                    }
                }
            }
            p .back { a href=(site.path(PATH)) { "Keep them" } }
        }
    };
    screen(site, visit, "Delete dead letters", content)
}

fn redrives(site: &Site, visit: &Visit, redrives: &[RedriveState]) -> Markup {
    if redrives.is_empty() {
        return html! {};
    }
    let deletes = |it: &RedriveState| it.operation == Operation::Delete;
    let title = match redrives.iter().any(deletes) {
        true => "Redrives and deletions",
        false => "Redrives",
    };
    html! {
        section {
            h2 { (title) }
            ul .redrives { @for redrive in redrives { li { (progress(site, visit, redrive)) } } }
        }
    }
}

fn progress(site: &Site, visit: &Visit, redrive: &RedriveState) -> Markup {
    let (done, total) = (redrive.done, redrive.total);
    let (name, verb) = match redrive.operation {
        Operation::Redrive => ("Redrive", "redriven"),
        Operation::Delete => ("Deletion", "deleted"),
    };
    html! {
        progress max=(total.max(1)) value=(done) aria-label=(format!("{name} of {}", redrive.target)) {}
        span .amount { (number(done)) " of " (number(total)) " " (verb) }
        bdi { (shown(&redrive.target, REASON)) }
        span .reason { (shown(&redrive.shape, REASON)) }
        @match &redrive.end {
            None => {
                span .state.wait { "◔ " @match redrive.rate {
                    Some(rate) => { (rate) " a second" }
                    None => { "runs" }
                } }
                @if visit.visitor.may_operate {
                    form method="post" action=(site.path("/queue/cancel")) {
                        input type="hidden" name="target" value=(redrive.target);
                        button { "Cancel" }
                    }
                }
                a href=(site.path(PATH)) { "Refresh" }
            }
            Some(RedriveEnd::Finished) => {
                span .state.good { "✔ finished" }
                // Somebody else has taken them, or they are hidden for the moment.
                @if done < total { span .quiet { (number(total - done)) " were not there any more" } }
            }
            Some(RedriveEnd::Cancelled) => span .state.off { "⊘ cancelled" },
            Some(RedriveEnd::Failed { error }) => span .state.bad { "✖ failed: " (shown(error, REASON)) },
        }
        span .quiet { "started " time datetime=(redrive.started_at) { (redrive.started_at) } }
    }
}

fn screen(site: &Site, visit: &Visit, title: &str, content: Markup) -> Response {
    shell::plain(site, visit, PATH, title, content)
}

fn read<'b>(body: &'b [u8], known: &[&str]) -> Result<Query<'b>, Fault> {
    Query::read(body, known).map_err(Fault::bad_request)
}

fn group(query: &Query<'_>) -> Result<Group, Fault> {
    Ok(Group {
        target: required(query, "target")?.to_owned(),
        key: required(query, "key")?.to_owned(),
    })
}

fn required<'q>(query: &'q Query<'_>, name: &str) -> Result<&'q str, Fault> {
    query.text(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Fault {
    Fault::bad_request(format!("{name} is missing"))
}

fn fault(failure: QueueFailure) -> Fault {
    let (status, why) = match failure {
        QueueFailure::Unseen(why) | QueueFailure::Unsupported(why) => {
            (StatusCode::NOT_IMPLEMENTED, why.to_owned())
        }
        QueueFailure::NotFound(why) => (StatusCode::NOT_FOUND, why),
        QueueFailure::Conflict(why) => (StatusCode::CONFLICT, why),
        QueueFailure::Failed(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    };
    Fault::new(status, why)
}
