//! The rules file while the proxy runs: read at the start, looked at again from time to time, swapped when it has
//! changed and is right.
//!
//! A file that is wrong never replaces one that is right: the last good rules stay, and it is logged and counted. The
//! rules themselves are `transform`'s; where files come from is in `rules/files.rs`. Called by the batch.

mod files;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws::Aws;
use targets::{Kind, TargetName};
use tokio::time::Instant;
use tracing::{error, info};
use transform::{Problem, RuleSet, Sources, Transforms};

use files::{Files, Place, disk};

use crate::config::{RulesFile, RulesSource};
use crate::telemetry::metric::Metric;

/// A look at a changed file and all that it refers to, at most: it is the batch that waits for it.
const LOOK: Duration = Duration::from_secs(5);

/// Problems that are logged one by one; a file with more says how many there are.
const LOGGED: usize = 20;

/// Why there are no rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRules {
    /// The file, or one that it refers to, cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file is wrong.
    #[error("{} to be corrected:{}", .problems.len(), .problems.iter().map(|problem| format!("\n  {file}:{problem}")).collect::<String>())]
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
    pub rules: RuleSet,
    /// The beginning of the SHA-256 of the file and all that it refers to.
    pub version: String,
}

/// The rules of a process.
pub struct LiveRules {
    place: Option<Place>,
    transforms: Transforms,
    hash_key: Option<Vec<u8>>,
    longest_window: Option<Duration>,
    targets: Vec<String>,
    every: Duration,
    current: RwLock<Arc<Loaded>>,
    looked: Mutex<Looked>,
    known: Mutex<Known>,
}

/// What a rules file refers to.
#[derive(Debug, Default)]
struct Known {
    text: String,
    files: BTreeSet<String>,
}

/// The last look.
#[derive(Debug)]
struct Looked {
    at: Instant,
    /// The version that was found wrong: it is complained of once.
    refused: Option<String>,
    /// The version that was found last.
    found: Option<String>,
}

/// What is known of a version.
enum Seen {
    /// It is in use, or too fresh.
    Known,
    /// It was found wrong before.
    Refused,
    New,
}

/// What may stand in a rules file besides the built-in actions, and how long it may hold events.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Transforms that are compiled in.
    pub transforms: Transforms,
    /// The longest window of `coalesce`, where events are held.
    pub longest_window: Option<Duration>,
    /// The name of the target; rules may also name a kind of target, so that one file serves several configurations.
    pub target: Option<TargetName>,
}

impl Allowed {
    /// The names that `when: target` may contain.
    fn targets(&self) -> Vec<String> {
        let kinds = Kind::ALL.map(|kind| kind.name().to_owned()).into_iter();
        let own = self.target.iter().map(TargetName::to_string);
        let own = own.filter(|own| Kind::ALL.iter().all(|kind| kind.name() != own));
        own.chain(kinds).collect()
    }
}

impl std::fmt::Debug for LiveRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f) // the rest holds a key
    }
}

impl LiveRules {
    /// Reads the file for the first time; without one, there are no rules.
    pub async fn open(
        config: &RulesFile,
        hash_key: Option<Vec<u8>>,
        aws: &Aws,
        allowed: Allowed,
    ) -> Result<LiveRules, NoRules> {
        let place = match &config.source {
            None => None,
            Some(RulesSource::Path(path)) => Some(Place::folder(path)),
            Some(RulesSource::S3 { bucket, key }) => {
                Some(Place::s3(aws.config().await, bucket, key))
            }
        };
        let live = LiveRules {
            place,
            targets: allowed.targets(),
            transforms: allowed.transforms,
            hash_key,
            longest_window: allowed.longest_window,
            every: config.every(),
            current: RwLock::new(Arc::new(Loaded {
                rules: RuleSet::default(),
                version: "none".to_owned(),
            })),
            looked: Mutex::new(Looked {
                at: Instant::now(),
                refused: None,
                found: None,
            }),
            known: Mutex::default(),
        };
        if let Some(place) = &live.place {
            let files = place.files(|text| live.wanted(text)).await?;
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
        if self.due() {
            self.look().await;
        }
    }

    /// Looks now: somebody says that the file is as it should be. What is still wrong with it is told again.
    pub async fn reload(&self) {
        self.forgive();
        // One that may be half written is taken when two looks find it.
        self.look().await;
        self.look().await;
    }

    async fn look(&self) {
        let Some(place) = &self.place else {
            return;
        };
        let looking = tokio::time::timeout(LOOK, place.files(|text| self.wanted(text))).await;
        let looked = looking.unwrap_or_else(|_| {
            let late = format!("{}: not read within {LOOK:?}", place.name());
            Err(NoRules::Unreadable(late))
        });
        let read = match looked {
            Ok(files) => match self.seen(&files.version(), place.is_written_in_place()) {
                Seen::Known => return,
                Seen::Refused => {
                    Metric::RulesReloadFailures.add([], 1);
                    return;
                }
                Seen::New => self
                    .read(place, &files)
                    .map_err(|refused| (files.version(), refused)),
            },
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

    /// What is to be done with a version. One that may be half written is taken when two looks in a row find it.
    fn seen(&self, version: &str, in_place: bool) -> Seen {
        let is_current = self.current().version == version;
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.found.replace(version.to_owned());
        if is_current {
            looked.refused = None;
            Seen::Known
        } else if looked.refused.as_deref() == Some(version) {
            Seen::Refused
        } else if in_place && before.as_deref() != Some(version) {
            Seen::Known
        } else {
            Seen::New
        }
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
        Metric::RulesReloadFailures.add([], 1);
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
        let file = |name: &str| files.get(name);
        let targets = names(&self.targets);
        let sources = self.sources(&file, &targets);
        // Transforms of others' are built here: what panics is wrong, and not the end of the worker.
        let read = catch_unwind(AssertUnwindSafe(|| RuleSet::read(&files.rules, &sources)));
        let panicked = |_| {
            let message = "reading them panicked".to_owned();
            let (line, column) = (1, 1);
            Err(vec![Problem {
                line,
                column,
                message,
            }])
        };
        let rules = read.unwrap_or_else(panicked);
        let rules = rules.and_then(|rules| fitting(rules, self.longest_window));
        let rules = rules.map_err(wrong)?;
        Ok(Loaded {
            rules,
            version: files.version(),
        })
    }

    /// The files that a rules file refers to: what it asks for when it is read. Looked for once for each text.
    fn wanted(&self, text: &str) -> BTreeSet<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.text != text {
            let files = RefCell::new(BTreeSet::new());
            let note = |name: &str| {
                files.borrow_mut().insert(name.to_owned());
                Err(String::new())
            };
            // Wrong for want of its files, at least; whether it panics is seen when it is read with them.
            let targets = names(&self.targets);
            let sources = self.sources(&note, &targets);
            let _ = catch_unwind(AssertUnwindSafe(|| RuleSet::read(text, &sources)));
            *known = Known {
                text: text.to_owned(),
                files: files.into_inner(),
            };
        }
        known.files.clone()
    }

    fn sources<'s>(
        &'s self,
        file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>,
        targets: &'s [&'s str],
    ) -> Sources<'s> {
        Sources {
            file,
            transforms: &self.transforms,
            hash_key: self.hash_key.as_deref(),
            targets,
        }
    }
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Reads rules on this machine, as the workbench does.
pub fn read_path(
    path: &Path,
    allowed: &Allowed,
    hash_key: Option<&[u8]>,
) -> Result<RuleSet, NoRules> {
    let place = Place::folder(path);
    let Place::Folder { folder, file } = &place else {
        return Err(NoRules::Unreadable(path.display().to_string()));
    };
    let text = disk(folder, file).map_err(NoRules::Unreadable)?;
    let text = String::from_utf8(text)
        .map_err(|error| NoRules::Unreadable(format!("{}: {error}", place.name())))?;
    let targets = allowed.targets();
    let sources = Sources {
        file: &|name| disk(folder, name),
        transforms: &allowed.transforms,
        hash_key,
        targets: &names(&targets),
    };
    let rules = RuleSet::read(&text, &sources);
    let rules = rules.and_then(|rules| fitting(rules, allowed.longest_window));
    rules.map_err(|problems| NoRules::Wrong {
        file: place.name(),
        problems,
    })
}

/// The rules, if their window is not longer than events may be held.
fn fitting(rules: RuleSet, longest: Option<Duration>) -> Result<RuleSet, Vec<Problem>> {
    if let (Some(coalesce), Some(longest)) = (&rules.coalesce, longest)
        && coalesce.window > longest
    {
        let (window, (line, column)) = (coalesce.window, coalesce.window_at);
        let message = format!(
            "coalesce: expected a window of at most {longest:?}, found {window:?}: half of queue.visibility_timeout, \
             so that no event comes twice while it is held"
        );
        return Err(vec![Problem {
            line,
            column,
            message,
        }]);
    }
    Ok(rules)
}
