//! What the service runs and keeps for itself: it is nobody's lineage.

use super::super::history::Query;
use super::super::warehouse::Source;

/// The user of the service itself.
const SERVICE_USER: i64 = 1;

/// Whether the service runs a statement for itself.
pub(super) fn is_internal(query: &Query) -> bool {
    const PREFIXES: [&str; 4] = [
        "padb_fetch_sample:",
        "small table conversion:",
        "small table validation:",
        "create temp table volt_tt_",
    ];
    let begins = |prefix: &&str| {
        let begin = query.text.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    query.user == SERVICE_USER || PREFIXES.iter().any(begins) || is_fetch(&query.text)
}

/// `fetch 1000 in "cursor"`.
fn is_fetch(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace().take(3);
    words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("fetch"))
        && words.next().is_some()
        && words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("in"))
}

/// The tables in which the service keeps materialized views.
pub(super) fn is_internal_table(output: &Source) -> bool {
    match output {
        Source::Table(place) => {
            place.table.starts_with("mv_tbl__") || place.table.starts_with("volt_tt_")
        }
        Source::S3 { .. } | Source::DynamoDb(_) | Source::Emr { .. } => false,
    }
}
