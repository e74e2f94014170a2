//! The rules file while the proxy runs: read at the start, looked at again from time to time, swapped when it has
//! changed and is right.
//!
//! A file that is wrong never replaces one that is right: the last good rules stay, and it is logged and counted. The
//! rules themselves are `transform`'s; what is done here is to fetch the file and what it refers to, from disk or S3.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use metrics::counter;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{error, info};
use transform::{Problem, Rules, Sources, Transforms};

use crate::aws_error::said;
use crate::config::{RulesFile, RulesSource};

/// The largest rules file, script or module, in bytes: far above any that a person writes.
const MAX_FILE: usize = 16_000_000;

/// For one file from S3: below the time that a batch function has to spare.
const FETCH: Duration = Duration::from_secs(4);

/// Problems that are logged one by one; a file with more says how many there are.
const LOGGED: usize = 20;

/// Why there are no rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRules {
    /// The file, or one that it refers to, cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file is wrong.
    #[error("{file}: {}", .problems.iter().map(|problem| format!("\n  {file}:{problem}")).collect::<String>())]
    Wrong {
        /// Its name.
        file: String,
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
}

/// Rules, and which they are.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The rules.
    pub rules: Rules,
    /// The beginning of the SHA-256 of the file and all that it refers to.
    pub version: String,
}

/// The rules of a process.
#[derive(Debug)]
pub struct LiveRules {
    place: Option<Place>,
    transforms: Transforms,
    hash_key: Option<Vec<u8>>,
    longest_window: Option<Duration>,
    every: Duration,
    current: RwLock<Arc<Loaded>>,
    looked: Mutex<Looked>,
}

/// The last look.
#[derive(Debug)]
struct Looked {
    at: Instant,
    /// The version that was found wrong: it is complained of once.
    refused: Option<String>,
}

/// Where files are.
#[derive(Debug, Clone)]
enum Place {
    Folder {
        folder: std::path::PathBuf,
        file: String,
    },
    S3 {
        client: Client,
        bucket: String,
        prefix: String,
        file: String,
    },
}

/// What may stand in a rules file besides the built-in actions, and how long it may hold events.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Transforms that are compiled in.
    pub transforms: Transforms,
    /// The longest window of `coalesce`, where events are held.
    pub longest_window: Option<Duration>,
}

impl LiveRules {
    /// Reads the file for the first time; without one, there are no rules.
    pub async fn open(
        config: &RulesFile,
        hash_key: Option<Vec<u8>>,
        aws: Option<&SdkConfig>,
        allowed: Allowed,
    ) -> Result<LiveRules, NoRules> {
        let place = match (&config.source, aws) {
            (None, _) => None,
            (Some(RulesSource::Path(path)), _) => Some(Place::folder(path)),
            (Some(RulesSource::S3 { bucket, key }), Some(aws)) => {
                let (prefix, file) = match key.rsplit_once('/') {
                    Some((prefix, file)) => (format!("{prefix}/"), file),
                    None => (String::new(), key.as_str()),
                };
                Some(Place::S3 {
                    client: client(aws),
                    bucket: bucket.clone(),
                    prefix,
                    file: file.to_owned(),
                })
            }
            (Some(RulesSource::S3 { .. }), None) => {
                return Err(NoRules::Unreadable(
                    "rules in S3 need an AWS configuration".to_owned(),
                ));
            }
        };
        let live = LiveRules {
            place,
            transforms: allowed.transforms,
            hash_key,
            longest_window: allowed.longest_window,
            every: config.every(),
            current: RwLock::new(Arc::new(Loaded {
                rules: Rules::default(),
                version: "none".to_owned(),
            })),
            looked: Mutex::new(Looked {
                at: Instant::now(),
                refused: None,
            }),
        };
        if let Some(place) = &live.place {
            let files = place.files(&live).await?;
            live.swap(place, live.read(place, &files)?);
        }
        Ok(live)
    }

    /// The rules as they are now.
    pub fn current(&self) -> Arc<Loaded> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks whether the file has changed, if the last look is long enough ago. Never fails: the rules stay as they
    /// are when there are no better ones.
    pub async fn refresh(&self) {
        let Some(place) = self.place.as_ref().filter(|_| self.due()) else {
            return;
        };
        let read = match place.files(self).await {
            Ok(files) if version(&files) == self.current().version => {
                self.forgive();
                return;
            }
            Ok(files) => self
                .read(place, &files)
                .map_err(|refused| (version(&files), refused)),
            Err(unreadable) => Err((unreadable.to_string(), unreadable)),
        };
        match read {
            Ok(loaded) => {
                self.forgive();
                self.swap(place, loaded);
            }
            Err((version, refused)) => self.complain(version, &refused),
        }
    }

    fn due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.at.elapsed() >= self.every;
        if due {
            looked.at = Instant::now();
        }
        due
    }

    fn forgive(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.refused = None;
    }

    fn swap(&self, place: &Place, loaded: Loaded) {
        info!(
            file = place.name(),
            version = loaded.version,
            rules = loaded.rules.len(),
            "rules in use"
        );
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(loaded);
    }

    /// Counts every look that finds no good rules, so that an alarm stays on; logs what is wrong once.
    fn complain(&self, version: String, refused: &NoRules) {
        counter!("lineage_proxy_rules_refused_total").increment(1);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.refused.as_ref() == Some(&version) {
            return;
        }
        looked.refused = Some(version);
        match refused {
            NoRules::Unreadable(error) => error!(error, "rules not read: the last good ones stay"),
            NoRules::Wrong { file, problems } => {
                for problem in problems.iter().take(LOGGED) {
                    let (line, column) = (problem.line, problem.column);
                    error!(
                        file,
                        line,
                        column,
                        error = problem.message,
                        "rules are wrong"
                    );
                }
                error!(
                    file,
                    problems = problems.len(),
                    "rules refused: the last good ones stay"
                );
            }
        }
    }

    fn read(&self, place: &Place, files: &Files) -> Result<Loaded, NoRules> {
        let wrong = |problems| NoRules::Wrong {
            file: place.name(),
            problems,
        };
        let text = text(place, files)?;
        let rules = Rules::read(text, &self.sources(&|name| found(files, name))).map_err(wrong)?;
        let window = rules.coalesce.as_ref().map(|coalesce| coalesce.window);
        if let (Some(window), Some(longest)) = (window, self.longest_window)
            && window > longest
        {
            let message = format!(
                "coalesce: the window of {window:?} is too long: at most {longest:?}, half of queue.visibility_timeout, \
                 so that no event comes twice while it is held"
            );
            let (line, column) = (1, 1);
            return Err(wrong(vec![Problem {
                line,
                column,
                message,
            }]));
        }
        Ok(Loaded {
            rules,
            version: version(files),
        })
    }

    fn sources<'s>(&'s self, file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>) -> Sources<'s> {
        Sources {
            file,
            transforms: &self.transforms,
            hash_key: self.hash_key.as_deref(),
        }
    }
}

/// The rules file under the empty name, and what it refers to.
type Files = BTreeMap<String, Vec<u8>>;

/// Reads rules on this machine, as the workbench does.
pub fn read_path(
    path: &Path,
    allowed: &Allowed,
    hash_key: Option<&[u8]>,
) -> Result<Rules, NoRules> {
    let place = Place::folder(path);
    let Place::Folder { folder, file } = &place else {
        return Err(NoRules::Unreadable(path.display().to_string()));
    };
    let text = disk(folder, file).map_err(NoRules::Unreadable)?;
    let text = String::from_utf8(text)
        .map_err(|error| NoRules::Unreadable(format!("{}: {error}", place.name())))?;
    let sources = Sources {
        file: &|name| disk(folder, name),
        transforms: &allowed.transforms,
        hash_key,
    };
    Rules::read(&text, &sources).map_err(|problems| NoRules::Wrong {
        file: place.name(),
        problems,
    })
}

impl Place {
    fn folder(path: &Path) -> Place {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let file = path.file_name().unwrap_or_default();
        Place::Folder {
            folder,
            file: file.to_string_lossy().into_owned(),
        }
    }

    fn name(&self) -> String {
        match self {
            Place::Folder { folder, file } => folder.join(file).display().to_string(),
            Place::S3 {
                bucket,
                prefix,
                file,
                ..
            } => format!("s3://{bucket}/{prefix}{file}"),
        }
    }

    /// The file and everything that it refers to. What cannot be read is left out: reading the rules says so, with the
    /// line that wants it.
    async fn files(&self, live: &LiveRules) -> Result<Files, NoRules> {
        let file = match self {
            Place::Folder { file, .. } | Place::S3 { file, .. } => file,
        };
        let whole = self.fetch(file).await.map_err(NoRules::Unreadable)?;
        let mut files = Files::from([(String::new(), whole)]);
        for name in wanted(text(self, &files)?, live) {
            match self.fetch(&name).await {
                Ok(bytes) => files.insert(name, bytes),
                Err(error) => files.insert(name, [UNREAD, error.as_bytes()].concat()),
            };
        }
        Ok(files)
    }

    async fn fetch(&self, name: &str) -> Result<Vec<u8>, String> {
        match self {
            Place::Folder { folder, .. } => disk(folder, name),
            Place::S3 {
                client,
                bucket,
                prefix,
                ..
            } => {
                let key = format!("{prefix}{}", beside(name)?);
                let place = format!("s3://{bucket}/{key}");
                let get = client.get_object().bucket(bucket).key(key).send().await;
                let object = get.map_err(|error| format!("{place}: {}", said(&error)))?;
                let length = object
                    .content_length()
                    .and_then(|length| usize::try_from(length).ok());
                if length.is_none_or(|length| length > MAX_FILE) {
                    return Err(format!("{place}: larger than {MAX_FILE} bytes"));
                }
                let body = object.body.collect().await;
                body.map(|body| body.to_vec())
                    .map_err(|error| format!("{place}: {error}"))
            }
        }
    }
}

/// The files that a rules file refers to: what it asks for when it is read.
fn wanted(text: &str, live: &LiveRules) -> BTreeSet<String> {
    let wanted = RefCell::new(BTreeSet::new());
    let note = |name: &str| {
        wanted.borrow_mut().insert(name.to_owned());
        Err(String::new())
    };
    let _ = Rules::read(text, &live.sources(&note)); // wrong for want of its files, at least
    wanted.into_inner()
}

/// Marks a file that could not be read; what follows is why. No script, module or event begins like this.
const UNREAD: &[u8] = b"\0unread\0";

fn found(files: &Files, name: &str) -> Result<Vec<u8>, String> {
    match files.get(name) {
        None => Err(format!("{name}: not found")),
        Some(bytes) => match bytes.strip_prefix(UNREAD) {
            Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
            None => Ok(bytes.clone()),
        },
    }
}

fn text<'f>(place: &Place, files: &'f Files) -> Result<&'f str, NoRules> {
    let bytes = files.get("").map(Vec::as_slice).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|error| NoRules::Unreadable(format!("{}: {error}", place.name())))
}

fn version(files: &Files) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        hash.update(name.len().to_be_bytes());
        hash.update(name);
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    let digits = hex::encode(hash.finalize());
    digits.chars().take(12).collect()
}

/// A name that stays beside the rules file: whoever writes rules does not thereby read the machine.
fn beside(name: &str) -> Result<&str, String> {
    let path = Path::new(name);
    let inside = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if inside && !name.is_empty() {
        Ok(name)
    } else {
        Err(format!(
            "{name}: expected a file beside the rules file, or in a folder beside it"
        ))
    }
}

fn disk(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(beside(name)?);
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let size = std::fs::metadata(&path).map_err(told)?.len();
    if usize::try_from(size).is_ok_and(|size| size <= MAX_FILE) {
        std::fs::read(&path).map_err(told)
    } else {
        Err(format!("{}: larger than {MAX_FILE} bytes", path.display()))
    }
}

fn client(aws: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder().operation_timeout(FETCH).build();
    let config = aws_sdk_s3::config::Builder::from(aws).timeout_config(timeouts);
    Client::from_conf(config.build())
}
