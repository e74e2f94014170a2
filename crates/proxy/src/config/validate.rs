//! Builds a valid configuration from the written settings: checks what settings require of each other and for a role.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use aws::ExternalIdAlone;
use queue::{Destination, EmbeddedConfig, QueueConfig, QueueUrl, Retention, SqsConfig, Topic};
use settings::{CheckedText, Format, Setting, Size};
use targets::{Kind, RuleUse};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use transform::{Redshift, Style};

use super::formats::{ListenAddress, Part};
use super::problems::{Origins, Problems};
use super::raw::{AuthSettings, Raw, RawConfig, RedshiftSettings};
use super::rules::RulesFile;
use super::target::{self, ChosenTarget};
use super::{Auth, Batch, Check, Config, Ingest, PipelineConfig, Role};

impl Raw {
    /// Builds the configuration for `role`. Reports all errors; returns `None` if it is incomplete.
    pub(super) fn validate(self, role: Role, problems: &mut Problems) -> Option<Config> {
        let Raw {
            config: raw,
            sections,
        } = self;
        let listen = listen(&raw.listen, role, problems);
        let ingest = raw.ingest(problems);
        let queue = raw.queue(role, problems);
        let only_accepts = raw.only.as_deref() == Some(&Part::Ingest);
        let has_log = only_accepts || !problems.is_set("queue.url");
        let chosen = target::choose(raw.target.as_deref(), sections, role, has_log, problems);
        let mut rules = RulesFile::from_raw(&raw.rules, problems);
        let rules_applied = chosen.as_ref().map(ChosenTarget::rules_applied);
        if let (Some(chosen), true) = (&chosen, problems.is_set("rules.file")) {
            chosen.require_decision_on_rules(problems);
        }
        let target = chosen.and_then(|chosen| chosen.validate(problems));
        log_filter(&raw.log, role, problems);
        let accepts_http = match role {
            Role::Serve => listen.is_some_and(|listen| !listen.ip().is_loopback()),
            Role::Ingest => true,
            Role::Batch | Role::Check | Role::Source | Role::Tool => false,
        };
        if role == Role::Source {
            let message =
                "is required: the table in which the source function remembers what it has seen";
            problems.require(
                "function.table",
                "queue.url",
                raw.function.table.as_ref(),
                message,
            );
        }
        if accepts_http && !is_authenticated(&raw.auth, problems) {
            problems.general(
                "refusing to accept events from anyone who can reach the address: set auth.keys or auth.secret_id, \
                 or allow it with --allow-anonymous (auth.allow_anonymous: true)",
            );
        }
        let redshift_role = redshift_role(&raw.redshift, problems);
        let (target, rules_applied) = (target?, rules_applied?);
        let (mut redshift, mut redshift_lookup) = redshift(raw.redshift, target.kind.kind());
        match rules_applied {
            RuleUse::Always => {}
            RuleUse::Never | RuleUse::NotDecided(_) => {
                (rules.source, redshift.style, redshift_lookup) = (None, Style::None, false);
            }
        }
        Some(Config {
            listen: listen?,
            data_dir: raw.data_dir.into_value(),
            ingest,
            queue,
            pipeline: PipelineConfig {
                target,
                when: raw.when.map(Setting::into_value),
                start_from: raw.start_from.map(Setting::into_value),
                batch: Batch {
                    size: *raw.batch.size as usize,
                    window: *raw.batch.window,
                    concurrency: *raw.batch.concurrency as usize,
                    deduplication_window: *raw.batch.deduplication_window,
                },
                rules,
                redshift,
                redshift_lookup,
                redshift_role,
            },
            further: Vec::new(),
            sources: Vec::new(),
            check: Check {
                period: *raw.check.period,
            },
            function_table: raw.function.table.map(Setting::into_value),
            function_dead_letters: (raw.function.dead_letter_url)
                .map(|url| QueueUrl::new(url.into_value())),
            metrics_namespace: raw.metrics.namespace.into_value(),
            history: history::Retention {
                age: *raw.history.age,
                events: *raw.history.events,
            },
            max_connections: *raw.max_connections as usize,
            only: raw.only.as_deref().copied(),
            origins: Origins::default(),
            log: raw.log.into_value(),
        })
    }
}

impl RawConfig {
    fn ingest(&self, problems: &mut Problems) -> Ingest {
        let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let ingest = Ingest {
            path_prefix: self.path_prefix.as_deref().cloned().unwrap_or_default(),
            level: self.validation.0.0,
            max_body_size: size(*self.max_body_size),
            max_decompressed_size: size(*self.max_decompressed_size),
            max_body_memory: size(*self.max_body_memory),
            allowed_hosts: self.allowed_hosts.as_deref().cloned().unwrap_or_default(),
            auth: Auth {
                keys: self.auth.keys.as_deref().cloned().unwrap_or_default(),
                secret_id: self.auth.secret_id.as_deref().cloned(),
                anonymous: *self.auth.allow_anonymous,
            },
            page: *self.page,
        };
        // A quarter of the memory is reserved for small bodies.
        let largest = ingest
            .max_body_size
            .saturating_add(ingest.max_decompressed_size);
        if largest > ingest.max_body_memory / 4 * 3 {
            let least = Size::show(&(largest.div_ceil(3).saturating_mul(4) as u64));
            let found = Size::show(&self.max_body_memory);
            let message = format!(
                "expected at least {least}, four thirds of max_body_size and max_decompressed_size together, \
                 found {found}: one request could not be read"
            );
            problems.at_or_beside("max_body_memory", "max_body_size", message);
        }
        ingest
    }

    fn queue(&self, role: Role, problems: &mut Problems) -> QueueConfig {
        let settings = &self.queue;
        let only = self.only.as_deref().copied();
        let topic = self.topic(problems);
        // What only publishes needs no queue.
        let publishes = topic.is_some()
            && (matches!(role, Role::Ingest | Role::Source) || only == Some(Part::Ingest));
        let is_function = match role {
            Role::Ingest | Role::Batch | Role::Source => true,
            Role::Serve | Role::Check | Role::Tool => false,
        };
        if is_function && !publishes {
            let message = "is required: the function needs an SQS queue";
            problems.require("queue.url", "target", settings.url.as_ref(), message);
        }
        if self.start_from.is_some() && (settings.url.is_some() || topic.is_some()) {
            let message = "cannot be combined with SQS, which keeps no event that was settled";
            problems.at("start_from", message);
        }
        if !publishes && !problems.is_set("queue.url") {
            if only.is_some() {
                let message = "requires queue.url: ingest and batch can run in two processes only with an SQS queue between them";
                problems.at("only", message);
            } else if topic.is_some() && role != Role::Batch {
                let message = "requires queue.url, the queue of this target, which subscribes to the topic; or only: ingest";
                problems.at("queue.topic_arn", message);
            }
        }
        if role == Role::Batch || settings.url.is_some() && role == Role::Serve {
            let message = "is required with an SQS queue: dead letters need a queue of their own";
            problems.require(
                "queue.dead_letter_url",
                "queue.url",
                settings.dead_letter_url.as_ref(),
                message,
            );
        }
        let (visibility_timeout, max_attempts) =
            (*settings.visibility_timeout, *settings.max_attempts);
        let url =
            |url: &Option<Setting<CheckedText<_>>>| url.as_deref().cloned().map(QueueUrl::new);
        let queue = url(&settings.url);
        if let (Some(queue), Some(topic)) = (&queue, &topic)
            && queue.is_fifo()
            && !topic.is_fifo()
        {
            // https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html
            problems.at(
                "queue.topic_arn",
                "is a standard topic, which cannot deliver to the FIFO queue in queue.url",
            );
        }
        let destination = match (&queue, topic) {
            (_, Some(topic)) => Destination::Topic(topic),
            (Some(queue), None) => Destination::Queue(queue.clone()),
            (None, None) => {
                return QueueConfig::Embedded(EmbeddedConfig {
                    dir: self.data_dir.0.clone(),
                    visibility_timeout,
                    max_attempts,
                    retention: Retention {
                        age: *self.retention.age,
                        bytes: *self.retention.size,
                    },
                });
            }
        };
        QueueConfig::Sqs(SqsConfig {
            destination,
            queue,
            dead_letters: url(&settings.dead_letter_url),
            bucket: settings.bucket.as_deref().cloned(),
            visibility_timeout,
            max_attempts,
        })
    }

    /// Returns the topic that events are published to.
    fn topic(&self, problems: &mut Problems) -> Option<Topic> {
        // What SNS allows (https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html).
        const SIZES: RangeInclusive<u64> = 1_024..=1_048_576;
        let arn = self.queue.topic_arn.as_deref()?;
        let size = *self.queue.topic_message_size;
        if !SIZES.contains(&size) {
            let found = Size::show(&size);
            let message = format!("expected a size from 1 KiB to 1 MiB, found {found}");
            problems.at("queue.topic_message_size", message);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Some(Topic::new(arn.clone(), size))
    }
}

/// Returns the address to listen on. Only `serve` resolves a name.
fn listen(listen: &ListenAddress, role: Role, problems: &mut Problems) -> Option<SocketAddr> {
    match (role, listen) {
        (Role::Serve, _) | (_, ListenAddress::Address(_)) => match listen.resolve() {
            Ok(address) => Some(address),
            Err(message) => {
                problems.at("listen", message);
                None
            }
        },
        (
            Role::Ingest | Role::Batch | Role::Check | Role::Source | Role::Tool,
            ListenAddress::Name(_, port),
        ) => Some(SocketAddr::from(([0, 0, 0, 0], *port))),
    }
}

/// Checks that only clients with a key can send, or that anonymous access was allowed. Invalid keys are reported
/// already.
fn is_authenticated(auth: &AuthSettings, problems: &Problems) -> bool {
    let has_keys = auth.keys.as_ref().is_some_and(|keys| !keys.is_empty());
    let has_invalid_keys = auth.keys.is_none() && problems.is_set("auth.keys");
    has_keys || has_invalid_keys || auth.secret_id.is_some() || *auth.allow_anonymous
}

/// By default, names are rewritten only for a target that does not resolve short ones; with `redshift.hosts`, for every
/// target.
fn redshift(settings: RedshiftSettings, target: Kind) -> (Redshift, bool) {
    let needs_endpoints = target.capabilities().needs_redshift_endpoints;
    let hosts = settings.hosts.map(Setting::into_value).unwrap_or_default();
    let style = match settings.style {
        Some(style) => style.0.0,
        None if needs_endpoints || !hosts.is_empty() => Style::Endpoint,
        None => Style::None,
    };
    let hosts = hosts.into_iter();
    let redshift = Redshift {
        style,
        hosts: hosts
            .map(|(host, full)| (host.to_ascii_lowercase(), full))
            .collect(),
        account: settings.account.as_deref().cloned(),
    };
    (
        redshift,
        settings.lookup.map_or(needs_endpoints, |lookup| *lookup),
    )
}

/// The role that is assumed for looking up names.
fn redshift_role(settings: &RedshiftSettings, problems: &mut Problems) -> Option<aws::Role> {
    let role = aws::Role::of(settings.role_arn.clone(), settings.external_id.clone());
    role.unwrap_or_else(|ExternalIdAlone| {
        let message = "is required with redshift.external_id";
        let cause = "redshift.external_id";
        problems.require("redshift.role_arn", cause, None::<&()>, message);
        None
    })
}

/// A function with an invalid filter starts nevertheless, because one that does not start accepts no events. It logs at
/// `info`, and reports the error.
fn log_filter(filter: &str, role: Role, problems: &mut Problems) {
    match role {
        Role::Serve | Role::Tool => {}
        Role::Ingest | Role::Batch | Role::Check | Role::Source => return,
    }
    // A single word that is not a level (`verbose`) would name a crate, and nothing else would be logged.
    let is_word = filter
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_level = filter.parse::<LevelFilter>().is_ok();
    if EnvFilter::try_new(filter).is_err() || is_word && !is_level {
        problems.at(
            "log",
            format!("expected a filter such as info or info,transform=debug, found {filter:?}"),
        );
    }
}
