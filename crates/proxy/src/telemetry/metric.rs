//! Every metric that there is: its name, kind, unit, what it means, its labels.
//!
//! The one place: what counts takes its metric from here, and descriptions, buckets, the zeros of the start and the table of
//! docs/operate.md are made of it. Labels have few values, and none that a stranger chooses.

#![allow(clippy::disallowed_macros)] // here, and nowhere else

use metrics::{
    Label as Pair, SharedString, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

/// A metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    /// A sentence, for `# HELP` and docs/operate.md.
    pub(crate) help: &'static str,
    pub(crate) labels: &'static [Label],
    /// Who has it: `serve`, `functions` or both.
    pub(crate) of: Of,
}

/// What kind of metric it is. There are no summaries: their quantiles cannot be put together over processes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A label.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) known: Known,
}

/// The values of a label that are there from the start.
#[derive(Debug)]
pub(crate) enum Known {
    /// These; others may come.
    These(&'static [&'static str]),
    /// The configured target.
    Target,
}

/// Where a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// `serve` and the functions that do the same.
    All,
    /// `serve` alone: what is looked at by the clock, and CloudWatch has of SQS.
    Serve,
    /// The check function alone.
    Check,
}

/// From a request answered out of memory to one that waited for a slow disk, and the time-outs of clients (5 s) and of
/// deliveries (30 s).
const DURATION: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// From the batch window to a day of outage.
const AGE: &[f64] = &[
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
];

/// None, few, half, nearly all.
const PERCENT: &[f64] = &[0.0, 1.0, 10.0, 50.0, 90.0, 99.0];

const TARGET: Label = Label {
    name: "target",
    known: Known::Target,
};
const STATUS: Label = Label {
    name: "status",
    known: Known::These(&[
        "400", "401", "403", "404", "405", "413", "415", "421", "503",
    ]),
};
/// As many as there are keys with a name.
const SENDER: Label = Label {
    name: "sender",
    known: Known::These(&[]),
};
const CLASS: Label = Label {
    name: "class",
    known: Known::These(&[
        "body",
        "invalid",
        "missing",
        "out_of_time",
        "permission",
        "quota",
        "rules_slow",
        "throttled",
        "unavailable",
    ]),
};
const CLASS_OF_DEAD: Label = Label {
    name: "class",
    known: Known::These(&[
        "body",
        "bug",
        "invalid",
        "missing",
        "out_of_time",
        "permission",
        "quota",
        "rule",
        "rules_slow",
        "throttled",
        "too_large",
        "unavailable",
    ]),
};
/// Rules that are built in; those of the rules file are added when they act.
const RULE: Label = Label {
    name: "rule",
    known: Known::These(&["duplicate"]),
};
const RULE_OF_FILE: Label = Label {
    name: "rule",
    known: Known::These(&[]),
};
const RULE_OF_REPAIR: Label = Label {
    name: "rule",
    known: Known::These(&["date-time", "enum", "required", "type", "uri", "uuid"]),
};
const VERSION: Label = Label {
    name: "version",
    known: Known::These(&[env!("CARGO_PKG_VERSION")]),
};

const fn counts(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit: Unit::Count,
        help,
        labels,
        of: Of::All,
    }
}

const fn measures(
    name: &'static str,
    buckets: &'static [f64],
    unit: Unit,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram(buckets),
        unit,
        help,
        labels: &[],
        of: Of::All,
    }
}

const fn stands(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    labels: &'static [Label],
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        unit,
        help,
        labels,
        of: Of::Serve,
    }
}

pub(crate) const RECEIVED: Metric = counts(
    "lineage_proxy_received_total",
    "Events that came in, fit or not.",
    &[],
);
pub(crate) const ACCEPTED: Metric = counts(
    "lineage_proxy_accepted_total",
    "Events that were queued and answered with 200.",
    &[],
);
pub(crate) const REFUSED: Metric = counts(
    "lineage_proxy_refused_total",
    "Requests, and events of arrays, that were refused.",
    &[STATUS],
);
pub(crate) const SENDER_REQUESTS: Metric = Metric {
    of: Of::Serve,
    ..counts(
        "lineage_proxy_sender_requests_total",
        "Requests by the name of their key and the status of their answer.",
        &[SENDER, STATUS],
    )
};
pub(crate) const REFUSED_PERCENT: Metric = measures(
    "lineage_proxy_refused_percent",
    PERCENT,
    Unit::Percent,
    "Of each request, the share of its events that is lost to its sender: sum / count is the average.",
);
pub(crate) const REPAIRED: Metric = counts(
    "lineage_proxy_repaired_total",
    "Repairs of accepted events.",
    &[RULE_OF_REPAIR],
);
pub(crate) const INGEST_DURATION: Metric = measures(
    "lineage_proxy_ingest_duration_seconds",
    DURATION,
    Unit::Seconds,
    "From the head of a request with events to its answer; no other requests, and none without a key.",
);
pub(crate) const POSTS: Metric = counts(
    "lineage_proxy_posts_total",
    "Requests to the target.",
    &[TARGET],
);
pub(crate) const REFUSED_FOR_NOW: Metric = counts(
    "lineage_proxy_refused_for_now_total",
    "Requests that the target answered with: not now.",
    &[TARGET],
);
pub(crate) const DELIVERED: Metric = counts(
    "lineage_proxy_delivered_total",
    "Events that the target has taken.",
    &[TARGET],
);
pub(crate) const DROPPED: Metric = counts(
    "lineage_proxy_dropped_total",
    "Events that a rule took out.",
    &[RULE],
);
pub(crate) const RULE_FAILED: Metric = counts(
    "lineage_proxy_rule_failed_total",
    "Events at which a rule failed.",
    &[RULE_OF_FILE],
);
pub(crate) const RULES_REFUSED: Metric = counts(
    "lineage_proxy_rules_refused_total",
    "Looks at the rules file that found wrong rules.",
    &[],
);
pub(crate) const UNRESOLVED: Metric = counts(
    "lineage_proxy_unresolved_total",
    "Names of Redshift that were left as they came.",
    &[],
);
pub(crate) const DEAD_LETTERED: Metric = counts(
    "lineage_proxy_dead_lettered_total",
    "Events that were given up.",
    &[CLASS_OF_DEAD],
);
pub(crate) const HANDED_BACK: Metric = counts(
    "lineage_proxy_handed_back_total",
    "Tries that failed and will be repeated.",
    &[CLASS],
);
pub(crate) const DELIVERY_DURATION: Metric = measures(
    "lineage_proxy_delivery_duration_seconds",
    DURATION,
    Unit::Seconds,
    "Of each delivered event, how long the target took.",
);
pub(crate) const AGE_AT_DELIVERY: Metric = measures(
    "lineage_proxy_age_at_delivery_seconds",
    AGE,
    Unit::Seconds,
    "From the acceptance of an event to its delivery.",
);
pub(crate) const AGE_AT_HAND_BACK: Metric = measures(
    "lineage_proxy_age_at_hand_back_seconds",
    AGE,
    Unit::Seconds,
    "How old an event is at a try that failed and will be repeated.",
);
pub(crate) const PROCESSING_FAILED: Metric = Metric {
    of: Of::Check,
    ..counts(
        "lineage_proxy_processing_failed_total",
        "Events that DataZone took and failed to process.",
        &[],
    )
};
pub(crate) const QUEUE_EVENTS: Metric = stands(
    "lineage_proxy_queue_events",
    Unit::Count,
    "Events in the queue: waiting for a first or another try, or under way. NaN while the queue cannot be read.",
    &[],
);
pub(crate) const QUEUE_OLDEST: Metric = stands(
    "lineage_proxy_queue_oldest_age_seconds",
    Unit::Seconds,
    "Age of the event that is in the queue for longest; 0 when it is empty. Not there with SQS, which tells CloudWatch alone.",
    &[],
);
pub(crate) const DEAD_LETTERS: Metric = stands(
    "lineage_proxy_dead_letters",
    Unit::Count,
    "Events that were given up and are kept. With SQS, where queue.dead_letter_url is set.",
    &[],
);
pub(crate) const TARGET_UP: Metric = stands(
    "lineage_proxy_target_up",
    Unit::Count,
    "0 while the target is down, else 1, also before the first event.",
    &[TARGET],
);
pub(crate) const BUILD_INFO: Metric = stands(
    "lineage_proxy_build_info",
    Unit::Count,
    "Always 1: the label says which version this is.",
    &[VERSION],
);

/// All of them, in the order of docs/operate.md.
pub(crate) const ALL: [&Metric; 25] = [
    &RECEIVED,
    &ACCEPTED,
    &REFUSED,
    &SENDER_REQUESTS,
    &REFUSED_PERCENT,
    &REPAIRED,
    &INGEST_DURATION,
    &POSTS,
    &REFUSED_FOR_NOW,
    &DELIVERED,
    &DROPPED,
    &RULE_FAILED,
    &RULES_REFUSED,
    &UNRESOLVED,
    &DEAD_LETTERED,
    &HANDED_BACK,
    &DELIVERY_DURATION,
    &AGE_AT_DELIVERY,
    &AGE_AT_HAND_BACK,
    &QUEUE_EVENTS,
    &QUEUE_OLDEST,
    &DEAD_LETTERS,
    &TARGET_UP,
    &BUILD_INFO,
    &PROCESSING_FAILED,
];

impl Metric {
    /// Counts so many.
    pub(crate) fn count(&self, by: u64) {
        counter!(self.name).increment(by);
    }

    /// The same for a value of each label.
    pub(crate) fn count_of<const N: usize>(&self, values: [SharedString; N], by: u64) {
        counter!(self.name, self.pairs(values)).increment(by);
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, value: f64) {
        gauge!(self.name).set(value);
    }

    /// The same for a value of each label.
    pub(crate) fn set_of<const N: usize>(&self, values: [SharedString; N], value: f64) {
        gauge!(self.name, self.pairs(values)).set(value);
    }

    /// Puts a value into a histogram.
    pub(crate) fn record(&self, value: f64) {
        histogram!(self.name).record(value);
    }

    fn pairs<const N: usize>(&self, values: [SharedString; N]) -> Vec<Pair> {
        let labels = self.labels.iter().zip(values);
        labels
            .map(|(label, value)| Pair::new(label.name, value))
            .collect()
    }
}

/// Describes what a `serve` has, and begins its counters and histograms at zero, so that rates are right from the first
/// event. Gauges are there with their first value.
pub(crate) fn begin(target: &'static str) {
    for metric in ALL.into_iter().filter(|metric| metric.of != Of::Check) {
        let Metric {
            name, unit, help, ..
        } = metric;
        let values = match metric.labels {
            [] => vec![Vec::new()],
            [label] => {
                let known: &[&str] = match &label.known {
                    Known::These(values) => values,
                    Known::Target => &[target],
                };
                let pair = |value: &&'static str| vec![Pair::new(label.name, *value)];
                known.iter().map(pair).collect()
            }
            _ => Vec::new(), // of several labels it is not known which values come together
        };
        match metric.kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram(_) => describe_histogram!(*name, *unit, *help),
        }
        for pairs in values {
            match metric.kind {
                Kind::Counter => counter!(*name, pairs).increment(0),
                Kind::Gauge => {}
                Kind::Histogram(_) => drop(histogram!(*name, pairs)),
            }
        }
    }
    BUILD_INFO.set_of([env!("CARGO_PKG_VERSION").into()], 1.0);
}

#[cfg(test)]
mod tests;
