//! The data folder of a demo: a temporary one that only this user can read, or one that the user named.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use proxy::config::Errors;

/// The data folder of a demo.
pub(super) struct Folder {
    path: PathBuf,
    on_drop: OnDrop,
}

/// What happens to the data folder at the end.
enum OnDrop {
    Keep,
    Remove,
    /// Remove it unless the demo succeeds: the user named it, and the demo creates it.
    RemoveUnlessKept,
}

impl Folder {
    /// Takes the folder that the user named, or creates a temporary one that only this user can read.
    pub(super) fn new(named: Option<PathBuf>) -> anyhow::Result<Folder> {
        if let Some(path) = named {
            let on_drop = match path.exists() {
                true => OnDrop::Keep,
                false => OnDrop::RemoveUnlessKept,
            };
            return Ok(Folder { path, on_drop });
        }
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).context("failed to read random bytes")?;
        let name = format!("lineage-proxy-demo-{}", hex::encode(suffix));
        let path = std::env::temp_dir().join(name);
        // `create` fails if something has that name already, so nobody can prepare the folder for us.
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.map_err(|error| Errors::general(format!("{}: {error}", path.display())))?;
        Ok(Folder {
            path,
            on_drop: OnDrop::Remove,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a file in the folder, unless an earlier demo did. Returns its absolute path.
    pub(super) fn create_file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let created = DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&self.path);
        let path = created
            .and_then(|()| self.path.canonicalize())
            .map(|it| it.join(name));
        let written = path.and_then(|path| {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => file.write_all(text.as_bytes())?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            Ok(path)
        });
        let failed = |error| Errors::general(format!("{}: {error}", self.path.display()));
        Ok(written.map_err(failed)?)
    }

    /// Keeps a folder that the user named.
    pub(super) fn keep(mut self) {
        self.on_drop = match self.on_drop {
            OnDrop::Keep | OnDrop::RemoveUnlessKept => OnDrop::Keep,
            OnDrop::Remove => OnDrop::Remove,
        };
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match self.on_drop {
            OnDrop::Keep => {}
            OnDrop::Remove | OnDrop::RemoveUnlessKept => {
                let _ = std::fs::remove_dir_all(&self.path); // nothing depends on it
            }
        }
    }
}
