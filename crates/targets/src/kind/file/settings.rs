//! The settings of a file target. Where its file may be is in `../place.rs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Count, FilePath, Setting, Size};

use crate::kind::place::{is_same_path, resolve};
use crate::{Kind, SettingError};

/// The settings of a file target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileSettings {
    /// The file that events are appended to, one a line. Its folder has to exist, unless it is `data_dir`. Required.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub path: Option<Setting<FilePath>>,
    /// The size at which the file is renamed to `PATH.MILLISECONDS` (since 1970) and a new one begun.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub max_bytes: Setting<Size>,
    /// How many renamed files are kept; 0 keeps all.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub keep: Setting<Count<0, 1_000_000>>,
}

/// The settings of a file target, complete and checked.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The file that is written to.
    pub path: PathBuf,
    /// The size, in bytes, at which it is renamed and a new one begun.
    pub max_bytes: u64,
    /// How many renamed files are kept; 0 keeps all.
    pub keep: usize,
}

/// The name of the setting with the path, for errors.
pub(super) const PATH: &str = "path";

impl FileConfig {
    pub(in crate::kind) fn is_same_destination(&self, other: &FileConfig) -> bool {
        is_same_path(&self.path, &other.path)
    }

    /// What tells its place from others.
    pub(in crate::kind) fn identity(&self) -> String {
        resolve(&self.path).display().to_string()
    }
}

impl Default for FileSettings {
    fn default() -> FileSettings {
        FileSettings {
            path: None,
            max_bytes: Setting(100_000_000),
            keep: Setting(0),
        }
    }
}

impl FileSettings {
    pub(in crate::kind) fn validate(self) -> Result<FileConfig, Vec<SettingError>> {
        let path = self.path.ok_or(vec![SettingError::Required {
            setting: PATH,
            kind: Kind::File,
        }])?;
        Ok(FileConfig {
            path: path.into_value(),
            max_bytes: *self.max_bytes,
            keep: usize::try_from(*self.keep).unwrap_or(usize::MAX),
        })
    }
}
