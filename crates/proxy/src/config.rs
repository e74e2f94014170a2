//! The configuration: every setting there is, its default and its limits, read once at the start.
//!
//! The environment has this one door. All that is wrong is shown together; the process then ends with status 64.
//! Called by the mains; everything behind them takes a [`Config`], which cannot be wrong.

mod injected;
mod keys;
mod parse;
mod rules;
pub mod settings;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openlineage::Level;
use targets::TargetConfig;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use transform::{Redshift, Style};

use self::parse::{
    account, address, between, bytes, duration, flag, level, only, parsed, prefix, style, url_text,
};
use self::settings::{Reader, Settings};

pub use self::keys::{Key, KeyRole, Written};
pub use self::parse::hash;
pub use self::rules::{HASH_KEY, RulesFile, RulesSource};

pub(crate) use self::keys::written;

/// What the process is about to be: it decides which settings have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `serve`: everything on one machine.
    Serve,
    /// The ingest function.
    Ingest,
    /// The batch function.
    Batch,
    /// The check function.
    Check,
    /// A command on the data of a `serve`.
    Tool,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where `serve` listens.
    pub listen: SocketAddr,
    /// Where `serve` keeps its queue and its store.
    pub data_dir: PathBuf,
    /// How HTTP is taken in.
    pub ingest: Ingest,
    /// The queue in between.
    pub queue: Queue,
    /// How events are taken out of the queue.
    pub batch: Batch,
    /// Where events go.
    pub target: TargetConfig,
    /// The rules file.
    pub rules: RulesFile,
    /// The names of Redshift datasets.
    pub redshift: Redshift,
    /// Whether short Redshift names may be looked up with AWS.
    pub redshift_lookup: bool,
    /// How the check function looks.
    pub check: Check,
    /// The CloudWatch namespace of the functions' metrics.
    pub metrics_namespace: String,
    /// Connections of `serve` at once; past it, the one that is idle longest is closed.
    pub max_connections: usize,
    /// What of `serve` runs, where ingest and batch are apart.
    pub only: Option<Part>,
    /// The filter of the log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
}

/// A half of `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// HTTP in, queue out.
    Ingest,
    /// Queue in, target out.
    Batch,
}

/// How HTTP is taken in.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// A prefix of every path, such as an API Gateway stage: empty, or `/prod`.
    pub path_prefix: String,
    /// How events are judged.
    pub level: Level,
    /// The largest body as sent, in bytes.
    pub max_body_size: usize,
    /// The largest body as unpacked, in bytes.
    pub max_decompressed_size: usize,
    /// Bytes of bodies in memory at once; past it, `503`.
    pub max_body_memory: usize,
    /// Names, besides its address, that `serve` is known by where events are read.
    pub allowed_hosts: Vec<String>,
    /// Who may do what.
    pub auth: Auth,
}

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// The keys that were configured.
    pub keys: Vec<Key>,
    /// A Secrets Manager secret with further keys.
    pub secret_id: Option<String>,
    /// Whether anyone may send; and read, where no key is there to read with.
    pub anonymous: bool,
}

/// The queue in between.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The SQS queue; `None` for the embedded one.
    pub url: Option<String>,
    /// The SQS queue for dead letters.
    pub dead_letter_url: Option<String>,
    /// The S3 bucket for events that are larger than SQS takes.
    pub bucket: Option<String>,
    /// How long a message that was taken stays out of sight.
    pub visibility_timeout: Duration,
    /// After how many tries an event becomes a dead letter.
    pub max_attempts: u32,
}

/// How events are taken out of the queue.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Events a batch at most.
    pub size: usize,
    /// How long the first event waits for others.
    pub window: Duration,
    /// Posts under way at once.
    pub concurrency: usize,
    /// How long the same bytes are not delivered again.
    pub deduplication_window: Duration,
}

/// How the check function looks.
#[derive(Debug, Clone)]
pub struct Check {
    /// The time that one look covers: that between two looks.
    pub period: Duration,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("wrong configuration:{}", .0.iter().map(|error| format!("\n  - {error}")).collect::<String>())]
pub struct Errors(pub Vec<String>);

impl Config {
    /// Reads and checks all settings for `role`.
    pub fn read(settings: Settings, role: Role) -> Result<Config, Errors> {
        let mut reader = Reader::new(settings);
        let config = Config::all(&mut reader, role);
        let (errors, _) = reader.finish();
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(Errors(errors))
        }
    }

    /// The environment variable of every setting, without its prefix.
    pub fn names() -> BTreeSet<String> {
        let mut reader = Reader::new(Settings::default());
        Config::all(&mut reader, Role::Tool);
        reader.finish().1
    }

    fn all(r: &mut Reader, role: Role) -> Config {
        let listen = r
            .get("listen", |text| address(text, role))
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 5000)));
        let mut config = Config {
            listen,
            data_dir: r
                .get("data_dir", parsed)
                .unwrap_or_else(|| PathBuf::from("lineage-data")),
            ingest: ingest(r),
            queue: Queue {
                url: r.get("queue.url", url_text),
                dead_letter_url: r.get("queue.dead_letter_url", url_text),
                bucket: r.get("queue.bucket", parsed),
                visibility_timeout: r
                    .get("queue.visibility_timeout", |t| duration(t, 10, 43_200))
                    .unwrap_or(Duration::from_secs(60)),
                max_attempts: r
                    .get("queue.max_attempts", |t| between(t, 1, 1_000))
                    .unwrap_or(100),
            },
            batch: Batch {
                size: r.get("batch.size", |t| between(t, 1, 10_000)).unwrap_or(20),
                window: r
                    .get("batch.window", |t| duration(t, 0, 300))
                    .unwrap_or(Duration::from_secs(5)),
                concurrency: r
                    .get("batch.concurrency", |t| between(t, 1, 1_000))
                    .unwrap_or(20),
                // A client that sees no answer sends the same bytes up to six times, within some 40 s (openlineage-python).
                deduplication_window: r
                    .get("batch.deduplication_window", |t| duration(t, 0, 3_600))
                    .unwrap_or(Duration::from_secs(60)),
            },
            target: target::read(r, role),
            rules: rules::read(r),
            redshift: Redshift::default(),
            redshift_lookup: false,
            check: Check {
                period: r
                    .get("check.period", |t| duration(t, 60, 86_400))
                    .unwrap_or(Duration::from_secs(3_600)),
            },
            metrics_namespace: r
                .get("metrics.namespace", parsed)
                .unwrap_or_else(|| "LineageProxy".to_owned()),
            max_connections: r
                .get("max_connections", |t| between(t, 1, 1_000_000))
                .unwrap_or(4_096),
            only: r.get("only", only),
            log: r
                .get("log", |t| match role {
                    Role::Serve | Role::Tool => log_filter(t),
                    // A function that does not start takes no events; it logs at info, and says so.
                    Role::Ingest | Role::Batch | Role::Check => Ok(t.to_owned()),
                })
                .unwrap_or_else(|| "info".to_owned()),
        };
        config.names_of_redshift(r);
        config.check(r, role);
        config
    }

    /// DataZone is the one target that cannot do with short names, so it alone has the rule on by default; a map of
    /// hosts says for any target that names are to be rewritten.
    fn names_of_redshift(&mut self, r: &mut Reader) {
        let needs_endpoints = (self.target.kind.kind().capabilities()).needs_redshift_endpoints;
        let hosts: BTreeMap<String, String> = r
            .map("redshift.hosts")
            .into_iter()
            .map(|(host, full)| (host.to_ascii_lowercase(), full))
            .collect();
        let default = if needs_endpoints || !hosts.is_empty() {
            Style::Endpoint
        } else {
            Style::None
        };
        let style = r.get("redshift.style", style).unwrap_or(default);
        self.redshift = Redshift {
            style,
            hosts,
            account: r.get("redshift.account", account),
        };
        self.redshift_lookup = r.get("redshift.lookup", flag).unwrap_or(needs_endpoints);
    }

    /// What settings ask of each other.
    fn check(&self, r: &mut Reader, role: Role) {
        let Ingest {
            auth,
            max_body_size,
            max_decompressed_size,
            max_body_memory,
            ..
        } = &self.ingest;
        // A quarter is kept for small bodies.
        if max_body_size.saturating_add(*max_decompressed_size) > *max_body_memory / 4 * 3 {
            let least = max_body_size
                .saturating_add(*max_decompressed_size)
                .div_ceil(3)
                .saturating_mul(4);
            r.refuse("max_body_memory", format!("expected at least {least} bytes, four thirds of max_body_size and max_decompressed_size together, found {max_body_memory}: one body could not be read"));
        }
        let closed = !auth.keys.is_empty() || auth.secret_id.is_some();
        let takes_http = match role {
            Role::Serve => !self.listen.ip().is_loopback(),
            Role::Ingest => true,
            Role::Batch | Role::Check | Role::Tool => false,
        };
        if takes_http && !closed && !auth.anonymous {
            r.error(
                "anyone who can reach it could send: set auth.keys or auth.secret_id, \
                 or say --allow-anonymous (auth.allow_anonymous: true)"
                    .to_owned(),
            );
        }
        let on_sqs = match role {
            Role::Ingest | Role::Batch => true,
            Role::Serve | Role::Check | Role::Tool => false,
        };
        if on_sqs && self.queue.url.is_none() {
            r.refuse("queue.url", "the function needs the URL of its SQS queue");
        }
        if self.only.is_some() && self.queue.url.is_none() {
            r.refuse(
                "only",
                "ingest and batch can be apart only with an SQS queue between them: set queue.url",
            );
        }
        if (role == Role::Batch || self.queue.url.is_some() && role == Role::Serve)
            && self.queue.dead_letter_url.is_none()
        {
            let message = "with an SQS queue, dead letters need a queue of their own";
            r.refuse("queue.dead_letter_url", message);
        }
    }
}

fn ingest(r: &mut Reader) -> Ingest {
    let keys = keys(r);
    Ingest {
        path_prefix: r.get("path_prefix", prefix).unwrap_or_default(),
        level: r.get("validation", level).unwrap_or_default(),
        max_body_size: r.get("max_body_size", bytes).unwrap_or(10_000_000),
        max_decompressed_size: r.get("max_decompressed_size", bytes).unwrap_or(32_000_000),
        max_body_memory: r.get("max_body_memory", bytes).unwrap_or(256_000_000),
        allowed_hosts: hosts(r),
        auth: Auth {
            keys,
            secret_id: r.get("auth.secret_id", |t| Ok(t.to_owned())),
            anonymous: r.get("auth.allow_anonymous", flag).unwrap_or(false),
        },
    }
}

fn hosts(r: &mut Reader) -> Vec<String> {
    let hosts = r.list("allowed_hosts");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]*".contains(c);
    if let Some(wrong) = hosts.iter().find(|host| !host.chars().all(plain)) {
        r.error(format!(
            "allowed_hosts: expected names such as proxy.example.com or *.example.com, found {wrong:?}"
        ));
    }
    hosts
}

/// A word alone that is no level (`verbose`) would be taken for a crate, and nothing else be logged.
fn log_filter(text: &str) -> Result<String, String> {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_level = text.parse::<LevelFilter>().is_ok();
    match EnvFilter::try_new(text) {
        Ok(_) if !is_word || is_level => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(format!(
            "expected a filter such as info or info,transform=debug, found {text:?}"
        )),
    }
}

fn keys(r: &mut Reader) -> Vec<Key> {
    let mut found = Vec::new();
    let value = r.structure("auth.keys");
    if value.as_ref().is_some_and(|value| !is_of_texts(value)) {
        // In a secret it may be something else; here it is a key that would not let anybody in.
        r.refuse(
            "auth.keys",
            "expected keys as texts, found one that is none: put it in quotes",
        );
    }
    let is_map = value.as_ref().is_some_and(serde_json::Value::is_object);
    if let Some(value) = value
        && let Err(error) = keys::written("", &value, &mut found)
    {
        r.refuse("auth.keys", error);
    }
    let mut keys: Vec<Key> = Vec::new();
    for (index, written) in found.iter().enumerate() {
        // A key of a list has no name but its place.
        let name = match written.name.strip_prefix("key-") {
            Some(_) => format!("key {}", index + 1),
            None => written.name.clone(),
        };
        match written.key() {
            Ok(key) => {
                // Which of them was it, and what may it? The same twice in a list says nothing else than once.
                let other = (keys.iter()).find(|other| other.hash == key.hash);
                match other.filter(|_| is_map) {
                    Some(other) => {
                        let message = format!("{name}: the same key as {}", other.name);
                        r.refuse("auth.keys", message);
                    }
                    None => keys.push(key),
                }
            }
            Err(message) => r.refuse("auth.keys", format!("{name}: {message}")),
        }
    }
    keys
}

/// Whether all that is in it are texts.
fn is_of_texts(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(_) => true,
        serde_json::Value::Array(items) => items.iter().all(is_of_texts),
        serde_json::Value::Object(members) => members
            .values()
            .all(|value| is_of_texts(value) && value.as_object().is_none_or(|one| !one.is_empty())),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            false
        }
    }
}

#[cfg(test)]
mod tests;
