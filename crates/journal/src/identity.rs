//! Whether a path still names the file that is open.
//!
//! A process goes on writing to an open file after it was removed, moved, replaced or truncated, and sees no error: what it
//! then acknowledges is lost. So whoever acknowledges checks here first. Inodes are not used again while a file is open
//! (unlink(2)), so device and inode tell one file from another. Called by the writer and by target `file`.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The identity of a file, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// In bytes; of an open file, the size that it has at least.
    pub size: u64,
}

/// How the file at a path differs from the open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Displaced {
    /// The path names nothing: the file, or a folder above it, was removed or moved.
    Missing,
    /// The path cannot be followed.
    Inaccessible(String),
    /// The path names another file.
    Replaced,
    /// The file is shorter than before.
    Truncated {
        /// Its size before, in bytes.
        from: u64,
        /// Its size now.
        to: u64,
    },
}

impl Identity {
    /// Returns the identity of an open file.
    pub fn of(file: &fs::File) -> io::Result<Identity> {
        file.metadata().map(|found| Identity::from(&found))
    }

    /// Returns the identity of the file that a path names, through symbolic links.
    pub fn at(path: &Path) -> io::Result<Identity> {
        fs::metadata(path).map(|found| Identity::from(&found))
    }

    /// Checks that `path` names this file, and that the file is not shorter than before.
    pub fn verify_at(self, path: &Path) -> Result<(), Displaced> {
        self.compare_at(path).map(drop)
    }

    /// The same; returns the identity with its present size.
    pub(crate) fn compare_at(self, path: &Path) -> Result<Identity, Displaced> {
        self.compare(Identity::at(path))
    }

    fn is_same(self, other: Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Decides from what was found where this file was expected.
    fn compare(self, found: io::Result<Identity>) -> Result<Identity, Displaced> {
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Displaced::Missing),
            // A file stands where a folder was.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Displaced::Missing),
            Err(error) => Err(Displaced::Inaccessible(error.to_string())),
            Ok(found) if !self.is_same(found) => Err(Displaced::Replaced),
            Ok(found) if found.size < self.size => Err(Displaced::Truncated {
                from: self.size,
                to: found.size,
            }),
            Ok(found) => Ok(found),
        }
    }
}

impl From<&fs::Metadata> for Identity {
    fn from(found: &fs::Metadata) -> Identity {
        Identity {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
        }
    }
}

impl fmt::Display for Displaced {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Displaced::Missing => out.write_str("removed or moved while it was in use"),
            Displaced::Inaccessible(error) => write!(out, "no longer accessible: {error}"),
            Displaced::Replaced => out.write_str("replaced by another file while it was in use"),
            Displaced::Truncated { from, to } => {
                write!(
                    out,
                    "truncated from {from} to {to} bytes while it was in use"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_found_at_the_path_decides() {
        let held = Identity {
            device: 1,
            inode: 2,
            size: 10,
        };
        let found = |device, inode, size| {
            Ok(Identity {
                device,
                inode,
                size,
            })
        };
        let failed = |kind: io::ErrorKind| Err(io::Error::from(kind));
        let hidden = io::Error::from(io::ErrorKind::PermissionDenied).to_string();
        let cases = [
            (found(1, 2, 10), Ok(())),
            (found(1, 2, 11), Ok(())),
            (
                found(1, 2, 9),
                Err(Displaced::Truncated { from: 10, to: 9 }),
            ),
            (
                found(1, 2, 0),
                Err(Displaced::Truncated { from: 10, to: 0 }),
            ),
            (found(1, 3, 10), Err(Displaced::Replaced)),
            // The same number on another file system: something was mounted over it.
            (found(7, 2, 10), Err(Displaced::Replaced)),
            (failed(io::ErrorKind::NotFound), Err(Displaced::Missing)),
            (
                failed(io::ErrorKind::NotADirectory),
                Err(Displaced::Missing),
            ),
            (
                failed(io::ErrorKind::PermissionDenied),
                Err(Displaced::Inaccessible(hidden)),
            ),
        ];
        for (found, decided) in cases {
            let what = format!("{found:?}");
            assert_eq!(held.compare(found).map(drop), decided, "{what}");
        }
    }

    #[test]
    fn every_way_in_which_a_path_stops_naming_a_file_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("above/folder/file");
        let other = folder.path().join("other");
        let up = path.parent().unwrap();
        let above = up.parent().unwrap();
        let moved = folder.path().join("moved");
        type Way<'a> = (&'a str, &'a dyn Fn(), bool);
        let ways: [Way<'_>; 13] = [
            ("nothing", &|| {}, true),
            ("rm", &|| fs::remove_file(&path).unwrap(), false),
            ("mv", &|| fs::rename(&path, &moved).unwrap(), false),
            ("folder rm -rf", &|| fs::remove_dir_all(up).unwrap(), false),
            ("folder mv", &|| fs::rename(up, &moved).unwrap(), false),
            ("above mv", &|| fs::rename(above, &moved).unwrap(), false),
            ("mv over it", &|| fs::rename(&other, &path).unwrap(), false),
            (
                "rm, and another of the same size",
                &|| {
                    fs::remove_file(&path).unwrap();
                    fs::write(&path, "12345").unwrap();
                },
                false,
            ),
            (
                "a hard link to another",
                &|| {
                    fs::remove_file(&path).unwrap();
                    fs::hard_link(&other, &path).unwrap();
                },
                false,
            ),
            (
                "a link to another",
                &|| {
                    fs::remove_file(&path).unwrap();
                    std::os::unix::fs::symlink(&other, &path).unwrap();
                },
                false,
            ),
            (
                "a folder",
                &|| {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                },
                false,
            ),
            ("cut", &|| fs::write(&path, "1").unwrap(), false),
            (
                "moved, and a link to it left",
                &|| {
                    fs::rename(&path, &moved).unwrap();
                    std::os::unix::fs::symlink(&moved, &path).unwrap();
                },
                true,
            ),
        ];
        for (what, way, stands) in ways {
            let _ = fs::remove_file(&moved).or_else(|_| fs::remove_dir_all(&moved));
            let _ = fs::remove_dir_all(above);
            fs::create_dir_all(up).unwrap();
            fs::write(&path, "12345").unwrap();
            fs::write(&other, "12345").unwrap();
            let file = fs::File::open(&path).unwrap();
            let held = Identity::of(&file).unwrap();
            way();
            assert_eq!(held.verify_at(&path).is_ok(), stands, "{what}");
        }
    }
}
