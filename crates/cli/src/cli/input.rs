//! Events in files: the one way in for every command that reads events.
//!
//! A file is any mix of JSON values, one after the other: a line each, over many lines, in arrays, or in what
//! `GET /api/v1/events/lineage` answers; gzipped or not, with a byte order mark or without. `-` is standard input, and a
//! folder stands for the files in it. Events are read as they are needed. Where one event ends and the next begins is
//! decided in `input/texts.rs`; whether it is an event is for those who ask.

mod texts;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use texts::Texts;

/// Standard input, on the command line.
const STDIN: &str = "-";

/// An event's text, and where it stands.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: String,
    /// The line that it begins on, from 1.
    pub(super) line: u64,
    /// Its place among the events of the file, from 0.
    pub(super) index: usize,
    /// Whether another one begins on the same line before it.
    shares_line: bool,
    pub(super) text: Vec<u8>,
}

/// A file that is read from.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    /// Whether it was named, and did not come with its folder.
    is_named: bool,
}

/// A file that was named and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub(super) struct Unreadable(String, io::Error);

impl Found {
    /// `file:line`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Which event it is, where the line alone does not say so.
    pub(super) fn which(&self) -> String {
        match self.shares_line {
            true => format!(" (event {} of the file)", self.index + 1),
            false => String::new(),
        }
    }
}

/// The files that are meant: those named, and those in the folders named, in the order of their names. Hidden ones and
/// links to folders are left out.
pub(super) fn sources(paths: &[String]) -> Result<Vec<Source>, Unreadable> {
    let mut sources = Vec::new();
    for path in paths {
        let failed = |error| Unreadable(path.clone(), error);
        if path == STDIN && sources.iter().any(|source: &Source| source.name == STDIN) {
            let twice = "standard input can be read only once";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, twice)));
        }
        let before = sources.len();
        if path != STDIN && fs::metadata(path).map_err(failed)?.is_dir() {
            walk(Path::new(path), &mut sources).map_err(failed)?;
            if sources.len() == before {
                let empty = "there is no file in this folder";
                return Err(failed(io::Error::new(io::ErrorKind::NotFound, empty)));
            }
        } else {
            sources.push(Source {
                name: path.clone(),
                is_named: true,
            });
        }
    }
    Ok(sources)
}

fn walk(folder: &Path, sources: &mut Vec<Source>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, sources)?;
        } else if fs::metadata(&path).is_ok_and(|file| file.is_file()) {
            sources.push(Source {
                name: path.display().to_string(),
                is_named: false,
            });
        }
    }
    Ok(())
}

impl Source {
    /// Gives each event to `each`, and how many there were. A file that was named and holds none is said to.
    pub(super) fn read(
        &self,
        mut each: impl FnMut(Found) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let file = match self.name.as_str() {
            STDIN => "<stdin>".to_owned(),
            name => name.to_owned(),
        };
        let failed = |error| Unreadable(file.clone(), error);
        let (mut index, mut last) = (0, 0);
        for text in Texts::of(self.open().map_err(failed)?) {
            let text = text.map_err(failed)?;
            each(Found {
                file: file.clone(),
                line: text.line,
                index,
                shares_line: text.line == last,
                text: text.bytes,
            })?;
            (index, last) = (index + 1, text.line);
        }
        if index == 0 {
            eprintln!("lineage-proxy: {file}: there is no event in it");
        }
        Ok(index)
    }

    /// Whether it counts as wrong that it holds no event: a log that was just begun is no reason to refuse its folder.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        // 64 KB: a system call a block, and little next to an event.
        const BLOCK: usize = 65_536;
        let mut reader: Box<dyn BufRead> = match self.name.as_str() {
            STDIN => Box::new(BufReader::with_capacity(BLOCK, io::stdin())),
            path => Box::new(BufReader::with_capacity(BLOCK, fs::File::open(path)?)),
        };
        // The first byte of gzip's magic number (RFC 1952, section 2.3.1) begins no JSON text.
        if reader.fill_buf()?.first() == Some(&0x1f) {
            let unpacked = MultiGzDecoder::new(reader);
            return Ok(Box::new(BufReader::with_capacity(BLOCK, unpacked)));
        }
        Ok(reader)
    }
}

/// Gives each event of all files to `each`. Whether every file that was named holds one.
pub(super) fn each(
    paths: &[String],
    mut each: impl FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let (mut all, mut total) = (true, 0);
    for source in sources(paths)? {
        let count = source.read(&mut each)?;
        all &= count > 0 || !source.is_named();
        total += count;
    }
    Ok(all && total > 0)
}

/// All events of all files, in order; and whether every file that was named holds one.
pub(super) fn read(paths: &[String]) -> anyhow::Result<(Vec<Found>, bool)> {
    let mut events = Vec::new();
    let all = each(paths, |found| {
        events.push(found);
        Ok(())
    })?;
    Ok((events, all))
}
