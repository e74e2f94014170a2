//! The definition of each metric: name, kind, labels and help.
//!
//! Descriptions, buckets, the zeros at the start and the table of the documentation are made from this file. Names follow
//! <https://prometheus.io/docs/practices/naming/>. There are no summaries: their quantiles cannot be aggregated over processes.

use sources::FindingRule;

use super::{Configured, Metric};

/// The definition of a metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [Label],
    /// A sentence, for `# HELP` and the documentation.
    pub(crate) help: &'static str,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// The name of a target, as configured.
    Target,
    /// The HTTP status of a response.
    Status,
    /// The name of an API key.
    Sender,
    /// Why a delivery is retried.
    RetryReason,
    /// Why an event is dead-lettered.
    DeadLetterReason,
    /// The transform rule that drops an event, or a built-in one.
    DropRule,
    /// A transform rule.
    TransformRule,
    /// The validation rule that an event was repaired to meet.
    RepairRule,
    /// The name of a source, as configured.
    Source,
    /// What became of an event that a source found.
    SourceResult,
    /// The rule of a finding of a source.
    SourceFinding,
    /// Why a source cannot poll its service.
    SourceError,
    /// The version of this program.
    Version,
}

/// From a request answered from memory to one that waited for a slow disk, and the timeouts of clients (5 s) and of
/// deliveries (30 s).
const DURATION: Kind = Kind::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
]);

/// From the batch window to a day of outage.
const AGE: Kind = Kind::Histogram(&[
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
]);

/// None, few, half, nearly all.
const RATIO: Kind = Kind::Histogram(&[0.0, 0.01, 0.1, 0.5, 0.9, 0.99]);

impl Label {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Label::Target => "target",
            Label::Status => "status",
            Label::Sender => "sender",
            Label::Source => "source",
            Label::SourceResult => "result",
            Label::RetryReason | Label::DeadLetterReason | Label::SourceError => "reason",
            Label::DropRule | Label::TransformRule | Label::RepairRule | Label::SourceFinding => {
                "rule"
            }
            Label::Version => "version",
        }
    }

    /// The values that every process can have, and the names in its configuration. API keys and rules can change while it
    /// runs.
    pub(super) fn known_values<'c>(self, configured: Configured<'c>) -> &'c [&'c str] {
        match self {
            Label::Target => configured.targets,
            Label::Source => configured.sources,
            Label::Sender | Label::TransformRule => &[],
            Label::SourceResult => &["accepted", "known", "rejected", "set_aside"],
            Label::SourceFinding => &FindingRule::NAMES,
            Label::SourceError => &["refused", "unavailable"],
            Label::Status => &[
                "400", "401", "403", "404", "405", "413", "415", "421", "429", "503",
            ],
            Label::RetryReason => &[
                "body",
                "invalid",
                "missing",
                "out_of_time",
                "permission",
                "quota",
                "rules_slow",
                "throttled",
                "unavailable",
            ],
            Label::DeadLetterReason => &[
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
            ],
            Label::DropRule => &["builtin/duplicate"],
            Label::RepairRule => &["date-time", "enum", "required", "type", "uri", "uuid"],
            Label::Version => &[env!("CARGO_PKG_VERSION")],
        }
    }
}

impl Metric {
    pub(crate) const fn definition(self) -> Definition {
        use Kind::{Counter, Gauge};
        use Label::{
            DeadLetterReason, DropRule, RepairRule, RetryReason, Sender, Source, SourceError,
            SourceFinding, SourceResult, Status, Target, TransformRule, Version,
        };
        let (name, kind, labels, help): (_, _, &'static [Label], _) = match self {
            Metric::Received => (
                "lineage_proxy_received_total",
                Counter,
                &[],
                "Events received, valid or not.",
            ),
            Metric::Accepted => (
                "lineage_proxy_accepted_total",
                Counter,
                &[],
                "Events queued and answered with 200.",
            ),
            Metric::AcceptedBefore => (
                "lineage_proxy_accepted_before_total",
                Counter,
                &[],
                "Events whose identity was accepted before: answered with 200, and not queued again.",
            ),
            Metric::HttpRejected => (
                "lineage_proxy_http_rejected_total",
                Counter,
                &[Status],
                "HTTP requests, and events of batch requests, that were rejected.",
            ),
            Metric::SenderRequests => (
                "lineage_proxy_sender_requests_total",
                Counter,
                &[Sender, Status],
                "HTTP requests by the name of their API key and the status of the response.",
            ),
            Metric::UnknownKeys => (
                "lineage_proxy_unknown_keys_total",
                Counter,
                &[],
                "HTTP requests whose API key is not known: a client with an old key, or a stranger.",
            ),
            Metric::HttpRejectedRatio => (
                "lineage_proxy_http_rejected_ratio",
                RATIO,
                &[],
                "Share of the events of each request that were rejected, from 0 to 1: sum / count is the average. Requests without a known key are left out.",
            ),
            Metric::Repairs => (
                "lineage_proxy_repairs_total",
                Counter,
                &[RepairRule],
                "Repairs made to accepted events.",
            ),
            Metric::IngestDuration => (
                "lineage_proxy_ingest_duration_seconds",
                DURATION,
                &[],
                "Time from the head of a request with events to its response; other requests, and those without a valid key, are not measured.",
            ),
            Metric::DeliveryAttempts => (
                "lineage_proxy_delivery_attempts_total",
                Counter,
                &[Target],
                "Requests sent to the target.",
            ),
            Metric::Throttled => (
                "lineage_proxy_throttled_total",
                Counter,
                &[Target],
                "Requests that the target throttled or could not serve for now.",
            ),
            Metric::Delivered => (
                "lineage_proxy_delivered_total",
                Counter,
                &[Target],
                "Events that the target accepted.",
            ),
            Metric::AlreadyThere => (
                "lineage_proxy_already_there_total",
                Counter,
                &[Target],
                "Of the delivered events, those that the target did not accept but said to have already.",
            ),
            Metric::Unchanged => (
                "lineage_proxy_unchanged_total",
                Counter,
                &[Target],
                "Events that the target has no place for, and that changed nothing there.",
            ),
            Metric::Dropped => (
                "lineage_proxy_dropped_total",
                Counter,
                &[Target, DropRule],
                "Events dropped by a rule.",
            ),
            Metric::RuleFailures => (
                "lineage_proxy_rule_failures_total",
                Counter,
                &[Target, TransformRule],
                "Events on which a rule failed.",
            ),
            Metric::RulesReloadFailures => (
                "lineage_proxy_rules_reload_failures_total",
                Counter,
                &[],
                "Checks of the rules file that found invalid or unreadable rules.",
            ),
            Metric::UnresolvedNamespaces => (
                "lineage_proxy_unresolved_namespaces_total",
                Counter,
                &[Target],
                "Redshift namespaces that could not be resolved and were left unchanged.",
            ),
            Metric::DeadLettered => (
                "lineage_proxy_dead_lettered_total",
                Counter,
                &[Target, DeadLetterReason],
                "Events that became dead letters.",
            ),
            Metric::Retries => (
                "lineage_proxy_retries_total",
                Counter,
                &[Target, RetryReason],
                "Failed deliveries that will be retried.",
            ),
            Metric::DeliveryDuration => (
                "lineage_proxy_delivery_duration_seconds",
                DURATION,
                &[Target],
                "Time that the target took for each delivered event.",
            ),
            Metric::AgeAtDelivery => (
                "lineage_proxy_age_at_delivery_seconds",
                AGE,
                &[Target],
                "Time from the acceptance of an event to its delivery.",
            ),
            Metric::AgeAtRetry => (
                "lineage_proxy_age_at_retry_seconds",
                AGE,
                &[Target],
                "Age of an event at a failed delivery that will be retried.",
            ),
            Metric::QueueEvents => (
                "lineage_proxy_queue_events",
                Gauge,
                &[Target],
                "Events in the queue: waiting, or in flight (received, or to be retried). NaN while the queue cannot be read.",
            ),
            Metric::QueueOldestAge => (
                "lineage_proxy_queue_oldest_age_seconds",
                Gauge,
                &[Target],
                "Age of the oldest event in the queue; 0 when it is empty. Absent with SQS, where CloudWatch has it.",
            ),
            Metric::DeadLetters => (
                "lineage_proxy_dead_letters",
                Gauge,
                &[Target],
                "Dead letters kept. With SQS, only where queue.dead_letter_url is set.",
            ),
            Metric::TargetUp => (
                "lineage_proxy_target_up",
                Gauge,
                &[Target],
                "0 while the target is down or could not be opened yet, else 1, also before the first event.",
            ),
            Metric::HistorySkipped => (
                "lineage_proxy_history_skipped_total",
                Counter,
                &[],
                "Outcomes that the history does not have, because they came faster than they could be written, or could not be written.",
            ),
            Metric::HistoryLineageSkipped => (
                "lineage_proxy_history_lineage_skipped_total",
                Counter,
                &[],
                "Events whose lineage the history does not have, because the events written with them named too much. Their outcomes are recorded.",
            ),
            Metric::SourceEvents => (
                "lineage_proxy_source_events_total",
                Counter,
                &[Source, SourceResult],
                "Events that a source found: accepted, known from an earlier poll, rejected for good, or set aside because of a bug.",
            ),
            Metric::SourceFindings => (
                "lineage_proxy_source_findings_total",
                Counter,
                &[Source, SourceFinding],
                "What a source could not read, or did not see, by its rule.",
            ),
            Metric::SourceErrors => (
                "lineage_proxy_source_errors_total",
                Counter,
                &[Source, SourceError],
                "Polls of a source that failed: the service was unavailable, or refused.",
            ),
            Metric::SourceLastSuccess => (
                "lineage_proxy_source_last_success_timestamp_seconds",
                Gauge,
                &[Source],
                "Time of the last successful poll of a source whose position was stored, in seconds since 1970.",
            ),
            Metric::BuildInfo => (
                "lineage_proxy_build_info",
                Gauge,
                &[Version],
                "Always 1; the label is the version of this program.",
            ),
            Metric::DataZoneProcessingFailures => (
                "lineage_proxy_datazone_processing_failures_total",
                Counter,
                &[],
                "Events that DataZone accepted and failed to process.",
            ),
        };
        Definition {
            name,
            kind,
            labels,
            help,
        }
    }
}
