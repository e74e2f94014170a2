//! Reads files for an extraction: logs in pieces, whatever their size, and saved answers as a whole.

use std::io::{BufRead, Read};

use sources::Extraction;
use sources::logs::TextLog;

use super::super::input::{self, ReadError};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// The most bytes of a file with saved answers, unpacked: all of them are read together.
const MAX_SAVED: u64 = 1 << 30;

/// The name of a file in findings.
pub(super) fn name(file: &str) -> &str {
    match file {
        "-" => "<stdin>",
        file => file,
    }
}

/// Reads a file with saved answers as a whole.
pub(super) fn read(file: &str) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = open(file)?.take(MAX_SAVED + 1).read_to_end(&mut bytes);
    read.map_err(|error| ReadError::new(name(file).to_owned(), error))?;
    match bytes.len() as u64 > MAX_SAVED {
        true => Err(invalid(
            file,
            "has more than 1 GiB; save less at once".to_owned(),
        )),
        false => Ok(bytes),
    }
}

fn invalid(file: &str, why: String) -> ReadError {
    let error = std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    ReadError::new(name(file).to_owned(), error)
}

/// Returns the compression of a file that is not read, by its magic number: no event would be found in it.
fn other_compression(start: &[u8]) -> Option<&'static str> {
    // RFC 8878, section 3.1.1; the format description of xz, section 2.1.1.1; bzip2's header and block magic.
    let is_bzip2 = start.starts_with(b"BZh") && start.get(4..10) == Some(b"1AY&SY");
    match start {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        _ if is_bzip2 => Some("bzip2"),
        _ => None,
    }
}

/// Opens a file, and refuses one that is compressed otherwise than with gzip.
fn open(file: &str) -> Result<Box<dyn BufRead>, ReadError> {
    let mut bytes = input::open(file)?;
    let start = bytes.fill_buf();
    let start = start.map_err(|error| ReadError::new(name(file).to_owned(), error))?;
    match other_compression(start) {
        Some(format) => {
            let why = format!("is compressed with {format}; expected text, or gzip");
            Err(invalid(file, why))
        }
        None => Ok(bytes),
    }
}

/// A log that is read.
pub(super) struct LogReader {
    name: String,
    bytes: Box<dyn BufRead>,
    /// `None` after its end.
    log: Option<TextLog>,
    piece: Vec<u8>,
}

impl LogReader {
    pub(super) fn open(file: &str) -> Result<LogReader, ReadError> {
        let name = name(file);
        Ok(LogReader {
            bytes: open(file)?,
            log: Some(TextLog::new(name)),
            name: name.to_owned(),
            piece: vec![0; PIECE],
        })
    }

    /// Returns what the next piece brought; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Extraction>, ReadError> {
        let Some(log) = &mut self.log else {
            return Ok(None);
        };
        let read = loop {
            match self.bytes.read(&mut self.piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::new(self.name.clone(), error)),
                Ok(read) => break read,
            }
        };
        if read == 0 {
            return Ok(self.log.take().map(TextLog::end));
        }
        Ok(Some(log.read(self.piece.get(..read).unwrap_or_default())))
    }
}
