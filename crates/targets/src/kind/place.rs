//! Whether two paths name the same file or folder, which need not exist yet. Called by the targets on disk.

use std::path::{Component, Path, PathBuf};

/// Whether two paths name one file or folder, whether it exists or only something above it does.
pub(super) fn is_same_path(one: &Path, other: &Path) -> bool {
    resolve(one) == resolve(other)
}

/// The path from the root without links and `..`, as far as that can be known.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let Ok(path) = std::path::absolute(path) else {
        return path.to_owned(); // it is empty, or there is no current folder
    };
    let mut existing = path.ancestors();
    let found = existing.find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, mut resolved)) = found else {
        return path;
    };
    // What does not exist holds no links.
    let missing = path.strip_prefix(above).unwrap_or(&path);
    for part in missing.components() {
        match part {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => drop(resolved.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_same_before_and_after_their_folders_exist() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::os::unix::fs::symlink(root, root.join("link")).unwrap();
        let file = root.join("data/a.jsonl");
        let same = [
            root.join("./data/a.jsonl"),
            root.join("data//a.jsonl"),
            root.join("data/b/../a.jsonl"),
            root.join("link/data/a.jsonl"),
        ];
        for exists in [false, true] {
            if exists {
                std::fs::create_dir_all(root.join("data/b")).unwrap();
                std::fs::write(&file, "").unwrap();
            }
            for path in &same {
                assert!(is_same_path(&file, path), "{} {exists}", path.display());
            }
            for path in [root.join("data/b.jsonl"), root.join("a.jsonl")] {
                assert!(!is_same_path(&file, &path), "{} {exists}", path.display());
            }
        }
    }

    #[test]
    fn relative_paths_are_the_same_with_and_without_a_dot() {
        let (plain, dotted) = ("no-such-folder/a", "./no-such-folder/a");
        assert!(is_same_path(Path::new(plain), Path::new(dotted)));
    }
}
