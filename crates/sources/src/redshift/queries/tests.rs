use super::*;
use proptest::prelude::*;

/// SELECT INTO is lineage, too, and of type SELECT: the guide has to save what a poll reads.
#[test]
fn the_guide_saves_the_statements_that_a_poll_reads() {
    let guide = include_str!("../../../../../docs/sources/redshift.md");
    let polled = history(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH, 1);
    let (_, condition) = polled.split_once(" AND NOT (").unwrap();
    let (condition, _) = condition.split_once(") ORDER BY").unwrap();
    assert!(condition.contains("query_type"), "{condition}");
    let saved = format!("WHERE $since AND NOT ({condition})\"\n");
    assert!(guide.contains(&saved), "{saved}");
}

proptest! {
    #[test]
    fn a_name_cannot_end_its_literal(name in ".{0,40}") {
        let literal = quoted(&name);
        let inside = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let mut left = inside.replace("\\\\", "").replace("''", "");
        left.retain(|c| c == '\'' || c == '\\');
        prop_assert_eq!(left, "");
    }
}

#[test]
fn a_query_with_the_most_ids_fits_into_a_statement() {
    let ids = vec![i64::MAX; MAX_NAMES];
    let names = vec!["n".repeat(127); MAX_NAMES];
    let time = OffsetDateTime::UNIX_EPOCH;
    for query in [
        texts(&ids, time, time),
        details(&ids),
        loads(&ids),
        unloads(&ids),
        columns(&names),
        late_binding_columns(&names),
    ] {
        assert!(query.len() < 100_000, "{}", query.len());
    }
}
