//! `GET /lineage`: what there is, or what is near a job or dataset, or everything; drawn, and as a table.
//!
//! The address has the whole state (`lineage/wish.rs`). What it asks for becomes a picture (`picture.rs`), which the script draws
//! (`drawing.rs`, `assets/lineage.js`) and the table lists (`rows.rs`): both show the same. `list.rs`, `side.rs` and
//! `overview.rs` write the HTML.

mod controls;
mod drawing;
mod estate;
mod grouped;
mod list;
mod opened;
mod overview;
mod packed;
mod picture;
mod read;
mod rows;
mod side;
pub(crate) mod wish;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use history::{LatestRun, NodeKind, NodeRef};
use maud::{Markup, html};
use serde::Serialize;

use crate::Site;
use crate::shell;
use crate::text::{name, shown};
use crate::visit::{Fault, Visit};
use read::{Looked, Read};
use rows::Row;
use wish::{View, Wish};

pub(crate) use drawing::{Drawing, GONE, NEW, RENAMED, compared};
pub(crate) use estate::{Estates, blocking};
pub(crate) use side::{events_of, search, subject};

/// The path of the screen.
pub(crate) const PATH: &str = "/lineage";

/// What the script gets: the drawing, and the parts of the screen beside it.
#[derive(Serialize)]
struct Parts<'s> {
    title: &'s str,
    drawing: &'s Drawing,
    parts: BTreeMap<&'static str, String>,
}

/// What a client of the API gets.
#[derive(Serialize)]
struct Answer<'s> {
    /// The position of the chosen node.
    focus: Option<usize>,
    nodes: &'s [Row],
    /// Edges between columns of opened datasets, and those on the path of the chosen column.
    columns: &'s [history::ColumnStep],
    /// Whether there is more than is shown.
    is_cut: bool,
}

/// Shows the lineage.
pub(crate) async fn page(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let wish = Wish::read(visit.uri.query().unwrap_or_default()).map_err(Fault::bad_request)?;
    match (&wish.view, &wish.focus) {
        (View::Overview, _) => overview::page(&site, &visit).await,
        (View::Find { text, namespace }, _) => {
            overview::find(&site, &visit, (text, namespace.as_deref()), wish.from).await
        }
        (View::Near | View::Whole, _) => match read::read(&site, wish).await? {
            Looked::Found(wish, read) => found(&site, &visit, &wish, *read).await,
            Looked::Unknown { node, near } => Ok(unknown(&site, &visit, &node, &near)),
        },
    }
}

async fn found(site: &Site, visit: &Visit, wish: &Wish, read: Read) -> Result<Response, Fault> {
    let rows = rows::rows(&read.picture);
    if visit.wants_json && !wish.is_drawing {
        let answer = Answer {
            focus: read.picture.focus,
            nodes: &rows,
            columns: &read.steps,
            is_cut: read.is_cut,
        };
        return Ok(axum::Json(answer).into_response());
    }
    let title = title(wish);
    let parts = [
        ("lineage-head", head(wish, &title)),
        ("controls", controls::controls(site, wish, &read)),
        ("side", side::side(site, wish, &read, &rows)),
        ("list", list::list(site, wish, &rows)),
    ];
    if wish.is_drawing {
        let drawing = read.drawing().await?;
        let parts = parts.map(|(id, markup)| (id, markup.into_string()));
        let parts = Parts {
            title: &format!("{title} · lineage-proxy"),
            drawing: &drawing,
            parts: BTreeMap::from(parts),
        };
        return Ok(axum::Json(parts).into_response());
    }
    read.begin_drawing();
    let [head, controls, side, list] = parts.map(|(_, markup)| markup);
    let asset = |file: &str| site.path(&format!("/assets/{file}"));
    let content = html! {
        div #lineage-head { (head) }
        div #controls { (controls) }
        p #undrawn .cut role="status" hidden { "It cannot be drawn now: the list has the same. Load the page again to try." }
        div .lineage {
            div .graph-frame .awaited[!rows.is_empty()] hidden {
                div .graph-tools {
                    button type="button" data-zoom="+" aria-label="larger" { "+" }
                    button type="button" data-zoom="-" aria-label="smaller" { "−" }
                    button type="button" data-zoom="0" aria-label="all of it" { "fit" }
                }
                section #graph .graph tabindex="0" role="application" aria-label="Lineage, drawn: arrows walk along it" {}
                p .graph-foot {
                    span #spoken role="status" {}
                    span { "← → along the lineage · ↑ ↓ within a column · + − 0 · Enter opens" }
                }
                button #stale type="button" hidden { "The lineage has changed: show it" }
            }
            div #side { (side) }
        }
        div #list { (list) }
        script src=(asset(site.assets().lineage())) type="module" {}
    };
    Ok(shell::plain(site, visit, PATH, &title, content))
}

fn head(wish: &Wish, title: &str) -> Markup {
    html! {
        h1 {
            @match &wish.focus {
                Some(node) => { "Lineage of the " (wish::kind_name(node.kind)) " " (name(&node.name)) }
                None => (title),
            }
        }
    }
}

fn title(wish: &Wish) -> String {
    match &wish.focus {
        Some(node) => format!("Lineage of {}", shown(&node.name, 80)),
        None => "All of the lineage".to_owned(),
    }
}

/// What is not known, with names that are like it.
fn unknown(site: &Site, visit: &Visit, node: &NodeRef, near: &[history::KnownNode]) -> Response {
    let kind = wish::kind_name(node.kind);
    if !visit.is_browser {
        let names = near
            .iter()
            .map(|it| format!("{}/{}", it.node.namespace, it.node.name));
        let names = names.collect::<Vec<_>>().join(", ");
        let like = if near.is_empty() {
            String::new()
        } else {
            format!(": did you mean {names}?")
        };
        let why = format!("no {kind} of this name is in the lineage{like}");
        return Fault::not_found(shown(&why, 2_000)).respond(site, visit);
    }
    let content = html! {
        h1 { "Not in the lineage" }
        p { "No " (kind) " " (name(&node.name)) " of the namespace " (name(&node.namespace)) " is in the lineage. It has what was delivered and is not forgotten." }
        @if !near.is_empty() {
            h2 { "Names that are like it" }
            (overview::nodes(site, near))
        }
        p { a href=(subject(site, node)) { "Events that name it" } " · " a href=(site.path(PATH)) { "What there is" } }
    };
    let mut response = shell::plain(site, visit, PATH, "Not in the lineage", content);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A sign and a word for what a node is.
pub(crate) fn kind(kind: NodeKind) -> Markup {
    match kind {
        NodeKind::Job => html! { span .kind .job { "job" } },
        NodeKind::Dataset => html! { span .kind .dataset { "dataset" } },
    }
}

/// The state of a run: a sign and a word.
pub(crate) fn state_of(run: Option<&LatestRun>) -> Markup {
    let state = run.and_then(|run| run.state);
    let state = state.map_or(picture::State::NoRun, picture::State::of);
    html! { span class=(format!("ran {}", state.class())) { (state.sign()) " " (state.word()) } }
}
