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
        Ok(Reader {
            bytes: input::open(file)?,
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
