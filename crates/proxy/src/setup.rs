//! From a configuration to the parts that run: clients, queue, target. Called by the mains of all shells.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use journal::{Claim, NotClaimed};
use settings::SecretText;
use targets::{OpenError, Resources, Target, TargetConfig, Verifier};
use tokio::net::TcpListener;
use tracing::warn;

use crate::config::{Config, HashKey, HashKeySource, Part};
use crate::http::Keys;
use crate::lookup::Lookups;
use crate::pipeline::{Pipeline, builtins};
use crate::queue::{Embedded, Queue, QueueConfig, Sqs};
use crate::rules::{RuleOptions, RuleStore};
use crate::secrets::{self, SecretError};

/// How long the start waits for a secret.
const SECRET: Duration = Duration::from_secs(10);

/// Why a part could not be set up: the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Somebody has to change something.
    #[error("{0}")]
    Wrong(String),
    /// Another start may succeed: another process has the port or the folder, a disk is full, a service is away.
    #[error("{0}")]
    Busy(String),
}

impl NotStarted {
    /// The exit status that says so, as in sysexits.h: `EX_USAGE`, 64, as for all that is configured wrong; `EX_TEMPFAIL`, 75,
    /// "the user is invited to try again later" (<https://man.freebsd.org/cgi/man.cgi?sysexits>).
    pub fn status(&self) -> u8 {
        match self {
            NotStarted::Wrong(_) => 64,
            NotStarted::Busy(_) => 75,
        }
    }

    /// Of a file, folder or port.
    fn of(place: &str, error: &std::io::Error) -> NotStarted {
        let why = format!("{place}: {error}");
        match error.kind() {
            ErrorKind::AddrInUse
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ResourceBusy
            | ErrorKind::TimedOut
            | ErrorKind::StaleNetworkFileHandle => NotStarted::Busy(why),
            _ => NotStarted::Wrong(why), // not there, not allowed, or not of the right kind
        }
    }

    /// Of a database in the data folder.
    fn of_database(what: &str, error: &journal::Error) -> NotStarted {
        let why = format!("{what}: {error}");
        match error.may_pass() {
            true => NotStarted::Busy(why),
            false => NotStarted::Wrong(why),
        }
    }
}

/// The data folder, where `serve` keeps its queue or its store in it.
pub fn claim(config: &Config) -> Result<Option<Arc<Claim>>, NotStarted> {
    let store = config.target.kind.uses_data_folder() && config.only != Some(Part::Ingest);
    if matches!(config.queue, QueueConfig::Sqs(_)) && !store {
        return Ok(None);
    }
    match Claim::take(&config.data_dir) {
        Ok(claim) => Ok(Some(Arc::new(claim))),
        Err(NotClaimed::Failed(folder, error)) => {
            let place = format!("data_dir: {}", folder.display());
            Err(NotStarted::of(&place, &error))
        }
        Err(error @ NotClaimed::InUse(_)) => Err(NotStarted::Busy(error.to_string())),
    }
}

/// Warns of what others than its owner can read or change: events hold names, SQL, and at times what should not be there.
/// The modes stay: somebody may have chosen them.
pub fn warn_of_exposed(config: &Config, claim: Option<&Claim>) {
    let folder = claim.map(Claim::folder);
    // Where nobody else gets into the folder, the files' own modes do not matter.
    let exposed = journal::exposed(folder);
    let files = match exposed.is_empty() {
        true => Vec::new(),
        false => files(folder),
    };
    let file = config.target.kind.file();
    let files = files.iter().map(PathBuf::as_path).chain(file);
    for (path, mode) in exposed.into_iter().chain(journal::exposed(files)) {
        let path = path.display();
        warn!(
            %path,
            mode = format!("{mode:04o}"),
            mend = format!("chmod go= {path}"),
            "others can read or change what is kept here"
        );
    }
}

/// The databases in the data folder, and what belongs to them.
fn files(folder: Option<&Path>) -> Vec<PathBuf> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().filter_map(Result::ok);
    let paths = paths.map(|entry| entry.path());
    let holds_events = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains(".db")
    };
    paths.filter(holds_events).collect()
}

/// The queue: SQS where a URL is set, else the one in the data folder.
pub async fn queue(
    config: &Config,
    aws: &Aws,
    claim: Option<Arc<Claim>>,
) -> Result<Queue, NotStarted> {
    match &config.queue {
        QueueConfig::Sqs(settings) => Ok(Queue::Sqs(Sqs::new(aws, settings, targets::words).await)),
        QueueConfig::Embedded(settings) => match claim {
            Some(claim) => {
                let queue = Embedded::claimed(claim, settings.visibility_timeout).await;
                queue
                    .map(Queue::Embedded)
                    .map_err(|error| NotStarted::of_database("queue", &error))
            }
            None => Err(NotStarted::Wrong("queue.url: not set".to_owned())),
        },
    }
}

/// The address that `serve` listens on.
pub async fn listener(config: &Config) -> Result<TcpListener, NotStarted> {
    let bound = TcpListener::bind(config.listen).await;
    bound.map_err(|error| NotStarted::of(&format!("listen: {}", config.listen), &error))
}

/// The target.
pub async fn target(
    config: &Config,
    aws: &Aws,
    claim: Option<Arc<Claim>>,
) -> Result<Target, NotStarted> {
    let config = &config.target;
    let secret = match config.kind.secret_id() {
        Some((setting, id)) => {
            let secret = secret_text(aws, &config.setting(setting), id).await?;
            Some(SecretText::new(secret))
        }
        None => None,
    };
    let resources = Resources {
        aws,
        claim: claim.as_ref(),
        secret: secret.as_ref(),
    };
    let opened = Target::open(config, resources).await;
    opened.map_err(|error| not_opened(config, error))
}

/// The target could not be opened.
pub(crate) fn not_opened(config: &TargetConfig, error: OpenError) -> NotStarted {
    match error {
        OpenError::NoDataFolder => NotStarted::Wrong(format!("target: {error}")),
        OpenError::Database(error) => NotStarted::of_database("store", &error),
        OpenError::File {
            setting,
            path,
            error,
        } => {
            let place = format!("{}: {}", config.setting(setting), path.display());
            NotStarted::of(&place, &error)
        }
        OpenError::Invalid { setting, message } => {
            NotStarted::Wrong(format!("{}: {message}", config.setting(setting)))
        }
    }
}

/// The verifier of the check function.
pub async fn verifier(config: &Config, aws: &Aws) -> Result<Verifier, NotStarted> {
    let wrong = || NotStarted::Wrong("target: the check function requires datazone".to_owned());
    (config.target.kind.verifier(aws).await).ok_or_else(wrong)
}

/// Reads a key that is a whole secret. It is read once, so a new one needs a new start.
async fn secret_text(aws: &Aws, setting: &str, id: &str) -> Result<String, NotStarted> {
    let text = secrets::read(aws, id, SECRET).await.map_err(|error| {
        let why = format!("{setting}: {id}: {error}");
        match error.is_transient() {
            true => NotStarted::Busy(why),
            false => NotStarted::Wrong(why), // not there, or not for us
        }
    })?;
    match text.trim() {
        "" => {
            let error = SecretError::NoText;
            Err(NotStarted::Wrong(format!("{setting}: {id}: {error}")))
        }
        key => Ok(key.to_owned()),
    }
}

/// The pipeline, ready to run.
pub async fn pipeline(
    config: &Config,
    aws: &Aws,
    queue: Queue,
    options: RuleOptions,
    claim: Option<Arc<Claim>>,
) -> Result<Pipeline, NotStarted> {
    let lookups = match config.redshift_lookup {
        true => Lookups::new(aws),
        false => Lookups::disabled(),
    };
    let hash_key = match &config.rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(id)) => {
            let setting = "rules.hash_key_secret_id";
            let key = HashKey::new(secret_text(aws, setting, id).await?);
            let wrong = |why: String| NotStarted::Wrong(format!("{setting}: {why}"));
            Some(key.map_err(wrong)?)
        }
        None => None,
    };
    let target = target(config, aws, claim).await?;
    let options = RuleOptions {
        builtins: builtins(target.capabilities(), &config.redshift),
        ..options
    };
    let rules = rules(config, hash_key, aws, options).await?;
    Ok(Pipeline::new(config, queue, target, lookups, rules))
}

/// The rules, read for the first time.
pub(crate) async fn rules(
    config: &Config,
    hash_key: Option<HashKey>,
    aws: &Aws,
    options: RuleOptions,
) -> Result<RuleStore, NotStarted> {
    let hash_key = hash_key.map(|key| key.bytes().to_vec());
    let rules = RuleStore::open(&config.rules, hash_key, aws, options).await;
    rules.map_err(|error| NotStarted::Wrong(format!("rules.file: {error}")))
}

/// The keys that ingest lets in.
pub fn keys(config: &Config, aws: &Aws) -> Keys {
    Keys::new(&config.ingest.auth, aws)
}
