//! A file of events that replaces another one when it is complete.
//!
//! It is written beside the path that it gets, as `NAME.new`. What was taken from a queue is in this file alone: it is durable
//! before messages are deleted, is never removed, and replaces nothing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::cli::tell;
use journal::sync_folder_of;
use proxy::config::Errors;

/// A file that is written.
#[derive(Debug)]
pub(super) struct NewFile {
    new: PathBuf,
    /// The path that it gets when it is complete.
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether it is the only place of some events.
    is_only_copy: bool,
}

impl NewFile {
    /// Creates the file beside `path`. `is_queue` says that its events will be nowhere else.
    pub(super) fn create(path: &str, inputs: &[String], is_queue: bool) -> Result<NewFile, Errors> {
        let failed = |why: &dyn std::fmt::Display| Errors::general(format!("--to {path}: {why}"));
        // A link stays one; what it points to is replaced.
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => PathBuf::from(path),
            Err(error) => return Err(failed(&error)),
        };
        let Some(name) = real.file_name() else {
            return Err(failed(&"is a folder"));
        };
        let mut new = name.to_owned();
        new.push(".new");
        let new = real.with_file_name(new);
        let mut is_there = Vec::new();
        for file in [&real, &new] {
            match fs::symlink_metadata(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&error)),
                Ok(found) if found.is_dir() => return Err(failed(&"is a folder")),
                Ok(found) if !found.is_file() => {
                    let why = format!("{} is not a regular file", file.display());
                    return Err(failed(&why));
                }
                Ok(found) => is_there.push((file, found)),
            }
        }
        for input in inputs {
            if is_there.iter().any(|(_, found)| is_same(input, found)) {
                return Err(failed(&format!("{input} is read, and would be replaced")));
            }
        }
        if is_queue {
            for (file, found) in &is_there {
                if found.len() > 0 {
                    return Err(failed(&format!(
                        "{} exists, and what was taken from a queue may be nowhere else: name a new file, or move this one",
                        file.display()
                    )));
                }
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600); // events can hold secrets
        let file = options.open(&new).map_err(|error| failed(&error))?;
        Ok(NewFile {
            new,
            path: real,
            file: BufWriter::new(file),
            is_only_copy: false,
        })
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.file
    }

    /// Makes durable what was written: it may be deleted where it was found.
    pub(super) fn keep(&mut self) -> Result<(), Errors> {
        let written = self.write_durably();
        written.map_err(|error| self.failed(&error))?;
        self.is_only_copy = true;
        Ok(())
    }

    /// Gives the file its path.
    pub(super) fn complete(&mut self) -> Result<(), Errors> {
        let renamed = self
            .write_durably()
            .and_then(|()| fs::rename(&self.new, &self.path))
            .and_then(|()| sync_folder_of(&self.path));
        renamed.map_err(|error| self.failed(&error))
    }

    /// Removes the file, or says where it stays.
    pub(super) fn abandon(&self) {
        let new = self.new.display();
        match self.is_only_copy {
            true => tell(format_args!(
                "lineage-proxy: what was taken from the queue stays in {new}"
            )),
            false => drop(fs::remove_file(&self.new)), // the next extraction replaces it
        }
    }

    fn write_durably(&mut self) -> std::io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        sync_folder_of(&self.new)
    }

    fn failed(&self, error: &std::io::Error) -> Errors {
        Errors::general(format!("--to {}: {error}", self.path.display()))
    }
}

/// Whether this input, which can be standard input, is that file.
fn is_same(input: &str, file: &Metadata) -> bool {
    let input = match input {
        "-" => "/dev/stdin",
        input => input,
    };
    fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn refusal(path: &Path, inputs: &[String], is_queue: bool) -> String {
        let created = NewFile::create(path.to_str().unwrap(), inputs, is_queue);
        created.unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_regular_file_or_is_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        for path in [Path::new("/dev/null"), &socket, &dangling] {
            assert!(refusal(path, &[], false).contains("is not a regular file"));
        }
        assert!(refusal(folder.path(), &[], false).contains("is a folder"));
        let log = folder.path().join("log");
        let beside = folder.path().join("log.new");
        for input in [&log, &beside] {
            fs::write(input, "x").unwrap();
            let inputs = [input.display().to_string()];
            assert!(refusal(&log, &inputs, false).contains("is read"));
            assert_eq!(fs::read_to_string(input).unwrap(), "x");
        }
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut new = NewFile::create(link.to_str().unwrap(), &[], false).unwrap();
        new.writer().write_all(b"new").unwrap();
        new.complete().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_is_nowhere_else_is_neither_removed_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("f"), folder.path().join("f.new"));
        let mut file = NewFile::create(path.to_str().unwrap(), &[], true).unwrap();
        file.writer().write_all(b"event").unwrap();
        file.keep().unwrap();
        file.abandon();
        assert_eq!(fs::read_to_string(&new).unwrap(), "event");
        assert!(refusal(&path, &[], true).contains("f.new exists"));
        fs::rename(&new, &path).unwrap();
        assert!(refusal(&path, &[], true).contains("nowhere else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "event");
    }
}
