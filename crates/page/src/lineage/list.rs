//! The table of all that is shown: the drawing for those who read it, or have no script.

use history::{Name, NodeKind, NodeRef};
use maud::{Markup, html};

use super::kind;
use super::picture::State;
use super::rows::{Row, Subject};
use super::wish::Wish;
use crate::Site;
use crate::text::name;
use crate::time::{counted, number, time};

/// How many rows a page has at most, and each of several pages: the browser lays them out before it draws.
const ROWS: usize = 200;
const ROWS_OF_MANY: usize = 100;

/// How many neighbours a row names.
const NEIGHBOURS: usize = 12;

/// The table.
pub(super) fn list(site: &Site, wish: &Wish, rows: &[Row]) -> Markup {
    let count = match rows.len() <= ROWS {
        true => ROWS,
        false => ROWS_OF_MANY,
    };
    let until = wish.from.saturating_add(count).min(rows.len());
    let shown = rows.get(wish.from..until).unwrap_or_default();
    let at = |from: usize| {
        Wish {
            from,
            ..wish.clone()
        }
        .address(&site.path(super::PATH))
    };
    html! {
        h2 { "List" span .quiet { " " (jobs_and_datasets(rows)) } }
        @if rows.is_empty() {
            p .quiet { "Nothing was delivered yet, or all of it is forgotten." }
        } @else {
            div .wide role="region" aria-label="List" tabindex="0" {
                table .nodes {
                    caption .unseen { "Jobs and datasets that are shown, with what is before and after them" }
                    thead {
                        tr {
                            th scope="col" { "Name" }
                            th scope="col" { "Last run" }
                            th scope="col" { "Before" }
                            th scope="col" { "After" }
                        }
                    }
                    tbody {
                        @for row in shown {
                            tr {
                                th scope="row" { (subject(site, wish, row)) }
                                td { (state(row)) }
                                td data-label="before" { (neighbours(site, wish, rows, &row.before)) }
                                td data-label="after" { (neighbours(site, wish, rows, &row.after)) }
                            }
                        }
                    }
                }
            }
            @if wish.from > 0 || until < rows.len() {
                p {
                    @if wish.from > 0 { a href=(at(wish.from.saturating_sub(count))) { "Rows before" } " " }
                    @if until < rows.len() { a href=(at(until)) { "Rows after" } }
                }
            }
        }
    }
}

/// How many jobs and datasets there are.
pub(super) fn jobs_and_datasets(rows: &[Row]) -> String {
    let (mut jobs, mut datasets, mut more) = (0, 0, 0);
    for row in rows {
        match &row.subject {
            Subject::Job(_) => jobs += 1,
            Subject::Parent { jobs: count, .. } => jobs += count,
            Subject::Dataset(_) => datasets += 1,
            Subject::More { count } => more += count,
        }
    }
    let rest = if more > 0 {
        format!(", and {} more that do not fit", number(more))
    } else {
        String::new()
    };
    format!(
        "{}, {}{rest}",
        counted(jobs, "job"),
        counted(datasets, "dataset")
    )
}

/// The state of the last run: a sign, a word and a time.
pub(super) fn state(row: &Row) -> Markup {
    let state = row.state_of;
    // What writes a dataset may not be shown, and then nothing is known of its state.
    let is_known =
        state != State::NoRun || matches!(row.subject, Subject::Job(_) | Subject::Parent { .. });
    html! {
        @if is_known {
            span class=(format!("ran {}", state.class())) { (state.sign()) " " (state.word()) }
            @if let Some(at) = &row.at { " " (time(at)) }
        }
    }
}

fn subject(site: &Site, wish: &Wish, row: &Row) -> Markup {
    html! {
        @match &row.subject {
            Subject::Job(_) => (kind(NodeKind::Job)),
            Subject::Dataset(_) => (kind(NodeKind::Dataset)),
            Subject::Parent { jobs, .. } => span .kind .job { "parent of " (number(*jobs)) },
            Subject::More { .. } => {},
        }
        " " (chooser(site, wish, row))
        @if let Some(Name { namespace, .. }) = named(row) { span .quiet { " " (name(namespace)) } }
    }
}

/// The name of a row, as a link that chooses it.
pub(super) fn chooser(site: &Site, wish: &Wish, row: &Row) -> Markup {
    let node = match &row.subject {
        Subject::Job(name) | Subject::Parent { name, .. } => NodeRef::job(name.clone()),
        Subject::Dataset(name) => NodeRef::dataset(name.clone()),
        Subject::More { count } => return html! { span .quiet { "+ " (number(*count)) " more" } },
    };
    html! { a href=(wish.choosing(node.clone()).address(&site.path(super::PATH))) { (name(&node.name)) } }
}

fn named(row: &Row) -> Option<&Name> {
    match &row.subject {
        Subject::Job(name) | Subject::Dataset(name) | Subject::Parent { name, .. } => Some(name),
        Subject::More { .. } => None,
    }
}

fn neighbours(site: &Site, wish: &Wish, rows: &[Row], positions: &[usize]) -> Markup {
    let rest = positions.len().saturating_sub(NEIGHBOURS);
    html! {
        @if !positions.is_empty() {
            ul .plain {
                @for row in positions.iter().take(NEIGHBOURS).filter_map(|at| rows.get(*at)) {
                    li { (chooser(site, wish, row)) }
                }
                @if rest > 0 { li .quiet { "and " (rest) " more" } }
            }
        }
    }
}
