//! The size of the pages of a file, which an older version may have created with another one.
//!
//! It is in the head of the database and in that of its log, and any of them may be damaged. Called by `repair.rs`.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

use crate::files::beside;
use crate::{PAGE, Schema};

/// The sizes that SQLite has (<https://www.sqlite.org/fileformat2.html#pages>).
const SIZES: RangeInclusive<usize> = 512..=65_536;

/// What a database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What a log begins with, whatever the order of its sums.
const LOG_MAGIC: RangeInclusive<u32> = 0x377f_0682..=0x377f_0683;

/// The first bytes of pages: of a tree, or of an overflow or a free page, which begin with a page number.
const FIRST_BYTES: [u8; 5] = [0, 2, 5, 10, 13];

/// The most pages that are looked at.
const LOOKED_AT: u64 = 1_000;

/// Returns the size of the pages of the database at `path`, as far as it can be told; otherwise that of a new file.
pub(crate) fn page_size(path: &Path, schema: &Schema) -> usize {
    in_database(path)
        .or_else(|| in_log(path))
        .or_else(|| by_pages(path, schema.page_size).ok())
        .unwrap_or(schema.page_size)
}

fn in_database(path: &Path) -> Option<usize> {
    let head = head::<18>(path)?;
    let size = match head.get(16..18)? {
        [0, 1] => 65_536, // which has no room
        size => usize::from(u16::from_be_bytes(size.try_into().ok()?)),
    };
    (head.starts_with(MAGIC) && is_size(size)).then_some(size)
}

fn in_log(path: &Path) -> Option<usize> {
    let head = head::<12>(&beside(path, "-wal"))?;
    let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let size = usize::try_from(word(8)?).ok()?;
    (LOG_MAGIC.contains(&word(0)?) && is_size(size)).then_some(size)
}

/// Tells pages of SQLite's own size from larger ones: in a file of those, there is text where a page would begin.
fn by_pages(path: &Path, otherwise: usize) -> io::Result<usize> {
    let mut file = fs::File::open(path)?;
    let pages = (file.metadata()?.len() / PAGE as u64).min(LOOKED_AT);
    let mut first = [0];
    for page in 2..pages {
        file.seek(SeekFrom::Start(page * PAGE as u64))?;
        file.read_exact(&mut first)?;
        if !FIRST_BYTES.contains(&first[0]) {
            return Ok(otherwise);
        }
    }
    Ok(PAGE)
}

fn head<const N: usize>(path: &Path) -> Option<[u8; N]> {
    let mut head = [0; N];
    fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    Some(head)
}

fn is_size(size: usize) -> bool {
    size.is_power_of_two() && SIZES.contains(&size)
}
