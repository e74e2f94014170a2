//! Reads files for an extraction, in pieces, whatever their size.

use std::io::{BufRead, Read};

use fetch::Kind;
use sources::Extraction;
use sources::logs::TextLog;

use super::super::input::{self, ReadError};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// Whether a source can be read from files.
pub(super) fn reads_files(kind: Kind) -> bool {
    match kind {
        Kind::Logs => true,
        Kind::GlueCrawlers | Kind::Redshift | Kind::Flyte | Kind::Sqs => false,
    }
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

/// A file that is read.
pub(super) struct Reader {
    name: String,
    bytes: Box<dyn BufRead>,
    /// `None` after its end.
    log: Option<TextLog>,
    piece: Vec<u8>,
}

impl Reader {
    pub(super) fn open(file: &str) -> Result<Reader, ReadError> {
        let name = match file {
            "-" => "<stdin>",
            file => file,
        };
        let mut bytes = input::open(file)?;
        let start = bytes.fill_buf();
        let start = start.map_err(|error| ReadError::new(name.to_owned(), error))?;
        if let Some(format) = other_compression(start) {
            let why = format!("is compressed with {format}; expected text, or gzip");
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, why);
            return Err(ReadError::new(name.to_owned(), error));
        }
        Ok(Reader {
            bytes,
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
