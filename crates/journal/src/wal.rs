//! Reads the write-ahead log frame by frame.
//!
//! SQLite reads a log up to the first frame with a wrong checksum, and silently ignores the rest. That is right for the
//! last transaction after a power cut, but would lose accepted events if a byte in the middle is damaged. No check of
//! SQLite finds that. The format: <https://www.sqlite.org/fileformat2.html#walformat>. Called by `repair.rs`.

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

const HEAD: usize = 32;

/// What stands before the page in a frame.
const FRAME_HEAD: usize = 24;

/// The magic number of logs with little-endian checksums. A big-endian machine writes the next number, whose logs are
/// not read.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// Returns what is damaged in the log of the database at `path`, if SQLite would lose synced transactions. `page` is the size
/// of its pages.
pub(crate) fn damage(path: &Path, page: usize) -> Option<String> {
    let log = Log::read(path, page).ok()??;
    let bad = match log.head_is_good {
        true => log.frames.iter().position(|frame| !frame.is_good)?,
        false => 0,
    };
    let after = log.frames.iter().skip(bad).filter(|it| it.is_good);
    let commits = after.filter(|frame| frame.is_commit).count();
    // Each transaction is synced before the next one begins, so a power cut can damage only the last one.
    (commits >= 2).then(|| {
        format!("frame {bad} of the write-ahead log, {commits} transactions before its end")
    })
}

/// Writes the log of the database at `path` to `to`, without its bad frames. Returns whether there is a log.
pub(crate) fn mend(path: &Path, page: usize, to: &Path) -> io::Result<bool> {
    let Some(log) = Log::read(path, page)? else {
        return Ok(false);
    };
    let is_last = |frame: &Frame| frame.is_good && frame.is_commit;
    let frames = log.frames.iter().rposition(is_last).map_or(0, |at| at + 1);
    let mut from = BufReader::new(fs::File::open(wal(path))?);
    from.seek_relative(HEAD as i64)?;
    crate::create_file(to)?;
    let mut to = BufWriter::new(fs::File::create(to)?);
    let mut head = Vec::new();
    for word in [MAGIC, VERSION, page_word(page), 0] {
        head.extend(word.to_be_bytes());
    }
    head.extend(log.salts);
    let mut sum = add((0, 0), &head);
    to.write_all(&head)?;
    to.write_all(&bytes(sum))?;
    let mut frame = vec![0; FRAME_HEAD + page];
    for known in log.frames.iter().take(frames) {
        from.read_exact(&mut frame)?;
        let (Some(what), Some(page)) = (frame.get(..8), frame.get(FRAME_HEAD..)) else {
            continue;
        };
        if known.is_good {
            sum = add(add(sum, what), page);
            to.write_all(what)?;
            to.write_all(&log.salts)?;
            to.write_all(&bytes(sum))?;
            to.write_all(page)?;
        }
    }
    to.flush()?;
    Ok(true)
}

struct Log {
    head_is_good: bool,
    /// The salt of the frames of this log.
    salts: [u8; 8],
    frames: Vec<Frame>,
}

struct Frame {
    is_good: bool,
    is_commit: bool,
}

type Sum = (u32, u32);

impl Log {
    /// Returns `None` if there is no log, or one with another byte order.
    fn read(path: &Path, page: usize) -> io::Result<Option<Log>> {
        let frame_size = FRAME_HEAD + page;
        let file = match fs::File::open(wal(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let count = (file.metadata()?.len().saturating_sub(HEAD as u64)) / frame_size as u64;
        let mut file = BufReader::new(file);
        let mut head = [0; HEAD];
        if count == 0 || file.read_exact(&mut head).is_err() {
            return Ok(None);
        }
        let words = |from: usize| word(&head, from);
        let stored = (words(24), words(28));
        let head_is_good = (words(0), words(8)) == (MAGIC, page_word(page))
            && add((0, 0), head.get(..24).unwrap_or_default()) == stored;
        if words(0) == MAGIC + 1 {
            return Ok(None);
        }
        let mut salts = <[u8; 8]>::try_from(head.get(16..24).unwrap_or_default());
        let mut seeds = [stored; 2];
        let mut frames = Vec::new();
        let mut frame = vec![0; frame_size];
        for _ in 0..count {
            file.read_exact(&mut frame)?;
            let (Some(what), Some(page)) = (frame.get(..8), frame.get(FRAME_HEAD..)) else {
                continue;
            };
            let salt = frame.get(8..16).unwrap_or_default();
            if !head_is_good && frames.is_empty() {
                salts = salt.try_into();
            }
            let stored = (word(&frame, 16), word(&frame, 20));
            let sums = seeds.map(|seed| add(add(seed, what), page));
            let is_ours = salts.as_ref().is_ok_and(|salts| salts == salt);
            frames.push(Frame {
                is_good: is_ours && sums.contains(&stored),
                is_commit: word(what, 4) != 0,
            });
            // The next sum continues from here, whether the stored sum or the page is damaged.
            seeds = [stored, sums[0]];
        }
        let salts = salts.unwrap_or_default();
        Ok(Some(Log {
            head_is_good,
            salts,
            frames,
        }))
    }
}

/// Returns the size of pages as the head of a log has it.
fn page_word(page: usize) -> u32 {
    u32::try_from(page).unwrap_or(0)
}

fn wal(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Reads a big-endian word: the order of all words but those that are summed.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_be_bytes)
}

/// Returns a sum as it is stored.
fn bytes((first, second): Sum) -> [u8; 8] {
    let (first, second) = (first.to_be_bytes(), second.to_be_bytes());
    let mut bytes = [0; 8];
    for (to, byte) in bytes.iter_mut().zip(first.into_iter().chain(second)) {
        *to = byte;
    }
    bytes
}

/// Continues a sum over words in little-endian order.
fn add(sum: Sum, bytes: &[u8]) -> Sum {
    let words = bytes.as_chunks::<4>().0.iter();
    let mut words = words.map(|word| u32::from_le_bytes(*word));
    let (mut first, mut second) = sum;
    while let (Some(a), Some(b)) = (words.next(), words.next()) {
        first = first.wrapping_add(a).wrapping_add(second);
        second = second.wrapping_add(b).wrapping_add(first);
    }
    (first, second)
}
