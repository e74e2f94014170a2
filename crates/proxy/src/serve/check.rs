//! `serve --check`: everything that a start looks at, and nothing that it leaves behind.
//!
//! No port is bound, no folder or file is made, no service is called. What could be known only so is named. The parts
//! are checked by the code that sets them up; only where that code would make something, this looks whether it could.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use aws::Aws;
use rustix::fs::Access;
use transform::Transforms;

use super::allowed;
use crate::config::{Config, HASH_KEY, Part, RulesSource, Target};
use crate::setup::{self, NotStarted};

/// What a start would find.
#[derive(Debug)]
pub struct Checked {
    /// How many rules there are; nothing where none are read, or none can be read here.
    pub rules: Option<usize>,
    /// What only a start can tell.
    pub unchecked: Vec<String>,
}

/// Stands for a key that is read from a secret at the start.
const SOME_KEY: &str = "a key that only a start of the proxy reads";
const _: () = assert!(SOME_KEY.len() >= HASH_KEY);

/// Checks a configuration.
pub async fn check(config: &Config, transforms: Transforms) -> Result<Checked, NotStarted> {
    let mut checked = Checked {
        rules: None,
        unchecked: vec![format!("whether {} is free", config.listen)],
    };
    let mut left = |what: String| checked.unchecked.push(what);
    if let Some(id) = &config.ingest.auth.secret_id {
        left(format!("auth.secret_id: what is in {id}"));
    }
    if let Some(url) = &config.queue.url {
        left(format!("queue.url: whether {url} can be reached"));
    }
    let takes_out = config.only != Some(Part::Ingest);
    if takes_out {
        let mut key = config.rules.hash_key.clone();
        if let Some(id) = &config.rules.hash_key_secret {
            left(format!("rules.hash_key_secret_id: what is in {id}"));
            key = Some(SOME_KEY.to_owned());
        }
        if let Some(RulesSource::S3 { bucket, key }) = &config.rules.source {
            left(format!("rules.file: what is in s3://{bucket}/{key}"));
        } else if config.rules.source.is_some() {
            let allowed = allowed(config, transforms);
            let rules = setup::rules(config, key, &Aws::new(), allowed).await?;
            checked.rules = Some(rules.current().rules.len());
        }
        let mut left = |what: String| checked.unchecked.push(what);
        match &config.target {
            Target::Store => {}
            Target::File(settings) => {
                let path = settings.path.display();
                appendable(&settings.path)
                    .map_err(|error| NotStarted::Wrong(format!("file.path: {path}: {error}")))?;
            }
            Target::OpenLineage {
                http,
                api_key_secret,
            } => {
                left(format!(
                    "openlineage.url: whether {} answers",
                    host(&http.url)
                ));
                if let Some(id) = api_key_secret {
                    left(format!("openlineage.api_key_secret_id: what is in {id}"));
                }
                setup::openlineage(http.clone())?;
            }
            Target::DataZone { domain, .. } => {
                left(format!("datazone.domain_id: whether {domain} takes events"));
            }
        }
    }
    if config.queue.url.is_none() || takes_out && matches!(config.target, Target::Store) {
        let folder = config.data_dir.display();
        usable(&config.data_dir)
            .map_err(|error| NotStarted::Wrong(format!("data_dir: {folder}: {error}")))?;
    }
    Ok(checked)
}

/// Without what a URL may hold of keys.
fn host(url: &reqwest::Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Whether lines could be added to the file.
fn appendable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        // As the target says it.
        Ok(found) if !found.is_file() && !found.is_dir() => {
            Err(io::Error::other("not a regular file"))
        }
        Ok(_) => OpenOptions::new()
            .append(true)
            .read(true)
            .open(path)
            .map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            writable(folder.unwrap_or(Path::new(".")))
        }
        Err(error) => Err(error),
    }
}

/// Whether the folder could be used, or made.
fn usable(folder: &Path) -> io::Result<()> {
    let there = folder
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    writable(there.unwrap_or(Path::new(".")))
}

/// Whether something can be made in the folder.
fn writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}
