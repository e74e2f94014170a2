//! The size budget: facets are cut, in a stated order, until an event fits; the event says what was cut.
//!
//! The order goes from what people can read elsewhere to what makes the graph; identity (symlinks, parent, …) is
//! never cut. Within a rank the largest goes first, so that as few as possible go. Once the event fits, what was cut is
//! put back from the most valuable down, as far as it still fits: a facet that is too large by itself takes no others
//! with it. Pure; called by the batch for targets that have a limit. The arithmetic is in `fit/plan.rs`.

mod plan;
mod set;

use openlineage::Event;

use plan::Plan;

/// An event within the budget.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The event; the same text when it fitted as it was.
    pub event: Event,
    /// What was cut, in the order of cutting.
    pub cut: Vec<Cut>,
}

/// A facet that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// JSON Pointer to where it stood.
    pub pointer: String,
    /// Its size, key and value, in bytes.
    pub bytes: usize,
}

/// An event that does not fit even without every facet that may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// What it takes with nothing left to cut, in bytes.
    pub least: usize,
}

/// The order of cutting; the last are never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Facets outside the specification: logical plans, engine properties, whole DAGs.
    Custom,
    /// What the job's own log and repository hold: environment, source code, stack traces.
    Context,
    /// Statistics and test results.
    Quality,
    /// What describes, but does not relate.
    Description,
    Sql,
    Schema,
    /// Lineage between columns, the last to go of what the event says of its own run, job and datasets.
    Columns,
    /// Identity that a parent forwards: the parent's own event has it.
    Forwarded,
    /// Identity: without these the graph splits.
    Never,
}

/// Cuts facets of the RunEvent `event` until its text has at most `limit` bytes.
///
/// What was cut is noted in the run facet `lineageProxy_cut`.
pub fn fit(event: &Event, limit: usize) -> Result<Fitted, TooLarge> {
    if event.text().len() <= limit {
        return Ok(Fitted {
            event: event.clone(),
            cut: Vec::new(),
        });
    }
    let root = event.json().ok_or(TooLarge {
        least: event.text().len(),
    })?;
    let mut plan = Plan::of(event.text(), root);
    plan.cut_down_to(limit);
    plan.put_back_up_to(limit);
    let least = plan.bytes();
    if least > limit {
        return Err(TooLarge { least });
    }
    let event = event
        .rewritten(plan.text())
        .map_err(|_| TooLarge { least })?;
    let cut = plan.cuts().cloned().collect();
    Ok(Fitted { event, cut })
}

/// How many facets were cut from an event, as its run facet `lineageProxy_cut` says.
pub fn cut_facets(event: &Event) -> usize {
    let note = (event.json()).and_then(|root| root.at(&["run", "facets", plan::NOTE, "count"]));
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
