//! The source files of the repository, for tests that hold laws about them, and the law about their length.
//!
//! Only reads them. Other laws are beside what they are about, and call this.

use std::fs;
use std::path::Path;

/// A source file of the repository.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Returns the files with that extension below a folder, named from the root of the repository, by their paths. What cargo
/// has built is no source: its folders have a tag (<https://bford.info/cachedir/>).
#[must_use]
pub fn source_files(folder: &str, extension: &str) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut left = vec![root.join(folder)];
    while let Some(folder) = left.pop() {
        if folder.join("CACHEDIR.TAG").exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap();
                let path = path.to_str().unwrap().to_owned();
                found.push(SourceFile { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most lines of a file with its tests: house rule 1 of CONTRIBUTING.md.
    const MOST_LINES: usize = 400;

    /// Returns the files that are longer, with their lengths.
    fn too_long(files: &[SourceFile]) -> Vec<String> {
        let lengths = files
            .iter()
            .map(|file| (&file.path, file.text.lines().count()));
        let long = lengths.filter(|(_, lines)| *lines > MOST_LINES);
        long.map(|(path, lines)| format!("{path}: {lines} lines"))
            .collect()
    }

    #[test]
    fn a_file_that_is_too_long_is_named() {
        let file = |path: &str, lines| SourceFile {
            path: path.to_owned(),
            text: "\n".repeat(lines),
        };
        let files = [
            file("short.rs", MOST_LINES),
            file("long.rs", MOST_LINES + 1),
        ];
        assert_eq!(too_long(&files), ["long.rs: 401 lines"]);
    }

    /// What a browser shows at this moment, which may not be what it shows a moment later.
    const MOMENTS: [&str; 5] = [
        ".is_visible()",
        ".is_hidden()",
        ".count() ==",
        ".all_inner_texts() ==",
        ".input_value() ==",
    ];

    /// A page is drawn while its test looks at it: `expect` of Playwright waits, `assert` does not, and fails on a busy machine
    /// (<https://playwright.dev/python/docs/test-assertions>).
    #[test]
    fn tests_of_the_page_wait_for_what_it_shows() {
        let files = source_files("tests/real", "py");
        let files = files.iter().filter(|file| file.path.contains("test_page"));
        let mut hasty = Vec::new();
        let mut asserted = 0;
        for file in files {
            for (at, line) in file.text.lines().enumerate() {
                let is_assert = line.trim_start().starts_with("assert ");
                asserted += usize::from(is_assert);
                if is_assert && MOMENTS.iter().any(|moment| line.contains(moment)) {
                    hasty.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
                }
            }
        }
        assert!(asserted > 0, "there are no tests of the page");
        assert!(hasty.is_empty(), "use expect(…):\n{}", hasty.join("\n"));
    }

    #[test]
    fn no_source_file_has_more_than_400_lines() {
        let folders = [
            ("crates", "rs"),
            ("examples", "rs"),
            ("tests", "rs"),
            ("tests", "py"),
        ];
        let mut long = Vec::new();
        for (folder, extension) in folders {
            let files = source_files(folder, extension);
            assert!(!files.is_empty(), "{folder} has no *.{extension}");
            long.extend(too_long(&files));
        }
        let long = long.join("\n");
        assert!(
            long.is_empty(),
            "tell one story a file (CONTRIBUTING.md, house rules), and split these:\n{long}"
        );
    }
}
