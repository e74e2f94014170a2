//! Events in files: one JSON text, an array, or JSON lines; `-` is standard input.
//!
//! An archive may also be a folder of such files, gzipped or not; its lines are read as they are needed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

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

/// The files of an archive: those named, and all in the folders named, in the order of their names.
pub(super) fn archive(paths: &[String]) -> Result<Vec<PathBuf>, Unreadable> {
    let mut files = Vec::new();
    for path in paths {
        walk(Path::new(path), &mut files).map_err(|error| Unreadable(path.clone(), error))?;
    }
    Ok(files)
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().try_for_each(|path| walk(path, files))
}

/// Gives each event of a file to `each`. JSON lines are read one by one, whatever else there is is read whole.
pub(super) fn stream(path: &Path, mut each: impl FnMut(Found)) -> Result<(), Unreadable> {
    let file = path.display().to_string();
    let failed = |error| Unreadable(file.clone(), error);
    let opened = fs::File::open(path).map_err(failed)?;
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    let mut reader: Box<dyn BufRead> = if gzipped {
        Box::new(BufReader::new(MultiGzDecoder::new(opened)))
    } else {
        Box::new(BufReader::new(opened))
    };
    let is_whole =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| Json::parse(text).is_ok());
    let (mut line, mut index) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        // A first line that does not stand for itself is the beginning of something larger; an array of one line is too.
        if index == 0 && (!is_whole(&line) || line.trim_ascii_start().starts_with(b"[")) {
            reader.read_to_end(&mut line).map_err(failed)?;
            for (index, text) in split(&line).into_iter().enumerate() {
                each(Found {
                    file: file.clone(),
                    index,
                    text: text.to_vec(),
                });
            }
            return Ok(());
        }
        let text = std::mem::take(&mut line);
        if !text.trim_ascii().is_empty() {
            each(Found {
                file: file.clone(),
                index,
                text,
            });
            index += 1;
        }
    }
    Ok(())
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
    use super::{split, stream};

    #[test]
    fn an_archive_gives_the_same_events_whole_in_lines_and_gzipped() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let lines = "{\"a\":1}\n\n{\"a\":NaN}\n{\"a\":3}";
        let array = "[{\"a\":1},{\"a\":NaN},\n{\"a\":3}]";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        let files = [
            ("lines.jsonl", lines.as_bytes().to_vec()),
            ("array.json", array.as_bytes().to_vec()),
            ("lines.jsonl.gz", gzip.finish().unwrap()),
        ];
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let mut texts = Vec::new();
            stream(&path, |found| {
                texts.push(String::from_utf8(found.text).unwrap().trim().to_owned());
            })
            .unwrap();
            assert_eq!(texts, ["{\"a\":1}", "{\"a\":NaN}", "{\"a\":3}"], "{name}");
        }
    }

    #[test]
    fn one_text_an_array_and_lines_are_told_apart() {
        assert_eq!(split(b"{\n\"a\": 1\n}").len(), 1);
        assert_eq!(split(b" [ {}, {\"a\": NaN} ]").len(), 2);
        assert_eq!(split(b"{}\n\n{\"a\": NaN}\n{}\n").len(), 3);
        assert_eq!(split(b"{ not json").len(), 1);
    }
}
