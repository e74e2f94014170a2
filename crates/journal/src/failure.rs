//! The ways in which an open database fails for good. Only a new start of the process recovers it.

use std::path::PathBuf;

use crate::Displacement;

/// Why a database is no longer used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// SQLite found the file damaged. The next open recovers its readable rows.
    #[error("{file}: damaged: {damage}")]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What SQLite found.
        damage: String,
    },
    /// A path no longer names the file that is open.
    #[error("{file}: {how}")]
    Displacement {
        /// The database, its log, its index, or the data folder.
        file: PathBuf,
        /// How the file at the path differs.
        how: Displacement,
    },
    /// The writer panicked.
    #[error("{0}: the writer has stopped")]
    WriterStopped(PathBuf),
}

/// The state of a database, as its writer publishes it.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// It is read and written.
    Open,
    /// It has failed, and rows that only the open files contain are being saved: the process must not end yet.
    Saving(Failure),
    /// It has failed, and all rows are where the next open finds them.
    Saved(Failure),
}
