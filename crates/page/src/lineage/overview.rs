//! What there is: namespaces, the jobs that failed last, and names that are looked for.

use axum::response::{IntoResponse, Response};
use history::{KnownNode, NodeSearch, Overview};
use maud::{Markup, html};
use serde::Serialize;

use super::wish::{View, Wish};
use super::{PATH, kind, state_of};
use crate::Site;
use crate::query::link;
use crate::shell;
use crate::text::{name, shown};
use crate::time::{number, time};
use crate::visit::{Fault, Visit};

/// How many namespaces and failed jobs are shown, and how many names are found at once.
const SHOWN: usize = 100;

/// What a client of the API gets for a search.
#[derive(Serialize)]
struct FoundNodes<'f> {
    nodes: &'f [KnownNode],
    /// How many there are, up to 10,000.
    count: u64,
}

/// Shows what there is.
pub(super) async fn page(site: &Site, visit: &Visit) -> Result<Response, Fault> {
    let history = site.history().await?;
    let overview = site
        .read(async move { history.overview(SHOWN).await })
        .await?;
    if visit.wants_json {
        return Ok(axum::Json(overview).into_response());
    }
    let content = html! {
        h1 { "Lineage" }
        (finder(site, "", None))
        @if overview.jobs + overview.datasets == 0 {
            p .quiet { "There is no lineage yet: it comes from events that are delivered. " a href=(site.path("/")) { "Events" } }
        } @else {
            p { a href=(link(&site.path(PATH), &[("all", "1")])) { "All of it, drawn" } span .quiet { " " (number(overview.jobs)) " jobs, " (number(overview.datasets)) " datasets" } }
            (failed(site, &overview))
            (namespaces(site, &overview))
        }
    };
    Ok(screen(site, visit, "Lineage", content))
}

/// Shows the names with a text in them.
pub(super) async fn find(
    site: &Site,
    visit: &Visit,
    (text, namespace): (&str, Option<&str>),
    from: usize,
) -> Result<Response, Fault> {
    let history = site.history().await?;
    let search = NodeSearch {
        text: text.to_owned(),
        namespace: namespace.map(str::to_owned),
        ..NodeSearch::default()
    };
    let found = site.read(async move { history.find_nodes(search, SHOWN, from).await });
    let (nodes, count) = found.await?;
    if visit.wants_json {
        let nodes = &nodes;
        return Ok(axum::Json(FoundNodes { nodes, count }).into_response());
    }
    let at = |from: usize| {
        let view = View::Find {
            text: text.to_owned(),
            namespace: namespace.map(str::to_owned),
        };
        let all = Wish {
            view,
            from,
            ..Wish::default()
        };
        all.address(&site.path(PATH))
    };
    let next = from.saturating_add(nodes.len());
    let content = html! {
        h1 { "Jobs and datasets" @if let Some(namespace) = namespace { " of " (name(namespace)) } }
        (finder(site, text, namespace))
        @if nodes.is_empty() {
            p .quiet { "Nothing of this name is in the lineage. " a href=(site.path(PATH)) { "What there is" } }
        } @else {
            p .quiet { (number(count)) @if count >= 10_000 { " or more" } " found" }
            (self::nodes(site, &nodes))
            p {
                @if from > 0 { a href=(at(from.saturating_sub(SHOWN))) { "Before" } " " }
                @if (next as u64) < count { a href=(at(next)) { "Next" } }
            }
        }
    };
    Ok(screen(site, visit, "Jobs and datasets", content))
}

fn screen(site: &Site, visit: &Visit, title: &str, content: Markup) -> Response {
    shell::plain(site, visit, PATH, title, content)
}

fn finder(site: &Site, text: &str, namespace: Option<&str>) -> Markup {
    html! {
        form .finder role="search" action=(site.path(PATH)) {
            label .unseen for="find-node" { "Find a job or dataset" }
            input #find-node type="search" name="find" value=(text) maxlength="500" placeholder="Find a job or dataset" autocomplete="off" spellcheck="false";
            @if let Some(namespace) = namespace { input type="hidden" name="namespace" value=(namespace); }
            button { "Find" }
        }
    }
}

fn failed(site: &Site, overview: &Overview) -> Markup {
    html! {
        @if !overview.failed.is_empty() {
            h2 { "Failed jobs" span .quiet { " " (overview.failed_count) } }
            (nodes(site, &overview.failed))
        }
    }
}

fn namespaces(site: &Site, overview: &Overview) -> Markup {
    let path = site.path(PATH);
    html! {
        h2 { "Namespaces" span .quiet { " " (number(overview.namespace_count)) } }
        div .wide role="region" aria-label="Namespaces" tabindex="0" {
            table .short {
                caption .unseen { "Namespaces with their numbers of jobs and datasets" }
                thead { tr { th scope="col" { "Namespace" } th scope="col" .number { "Jobs" } th scope="col" .number { "Datasets" } th scope="col" { "Last seen" } } }
                tbody {
                    @for it in &overview.namespaces {
                        tr {
                            td { a href=(link(&path, &[("find", ""), ("namespace", &it.namespace)])) { (name(&it.namespace)) } }
                            td .number data-label="jobs" { (number(it.jobs)) }
                            td .number data-label="datasets" { (number(it.datasets)) }
                            td data-label="last seen" { (time(&it.last_seen)) }
                        }
                    }
                }
            }
        }
        @if overview.namespace_count > overview.namespaces.len() as u64 {
            p .quiet { "These are the first " (number(overview.namespaces.len())) ": find others by a text of their names." }
        }
    }
}

/// A table of jobs and datasets, which lead to their lineage.
pub(super) fn nodes(site: &Site, nodes: &[KnownNode]) -> Markup {
    let path = site.path(PATH);
    html! {
        div .wide role="region" aria-label="Jobs and datasets" tabindex="0" {
            table .nodes {
                caption .unseen { "Jobs and datasets" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Namespace" } th scope="col" { "Last run" } } }
                tbody {
                    @for known in nodes {
                        tr {
                            td { (kind(known.node.kind)) " " a href=(Wish::default().choosing(known.node.clone()).address(&path)) { (name(&known.node.name)) } }
                            td .quiet { (shown(&known.node.namespace, 120)) }
                            td { (last_run(known)) }
                        }
                    }
                }
            }
        }
    }
}

fn last_run(known: &KnownNode) -> Markup {
    html! {
        @if let Some(run) = &known.facts.run {
            (state_of(Some(run))) " " (time(run.ended_at.as_ref().unwrap_or(&run.ran_at)))
        }
    }
}
