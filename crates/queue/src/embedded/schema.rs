//! The tables of the embedded queue.

use journal::Schema;

/// The file in the data folder.
pub(super) const FILE: &str = "queue.db";

pub(super) const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS messages (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            body TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            -- By the clock of the owner, which nobody sets: see `clock.rs`. 0: at once.
            visible_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX IF NOT EXISTS messages_in_sight ON messages (visible_at, seq);
        CREATE TABLE IF NOT EXISTS dead_letters (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            body TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            dead_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            reason TEXT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
        -- How far the owner's clock is ahead of the wall clock; and a row to write to, to find out whether that works.
        CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL);
        INSERT OR IGNORE INTO owner VALUES (1, 0, 0);
    ",
    migrations: &[
        // 1: attempts were called receives.
        "ALTER TABLE messages RENAME COLUMN receives TO attempts;
         ALTER TABLE dead_letters RENAME COLUMN receives TO attempts;",
    ],
    can_shrink: false,
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::Connection;

    use crate::Embedded;

    /// The tables as version 0 created them.
    const VERSION_0: &str = "
        CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL,
            received_at INTEGER NOT NULL, visible_at INTEGER NOT NULL, receives INTEGER NOT NULL DEFAULT 0);
        CREATE INDEX IF NOT EXISTS messages_in_sight ON messages (visible_at, seq);
        CREATE TABLE IF NOT EXISTS dead_letters (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL,
            received_at INTEGER NOT NULL, dead_at INTEGER NOT NULL, receives INTEGER NOT NULL, reason TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
        CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL);
        INSERT OR IGNORE INTO owner VALUES (1, 0, 0);
        INSERT INTO messages (id, body, received_at, visible_at, receives) VALUES ('a', '{}', 1, 0, 4);
        INSERT INTO dead_letters (id, body, received_at, dead_at, receives, reason) VALUES ('b', '{}', 1, 2, 7, 'invalid');
    ";

    #[tokio::test]
    async fn a_queue_of_version_0_keeps_its_events_also_when_it_is_damaged() {
        for damage in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(super::FILE);
            let old = Connection::open(&path).unwrap();
            old.execute_batch(VERSION_0).unwrap();
            drop(old);
            if damage {
                use std::os::unix::fs::FileExt;
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.write_all_at(&[0; 4_096], 0).unwrap();
            }
            let queue = Embedded::own(folder.path(), Duration::from_secs(60));
            let queue = queue.await.unwrap();
            let records = queue.receive(9, Duration::ZERO).await.unwrap();
            let found = records.iter().map(|it| (it.id.as_str(), it.attempts));
            assert_eq!(found.collect::<Vec<_>>(), [("a", 5)], "damaged: {damage}");
            let letters = queue.dead_letters("", 9).await.unwrap();
            let found = letters.iter().map(|it| (it.id.as_str(), it.attempts));
            assert_eq!(found.collect::<Vec<_>>(), [("b", 7)], "damaged: {damage}");
        }
    }
}
