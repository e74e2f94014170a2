//! The size budget: facets are cut, in a stated order, until an event fits; the event says what was cut.
//!
//! The order goes from what people can read elsewhere to what makes the graph; identity (symlinks, parent, …) is
//! never cut. Within a rank the largest goes first, so that as few as possible go. Pure; called by the batch for
//! targets that have a limit.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Edits, Event, Json, quote};

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
    /// Lineage between columns, the last to go.
    Columns,
    /// Identity: without these the graph splits.
    Never,
}

/// How many cuts the event itself lists; the rest are counted. Keeps the note small.
const NOTED: usize = 50;

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
    let containers = containers(root);
    let mut candidates: Vec<Candidate> = containers.iter().enumerate().flat_map(facets).collect();
    candidates.sort_by(|a, b| {
        (a.rank, b.cut.bytes, &a.cut.pointer).cmp(&(b.rank, a.cut.bytes, &b.cut.pointer))
    });

    let mut doomed: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let (mut cut, mut gone) = (Vec::new(), 0);
    let without = |doomed: &BTreeMap<usize, BTreeSet<String>>, cut: &[Cut]| {
        let mut edits = Edits::of(event.text());
        for (index, names) in doomed {
            if let Some((_, object)) = containers.get(*index) {
                edits.remove_members(*object, |name| names.contains(name));
            }
        }
        noted(&edits.apply(), cut)
    };
    for candidate in candidates {
        doomed
            .entry(candidate.container)
            .or_default()
            .insert(candidate.name);
        gone += candidate.cut.bytes;
        cut.push(candidate.cut);
        // Writing it out costs as much as reading the whole event, so it is done once, when it is sure to fit.
        let left = (event.text().len() + FRAME).saturating_sub(gone);
        if left > limit || left + note(&cut).len() > limit {
            continue;
        }
        let text = without(&doomed, &cut);
        if text.len() <= limit {
            let event = event
                .rewritten(text)
                .map_err(|_| TooLarge { least: limit })?;
            return Ok(Fitted { event, cut });
        }
    }
    let text = without(&doomed, &cut);
    let least = text.len();
    if least > limit {
        return Err(TooLarge { least });
    }
    let event = event.rewritten(text).map_err(|_| TooLarge { least })?;
    Ok(Fitted { event, cut })
}

struct Candidate {
    container: usize,
    name: String,
    rank: Rank,
    cut: Cut,
}

/// Every object of facets, with its pointer.
fn containers(root: Json<'_>) -> Vec<(String, Json<'_>)> {
    let mut found = Vec::new();
    for holder in ["run", "job"] {
        if let Some(facets) = root.at(&[holder, "facets"]) {
            found.push((format!("/{holder}/facets"), facets));
        }
    }
    for list in ["inputs", "outputs"] {
        let items = root.get(list).map(Json::items).unwrap_or_default();
        for (index, dataset) in items.into_iter().enumerate() {
            for own in ["facets", "inputFacets", "outputFacets"] {
                if let Some(facets) = dataset.get(own) {
                    found.push((format!("/{list}/{index}/{own}"), facets));
                }
            }
        }
    }
    found
}

fn facets((container, (pointer, object)): (usize, &(String, Json<'_>))) -> Vec<Candidate> {
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for member in object.members() {
        if let Some(name) = member.key.string() {
            // Key, colon and value. The comma does not count: the last to go has none.
            *sizes.entry(name.into_owned()).or_default() +=
                member.key.text().len() + member.value.text().len() + 1;
        }
    }
    let candidate = |(name, bytes): (String, usize)| {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        Candidate {
            container,
            rank: rank(&name),
            name,
            cut: Cut { pointer, bytes },
        }
    };
    sizes
        .into_iter()
        .map(candidate)
        .filter(|candidate| candidate.rank != Rank::Never)
        .collect()
}

fn rank(facet: &str) -> Rank {
    match facet {
        "symlinks" | "parent" | "jobDependencies" | "jobType" | "processing_engine" => Rank::Never,
        // DataZone builds a Glue table's ARN only when the run carries its GLUE_* keys.
        "environment-properties" => Rank::Never,
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

/// The facet that says what was cut.
fn note(cut: &[Cut]) -> String {
    let listed: Vec<String> = cut
        .iter()
        .take(NOTED)
        .map(|cut| {
            format!(
                r#"{{"pointer":{},"bytes":{}}}"#,
                quote(&cut.pointer),
                cut.bytes
            )
        })
        .collect();
    format!(
        r#"{{"_producer":"urn:lineage-proxy","_schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet","count":{},"facets":[{}]}}"#,
        cut.len(),
        listed.join(",")
    )
}

fn noted(text: &str, cut: &[Cut]) -> String {
    let Some(run) = Json::parse(text).ok().and_then(|root| root.get("run")) else {
        return text.to_owned();
    };
    let mut edits = Edits::of(text);
    match run.get("facets") {
        Some(facets) => edits.add_members(facets, &[(NOTE, note(cut))]),
        None => edits.add_members(
            run,
            &[("facets", format!("{{{}:{}}}", quote(NOTE), note(cut)))],
        ),
    }
    edits.apply()
}

const NOTE: &str = "lineageProxy_cut";

/// What the note takes besides, at most: `,"facets":{"lineageProxy_cut":}`.
const FRAME: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;
    use proptest::prelude::*;

    const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

    /// An event with a facet of each size under each name, on the run and on one output.
    fn event(run: &[(&str, usize)], output: &[(&str, usize)]) -> Event {
        let facets = |facets: &[(&str, usize)]| {
            let facet = |(name, size): &(&str, usize)| {
                format!(r#""{name}":{{{FACET},"pad":"{}"}}"#, "x".repeat(*size))
            };
            facets.iter().map(facet).collect::<Vec<_>>().join(",")
        };
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",
            "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{{}}}}},"job":{{"namespace":"n","name":"j"}},
            "outputs":[{{"namespace":"s","name":"t","facets":{{{}}}}}]}}"#,
            facets(run),
            facets(output)
        );
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    fn pointers(fitted: &Fitted) -> Vec<&str> {
        fitted.cut.iter().map(|cut| cut.pointer.as_str()).collect()
    }

    #[test]
    fn the_order_of_cutting_spares_what_makes_the_graph() {
        let event = event(
            &[
                ("parent", 100),
                ("errorMessage", 900),
                ("spark.logicalPlan", 800),
                ("myDebug", 900),
            ],
            &[("columnLineage", 700), ("schema", 600), ("symlinks", 100)],
        );
        let size = event.text().len();
        let custom = fit(&event, size - 500).unwrap();
        assert_eq!(pointers(&custom), ["/run/facets/myDebug"]);
        let all = fit(&event, size - 2_700).unwrap();
        let order = [
            "/run/facets/myDebug",
            "/run/facets/spark.logicalPlan",
            "/run/facets/errorMessage",
        ];
        assert_eq!(
            pointers(&all),
            [&order[..], &["/outputs/0/facets/schema"]].concat()
        );
        assert!(all.event.text().contains("columnLineage"));
        assert!(all.event.text().contains(r#""lineageProxy_cut":{"#));
    }

    #[test]
    fn what_cannot_fit_says_how_small_it_gets() {
        let event = event(&[("parent", 5_000)], &[("schema", 600)]);
        let TooLarge { least } = fit(&event, 2_000).unwrap_err();
        assert!(least > 5_000 && least < event.text().len());
    }

    #[test]
    fn an_event_that_fits_is_not_touched() {
        let event = event(&[("myDebug", 10)], &[]);
        let fitted = fit(&event, event.text().len()).unwrap();
        assert_eq!((fitted.event, fitted.cut), (event, Vec::new()));
    }

    proptest! {
        #[test]
        fn the_budget_always_holds(
            run in proptest::collection::vec(0usize..3_000, 6),
            output in proptest::collection::vec(0usize..3_000, 4),
            limit in 300usize..20_000,
        ) {
            let names = ["a", "b~/c", "sql", "errorMessage", "tags", "parent"];
            let run: Vec<_> = names.into_iter().zip(run).collect();
            let output: Vec<_> = ["schema", "columnLineage", "symlinks", "x"].into_iter().zip(output).collect();
            let event = event(&run, &output);
            match fit(&event, limit) {
                Ok(fitted) => {
                    prop_assert!(fitted.event.text().len() <= limit);
                    prop_assert_eq!(fitted.cut.is_empty(), event.text().len() <= limit);
                    prop_assert_eq!(fitted.event.run_id(), event.run_id());
                }
                Err(TooLarge { least }) => prop_assert!(least > limit),
            }
        }
    }
}
