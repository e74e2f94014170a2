//! Writes a row or a statement whose reading panicked, in the form of answers: `lineage-proxy extract redshift --input` reads
//! it again. Called by `history`, `extract` and `draft`.

use std::collections::BTreeMap;

use super::extract::Poll;
use super::history::{Query, Status, View};
use super::result::{Cell, Page, written};
use crate::UnreadInput;

/// A row of a page, by its number from 0.
pub(super) fn row(place: &str, page: &Page, number: usize) -> UnreadInput {
    UnreadInput::new(place, &bytes(&page.row(number)))
}

/// Where a statement is, for findings.
pub(super) fn place(query: &Query) -> String {
    format!("query {}, started {}", query.id, written(query.start))
}

/// A statement, with all of its text that is known.
pub(super) fn statement(poll: &Poll<'_>, query: &Query) -> UnreadInput {
    let status = match query.status {
        Status::Running => "running",
        Status::Success => "success",
        Status::Failed => "failed",
        Status::Canceled => "canceled",
    };
    let (start, end) = (written(query.start), query.end.map(written));
    let row = vec![
        Cell::Number(query.user),
        Cell::Number(query.id),
        Cell::Number(query.transaction),
        Cell::Number(query.session),
        Cell::Text(&query.database),
        Cell::Text(status),
        Cell::Text(&start),
        Cell::Text(end.as_deref().unwrap_or_default()),
        Cell::Text(&query.text),
        Cell::Text(&query.label),
        Cell::Text(&query.error),
        Cell::Text(&query.generic_hash),
    ];
    let mut answers = BTreeMap::new();
    let answer = |view: View, rows: &[Vec<Cell<'_>>]| (view.name(), Page::of(view.columns(), rows));
    answers.extend([answer(View::Queries, &[row])]);
    let pieces = poll.history.texts.get(&query.id);
    let pieces = pieces.map(|pieces| pieces.rows()).into_iter().flatten();
    let pieces = pieces.map(|(sequence, text)| {
        let cells = [query.id, sequence.into()].map(Cell::Number);
        cells.into_iter().chain([Cell::Text(text)]).collect()
    });
    let pieces: Vec<Vec<Cell<'_>>> = pieces.collect();
    if !pieces.is_empty() {
        answers.extend([answer(View::Texts, &pieces)]);
    }
    UnreadInput::new(&place(query), &bytes(&answers))
}

fn bytes(answer: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default() // maps with names as keys
}
