//! The law of opening: whatever bytes a disk has changed in a database or its log, the database opens, accepts new rows,
//! and is sound from then on.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use journal::{Claim, Journal, Schema};
use proptest::prelude::*;
use rusqlite::params;

const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS t_body ON t (body)",
    migrations: &[],
    can_shrink: false,
    page_size: journal::PAGE,
};

/// Rows that are in the database file, and further ones that are in its log alone.
const IN_FILE: i64 = 300;
const IN_LOG: i64 = 60;

/// A row that is inserted after the damage. Damaged rows may have any number.
const NEW: i64 = 1 << 40;

/// One piece of damage.
#[derive(Debug, Clone)]
struct Damage {
    in_log: bool,
    /// Where it begins, as a share of the file.
    at: f64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Overwritten { byte: u8, length: usize },
    Truncated,
}

fn damage() -> impl Strategy<Value = Damage> {
    let overwritten =
        (any::<u8>(), 1usize..10_000).prop_map(|(byte, length)| Kind::Overwritten { byte, length });
    let kind = prop_oneof![4 => overwritten, 1 => Just(Kind::Truncated)];
    // The beginning of a file is what all the rest depends on.
    let at = prop_oneof![3 => 0.0..1.0, 1 => 0.0..0.02];
    (any::<bool>(), at, kind).prop_map(|(in_log, at, kind)| Damage { in_log, at, kind })
}

impl Damage {
    fn apply(&self, folder: &Path) {
        let name = if self.in_log { "a.db-wal" } else { "a.db" };
        let file = fs::File::options()
            .write(true)
            .open(folder.join(name))
            .unwrap();
        let size = file.metadata().unwrap().len();
        let at = (size as f64 * self.at) as u64;
        match self.kind {
            Kind::Truncated => file.set_len(at).unwrap(),
            Kind::Overwritten { byte, length } => {
                let length = length.min((size - at) as usize);
                file.write_all_at(&vec![byte; length], at).unwrap();
            }
        }
    }
}

fn own(folder: &Path, can_shrink: bool) -> Journal {
    let claim = Arc::new(Claim::take(folder).unwrap());
    let schema = Schema {
        can_shrink,
        // One of the two as the log has them.
        page_size: if can_shrink { 8_192 } else { journal::PAGE },
        ..SCHEMA
    };
    Journal::own(&folder.join("a.db"), schema, &claim).unwrap()
}

async fn insert(journal: &Journal, rows: std::ops::Range<i64>) {
    let insert = move |c: &rusqlite::Connection| {
        let mut insert = c.prepare_cached("INSERT INTO t VALUES (?1, ?2)")?;
        for n in rows {
            insert.execute(params![n, format!("{n} {}", "x".repeat(1_000))])?;
        }
        Ok(())
    };
    journal.write(insert).await.unwrap();
}

async fn rows(journal: &Journal) -> BTreeSet<i64> {
    let read = |c: &rusqlite::Connection| {
        c.prepare("SELECT n FROM t NOT INDEXED")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    journal.read(read).await.unwrap()
}

/// A database as a process leaves it that was killed.
async fn killed(can_shrink: bool) -> tempfile::TempDir {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = own(folder.path(), can_shrink);
    insert(&journal, 0..IN_FILE).await;
    let beside = rusqlite::Connection::open(folder.path().join("a.db")).unwrap();
    beside
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .unwrap();
    for n in IN_FILE..IN_FILE + IN_LOG {
        insert(&journal, n..n + 1).await;
    }
    for name in ["a.db", "a.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn whatever_is_damaged_the_database_opens_and_is_sound_from_then_on() {
    opens_and_is_sound(false);
}

#[test]
fn whatever_is_damaged_a_database_that_can_shrink_opens_and_is_sound_from_then_on() {
    opens_and_is_sound(true);
}

fn opens_and_is_sound(can_shrink: bool) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let killed = runtime.block_on(killed(can_shrink));
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(damages in prop::collection::vec(damage(), 1..4))| {
        runtime.block_on(is_sound_after(&damages, killed.path(), can_shrink));
    });
}

/// The pages at its end that are in the log, too: all rows can be read, and not all pages.
#[test]
fn wherever_its_last_pages_are_cut_the_database_opens_and_is_sound_from_then_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let killed = runtime.block_on(killed(false));
    let size = fs::metadata(killed.path().join("a.db")).unwrap().len();
    for cut in (1..16_384).step_by(768) {
        let damage = Damage {
            in_log: false,
            at: (size - cut) as f64 / size as f64,
            kind: Kind::Truncated,
        };
        runtime.block_on(is_sound_after(&[damage], killed.path(), false));
    }
}

async fn is_sound_after(damages: &[Damage], killed: &Path, can_shrink: bool) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.db", "a.db-wal"] {
        fs::copy(killed.join(name), folder.path().join(name)).unwrap();
    }
    damages
        .iter()
        .for_each(|damage| damage.apply(folder.path()));
    let journal = own(folder.path(), can_shrink);
    let found = rows(&journal).await;
    insert(&journal, NEW..NEW + 1).await;
    drop(journal);
    // Not its log and its index, which the writer deletes when it ends.
    let is_set_aside = |name: &str| name.starts_with("a.db.");
    let names = || {
        fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
    };
    let set_aside = || {
        names()
            .filter(|name| is_set_aside(name.to_str().unwrap()))
            .count()
    };
    let before = set_aside();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await; // the writer ends by itself
    let again = rows(&own(folder.path(), can_shrink)).await;
    let expected: BTreeSet<i64> = found.into_iter().chain([NEW]).collect();
    assert_eq!(again, expected, "{damages:?}");
    assert!(set_aside() <= before, "{damages:?}");
}
