//! Reads events from files, for every command that takes events.
//!
//! A file is a sequence of JSON values: one per line, over several lines, in arrays, or in the response of
//! `GET /api/v1/events/lineage`. It may be gzipped, and it may have a byte order mark. `-` is standard input, and a folder
//! stands for its files. Events are read as they are needed. `input/texts.rs` finds where each event ends; callers
//! validate it.

mod texts;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::cli::tell;
use texts::Texts;

/// Standard input on the command line.
const STDIN: &str = "-";

/// 64 KB: one system call per block, and small compared with an event.
const BLOCK: usize = 65_536;

/// The text of an event and its position.
#[derive(Debug)]
pub(super) struct LocatedEvent {
    pub(super) file: String,
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Its index among the events of the file, from 0.
    pub(super) index: usize,
    /// Whether another event begins on the same line before it.
    shares_line: bool,
    pub(super) text: Vec<u8>,
}

/// A file to read.
#[derive(Debug)]
pub(super) struct InputFile {
    name: String,
    /// Whether the user named it, and not a folder that contains it.
    is_named: bool,
}

/// A named file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub(super) struct ReadError(String, io::Error);

impl ReadError {
    pub(super) fn new(name: String, error: io::Error) -> ReadError {
        ReadError(name, error)
    }
}

impl LocatedEvent {
    /// Returns `file:line`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Returns which event of the file it is, if the line alone does not identify it.
    pub(super) fn which(&self) -> String {
        match self.shares_line {
            true => format!(" (event {} of the file)", self.index + 1),
            false => String::new(),
        }
    }
}

/// Returns the files to read: those named, and those in named folders, sorted by name. Skips hidden files and
/// links to folders.
pub(super) fn sources(paths: &[String]) -> Result<Vec<InputFile>, ReadError> {
    let mut sources = Vec::new();
    for path in paths {
        let failed = |error| ReadError(path.clone(), error);
        if path == STDIN
            && sources
                .iter()
                .any(|source: &InputFile| source.name == STDIN)
        {
            let twice = "standard input can be read only once";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, twice)));
        }
        let before = sources.len();
        if path != STDIN && fs::metadata(path).map_err(failed)?.is_dir() {
            walk(Path::new(path), &mut sources).map_err(failed)?;
            if sources.len() == before {
                let empty = "no file in this folder";
                return Err(failed(io::Error::new(io::ErrorKind::NotFound, empty)));
            }
        } else {
            sources.push(InputFile {
                name: path.clone(),
                is_named: true,
            });
        }
    }
    Ok(sources)
}

fn walk(folder: &Path, sources: &mut Vec<InputFile>) -> io::Result<()> {
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
            sources.push(InputFile {
                name: path.display().to_string(),
                is_named: false,
            });
        }
    }
    Ok(())
}

impl InputFile {
    /// Calls `each` for every event, and returns how many there were. Reports a named file without events.
    pub(super) fn read(
        &self,
        each: impl FnMut(LocatedEvent) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let file = match self.name.as_str() {
            STDIN => "<stdin>".to_owned(),
            name => name.to_owned(),
        };
        let reader = self
            .open()
            .map_err(|error| ReadError(file.clone(), error))?;
        read_from(&file, reader, each)
    }

    /// The path of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a file without events is an error: a log that was just created must not fail its folder.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        let reader: Box<dyn BufRead> = match self.name.as_str() {
            STDIN => Box::new(BufReader::with_capacity(BLOCK, io::stdin())),
            path => Box::new(BufReader::with_capacity(BLOCK, fs::File::open(path)?)),
        };
        unpacked(reader)
    }
}

/// Unpacks what is compressed.
fn unpacked<'r>(mut reader: Box<dyn BufRead + 'r>) -> io::Result<Box<dyn BufRead + 'r>> {
    // The first byte of gzip's magic number (RFC 1952, section 2.3.1) does not begin a JSON text.
    if reader.fill_buf()?.first() == Some(&0x1f) {
        return Ok(Box::new(BufReader::with_capacity(
            BLOCK,
            MultiGzDecoder::new(reader),
        )));
    }
    Ok(reader)
}

/// Opens a file, or standard input, as bytes that are not compressed.
pub(super) fn open(path: &str) -> Result<Box<dyn BufRead>, ReadError> {
    let file = InputFile {
        name: path.to_owned(),
        is_named: true,
    };
    let opened = file.open();
    opened.map_err(|error| ReadError(path.to_owned(), error))
}

/// Calls `each` for every event of a file that is in memory.
pub(super) fn read_bytes(
    file: &str,
    bytes: &[u8],
    each: impl FnMut(LocatedEvent) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let reader = unpacked(Box::new(bytes)).map_err(|error| ReadError(file.to_owned(), error))?;
    read_from(file, reader, each)
}

fn read_from<'r>(
    file: &str,
    reader: Box<dyn BufRead + 'r>,
    mut each: impl FnMut(LocatedEvent) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let (mut index, mut last) = (0, 0);
    for text in Texts::new(reader) {
        let text = text.map_err(|error| ReadError(file.to_owned(), error))?;
        each(LocatedEvent {
            file: file.to_owned(),
            line: text.line,
            index,
            shares_line: text.line == last,
            text: text.bytes,
        })?;
        (index, last) = (index + 1, text.line);
    }
    if index == 0 {
        tell(format_args!("lineage-proxy: {file}: no event found"));
    }
    Ok(index)
}

/// Calls `each` for every event of all files. Returns whether every named file contains one.
pub(super) fn each(
    paths: &[String],
    mut each: impl FnMut(LocatedEvent) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let (mut all, mut total) = (true, 0);
    for source in sources(paths)? {
        let count = source.read(&mut each)?;
        all &= count > 0 || !source.is_named();
        total += count;
    }
    Ok(all && total > 0)
}

/// Returns all events of all files in order, and whether every named file contains one.
pub(super) fn read(paths: &[String]) -> anyhow::Result<(Vec<LocatedEvent>, bool)> {
    let mut events = Vec::new();
    let all = each(paths, |found| {
        events.push(found);
        Ok(())
    })?;
    Ok((events, all))
}
