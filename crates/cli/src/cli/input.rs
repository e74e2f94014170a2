//! Events in files: one JSON text, an array, or JSON lines; `-` is standard input.

use std::io::Read;
use std::path::Path;

use openlineage::{Json, split_array};

/// An event's text, and where it stands.
pub(super) struct Found {
    pub(super) file: String,
    /// Its place in the file, from 0.
    pub(super) index: usize,
    pub(super) text: Vec<u8>,
}

/// A file that was named and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub(super) struct Unreadable(String, std::io::Error);

/// All events of all files, in order.
pub(super) fn read(files: &[String]) -> Result<Vec<Found>, Unreadable> {
    let mut found = Vec::new();
    for file in files {
        let mut bytes = Vec::new();
        let read = match file.as_str() {
            "-" => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
            path => std::fs::read(Path::new(path)).map(|read| bytes = read),
        };
        read.map_err(|error| Unreadable(file.clone(), error))?;
        let texts = split(&bytes).into_iter().enumerate();
        found.extend(texts.map(|(index, text)| Found {
            file: file.clone(),
            index,
            text: text.to_vec(),
        }));
    }
    Ok(found)
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    if let Ok(texts) = split_array(bytes) {
        return texts.into_iter().map(str::as_bytes).collect();
    }
    let lines: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let is_whole =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| Json::parse(text).is_ok());
    // One text over many lines, or one text a line? If any line stands for itself, a line.
    if lines.len() > 1 && !is_whole(bytes) && lines.iter().any(|line| is_whole(line)) {
        return lines;
    }
    vec![bytes]
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn one_text_an_array_and_lines_are_told_apart() {
        assert_eq!(split(b"{\n\"a\": 1\n}").len(), 1);
        assert_eq!(split(b" [ {}, {\"a\": NaN} ]").len(), 2);
        assert_eq!(split(b"{}\n\n{\"a\": NaN}\n{}\n").len(), 3);
        assert_eq!(split(b"{ not json").len(), 1);
    }
}
