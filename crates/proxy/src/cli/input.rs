//! Events in files: one JSON text, an array, or JSON lines; `-` is standard input.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use openlineage::{Json, split_array};

/// An event's text, and where it stands.
pub(super) struct Found {
    pub(super) file: String,
    /// Its place in the file, from 0.
    pub(super) index: usize,
    pub(super) text: Vec<u8>,
}

/// All events of all files, in order.
pub(super) fn read(files: &[String]) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for file in files {
        let bytes = if file == "-" {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .context("standard input")?;
            bytes
        } else {
            std::fs::read(Path::new(file)).with_context(|| file.clone())?
        };
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
