//! The configuration: every setting there is, its default and its limits, read once at the start.
//!
//! The environment has this one door. All that is wrong is shown together; the process then ends with status 64.
//! Called by the mains; everything behind them takes a [`Config`], which cannot be wrong.

mod parse;
pub mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use openlineage::Level;
use targets::{Compression, FileSettings, HttpSettings};
use transform::{Redshift, Style};

use self::parse::{
    account, address, between, bytes, domain, duration, flag, level, only, parsed, prefix, style,
    url_text,
};
use self::settings::{Reader, Settings};

pub use self::parse::hash;

/// What the process is about to be: it decides which settings have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `serve`: everything on one machine.
    Serve,
    /// The ingest function.
    Ingest,
    /// The batch function.
    Batch,
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
    pub target: Target,
    /// The names of Redshift datasets.
    pub redshift: Redshift,
    /// Whether short Redshift names may be looked up with AWS.
    pub redshift_lookup: bool,
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
    pub max_body: usize,
    /// The largest body as unpacked, in bytes.
    pub max_unpacked: usize,
    /// Bytes of bodies in memory at once; past it, `503`.
    pub max_in_memory: usize,
    /// Who may send.
    pub auth: Auth,
}

/// Who may send.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// SHA-256 of each key.
    pub keys: Vec<[u8; 32]>,
    /// A Secrets Manager secret with further keys.
    pub secret_id: Option<String>,
    /// Whether anyone may send.
    pub anonymous: bool,
}

/// The queue in between.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The SQS queue; `None` for the embedded one.
    pub url: Option<String>,
    /// The SQS queue for dead letters.
    pub dead_letter_url: Option<String>,
    /// How long a message that was taken stays out of sight.
    pub visibility_timeout: Duration,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
}

/// How events are taken out of the queue.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Events a batch at most.
    pub size: usize,
    /// How long the first event waits for others.
    pub window: Duration,
    /// Posts under way at once.
    pub in_flight: usize,
}

/// Where events go.
#[derive(Clone)]
pub enum Target {
    /// The store in the data folder.
    Store,
    /// JSON lines.
    File(FileSettings),
    /// An OpenLineage endpoint.
    OpenLineage(HttpSettings),
    /// Amazon DataZone.
    DataZone {
        /// `dzd_…`.
        domain: String,
        /// The domain's region, when it is not the process's own.
        region: Option<String>,
        /// Posts a second at most.
        per_second: NonZeroU32,
        /// What becomes of JobEvents.
        job_events: JobEvents,
    },
}

/// What becomes of JobEvents where only RunEvents are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobEvents {
    /// Those with inputs or outputs become RunEvents.
    #[default]
    Convert,
    /// They are dropped, counted.
    Skip,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("wrong configuration:{}", .0.iter().map(|error| format!("\n  - {error}")).collect::<String>())]
pub struct Errors(pub Vec<String>);

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name()) // settings hold keys
    }
}

impl Target {
    /// The name it is chosen by.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Store => "store",
            Target::File(_) => "file",
            Target::OpenLineage(_) => "openlineage",
            Target::DataZone { .. } => "datazone",
        }
    }
}

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
            .get("listen", address)
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
                visibility_timeout: r
                    .get("queue.visibility_timeout", |t| duration(t, 10, 43_200))
                    .unwrap_or(Duration::from_secs(60)),
                max_receives: r
                    .get("queue.max_receives", |t| between(t, 1, 1_000))
                    .unwrap_or(100),
            },
            batch: Batch {
                size: r.get("batch.size", |t| between(t, 1, 10_000)).unwrap_or(20),
                window: r
                    .get("batch.window", |t| duration(t, 0, 300))
                    .unwrap_or(Duration::from_secs(5)),
                in_flight: r
                    .get("batch.in_flight", |t| between(t, 1, 1_000))
                    .unwrap_or(20),
            },
            target: target(r, role),
            redshift: Redshift::default(),
            redshift_lookup: false,
            only: r.get("only", only),
            log: r
                .get("log", |t| Ok(t.to_owned()))
                .unwrap_or_else(|| "info".to_owned()),
        };
        config.names_of_redshift(r);
        config.check(r, role);
        config
    }

    /// DataZone is the one target that cannot do with short names, so it alone has the rule on by default; a map of
    /// hosts says for any target that names are to be rewritten.
    fn names_of_redshift(&mut self, r: &mut Reader) {
        let is_datazone = matches!(self.target, Target::DataZone { .. });
        let hosts: BTreeMap<String, String> = r
            .map("redshift.hosts")
            .into_iter()
            .map(|(host, full)| (host.to_ascii_lowercase(), full))
            .collect();
        let default = if is_datazone || !hosts.is_empty() {
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
        self.redshift_lookup = r.get("redshift.lookup", flag).unwrap_or(is_datazone);
    }

    /// What settings ask of each other.
    fn check(&self, r: &mut Reader, role: Role) {
        let Ingest {
            auth,
            max_body,
            max_unpacked,
            max_in_memory,
            ..
        } = &self.ingest;
        if max_body + max_unpacked > *max_in_memory {
            r.error("max_in_memory: one body could not be read: it has to be at least max_body and max_unpacked".to_owned());
        }
        let closed = !auth.keys.is_empty() || auth.secret_id.is_some();
        let takes_http = match role {
            Role::Serve => !self.listen.ip().is_loopback(),
            Role::Ingest => true,
            Role::Batch | Role::Tool => false,
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
            Role::Serve | Role::Tool => false,
        };
        if on_sqs && self.queue.url.is_none() {
            r.error("queue.url: the function needs the URL of its SQS queue".to_owned());
        }
        if self.only.is_some() && self.queue.url.is_none() {
            r.error("only: ingest and batch can be apart only with an SQS queue between them (queue.url)".to_owned());
        }
        if (role == Role::Batch || self.queue.url.is_some() && role == Role::Serve)
            && self.queue.dead_letter_url.is_none()
        {
            r.error(
                "queue.dead_letter_url: with an SQS queue, dead letters need a queue of their own"
                    .to_owned(),
            );
        }
    }
}

fn ingest(r: &mut Reader) -> Ingest {
    let keys = r.list("auth.keys");
    let mut hashes = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        match hash(key) {
            Ok(hash) => hashes.push(hash),
            Err(message) => r.error(format!("auth.keys: key {}: {message}", index + 1)),
        }
    }
    Ingest {
        path_prefix: r.get("path_prefix", prefix).unwrap_or_default(),
        level: r.get("validation", level).unwrap_or_default(),
        max_body: r.get("max_body", bytes).unwrap_or(10_000_000),
        max_unpacked: r.get("max_unpacked", bytes).unwrap_or(32_000_000),
        max_in_memory: r.get("max_in_memory", bytes).unwrap_or(256_000_000),
        auth: Auth {
            keys: hashes,
            secret_id: r.get("auth.secret_id", |t| Ok(t.to_owned())),
            anonymous: r.get("auth.allow_anonymous", flag).unwrap_or(false),
        },
    }
}

fn target(r: &mut Reader, role: Role) -> Target {
    let name = r.get("target", |t| match t {
        "store" | "file" | "openlineage" | "datazone" => Ok(t.to_owned()),
        other => Err(format!(
            "one of store, file, openlineage, datazone, not {other:?}"
        )),
    });
    let path = r.get("file.path", parsed::<PathBuf>);
    let max_bytes = r.get("file.max_bytes", bytes).unwrap_or(100_000_000);
    let keep = r
        .get("file.keep", |t| between(t, 0, 1_000_000))
        .unwrap_or(0);
    let url = r.get("openlineage.url", |t| match reqwest::Url::parse(t) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err("expected http://… or https://…".to_owned()),
    });
    let api_key = r.get("openlineage.api_key", |t| Ok(t.to_owned()));
    let compression = r.get("openlineage.compression", |t| match t {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        other => Err(format!("none or gzip, not {other:?}")),
    });
    let timeout = r
        .get("openlineage.timeout", |t| duration(t, 1, 300))
        .unwrap_or(Duration::from_secs(10));
    let domain = r.get("datazone.domain_id", domain);
    let region = r.get("datazone.region", |t| Ok(t.to_owned()));
    let per_second = r.get("datazone.posts_per_second", |t| {
        match t.parse::<NonZeroU32>() {
            Ok(rate) => Ok(rate),
            Err(_) => Err(format!(
                "expected a whole number of at least 1, found {t:?}"
            )),
        }
    });
    let job_events = r.get("datazone.job_events", |t| match t {
        "convert" => Ok(JobEvents::Convert),
        "skip" => Ok(JobEvents::Skip),
        other => Err(format!("convert or skip, not {other:?}")),
    });
    let mut needs = |name: &str| r.error(format!("{name}: the target that was chosen needs it"));
    match name.as_deref() {
        Some("file") => match path {
            Some(path) => {
                return Target::File(FileSettings {
                    path,
                    max_bytes: max_bytes as u64,
                    keep,
                });
            }
            None => needs("file.path"),
        },
        Some("openlineage") => match url {
            Some(url) => {
                let compression = compression.unwrap_or_default();
                return Target::OpenLineage(HttpSettings {
                    url,
                    api_key,
                    compression,
                    timeout,
                });
            }
            None => needs("openlineage.url"),
        },
        Some("datazone") => match domain {
            Some(domain) => {
                return Target::DataZone {
                    domain,
                    region,
                    // PostLineageEvent: 20 a second an account and Region (Amazon DataZone, "Quotas").
                    per_second: per_second
                        .or(NonZeroU32::new(20))
                        .unwrap_or(NonZeroU32::MIN),
                    job_events: job_events.unwrap_or_default(),
                };
            }
            None => needs("datazone.domain_id"),
        },
        Some(_) | None if role == Role::Batch => needs("target"),
        Some(_) | None => {}
    }
    Target::Store
}

#[cfg(test)]
mod tests;
