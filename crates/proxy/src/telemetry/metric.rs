//! The metrics, and the functions that record them.
//!
//! Each metric is defined in `metric/definition.rs`: name, kind, labels, help. No other file may use the macros of the
//! crate `metrics`; clippy.toml forbids it. Labels have few values, and none that a stranger chooses.

#![allow(
    clippy::disallowed_macros,
    reason = "the one file that may use the macros of the metrics crate"
)]

mod definition;

use metrics::{
    Counter, Label as Pair, SharedString, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use strum::VariantArray;

pub(crate) use definition::{Definition, Kind, Label};

/// Every metric, in the order of docs/operate.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(crate) enum Metric {
    Received,
    Accepted,
    AcceptedBefore,
    HttpRejected,
    SenderRequests,
    UnknownKeys,
    HttpRejectedRatio,
    Repairs,
    IngestDuration,
    DeliveryAttempts,
    Throttled,
    Delivered,
    AlreadyThere,
    Unchanged,
    Dropped,
    RuleFailures,
    RulesReloadFailures,
    UnresolvedNamespaces,
    DeadLettered,
    Retries,
    DeliveryDuration,
    AgeAtDelivery,
    AgeAtRetry,
    QueueEvents,
    QueueOldestAge,
    DeadLetters,
    TargetUp,
    HistorySkipped,
    HistoryLineageSkipped,
    SourceEvents,
    SourceFindings,
    SourceErrors,
    SourceLastSuccess,
    BuildInfo,
    DataZoneProcessingFailures,
}

/// One value for each label of a metric, in the order of its definition.
pub(crate) type Labels<const N: usize> = [SharedString; N];

impl Metric {
    /// Adds to a counter.
    pub(crate) fn add<const N: usize>(self, labels: Labels<N>, by: u64) {
        self.counter(labels).increment(by);
    }

    /// Sets a gauge.
    pub(crate) fn set<const N: usize>(self, labels: Labels<N>, value: f64) {
        gauge!(self.definition().name, self.pairs(labels)).set(value);
    }

    /// Returns a counter, for one that counts often: finding it costs more than adding to it.
    pub(crate) fn counter<const N: usize>(self, labels: Labels<N>) -> Counter {
        counter!(self.definition().name, self.pairs(labels))
    }

    /// Records values in a histogram.
    pub(crate) fn record_all<const N: usize>(
        self,
        labels: Labels<N>,
        values: impl IntoIterator<Item = f64>,
    ) {
        let histogram = histogram!(self.definition().name, self.pairs(labels));
        values.into_iter().for_each(|value| histogram.record(value));
    }

    /// Records a value in a histogram.
    pub(crate) fn record<const N: usize>(self, labels: Labels<N>, value: f64) {
        self.record_all(labels, [value]);
    }

    /// Returns the name and the bucket bounds of each histogram.
    pub(crate) fn histograms() -> impl Iterator<Item = (&'static str, &'static [f64])> {
        let definitions = Metric::VARIANTS.iter().map(|metric| metric.definition());
        definitions.filter_map(|definition| match definition.kind {
            Kind::Histogram(buckets) => Some((definition.name, buckets)),
            Kind::Counter | Kind::Gauge => None,
        })
    }

    fn pairs<const N: usize>(self, values: Labels<N>) -> Vec<Pair> {
        let labels = self.definition().labels;
        debug_assert_eq!(labels.len(), N, "one value for each label of {self:?}");
        let pairs = labels.iter().zip(values);
        pairs
            .map(|(label, value)| Pair::new(label.name(), value))
            .collect()
    }
}

/// The values of labels that the configuration knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configured<'c> {
    /// The names of the targets.
    pub(crate) targets: &'c [&'c str],
    /// The names of the sources.
    pub(crate) sources: &'c [&'c str],
}

/// Describes the metrics of `serve`, and registers its counters and histograms at zero with each known value of their
/// labels, so that rates are right from the first event. Gauges appear with their first value.
pub(crate) fn begin(configured: Configured<'_>) {
    let of_serve = |metric: &&Metric| **metric != Metric::DataZoneProcessingFailures;
    for metric in Metric::VARIANTS.iter().filter(of_serve) {
        let Definition {
            name,
            kind,
            labels,
            help,
        } = metric.definition();
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram(_) => describe_histogram!(name, help),
        }
        for pairs in combinations(labels, configured) {
            match kind {
                Kind::Counter => counter!(name, pairs).increment(0),
                Kind::Gauge => {}
                Kind::Histogram(_) => drop(histogram!(name, pairs)),
            }
        }
    }
    Metric::BuildInfo.set([env!("CARGO_PKG_VERSION").into()], 1.0);
}

/// Returns each combination of the known values of these labels: one empty combination if there is no label, none if a
/// label has no known value.
fn combinations(labels: &[Label], configured: Configured<'_>) -> Vec<Vec<Pair>> {
    labels.iter().fold(vec![Vec::new()], |combinations, label| {
        let values = label.known_values(configured);
        let extend = |pairs: &Vec<Pair>| {
            let with = |value: &&str| {
                let pair = Pair::new(label.name(), (*value).to_owned());
                pairs.iter().cloned().chain([pair]).collect()
            };
            values.iter().map(with).collect::<Vec<Vec<Pair>>>()
        };
        combinations.iter().flat_map(extend).collect()
    })
}

#[cfg(test)]
mod tests;
