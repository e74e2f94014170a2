//! The settings as they are written: the shape of the file, with the documentation and the default of each.
//!
//! This is the one list of settings. `names.rs` finds a setting in it by its name or its variable, `docs/configuration.md` and
//! the help are made from it, and the template is held to it. The sections of the targets
//! are listed by `targets::Kind`. A setting
//! that the template does not pass to the functions says why (`x-not-on-aws`).

use std::path::PathBuf;
use std::time::Duration;

use queue::Retention;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    AccountId, CheckedText, Count, ExternalId, FilePath, Flag, OneOf, Pairs, RoleArn, Seconds,
    Setting, Size, SizeOrNone, Text,
};
use targets::{Kind, TargetSettings};

use super::formats::{
    Bucket, HostNames, ListenAddress, NamespaceStyle, Part, PathPrefix, QueueUrl, TopicArn,
    Validation,
};
use super::keys::Keys;
use super::rules::{HashKey, RulesSource};
use super::start::StartFrom;
use super::target::TargetChoice;
use super::when::When;

/// All settings, as they are written.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) config: RawConfig,
    /// The sections of all kinds of targets.
    pub(super) sections: Vec<(Kind, TargetSettings)>,
}

/// All settings but those in the sections of the targets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    /// The address that `serve` listens on: an IP address or a host name, with a port. An IPv6 address is in brackets
    /// (`[::1]:5000`). Port 0 picks a free port.
    #[schemars(extend("x-not-on-aws" = "API Gateway listens"))]
    pub(super) listen: Setting<ListenAddress>,
    /// The folder in which `serve` keeps its events.
    #[schemars(extend("x-not-on-aws" = "nothing is kept on the disk of a function"))]
    pub(super) data_dir: Setting<FilePath>,
    /// Runs one half of `serve` only: `ingest` accepts events, `batch` delivers them. Both halves use the same SQS queue.
    #[schemars(extend("x-not-on-aws" = "each function is one half"))]
    pub(super) only: Option<Setting<OneOf<Part>>>,
    /// A prefix of every path, such as the base path of a custom domain: `/lineage`.
    pub(super) path_prefix: Option<Setting<PathPrefix>>,
    /// How events are validated. `strict` accepts exactly what the OpenLineage JSON Schema accepts; `repair` also
    /// [repairs harmless deviations](http.md#what-is-repaired).
    pub(super) validation: Setting<OneOf<Validation>>,
    /// The largest body of a request, as sent.
    #[schemars(extend("x-not-on-aws" = "API Gateway accepts less"))]
    pub(super) max_body_size: Setting<Size>,
    /// The largest body of a request, decompressed.
    #[schemars(extend("x-not-on-aws" = "the default fits a function"))]
    pub(super) max_decompressed_size: Setting<Size>,
    /// The memory for the bodies of all requests together; once it is used up, requests are answered with 503. Bodies above
    /// 256 KB leave a quarter of it to smaller ones.
    #[schemars(extend("x-not-on-aws" = "a function has one request at a time"))]
    pub(super) max_body_memory: Setting<Size>,
    /// The largest number of open connections, which take 16 KB of memory or more each. At the limit, the connection that has
    /// been idle or slow longest is closed.
    #[schemars(extend("x-not-on-aws" = "API Gateway has its own limit"))]
    pub(super) max_connections: Setting<Count<1, 1_000_000>>,
    /// Host names by which clients may read from `serve`, besides its own address: see [Host names](http.md#host-names). `*.example.com` allows all
    /// names of a domain, `*` any name.
    #[schemars(extend("x-not-on-aws" = "nothing is read from a function"))]
    pub(super) allowed_hosts: Option<Setting<HostNames>>,
    /// Whether `serve` has [the page](http.md#the-page), which shows in a browser what happened to events.
    #[schemars(extend("x-not-on-aws" = "nothing is read from a function"))]
    pub(super) page: Setting<Flag>,
    /// What is logged, as a filter of
    /// [tracing-subscriber](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html): `info`,
    /// `debug` or `info,transform=debug`. Libraries log only where their crate is named (`debug,aws_smithy_runtime=trace`), since
    /// their lines can contain requests with their keys.
    pub(super) log: Setting<Text>,
    /// Who may send and read.
    pub(super) auth: AuthSettings,
    /// The queue between ingest and delivery.
    pub(super) queue: QueueSettings,
    /// How long events are kept in `data_dir` after they were delivered.
    pub(super) retention: RetentionSettings,
    /// How long what happened to each event is remembered.
    pub(super) history: HistorySettings,
    /// How events are taken from the queue and delivered.
    pub(super) batch: BatchSettings,
    /// The kind of target that events are delivered to. Its settings stand in the section of that name. `targets` gives a
    /// target a name of its own.
    #[schemars(extend("x-default" = "`store`"))]
    pub(super) target: Option<Setting<TargetChoice>>,
    /// Which events a target gets: [conditions](rules.md#conditions), as those of a rule. They hold for an event as it was
    /// accepted. Others are dropped for the target under the [built-in rule](rules.md#built-in-rules) `builtin/when`. In a
    /// variable, they are JSON.
    #[schemars(extend("x-not-on-aws" = "a rule of the file drops events"))]
    pub(super) when: Option<Setting<When>>,
    /// Where in the log a target starts that is new to it: with the next event (`new`), with the `oldest` event in the log, or
    /// with the first one that was accepted at this time or later, or that long ago. See
    /// [A target that is added](operate.md#a-target-that-is-added).
    #[schemars(extend("x-default" = "`new`; `oldest` for the first target of a log"))]
    #[schemars(extend("x-not-on-aws" = "SQS keeps no event that was settled"))]
    pub(super) start_from: Option<Setting<StartFrom>>,
    /// The rules that events are transformed by.
    pub(super) rules: RulesSettings,
    /// How datasets of Redshift are named.
    pub(super) redshift: RedshiftSettings,
    /// The check function.
    pub(super) check: CheckSettings,
    /// The source function.
    pub(super) function: FunctionSettings,
    /// Metrics.
    pub(super) metrics: MetricsSettings,
}

/// Who may send and read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuthSettings {
    /// Keys by name, each with its roles: see [Keys](#keys). The keys of a list may send.
    #[schemars(extend("x-not-on-aws" = "keys are in the secret"))]
    pub(super) keys: Option<Setting<Keys>>,
    /// A secret of AWS Secrets Manager with keys in the same forms, or with a key on each line. It is read again while running.
    pub(super) secret_id: Option<Setting<Text>>,
    /// Lets anyone send; and read, unless there is a secret or a key with the role `read`. Without it, `serve` works without
    /// keys only on a loopback address.
    pub(super) allow_anonymous: Setting<Flag>,
}

/// The queue between ingest and delivery.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueSettings {
    /// The URL of an SQS queue. Without it, `serve` queues events in `data_dir`.
    pub(super) url: Option<Setting<CheckedText<QueueUrl>>>,
    /// The ARN of an SNS topic that events are published to instead, for [several targets on AWS](aws.md#several-targets): the
    /// queue of each of them subscribes to it, with raw message delivery. `serve` with `only: ingest` then needs no `queue.url`.
    pub(super) topic_arn: Option<Setting<CheckedText<TopicArn>>>,
    /// The topic's own `MaximumMessageSize`, from 1 KiB to 1 MiB. Larger events go to the bucket.
    pub(super) topic_message_size: Setting<Size>,
    /// The URL of the SQS queue for dead letters.
    pub(super) dead_letter_url: Option<Setting<CheckedText<QueueUrl>>>,
    /// An S3 bucket for events that are too large for SQS or the topic; their messages point to it. A general-purpose bucket, or the alias
    /// of an access point; not an ARN.
    pub(super) bucket: Option<Setting<CheckedText<Bucket>>>,
    /// How long a batch may take before its events are delivered again. With SQS, `batch.window` and 4 s are added.
    #[schemars(extend("x-not-on-aws" = "an attribute of the queue"))]
    pub(super) visibility_timeout: Setting<Seconds<10, 43_200>>,
    /// How often delivery is attempted before an event becomes a dead letter. The default covers an outage of about a day.
    pub(super) max_attempts: Setting<Count<1, 1_000>>,
}

/// How long events are kept in `data_dir` after they were delivered: see [Retention](operate.md#retention). Whichever bound is
/// reached first counts. An event that is not delivered everywhere, and a dead letter, is kept whatever they say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetentionSettings {
    /// How long an event is kept after it was accepted, to be read back and replayed. `0` deletes it when it is delivered.
    /// With an SQS queue, nothing is kept.
    #[schemars(extend("x-not-on-aws" = "SQS keeps no event that is delivered"))]
    pub(super) age: Setting<Seconds<0, MAX_AGE>>,
    /// The size that the file of the events may have, if fewer are kept then: the oldest are deleted first. `0` deletes an
    /// event when it is delivered.
    #[schemars(extend("x-not-on-aws" = "SQS keeps no event that is delivered"))]
    pub(super) size: Setting<SizeOrNone>,
}

/// How long what happened to each event is remembered: see [History](operate.md#history). Whichever bound is reached first counts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HistorySettings {
    /// How long `serve` remembers what happened to an event, after its last outcome. `0` switches the history off. With an SQS
    /// queue, there is none.
    #[schemars(extend("x-not-on-aws" = "the log of the functions tells it"))]
    pub(super) age: Setting<Seconds<0, MAX_AGE>>,
    /// Of how many events it remembers that: the newest. A million take about 500 MB.
    #[schemars(extend("x-not-on-aws" = "the log of the functions tells it"))]
    pub(super) events: Setting<Count<1, 1_000_000_000>>,
}

/// Ten years, in seconds. What is kept for good belongs into an archive.
const MAX_AGE: u64 = 315_576_000;

/// How events are taken from the queue and delivered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BatchSettings {
    /// The largest number of events in a batch. A `file` and the `store` get up to eight times as many at once while they wait
    /// for a first attempt, twice as many where only one core can be used.
    #[schemars(extend("x-not-on-aws" = "a property of the event source"))]
    pub(super) size: Setting<Count<1, 10_000>>,
    /// How long the first event of a batch waits for others.
    #[schemars(extend("x-not-on-aws" = "a property of the event source"))]
    pub(super) window: Setting<Seconds<0, 300>>,
    /// How many deliveries are in progress at once, in all batches together. A target that takes several events at once, such
    /// as a `file` and the `store`, is not limited by it.
    #[schemars(extend("x-not-on-aws" = "bounded by the batch and the rate"))]
    pub(super) concurrency: Setting<Count<1, 1_000>>,
    /// How long a copy of an event, byte for byte the same, is dropped under the built-in rule `builtin/duplicate`: a
    /// client that does not get a response in time sends an event up to six times. `0` drops none.
    #[schemars(extend("x-not-on-aws" = "the default fits all clients"))]
    pub(super) deduplication_window: Setting<Seconds<0, 3_600>>,
}

/// The rules that events are transformed by.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RulesSettings {
    /// The [rules file](rules.md): a path or `s3://BUCKET/KEY`. In a configuration file, a relative path starts at its folder.
    pub(super) file: Option<Setting<RulesSource>>,
    /// How often the rules file is checked for changes.
    #[schemars(extend("x-default" = "`2s`; `1m` for S3"))]
    pub(super) refresh: Option<Setting<Seconds<1, 86_400>>>,
    /// The key of the hashes that replace redacted values, of at least 32 characters.
    #[schemars(extend("x-not-on-aws" = "the key is in a secret"))]
    pub(super) hash_key: Option<Setting<HashKey>>,
    /// A secret of AWS Secrets Manager whose text is that key.
    pub(super) hash_key_secret_id: Option<Setting<Text>>,
}

/// How datasets of Redshift are named.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RedshiftSettings {
    /// The form that the [names of Redshift datasets](#redshift-names) are rewritten to; `none` leaves them unchanged.
    #[schemars(extend("x-default" = "`endpoint` for DataZone or with `redshift.hosts`; `none` otherwise"))]
    pub(super) style: Option<Setting<OneOf<NamespaceStyle>>>,
    /// The full endpoint of each host that events may name: `10.1.2.3: my-wg.123….amazonaws.com:5439`.
    pub(super) hosts: Option<Setting<Pairs>>,
    /// The AWS account of warehouses for which AWS does not return one.
    pub(super) account: Option<Setting<CheckedText<AccountId>>>,
    /// Whether short names are looked up with AWS.
    #[schemars(extend("x-default" = "`true` for DataZone; `false` otherwise"))]
    pub(super) lookup: Option<Setting<Flag>>,
    /// A role to assume for looking up names, in the account of the warehouses.
    pub(super) role_arn: Option<Setting<RoleArn>>,
    /// The external id that the trust policy of the role asks for, if it does.
    pub(super) external_id: Option<Setting<CheckedText<ExternalId>>>,
}

/// The check function.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CheckSettings {
    /// The time that one run of the check function covers: that between two runs.
    pub(super) period: Setting<Seconds<60, 86_400>>,
}

/// The source function.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FunctionSettings {
    /// The DynamoDB table in which the source function remembers what it has seen. Required there.
    pub(super) table: Option<Setting<Text>>,
    /// The URL of the source's dead letters, into which the source function puts what cannot be read because of a bug.
    pub(super) dead_letter_url: Option<Setting<CheckedText<QueueUrl>>>,
}

/// Metrics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MetricsSettings {
    /// The CloudWatch namespace of the metrics of the functions.
    pub(super) namespace: Setting<Text>,
}

impl Default for RawConfig {
    fn default() -> RawConfig {
        RawConfig {
            listen: Setting(ListenAddress::LOCAL),
            data_dir: Setting(PathBuf::from("lineage-data")),
            only: None,
            path_prefix: None,
            validation: Setting(Validation::default()),
            max_body_size: Setting(10_000_000),
            max_decompressed_size: Setting(32_000_000),
            max_body_memory: Setting(256_000_000),
            max_connections: Setting(4_096),
            allowed_hosts: None,
            page: Setting(true),
            log: Setting("info".to_owned()),
            auth: AuthSettings::default(),
            queue: QueueSettings::default(),
            retention: RetentionSettings::default(),
            history: HistorySettings::default(),
            batch: BatchSettings::default(),
            target: None,
            when: None,
            start_from: None,
            rules: RulesSettings::default(),
            redshift: RedshiftSettings::default(),
            check: CheckSettings::default(),
            function: FunctionSettings::default(),
            metrics: MetricsSettings::default(),
        }
    }
}

impl Default for QueueSettings {
    fn default() -> QueueSettings {
        QueueSettings {
            url: None,
            topic_arn: None,
            topic_message_size: Setting(262_144), // the default of SNS
            dead_letter_url: None,
            bucket: None,
            visibility_timeout: Setting(Duration::from_secs(60)),
            max_attempts: Setting(100),
        }
    }
}

impl Default for RetentionSettings {
    fn default() -> RetentionSettings {
        let Retention { age, bytes } = Retention::default();
        RetentionSettings {
            age: Setting(age),
            size: Setting(bytes),
        }
    }
}

impl Default for HistorySettings {
    fn default() -> HistorySettings {
        let history::Retention { age, events } = history::Retention::default();
        HistorySettings {
            age: Setting(age),
            events: Setting(events),
        }
    }
}

impl Default for BatchSettings {
    fn default() -> BatchSettings {
        BatchSettings {
            size: Setting(20),
            window: Setting(Duration::from_secs(5)),
            concurrency: Setting(20),
            // A client that gets no answer sends the same bytes up to six times, within some 40 s (openlineage-python).
            deduplication_window: Setting(Duration::from_secs(60)),
        }
    }
}

impl Default for CheckSettings {
    fn default() -> CheckSettings {
        CheckSettings {
            period: Setting(Duration::from_secs(3_600)),
        }
    }
}

impl Default for MetricsSettings {
    fn default() -> MetricsSettings {
        MetricsSettings {
            namespace: Setting("LineageProxy".to_owned()),
        }
    }
}
