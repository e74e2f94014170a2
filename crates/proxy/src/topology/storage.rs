//! The data folder and the queue of a process, and who else can read them.
//!
//! The store, which is a target, is opened as one (`target.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::Aws;
use journal::{Claim, ClaimError};
use tracing::warn;

use super::{StartError, StartErrors};
use crate::config::Config;
use crate::queue::{Embedded, Queue, QueueConfig, Sqs};

/// Whether the process keeps events in the data folder.
pub(super) fn uses_data_folder(config: &Config) -> bool {
    let mut targets = config.targets().iter();
    matches!(config.queue, QueueConfig::Embedded(_))
        || targets.any(|target| target.kind.uses_data_folder())
}

/// Claims the data folder, if the process uses it.
pub(super) fn claim(config: &Config) -> Result<Option<Arc<Claim>>, StartError> {
    if !uses_data_folder(config) {
        return Ok(None);
    }
    match Claim::take(&config.data_dir) {
        Ok(claim) => Ok(Some(Arc::new(claim))),
        Err(ClaimError::Failed(folder, error)) => {
            let place = format!("data_dir: {}", folder.display());
            Err(StartError::io(&place, &error))
        }
        Err(error @ ClaimError::InUse(_)) => Err(StartError::Temporary(error.to_string())),
    }
}

/// Opens the queue: SQS where a URL is set, or else the one in the data folder.
pub async fn open_queue(
    config: &Config,
    aws: &Aws,
    claim: Option<Arc<Claim>>,
) -> Result<Queue, StartErrors> {
    match (&config.queue, claim) {
        (QueueConfig::Sqs(settings), _) => {
            Ok(Queue::Sqs(Sqs::new(aws, settings, targets::words).await))
        }
        (QueueConfig::Embedded(settings), Some(claim)) => {
            let target = config.target.name.as_str();
            let queue = Embedded::claimed(claim, target, settings.visibility_timeout).await;
            let queue = queue.map_err(|error| StartError::database("queue", &error))?;
            Ok(Queue::Embedded(queue))
        }
        (QueueConfig::Embedded(_), None) => {
            Err(StartError::Invalid("queue.url: not set".to_owned()).into())
        }
    }
}

/// Warns of files and folders with events that others than their owner can read or change: events contain names, SQL, and
/// sometimes secrets. Their modes stay as they are, since they may have been chosen.
pub(super) fn warn_if_exposed(config: &Config, claim: Option<&Claim>) {
    let folder = claim.map(Claim::folder);
    // Where others cannot enter the folder, the modes of the files in it do not matter.
    let exposed = journal::exposed(folder);
    let databases = match exposed.is_empty() {
        true => Vec::new(),
        false => databases(folder),
    };
    let files = config
        .targets()
        .iter()
        .filter_map(|target| target.kind.file());
    let files = databases.iter().map(PathBuf::as_path).chain(files);
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

/// The databases in the data folder, with their journals and rescued copies.
fn databases(folder: Option<&Path>) -> Vec<PathBuf> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().filter_map(Result::ok);
    let paths = paths.map(|entry| entry.path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains(".db")
    };
    paths.filter(is_database).collect()
}
