//! Chooses the text that a statement had, and reads it by `sql`. Called by `extract`.
//!
//! Where the pieces of a text meet it is sometimes not known whether there was a blank (`text`). So the text is read
//! without blanks first, and where the parser stumbles, the blank before that place is put in: as in `FROMorders`.

use super::history::{History, Query, Scan, may_be_cut};
use super::resolve::Moment;
use super::sql::{self, ReadOptions, Reading, Refusal, StatementLineage};
use super::text::{Assembly, Joined, whole};

/// How often a text is read at most: a long one has some hundred joints, a few of which are doubtful.
const MAX_TRIES: usize = 12;

/// What the history has of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// All of it.
    Whole(Joined),
    /// Its beginning: the rest was not found.
    Head(String),
    /// More than is read.
    TooLong,
}

/// A statement as it was read.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) text: String,
    pub(super) lineages: Vec<StatementLineage>,
}

/// Finds the text of a statement.
pub(super) fn text(history: &History, query: &Query) -> Text {
    let head = || Text::Head(whole(&query.text).tight().to_owned());
    match history
        .texts
        .get(&query.id)
        .map(super::text::Pieces::assemble)
    {
        Some(Assembly::Whole(joined)) => Text::Whole(joined),
        Some(Assembly::Gap) if may_be_cut(&query.text) => head(),
        Some(Assembly::TooLong) => Text::TooLong,
        None if may_be_cut(&query.text) => head(),
        Some(Assembly::Gap) | None => Text::Whole(whole(&query.text)),
    }
}

/// Reads a text in the way in which most of it is understood.
pub(super) fn read(joined: &Joined, moment: &Moment<'_>) -> Statements {
    let options = ReadOptions {
        case_sensitive: moment.session.case_sensitive.unwrap_or_default(),
    };
    let read = |text: String| {
        let lineages = sql::read(&text, moment, options);
        Statements { text, lineages }
    };
    let mut best = read(joined.tight().to_owned());
    let mut tried = best.clone();
    let mut blanks: Vec<usize> = Vec::new();
    for _ in 1..MAX_TRIES {
        if badness(&best) == (0, 0) || joined.joints().is_empty() {
            break;
        }
        let Some(joint) = guilty(joined, &tried, &blanks) else {
            break;
        };
        blanks.push(joint);
        blanks.sort_unstable();
        tried = read(joined.with_blanks(&blanks));
        if badness(&tried) < badness(&best) {
            best = tried.clone();
        }
    }
    if badness(&best) > (0, 0) && blanks.len() < joined.joints().len() {
        let all = read(joined.with_blanks(joined.joints()));
        if badness(&all) < badness(&best) {
            best = all;
        }
    }
    best
}

/// Reads the beginning of a text for what it does and writes. What it reads, and from which columns, would be in the rest.
pub(super) fn read_head(head: &str, moment: &Moment<'_>) -> Option<StatementLineage> {
    let mut lineages = sql::read(head, moment, ReadOptions::default()).into_iter();
    let lineage = lineages.next()?;
    Some(StatementLineage {
        columns: Vec::new(),
        star_of: Vec::new(),
        influences: Vec::new(),
        unresolved: Vec::new(),
        // A definition that is cut may have more columns.
        effects: Vec::new(),
        ..lineage
    })
}

/// What was not understood, and how many names are unresolved.
fn badness(statements: &Statements) -> (usize, usize) {
    let lineages = || statements.lineages.iter();
    let refused = lineages().filter(|lineage| lineage.reading != Reading::Parsed);
    let unresolved = lineages().map(|lineage| lineage.unresolved.len());
    (refused.count(), unresolved.sum())
}

/// The last doubtful joint before the place where the parser stumbled.
fn guilty(joined: &Joined, tried: &Statements, blanks: &[usize]) -> Option<usize> {
    let refusal = tried
        .lineages
        .iter()
        .find_map(|lineage| match lineage.reading {
            Reading::Words(refusal) => Some(refusal),
            Reading::Parsed => None,
        });
    let stumbled = match refusal? {
        Refusal::Syntax { line, column } => offset(&tried.text, line, column),
        Refusal::Unterminated => tried.text.len(),
        Refusal::TooLarge => return None,
    };
    // The blanks that were put in moved what follows them.
    let moved = |joint: usize| joint + blanks.partition_point(|blank| *blank <= joint);
    let mut joints = joined.joints().iter().rev();
    let is_doubtful =
        |joint: &&usize| moved(**joint) <= stumbled && blanks.binary_search(joint).is_err();
    joints.find(is_doubtful).copied()
}

/// The offset of a line and a column, both from 1. Line 0 is the end.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for _ in 1..line {
        start += lines.next().map_or(0, str::len);
    }
    let rest = lines.next().unwrap_or_default();
    if line == 0 {
        return text.len();
    }
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let within = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(at, _)| at);
    start + within
}

/// Whether the steps of a statement wrote anything.
pub(super) fn writes(scans: Option<&std::collections::BTreeSet<Scan>>) -> bool {
    scans.is_some_and(|scans| scans.iter().any(|scan| scan.writes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_offset() {
        assert_eq!(offset("ab\næcd", 2, 2), 5);
        assert_eq!(offset("ab\næcd", 1, 1), 0);
        assert_eq!(offset("ab", 0, 0), 2);
        assert_eq!(offset("ab", 9, 9), 2);
    }
}
