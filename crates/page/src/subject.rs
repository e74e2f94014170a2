//! `GET /job`, `/dataset` and `/run`: what is known of one of them, its neighbours as a table, and its last events.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use history::{
    Found, FoundColumn, FoundRun, LatestRun, Name, NodeDetails, NodeKind, NodeRef, Page, Search,
};
use maud::{Markup, html};
use serde::Serialize;

use crate::Site;
use crate::events;
use crate::lineage::wish::{Wish, kind_name};
use crate::lineage::{self, events_of, kind, state_of, subject};
use crate::query::link;
use crate::shell;
use crate::text::{name, shown};
use crate::time::{duration, number, time};
use crate::visit::{Fault, Visit};

/// How many runs, events and neighbours are shown. A dataset that two hundred jobs read is listed in full.
const RUNS: usize = 20;
const EVENTS: usize = 20;
const NEIGHBOURS: usize = 500;

/// How many columns are shown. The widest tables known have some 4,000.
const COLUMNS: usize = 1_000;

/// What a client of the API gets for a job or a dataset.
#[derive(Serialize)]
struct Known {
    #[serde(flatten)]
    details: NodeDetails,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<FoundRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<FoundColumn>,
}

/// What a client of the API gets for a run.
#[derive(Serialize)]
struct KnownRun {
    #[serde(flatten)]
    run: FoundRun,
    job: Option<Name>,
}

/// Shows a job.
pub(crate) async fn job(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    node(&site, &visit, NodeKind::Job).await
}

/// Shows a dataset.
pub(crate) async fn dataset(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    node(&site, &visit, NodeKind::Dataset).await
}

async fn node(site: &Site, visit: &Visit, of_kind: NodeKind) -> Result<Response, Fault> {
    let query = visit.query(&["namespace", "name"])?;
    let given = |parameter: &str| {
        let why = || Fault::bad_request(format!("{parameter}: it is missing"));
        query.text(parameter).map(str::to_owned).ok_or_else(why)
    };
    let node = NodeRef {
        kind: of_kind,
        namespace: given("namespace")?,
        name: given("name")?,
    };
    let (history, asked) = (site.history().await?, node.clone());
    let known = site.read(async move {
        let Some(details) = history.node(asked.clone()).await? else {
            return Ok(None);
        };
        let named = Name {
            namespace: asked.namespace,
            name: asked.name,
        };
        let (mut runs, mut columns) = (Vec::new(), Vec::new());
        match asked.kind {
            NodeKind::Job => runs = history.runs(named, RUNS).await?,
            NodeKind::Dataset => columns = history.columns(named).await?,
        }
        Ok(Some(Known {
            details,
            runs,
            columns,
        }))
    });
    let Some(known) = known.await? else {
        let why = format!(
            "no event names the {} {}",
            kind_name(of_kind),
            shown(&node.name, 200)
        );
        return Err(Fault::not_found(why));
    };
    if visit.wants_json {
        return Ok(axum::Json(known).into_response());
    }
    let search = lineage::search(&node);
    let events = last_events(site, &search).await?;
    let title = format!("{} {}", capital(of_kind), shown(&node.name, 80));
    let content = html! {
        h1 { (capital(of_kind)) " " (name(&node.name)) }
        (facts(site, &node, &known.details))
        @if !known.columns.is_empty() { (columns(site, &node, &known.columns)) }
        @if of_kind == NodeKind::Job { (runs(site, &known.runs)) }
        (neighbours(site, &node, &known.details))
        (recent(site, &search, &events))
    };
    Ok(screen(site, visit, &title, content))
}

/// Shows a run.
pub(crate) async fn run(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["id"])?;
    let missing = || Fault::bad_request("id: it is missing");
    let id = query.text("id").map(str::to_owned).ok_or_else(missing)?;
    let (history, asked) = (site.history().await?, id.clone());
    let found = site.read(async move { history.run(asked).await }).await?;
    let Some((run, job)) = found else {
        let why = format!(
            "no event of the run {} is known, or all are forgotten",
            shown(&id, 60)
        );
        return Err(Fault::not_found(why));
    };
    if visit.wants_json {
        return Ok(axum::Json(KnownRun { run, job }).into_response());
    }
    let search = format!("run:{id}");
    let events = last_events(&site, &search).await?;
    let node = job.map(NodeRef::job);
    let content = html! {
        h1 { "Run " span .mono { (shown(&id, 60)) } }
        dl .facts-list {
            @if let Some(node) = &node {
                dt { "Job" }
                dd { a href=(subject(&site, node)) { (name(&node.name)) } span .quiet { " " (name(&node.namespace)) } }
            }
            dt { "State" }
            dd { (state_of(Some(&run.run))) }
            dt { "Began" }
            dd { (time(&run.run.started_at)) }
            @if let Some(ended_at) = &run.run.ended_at {
                dt { "Ended" }
                dd { (time(ended_at)) span .quiet { " after " (lasted(&run.run)) } }
            }
            dt { "Events" }
            dd { (number(run.events)) " · " a href=(site.path(&format!("/events/{}", run.last_event))) { "the last one" } }
        }
        @if let Some(node) = &node { p { a .button href=(in_lineage(&site, node)) { "See its job in the lineage" } } }
        (recent(&site, &search, &events))
    };
    let title = format!("Run {}", shown(&id, 8));
    Ok(screen(&site, &visit, &title, content))
}

fn screen(site: &Site, visit: &Visit, title: &str, content: Markup) -> Response {
    shell::plain(site, visit, "", title, content)
}

/// Finds the last events that a search matches. A name that is too long for one has none.
async fn last_events(site: &Site, search: &str) -> Result<Option<Found>, Fault> {
    let Ok(search) = search.parse::<Search>() else {
        return Ok(None);
    };
    let history = site.history().await?;
    let found = site
        .find(history, search, Page::Before(None), EVENTS)
        .await?;
    Ok(Some(found))
}

fn facts(site: &Site, node: &NodeRef, details: &NodeDetails) -> Markup {
    let facts = &details.node.facts;
    let one = NodeRef::job;
    html! {
        dl .facts-list {
            dt { "Namespace" }
            dd { a href=(link(&site.path(lineage::PATH), &[("find", ""), ("namespace", &node.namespace)])) { (name(&node.namespace)) } }
            @if let Some(run) = &facts.run {
                dt { "Last run" }
                dd { (state_of(Some(run))) " " (time(run.ended_at.as_ref().unwrap_or(&run.ran_at))) " · " a href=(link(&site.path("/run"), &[("id", &run.run)])) { "run " (shown(&run.run, 8)) } }
            }
            @if let Some(parent) = &facts.parent {
                dt { "Parent" }
                dd { a href=(subject(site, &one(parent.clone()))) { (name(&parent.name)) } }
            }
            @if !details.children.is_empty() {
                dt { "Parent of" }
                dd {
                    @for (at, child) in details.children.iter().take(NEIGHBOURS).enumerate() {
                        @if at > 0 { ", " }
                        a href=(subject(site, &one(child.clone()))) { (name(&child.name)) }
                    }
                }
            }
            @if !facts.aliases.is_empty() {
                dt { "Also called" }
                dd { @for alias in facts.aliases.iter().take(NEIGHBOURS) { div { (name(&alias.name)) span .quiet { " " (name(&alias.namespace)) } } } }
            }
            @if let (Some(first), Some(last)) = (&facts.first_seen, &facts.last_seen) {
                dt { "Seen" }
                dd { (time(first)) " to " (time(last)) }
            }
            dt { "Events" }
            dd { (number(details.events)) @if details.events >= 10_000 { " or more" } @if let Some(event) = &details.last_event { " · " a href=(site.path(&format!("/events/{event}"))) { "the last one" } } }
        }
        @if facts.last_seen.is_some() {
            p { a .button href=(in_lineage(site, node)) { "See it in the lineage" } }
        } @else {
            p .quiet { "It is not in the lineage: no event that names it was delivered." }
        }
    }
}

fn in_lineage(site: &Site, node: &NodeRef) -> String {
    Wish::default()
        .choosing(node.clone())
        .address(&site.path(lineage::PATH))
}

fn columns(site: &Site, node: &NodeRef, columns: &[FoundColumn]) -> Markup {
    let path = |column: &FoundColumn| {
        let wish = Wish {
            column: Some(column.name.clone()),
            ..Wish::default().choosing(node.clone())
        };
        wish.address(&site.path(lineage::PATH))
    };
    html! {
        h2 { "Columns" span .quiet { " " (number(columns.len())) } }
        div .wide role="region" aria-label="Columns" tabindex="0" {
            table .short {
                caption .unseen { "Columns, with the numbers of columns of which each is made, and that are made of it" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Type" } th scope="col" .number { "Made of" } th scope="col" .number { "Makes" } } }
                tbody {
                    @for column in columns.iter().take(COLUMNS) {
                        tr {
                            td .mono { a href=(path(column)) { (name(&column.name)) } }
                            td .quiet { (shown(column.of_type.as_deref().unwrap_or_default(), 80)) }
                            td .number data-label="made of" { (number(column.before)) }
                            td .number data-label="makes" { (number(column.after)) }
                        }
                    }
                }
            }
        }
        @if columns.len() > COLUMNS { p .quiet { "and " (number(columns.len() - COLUMNS)) " more" } }
    }
}

fn runs(site: &Site, runs: &[FoundRun]) -> Markup {
    html! {
        h2 { "Last runs" }
        @if runs.is_empty() {
            p .quiet { "No event of a run is known." }
        } @else {
            div .wide role="region" aria-label="Last runs" tabindex="0" {
                table .short {
                    caption .unseen { "The last runs, the newest first" }
                    thead { tr { th scope="col" { "Run" } th scope="col" { "State" } th scope="col" { "Began" } th scope="col" { "Took" } th scope="col" .number { "Events" } th scope="col" { "Last event" } } }
                    tbody {
                        @for run in runs {
                            tr {
                                td .mono { a href=(link(&site.path("/run"), &[("id", &run.run.run)])) { (shown(&run.run.run, 8)) } }
                                td { (state_of(Some(&run.run))) }
                                td data-label="began" { (time(&run.run.started_at)) }
                                td data-label="took" { (lasted(&run.run)) }
                                td .number data-label="events" { (number(run.events)) }
                                td data-label="last event" { a href=(site.path(&format!("/events/{}", run.last_event))) { "open" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn neighbours(site: &Site, node: &NodeRef, details: &NodeDetails) -> Markup {
    let (before, after) = match node.kind {
        NodeKind::Job => ("Reads", "Writes"),
        NodeKind::Dataset => ("Written by", "Read by"),
    };
    html! {
        @for (id, title, nodes) in [("before", before, &details.before), ("after", after, &details.after)] {
            h2 id=(id) { (title) span .quiet { " " (number(nodes.len())) } }
            @if nodes.is_empty() {
                p .quiet { "Nothing that is known." }
            } @else {
                div .wide role="region" aria-label=(title) tabindex="0" {
                    table .short {
                        caption .unseen { (title) }
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Namespace" } th scope="col" { "Lineage" } } }
                        tbody {
                            @for node in nodes.iter().take(NEIGHBOURS) {
                                tr {
                                    td { (kind(node.kind)) " " a href=(subject(site, node)) { (name(&node.name)) } }
                                    td .quiet { (name(&node.namespace)) }
                                    td { a href=(in_lineage(site, node)) { "near it" } }
                                }
                            }
                        }
                    }
                }
                @if nodes.len() > NEIGHBOURS { p .quiet { "and " (number(nodes.len() - NEIGHBOURS)) " more" } }
            }
        }
    }
}

fn recent(site: &Site, search: &str, found: &Option<Found>) -> Markup {
    html! {
        h2 { "Last events" }
        @match found {
            None => p .quiet { "Its name is too long to be looked for." },
            Some(found) if found.events.is_empty() => p .quiet { "None that are still known." },
            Some(found) => {
                div .wide role="region" aria-label="Last events" tabindex="0" { (events::table(site, found)) }
                @if found.more { p { a href=(events_of(site, search)) { "All of its events" } } }
            }
        }
    }
}

/// How long a run took.
fn lasted(run: &LatestRun) -> String {
    let parse = |text: &str| {
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()
    };
    let ended = run.ended_at.as_deref().and_then(parse);
    let Some((began, ended)) = parse(&run.started_at).zip(ended) else {
        return String::new();
    };
    duration(u64::try_from((ended - began).whole_milliseconds()).unwrap_or(0))
}

fn capital(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Job => "Job",
        NodeKind::Dataset => "Dataset",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_run_took_is_said_in_two_units() {
        let run = |ended: &str| LatestRun {
            run: String::new(),
            state: None,
            started_at: "2026-11-28T02:00:00.500Z".to_owned(),
            ended_at: Some(format!("2026-11-28T{ended}Z")),
            ran_at: String::new(),
            duration_ms: None,
        };
        assert_eq!(lasted(&run("02:00:04.500")), "4 s");
        assert_eq!(lasted(&run("02:51:07.500")), "51 min 7 s");
        assert_eq!(lasted(&run("05:51:07.500")), "3 h 51 min");
        assert_eq!(lasted(&run("01:00:00.000")), "0 s");
    }
}
