//! The objects of S3 in which Flyte keeps literals, as a folder that was copied from the bucket.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// A folder with objects, by their key below the prefix of URIs that may be read.
#[derive(Debug)]
pub(super) struct Folder {
    path: Option<PathBuf>,
    prefix: Option<String>,
    max_bytes: usize,
}

impl Folder {
    pub(super) fn new(path: Option<PathBuf>, prefix: Option<String>, max_bytes: usize) -> Folder {
        Folder {
            path,
            prefix,
            max_bytes,
        }
    }

    /// The bytes that the objects of one message may have.
    pub(super) fn budget(&self) -> usize {
        self.max_bytes
    }

    /// Reads an object, and takes its size from the budget. The reason why it cannot be read names nothing of it.
    pub(super) fn get(&self, uri: &str, budget: &mut usize) -> Result<Vec<u8>, String> {
        let Some(folder) = &self.path else {
            return Err("objects are not read: --objects names no folder".to_owned());
        };
        let key = match &self.prefix {
            Some(prefix) => uri.strip_prefix(prefix.as_str()),
            None => uri
                .strip_prefix("s3://")
                .and_then(|rest| rest.split_once('/'))
                .map(|(_, key)| key),
        };
        let outside = || "it is not below the prefix that `literals` names".to_owned();
        let key = key.filter(|key| stays_inside(key)).ok_or_else(outside)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(*budget).unwrap_or(u64::MAX);
        let file = File::open(folder.join(key));
        let read = file.and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        read.map_err(|error| format!("it is not in the folder of --objects ({})", error.kind()))?;
        if bytes.len() > *budget {
            let limit = self.max_bytes;
            return Err(format!(
                "the objects of the message have more than `max_literal_bytes` ({limit})"
            ));
        }
        *budget -= bytes.len();
        Ok(bytes)
    }
}

/// Whether a key names a file of the folder: who wrote a message chose it.
fn stays_inside(key: &str) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !key.is_empty() && Path::new(key).components().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_from_the_folder_and_nowhere_else() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("objects");
        std::fs::create_dir_all(inner.join("a")).unwrap();
        std::fs::write(inner.join("a/b.pb"), "12345").unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        let prefix = Some("s3://bucket/meta/".to_owned());
        let folder = Folder::new(Some(inner.clone()), prefix, 6);
        let mut budget = folder.budget();
        let mut get = |uri: &str| folder.get(uri, &mut budget);
        for uri in [
            "s3://bucket/meta/../secret",
            "s3://bucket/meta//etc/passwd",
            "s3://bucket/meta/",
            "s3://other/meta/a/b.pb",
        ] {
            assert!(get(uri).unwrap_err().contains("not below"), "{uri}");
        }
        assert_eq!(get("s3://bucket/meta/a/b.pb"), Ok(b"12345".to_vec()));
        // One byte is left.
        assert!(
            get("s3://bucket/meta/a/b.pb")
                .unwrap_err()
                .contains("max_literal_bytes")
        );
        assert!(
            get("s3://bucket/meta/a/c.pb")
                .unwrap_err()
                .contains("--objects")
        );
        let whole = Folder::new(Some(inner), None, 6);
        assert_eq!(whole.get("s3://any/a/b.pb", &mut 5), Ok(b"12345".to_vec()));
    }
}
