//! An object of an archive: its lines, compressed, and its name. Pure but for the clock.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::batch::BatchEvent;
use crate::kind::file;

/// What every name ends with: Athena, Spark and DuckDB choose the decompression by `.gz`
/// (<https://docs.aws.amazon.com/athena/latest/ug/compression-support-gzip.html>).
pub(super) const SUFFIX: &str = ".jsonl.gz";

/// An object that is ready to be written.
#[derive(Debug)]
pub(super) struct Object {
    /// The folders that it is in, from the outside: `dt=2026-11-20`, `hour=09`. UTC, when the object was made.
    pub(super) folders: [String; 2],
    /// A UUID of version 7, so that names are unique and sort by time.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Object {
    /// Makes an object of events, one a line.
    pub(super) fn of(events: &[BatchEvent]) -> io::Result<Object> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut line = Vec::new();
        for event in events {
            line.clear();
            file::append_line(&mut line, &event.event);
            encoder.write_all(&line)?;
        }
        let (id, now) = (Uuid::now_v7(), OffsetDateTime::now_utc());
        Ok(Object {
            folders: folders(now),
            name: format!("{id}{SUFFIX}"),
            bytes: encoder.finish()?,
        })
    }

    /// The key below the prefix.
    pub(super) fn key(&self) -> String {
        let [date, hour] = &self.folders;
        format!("{date}/{hour}/{}", self.name)
    }
}

fn folders(time: OffsetDateTime) -> [String; 2] {
    let (year, month, day) = time.to_calendar_date();
    [
        format!("dt={year:04}-{:02}-{day:02}", u8::from(month)),
        format!("hour={:02}", time.hour()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_by_time() {
        let time = OffsetDateTime::from_unix_timestamp(1_767_229_260).unwrap();
        assert_eq!(folders(time), ["dt=2026-01-01", "hour=01"]);
    }
}
