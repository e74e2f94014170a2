//! What is asked in the words of Marquez. Pure.
//!
//! A parameter of Marquez that would have no effect is an error unless it says so itself, as a time zone does.

use ::history::{NodeKind, NodeOrder, NodeSearch, Reach, RunState};

use super::facets::FacetsOf;
use crate::http::{Query, Rejection};

/// The most of a list, and the depth of lineage that Marquez takes without a number.
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_DEPTH: u32 = 20;

/// More jobs in a row than anybody has.
const MAX_DEPTH: u32 = 1_000;

const HOUR: i64 = 3_600_000;

/// The states of runs, in the words of Marquez. Its page sends an empty one for all.
/// (<https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/common/models/RunState.java>)
const STATES: [(&str, Option<RunState>); 5] = [
    ("NEW", None),
    ("RUNNING", Some(RunState::Running)),
    ("COMPLETED", Some(RunState::Completed)),
    ("ABORTED", Some(RunState::Aborted)),
    ("FAILED", Some(RunState::Failed)),
];

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// A `nodeId` without its kind: namespace and name, and the field of a dataset, with colons between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    Node(NodeKind, String),
    Field(String),
}

/// Periods until now, of a length in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) length: i64,
    pub(super) count: u32,
}

/// The states of the latest runs of the jobs that are wanted, `None` for jobs without a run; `None`: all jobs.
pub(super) type LastRunStates = Option<Vec<Option<RunState>>>;

impl Question {
    /// Parses the query of a list.
    pub(super) fn parse(query: Option<&str>, default: usize) -> Result<Question, Rejection> {
        Question::of(&read(query, &["limit", "offset"])?, default)
    }

    /// Parses the query of a list of jobs, with the states of their latest runs if only those are wanted.
    pub(super) fn of_jobs(query: Option<&str>) -> Result<(Question, LastRunStates), Rejection> {
        let known = ["limit", "offset", "lastRunStates"];
        let query = Query::read_repeated(query, &known, "lastRunStates");
        let query = query.map_err(Rejection::InvalidQuery)?;
        let states = query.words("lastRunStates", &STATES);
        let states = states.map_err(Rejection::InvalidQuery)?;
        let states = (!states.is_empty()).then_some(states);
        Ok((Question::of(&query, 100)?, states))
    }

    fn of(query: &Query<'_>, default: usize) -> Result<Question, Rejection> {
        let number = |name, most| query.number(name, most).map_err(Rejection::InvalidQuery);
        Ok(Question {
            limit: number("limit", MAX_LIMIT)?.map_or(default, |limit| limit as usize),
            offset: number("offset", u32::MAX)?.unwrap_or(0) as usize,
        })
    }
}

/// Parses the query of `/lineage`: where to begin, and how many jobs in a row. `aggregateToParentRun` has no effect on jobs and datasets in
/// Marquez either, only on the lineage of runs and of versions of datasets, which are not kept here.
/// (`lineage` in <https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/service/LineageService.java>)
pub(super) fn lineage(query: Option<&str>) -> Result<(Id, u32), Rejection> {
    let query = read(query, &["nodeId", "depth", "aggregateToParentRun"])?;
    flag(&query, "aggregateToParentRun")?;
    Ok((id(&query)?, depth(&query)?))
}

/// Parses the query of `/column-lineage`: where to begin, and how far.
pub(super) fn column_lineage(query: Option<&str>) -> Result<(Id, Reach), Rejection> {
    let query = read(query, &["nodeId", "depth", "withDownstream"])?;
    let depth = depth(&query)?;
    let down = match flag(&query, "withDownstream")? {
        true => depth,
        false => 0,
    };
    Ok((id(&query)?, Reach { up: depth, down }))
}

/// Parses the query of `/search`.
pub(super) fn search(query: Option<&str>) -> Result<(NodeSearch, usize), Rejection> {
    let query = read(query, &["q", "filter", "sort", "limit", "namespace"])?;
    let kinds = [
        ("job", Some(NodeKind::Job)),
        ("dataset", Some(NodeKind::Dataset)),
        ("all", None),
        ("", None),
    ];
    let orders = [
        ("name", NodeOrder::Name),
        ("update_at", NodeOrder::LastSeen),
        ("updated_at", NodeOrder::LastSeen),
    ];
    let text = query.text("q").unwrap_or_default();
    if text.is_empty() || text.contains('\0') {
        return Err(wrong("q: expected a part of a name"));
    }
    let order = query.word("sort", &orders);
    let search = NodeSearch {
        text: text.to_owned(),
        kind: (query
            .word("filter", &kinds)
            .map_err(Rejection::InvalidQuery)?)
        .flatten(),
        namespace: query.text("namespace").map(str::to_owned),
        delivered: true,
        order: (order.map_err(Rejection::InvalidQuery)?).unwrap_or(NodeOrder::Name),
        ..NodeSearch::default()
    };
    let limit = Question::of(&query, 10)?.limit;
    Ok((search, limit))
}

/// Parses the query of `/jobs/runs/{id}/facets`.
pub(super) fn facets(query: Option<&str>) -> Result<FacetsOf, Rejection> {
    let query = read(query, &["type"])?;
    let kind = query.word("type", &[("run", true), ("job", false)]);
    match kind.map_err(Rejection::InvalidQuery)? {
        Some(true) => Ok(FacetsOf::Run),
        Some(false) => Ok(FacetsOf::Job),
        None => Err(wrong("type: expected run or job")),
    }
}

/// Parses the query of `/stats/…`. The periods end now, in every time zone.
pub(super) fn stats(query: Option<&str>) -> Result<Stats, Rejection> {
    let query = read(query, &["period", "timezone"])?;
    let day = Stats {
        length: HOUR,
        count: 24,
    };
    let week = Stats {
        length: 24 * HOUR,
        count: 7,
    };
    let period = query.word("period", &[("day", day), ("week", week)]);
    let period = period.map_err(Rejection::InvalidQuery)?;
    period.ok_or_else(|| wrong("period: expected DAY or WEEK"))
}

fn read<'q>(query: Option<&'q str>, known: &[&str]) -> Result<Query<'q>, Rejection> {
    Query::read(query, known).map_err(Rejection::InvalidQuery)
}

fn wrong(why: &str) -> Rejection {
    Rejection::InvalidQuery(why.to_owned())
}

fn depth(query: &Query<'_>) -> Result<u32, Rejection> {
    let depth = query.number("depth", MAX_DEPTH);
    Ok(depth
        .map_err(Rejection::InvalidQuery)?
        .unwrap_or(DEFAULT_DEPTH))
}

/// In Python's words too, as its client sends them.
fn flag(query: &Query<'_>, name: &str) -> Result<bool, Rejection> {
    let flag = query.word(name, &[("true", true), ("false", false)]);
    Ok(flag.map_err(Rejection::InvalidQuery)?.unwrap_or(false))
}

fn id(query: &Query<'_>) -> Result<Id, Rejection> {
    let text = query.text("nodeId").unwrap_or_default();
    match text.split_once(':') {
        Some(("job", rest)) => Ok(Id::Node(NodeKind::Job, rest.to_owned())),
        Some(("dataset", rest)) => Ok(Id::Node(NodeKind::Dataset, rest.to_owned())),
        Some(("datasetField", rest)) => Ok(Id::Field(rest.to_owned())),
        Some(_) | None => Err(wrong(
            "nodeId: expected job:NAMESPACE:NAME, dataset:NAMESPACE:NAME or datasetField:NAMESPACE:NAME:FIELD",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_kind_and_a_name_with_any_colons() {
        let (id, depth) = lineage(Some("nodeId=dataset%3Apostgres://h:5432:a.b&depth=2")).unwrap();
        let text = "postgres://h:5432:a.b".to_owned();
        assert_eq!((id, depth), (Id::Node(NodeKind::Dataset, text), 2));
        let query = Some("nodeId=datasetField:n:a:f&withDownstream=True");
        let (id, reach) = column_lineage(query).unwrap();
        assert_eq!(id, Id::Field("n:a:f".to_owned()));
        assert_eq!(reach, Reach { up: 20, down: 20 });
    }

    #[test]
    fn states_of_runs_may_be_given_several_times_and_none_are_all() {
        let states = |query| Question::of_jobs(Some(query)).unwrap().1;
        assert_eq!(states("lastRunStates=&limit=5"), None);
        let some = states("lastRunStates=FAILED&lastRunStates=new");
        assert_eq!(some, Some(vec![Some(RunState::Failed), None]));
        let aggregated = lineage(Some("nodeId=job:n:a&aggregateToParentRun=true"));
        assert_eq!(
            aggregated.unwrap(),
            lineage(Some("nodeId=job:n:a")).unwrap()
        );
    }

    #[test]
    fn what_has_no_effect_or_no_meaning_is_named() {
        let error = |result: Result<(Id, u32), Rejection>| result.unwrap_err().to_string();
        for (query, expected) in [
            ("depth=1", "nodeId: expected job:NAMESPACE:NAME"),
            ("nodeId=run:x", "nodeId: expected job:NAMESPACE:NAME"),
            ("nodeId=job:n:a&depth=-1", "depth: expected a whole number"),
            (
                "nodeId=job:n:a&aggregateToParentRun=perhaps",
                "aggregateToParentRun: ",
            ),
            ("nodeId=job:n:a&level=1", "unknown parameter \"level\""),
        ] {
            let error = error(lineage(Some(query)));
            assert!(error.starts_with(expected), "{query}: {error}");
        }
        assert!(Question::of_jobs(Some("lastRunStates=FAIL")).is_err());
        assert!(Question::of_jobs(Some("limit=1&limit=2")).is_err());
        assert!(search(Some("filter=job")).is_err());
        assert!(stats(Some("period=YEAR")).is_err());
    }
}
