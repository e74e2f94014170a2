//! The size limit: cuts facets from an event, in a fixed order, until it fits, and lists them in a run facet.
//!
//! The order goes from what people can read elsewhere to what makes the graph. Identity (symlinks, parent, …) is never
//! cut. Within a rank the largest facet is cut first, so that as few as possible are cut. Once the event fits, cut facets
//! are restored as far as they still fit, the most valuable first: one facet that is too large by itself must not cost
//! the others. Pure. Called by the built-in rule for targets with a size limit. The arithmetic is in `fit/plan.rs`.

mod plan;
mod set;

use openlineage::Event;

use plan::Plan;

/// An event within the limit.
#[derive(Debug, Clone)]
pub struct FittedEvent {
    /// The event. Its text is unchanged if it fits as it is.
    pub event: Event,
    /// The facets that were cut, in the order of cutting.
    pub cut: Vec<CutFacet>,
}

/// A facet that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutFacet {
    /// JSON Pointer to its former position.
    pub pointer: String,
    /// The size of key and value, in bytes.
    pub bytes: usize,
}

/// The error for an event that does not fit even without all facets that may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitError {
    /// Its size without these facets, in bytes.
    pub smallest: usize,
}

/// The order of cutting: the first rank is cut first, the last never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Facets that are not in the specification: logical plans, engine properties, whole DAGs.
    Custom,
    /// What the log and the repository of the job contain: environment, source code, stack traces.
    Context,
    /// Statistics and test results.
    Quality,
    /// What describes a dataset or job but does not connect it to others.
    Description,
    Sql,
    Schema,
    /// Lineage between columns: the last to be cut of the facets of the event's own run, job and datasets.
    Columns,
    /// Identity that a parent forwards: the event of the parent has it, too.
    Forwarded,
    /// Identity: without these the graph splits.
    Never,
}

/// Cuts facets of the RunEvent `event` until its text has at most `limit` bytes.
///
/// Lists the cut facets in the run facet `lineageProxy_cut`.
pub fn fit(event: &Event, limit: usize) -> Result<FittedEvent, FitError> {
    if event.text().len() <= limit {
        return Ok(FittedEvent {
            event: event.clone(),
            cut: Vec::new(),
        });
    }
    let indexed = event.indexed();
    let root = indexed.json();
    let mut plan = Plan::of(event.text(), root);
    plan.cut_down_to(limit);
    plan.restore_up_to(limit);
    let smallest = plan.bytes();
    if smallest > limit {
        return Err(FitError { smallest });
    }
    let event = event
        .rewritten(plan.text())
        .map_err(|_| FitError { smallest })?;
    let cut = plan.cuts().cloned().collect();
    Ok(FittedEvent { event, cut })
}

/// Returns how many facets were cut from an event, according to its run facet `lineageProxy_cut`.
pub fn cut_facets(event: &Event) -> usize {
    let note = event.json().at(&["run", "facets", plan::NOTE, "count"]);
    note.and_then(|count| count.text().parse().ok())
        .unwrap_or(0)
}

fn rank(facet: &str, forwarded: bool) -> Rank {
    match facet {
        "symlinks"
        | "parent"
        | "parentRun"
        | "jobDependencies"
        | "jobType"
        | "processing_engine"
        | "environment-properties" => match forwarded {
            true => Rank::Forwarded,
            // DataZone builds a Glue table's ARN only when the run carries its GLUE_* keys: `environment-properties`.
            false => Rank::Never,
        },
        "columnLineage" | "lineage" => Rank::Columns,
        "schema" => Rank::Schema,
        "sql" => Rank::Sql,
        "documentation"
        | "ownership"
        | "tags"
        | "sourceCodeLocation"
        | "storage"
        | "version"
        | "catalog"
        | "lifecycleStateChange"
        | "datasetType"
        | "hierarchy"
        | "dataSource"
        | "subset"
        | "nominalTime"
        | "externalQuery" => Rank::Description,
        "dataQualityMetrics"
        | "dataQualityAssertions"
        | "inputStatistics"
        | "outputStatistics"
        | "test" => Rank::Quality,
        "environmentVariables"
        | "executionParameters"
        | "sourceCode"
        | "errorMessage"
        | "extractionError" => Rank::Context,
        _ => Rank::Custom,
    }
}

#[cfg(test)]
mod tests;
