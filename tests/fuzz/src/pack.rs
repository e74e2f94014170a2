//! Kept inputs in one file a law, so that the repository does not hold a thousand small ones: a JSON string a line,
//! its characters U+0000 to U+00FF the bytes. Read by the ordinary tests, written by the binary `kept`.

use std::path::{Path, PathBuf};

/// The file of a law, in the folder of a crate of laws.
pub fn file(folder: &str, law: &str) -> PathBuf {
    Path::new(folder)
        .join("corpus")
        .join(format!("{law}.jsonl"))
}

/// One input as a line.
pub fn line(input: &[u8]) -> String {
    let text: String = input.iter().copied().map(char::from).collect();
    serde_json::Value::from(text).to_string()
}

/// The inputs in a file, or none where there is no file.
pub fn inputs(file: &Path) -> Vec<Vec<u8>> {
    let lines = std::fs::read_to_string(file).unwrap_or_default();
    lines.lines().map(input).collect()
}

fn input(line: &str) -> Vec<u8> {
    let text: String = serde_json::from_str(line).expect("a JSON string a line");
    text.chars()
        .map(|c| u8::try_from(c).expect("a byte a character"))
        .collect()
}
