//! Checks that a path still names the file that is open.
//!
//! A process can write to an open file after it was removed, moved, replaced or truncated, and gets no error: what it
//! then acknowledges is lost. So every acknowledgement is preceded by this check. Inodes are not reused while a file is
//! open (unlink(2)), so device and inode identify a file. Called by the writer and by the target `file`.

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
    /// The size in bytes; for an open file, its minimum.
    pub size: u64,
}

/// How the file at a path differs from the open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Displacement {
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
    pub fn verify_at(self, path: &Path) -> Result<(), Displacement> {
        self.compare_at(path).map(drop)
    }

    /// As `verify_at`, but returns the identity with its present size.
    pub(crate) fn compare_at(self, path: &Path) -> Result<Identity, Displacement> {
        self.compare(Identity::at(path))
    }

    fn is_same(self, other: Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Compares the file that was found with the one that was expected.
    fn compare(self, found: io::Result<Identity>) -> Result<Identity, Displacement> {
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Displacement::Missing),
            // A folder of the path was replaced by a file.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(Displacement::Missing)
            }
            Err(error) => Err(Displacement::Inaccessible(error.to_string())),
            Ok(found) if !self.is_same(found) => Err(Displacement::Replaced),
            Ok(found) if found.size < self.size => Err(Displacement::Truncated {
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

impl fmt::Display for Displacement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Displacement::Missing => out.write_str("removed or moved while it was in use"),
            Displacement::Inaccessible(error) => write!(out, "no longer accessible: {error}"),
            Displacement::Replaced => out.write_str("replaced by another file while it was in use"),
            Displacement::Truncated { from, to } => {
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
                Err(Displacement::Truncated { from: 10, to: 9 }),
            ),
            (
                found(1, 2, 0),
                Err(Displacement::Truncated { from: 10, to: 0 }),
            ),
            (found(1, 3, 10), Err(Displacement::Replaced)),
            // The same inode number on another file system, which was mounted over it.
            (found(7, 2, 10), Err(Displacement::Replaced)),
            (failed(io::ErrorKind::NotFound), Err(Displacement::Missing)),
            (
                failed(io::ErrorKind::NotADirectory),
                Err(Displacement::Missing),
            ),
            (
                failed(io::ErrorKind::PermissionDenied),
                Err(Displacement::Inaccessible(hidden)),
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
