//! How far an extraction is: a small file that is replaced as a whole after the events of each page are taken. It belongs to one
//! extraction: a position says nothing about another queue, time range or destination.

use std::fs;
use std::path::{Path, PathBuf};

use proxy::config::Errors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sources::Identity;

/// The largest file that is one of ours, in bytes: a cursor holds the names of what is in progress.
const MAX_SIZE: u64 = 64 << 20;

/// The state of an extraction.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    source: String,
    extraction: String,
    cursor: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    source: String,
    /// A hash of what is extracted, and where to.
    extraction: String,
    cursor: Value,
}

impl State {
    /// Reads the file; one that does not exist is created by the first page. A file that is not the state of such an extraction
    /// is an error. `extraction` identifies the extraction: its settings and its destination.
    pub(super) fn open(source: &str, extraction: &[&str], path: &Path) -> Result<State, Errors> {
        let failed = |why: &dyn std::fmt::Display| {
            Errors::general(format!("--state {}: {why}", path.display()))
        };
        let extraction = Identity::of(extraction).to_string();
        let cursor = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
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
                if written.extraction != extraction {
                    return Err(failed(
                        &"is the state of an extraction with other settings, --since, --until or --to; name another file, or remove it to begin again",
                    ));
                }
                if written.cursor.is_null() {
                    return Err(failed(&"is not the state of an extraction: no cursor"));
                }
                Some(written.cursor)
            }
        };
        Ok(State {
            path: path.to_owned(),
            source: source.to_owned(),
            extraction,
            cursor,
        })
    }

    /// Where to go on.
    pub(super) fn cursor(&self) -> Option<&Value> {
        self.cursor.as_ref()
    }

    /// Writes where to go on. It is durable when this returns.
    pub(super) fn advance(&mut self, cursor: &Value) -> anyhow::Result<()> {
        let text = serde_json::to_vec(&StateFile {
            source: self.source.clone(),
            extraction: self.extraction.clone(),
            cursor: cursor.clone(),
        })?;
        journal::replace_file(&self.path, &text).map_err(|error| {
            Errors::general(format!("--state {}: {error}", self.path.display()))
        })?;
        self.cursor = Some(cursor.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_resumed_by_the_same_source_alone_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let open = |source: &str, queue: &str| State::open(source, &[queue, "1h"], &path);
        let mut state = open("logs", "a").unwrap();
        assert_eq!(state.cursor(), None);
        state.advance(&serde_json::json!({"at": 7})).unwrap();
        let state = open("logs", "a").unwrap();
        assert_eq!(state.cursor(), Some(&serde_json::json!({"at": 7})));
        let error = open("redshift", "a").unwrap_err().to_string();
        assert!(error.contains("is the state of logs"), "{error}");
        let error = open("logs", "b").unwrap_err().to_string();
        assert!(error.contains("other settings"), "{error}");
        let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove("cursor");
        let mut null = whole;
        null["cursor"] = Value::Null;
        for text in ["{".to_owned(), without.to_string(), null.to_string()] {
            fs::write(&path, &text).unwrap();
            let error = open("logs", "a").unwrap_err().to_string();
            assert!(
                error.contains("--state") && error.contains("is not the state"),
                "{text}: {error}"
            );
        }
    }
}
