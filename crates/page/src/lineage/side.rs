//! The panel of the chosen node: what is known of it, what failed before it, and where to read on.

use std::collections::BTreeSet;

use history::{FoundColumn, NodeDetails, NodeKind, NodeRef};
use maud::{Markup, html};

use super::kind;
use super::list::{chooser, jobs_and_datasets, state};
use super::picture::State;
use super::read::Read;
use super::rows::{Row, Subject, rows as rows_of};
use super::wish::{View, Wish, kind_name, opened_name};
use crate::Site;
use crate::query::link;
use crate::text::{name, shown};
use crate::time::{counted, number, time};

/// How many names a list of the panel has, and how many columns.
const NAMES: usize = 8;
const COLUMNS: usize = 12;

/// The panel.
pub(super) fn side(site: &Site, wish: &Wish, read: &Read, rows: &[Row]) -> Markup {
    let focus = read.picture.focus.and_then(|at| Some((at, rows.get(at)?)));
    let Some(((at, row), node)) = focus.zip(wish.focus.as_ref()) else {
        return whole(site, wish, rows);
    };
    let known = |words: &str, positions: &[usize]| {
        html! {
            @if !positions.is_empty() {
                h3 { (words) " " (number(positions.len())) }
                ul .plain {
                    @for row in positions.iter().take(NAMES).filter_map(|at| rows.get(*at)) {
                        li { (chooser(site, wish, row)) " " (sign(row)) }
                    }
                    @if positions.len() > NAMES { li .quiet { "and " (number(positions.len() - NAMES)) " more" } }
                }
            }
        }
    };
    let (before, after) = match node.kind {
        NodeKind::Job => ("reads", "writes"),
        NodeKind::Dataset => ("written by", "read by"),
    };
    let further = read.before.as_ref().map(rows_of);
    let failed = match (&further, read.before.as_ref().and_then(|it| it.focus)) {
        (Some(rows), Some(focus)) => failed_before(rows, focus),
        (None, _) | (Some(_), None) => failed_before(rows, at),
    };
    html! {
        aside .panel aria-label="The chosen node" {
            h2 { (kind(node.kind)) " " (name(&node.name)) }
            p .quiet { (name(&node.namespace)) }
            p { (state(row)) }
            @if !failed.is_empty() {
                div .failed {
                    h3 { "failed before it" }
                    ul .plain {
                        @for row in failed.iter().take(NAMES) { li { (chooser(site, wish, row)) " " @if let Some(at) = &row.at { (time(at)) } } }
                    }
                }
            }
            (known(before, &row.before))
            (known(after, &row.after))
            @if let Some(details) = &read.details { (facts(site, wish, details, &read.columns)) }
            p .links {
                a href=(events_of(site, &search(node))) { "events" }
                " · " a href=(subject(site, node)) { (kind_name(node.kind)) }
                @if let Some(run) = read.details.as_ref().and_then(|it| it.node.facts.run.as_ref()) {
                    " · " a href=(link(&site.path("/run"), &[("id", &run.run)])) { "last run" }
                }
                @if let Some(event) = read.details.as_ref().and_then(|it| it.last_event.as_ref()) {
                    " · " a href=(site.path(&format!("/events/{event}"))) { "last event" }
                }
            }
        }
    }
}

/// Without a chosen node: the jobs that failed.
fn whole(site: &Site, wish: &Wish, rows: &[Row]) -> Markup {
    let mut failed: Vec<&Row> = rows.iter().filter(|row| is_failed_job(row)).collect();
    failed.sort_by(|one, other| other.at.cmp(&one.at));
    html! {
        aside .panel aria-label="All of it" {
            p .quiet { (jobs_and_datasets(rows)) }
            h2 { (counted(failed.len(), "failed job")) }
            ul .plain {
                @for row in failed.iter().take(2 * NAMES) { li { (chooser(site, wish, row)) " " @if let Some(at) = &row.at { (time(at)) } } }
                @if failed.len() > 2 * NAMES { li .quiet { "and " (number(failed.len() - 2 * NAMES)) " more" } }
            }
        }
    }
}

fn facts(site: &Site, wish: &Wish, details: &NodeDetails, columns: &[FoundColumn]) -> Markup {
    let facts = &details.node.facts;
    html! {
        @if let Some(parent) = &facts.parent {
            h3 { "parent" }
            p { a href=(subject(site, &NodeRef::job(parent.clone()))) { (name(&parent.name)) } }
        }
        @if !facts.aliases.is_empty() {
            h3 { "also called" }
            ul .plain { @for alias in facts.aliases.iter().take(NAMES) { li { (name(&alias.name)) span .quiet { " " (name(&alias.namespace)) } } } }
        }
        @if !columns.is_empty() && wish.view == View::Near { (columns_of(site, wish, columns)) }
    }
}

/// The columns: each leads to its path.
fn columns_of(site: &Site, wish: &Wish, columns: &[FoundColumn]) -> Markup {
    let path = site.path(super::PATH);
    let column = |name: &str| {
        Wish {
            column: Some(name.to_owned()),
            ..wish.clone()
        }
        .address(&path)
    };
    html! {
        h3 { (counted(columns.len(), "column")) " " (toggle(site, wish)) }
        ul .plain .columns {
            @for found in columns.iter().take(COLUMNS) {
                li {
                    a href=(column(&found.name)) aria-current=[(wish.column.as_ref() == Some(&found.name)).then_some("true")] { (name(&found.name)) }
                    @if let Some(of_type) = &found.of_type { span .quiet { " " (shown(of_type, 24)) } }
                }
            }
            @if columns.len() > COLUMNS { li .quiet { "and " (number(columns.len() - COLUMNS)) " more" } }
        }
    }
}

/// Opens or closes the columns of the chosen dataset.
fn toggle(site: &Site, wish: &Wish) -> Markup {
    let Some(NodeRef {
        namespace, name, ..
    }) = &wish.focus
    else {
        return html! {};
    };
    let opened = opened_name(&history::Name {
        namespace: namespace.clone(),
        name: name.clone(),
    });
    let mut open = wish.open.clone();
    let is_open = open.contains(&opened);
    match is_open {
        true => open.retain(|it| *it != opened),
        false => open.push(opened),
    }
    let address = Wish {
        open,
        ..wish.clone()
    }
    .address(&site.path(super::PATH));
    html! { a href=(address) { @if is_open { "hide" } @else { "show in the drawing" } } }
}

/// The jobs that failed before a node, the nearest first.
fn failed_before(rows: &[Row], focus: usize) -> Vec<&Row> {
    let mut seen = BTreeSet::from([focus]);
    let (mut level, mut found) = (vec![focus], Vec::new());
    while !level.is_empty() {
        let before = level
            .iter()
            .filter_map(|at| rows.get(*at))
            .flat_map(|row| &row.before);
        level = before.copied().filter(|at| seen.insert(*at)).collect();
        found.extend(
            level
                .iter()
                .filter_map(|at| rows.get(*at))
                .filter(|row| is_failed_job(row)),
        );
    }
    found
}

fn is_failed_job(row: &Row) -> bool {
    let is_job = match row.subject {
        Subject::Job(_) | Subject::Parent { .. } => true,
        Subject::Dataset(_) | Subject::More { .. } => false,
    };
    is_job && row.state_of == State::Failed
}

fn sign(row: &Row) -> Markup {
    let state = row.state_of;
    html! {
        @if state != State::NoRun {
            span class=(format!("ran {}", state.class())) title=(state.word()) { (state.sign()) span .unseen { " " (state.word()) } }
        }
    }
}

/// The page of a node.
pub(crate) fn subject(
    site: &Site,
    NodeRef {
        kind,
        namespace,
        name,
    }: &NodeRef,
) -> String {
    let path = site.path(&format!("/{}", kind_name(*kind)));
    link(&path, &[("namespace", namespace), ("name", name)])
}

/// The events that a search finds.
pub(crate) fn events_of(site: &Site, search: &str) -> String {
    link(&site.path("/"), &[("q", search)])
}

/// What finds the events that name a node.
pub(crate) fn search(
    NodeRef {
        kind,
        namespace,
        name,
    }: &NodeRef,
) -> String {
    let text = format!("{namespace}/{name}");
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{}:\"{text}\"", kind_name(*kind))
}
