//! How far an extraction is: a small file that is replaced as a whole after the events of each page are taken.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proxy::config::Errors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest file that is one of ours, in bytes: a cursor holds the names of what is in progress.
const MAX_SIZE: u64 = 64 << 20;

/// The state of an extraction.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    written: StateFile,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    source: String,
    cursor: Option<Value>,
}

impl State {
    /// Reads the file; one that does not exist is created by the first page. A file that is not the state of such an extraction
    /// is an error.
    pub(super) fn open(source: &str, path: &Path) -> Result<State, Errors> {
        let failed = |why: &dyn std::fmt::Display| {
            Errors::general(format!("--state {}: {why}", path.display()))
        };
        let new = StateFile {
            source: source.to_owned(),
            cursor: None,
        };
        let written = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new,
            Err(error) => return Err(failed(&error)),
            Ok(file) if file.len() > MAX_SIZE => {
                return Err(failed(&"is not the state of an extraction"));
            }
            Ok(_) => {
                let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
                let written: StateFile = serde_json::from_str(&text).map_err(|error| {
                    failed(&format!("is not the state of an extraction: {error}"))
                })?;
                if written.source != source {
                    let found = written.source;
                    return Err(failed(&format!(
                        "is the state of {found}, and not of {source}"
                    )));
                }
                written
            }
        };
        Ok(State {
            path: path.to_owned(),
            written,
        })
    }

    /// Where to go on.
    pub(super) fn cursor(&self) -> Option<&Value> {
        self.written.cursor.as_ref()
    }

    /// Writes where to go on. It is durable when this returns.
    pub(super) fn advance(&mut self, cursor: &Value) -> anyhow::Result<()> {
        self.written.cursor = Some(cursor.clone());
        let text = serde_json::to_vec(&self.written)?;
        replace(&self.path, &text).map_err(|error| {
            Errors::general(format!("--state {}: {error}", self.path.display())).into()
        })
    }
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_resumed_by_the_same_source_alone_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::open("logs", &path).unwrap();
        assert_eq!(state.cursor(), None);
        state.advance(&serde_json::json!({"at": 7})).unwrap();
        let state = State::open("logs", &path).unwrap();
        assert_eq!(state.cursor(), Some(&serde_json::json!({"at": 7})));
        let error = State::open("redshift", &path).unwrap_err().to_string();
        assert!(error.contains("is the state of logs"), "{error}");
        fs::write(&path, "{").unwrap();
        let error = State::open("logs", &path).unwrap_err().to_string();
        assert!(
            error.contains("--state") && error.contains("is not the state"),
            "{error}"
        );
    }
}
