//! One poll of a history: asks for the statements, then for what is needed to read them, and reads them.
//!
//! The limit of rows is halved where a result is too large to be had, and doubled where a poll would end where it began
//! because of a transaction that is still open. What a user may not read is said once, and done without.

use std::collections::{BTreeMap, BTreeSet};

use ::sources::redshift::{
    Catalogue, Found, History, Poll, ReadError, State, View, Warehouse, Window, extract, queries,
};
use time::{Duration, OffsetDateTime};

use super::RedshiftSource;
use super::cursor::Cursor;
use super::data_api::StatementError;
use crate::FetchError;

/// The most statements of a poll: some 5 KB each in an answer. And the most when a poll has to get past an open transaction.
const ROWS: usize = 4_000;
const MOST_ROWS: usize = 16_000;

/// The most bytes of texts of a poll.
const MAX_TEXT_BYTES: usize = 128 << 20;

/// The most bytes of one answer.
const MAX_ANSWER_BYTES: usize = 192 << 20;

/// The most tables that one poll asks for.
const MAX_TABLES: usize = 5_000;

/// How often columns and steps are asked for: with columns, `*` may lead to further ones.
const ROUNDS: usize = 3;

/// How long databases, external schemas and users are believed.
const BELIEVED: Duration = Duration::hours(1);

/// How many statements a poll asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    rows: usize,
    /// Whether open transactions are passed.
    presses_on: bool,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            rows: ROWS,
            presses_on: false,
        }
    }
}

impl Limit {
    /// After a result that could not be had. `None`: there is no less.
    fn less(self) -> Option<Limit> {
        (self.rows > 1).then_some(Limit {
            rows: self.rows / 2,
            ..self
        })
    }

    /// After a poll that ended where it began although there are more statements.
    fn more(self) -> Limit {
        match self.rows < MOST_ROWS {
            true => Limit {
                rows: self.rows * 2,
                ..self
            },
            false => Limit {
                presses_on: true,
                ..self
            },
        }
    }
}

/// What a poll has gathered before it is read.
struct Gathered {
    history: History,
    is_complete: bool,
}

impl RedshiftSource {
    /// Polls once. Returns what was found, and whether that is all there is until now.
    pub(super) async fn poll(
        &mut self,
        at: &Cursor,
        warehouse: &Warehouse,
        now: OffsetDateTime,
    ) -> Result<(Found, bool), FetchError> {
        self.ask_for_surroundings(now).await?;
        loop {
            let gathered = match self.gather(at, now).await {
                Ok(gathered) => gathered,
                Err(StatementError::TooLarge) => {
                    let less = self.limit.less();
                    self.limit = less.ok_or(StatementError::TooLarge)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let is_complete = gathered.is_complete;
            let found = self.read(gathered, at, warehouse, now).await?;
            if !is_complete && found.next <= at.from && !self.limit.presses_on {
                self.limit = self.limit.more();
                continue;
            }
            self.limit = Limit::default();
            return Ok((found, is_complete));
        }
    }

    /// Asks for databases, external schemas, users and the version, if that was long ago.
    async fn ask_for_surroundings(&mut self, now: OffsetDateTime) -> Result<(), FetchError> {
        if self
            .surroundings
            .is_some_and(|at| now - at <= BELIEVED && at <= now)
        {
            return Ok(());
        }
        self.about = History::default();
        let mut found = Catalogue::default();
        for (view, sql) in queries::surroundings() {
            let mut about = std::mem::take(&mut self.about);
            let asked = self.ask(view, sql, now, &mut about, &mut found).await;
            self.about = about;
            asked?;
        }
        self.catalogue.learn(&[], found, now);
        self.surroundings = Some(now);
        Ok(())
    }

    /// Asks for the statements, and for what is known of them besides.
    async fn gather(
        &mut self,
        at: &Cursor,
        now: OffsetDateTime,
    ) -> Result<Gathered, StatementError> {
        let to = self.config.end(now);
        let mut history = self.about.clone();
        self.about.forget_findings();
        let mut none = Catalogue::default();
        let rows = self.limit.rows;
        let sql = queries::history(at.from, to, rows);
        self.must(View::Queries, sql, now, &mut history, &mut none)
            .await?;
        let is_complete = history.len() < rows;
        let Some(last) = history.last_start() else {
            return Ok(Gathered {
                history,
                is_complete,
            });
        };
        let mut bytes = 0;
        for ids in history.long_texts().chunks(queries::MAX_NAMES) {
            let sql = queries::texts(ids, at.from, last);
            bytes += self
                .must(View::Texts, sql, now, &mut history, &mut none)
                .await?;
            if bytes > MAX_TEXT_BYTES && rows > 1 {
                return Err(StatementError::TooLarge);
            }
        }
        let after = last + Duration::seconds(1);
        let sql = queries::calls(at.from, after);
        self.ask(View::Calls, sql, now, &mut history, &mut none)
            .await?;
        let sql = queries::sessions(at.from, after);
        self.ask(View::Sessions, sql, now, &mut history, &mut none)
            .await?;
        if let Some((first, last)) = history.transactions_between() {
            let sql = queries::transactions(first, last);
            self.ask(View::Transactions, sql, now, &mut history, &mut none)
                .await?;
        }
        Ok(Gathered {
            history,
            is_complete,
        })
    }

    /// Reads the statements, and asks for the columns and steps that they need.
    async fn read(
        &mut self,
        gathered: Gathered,
        at: &Cursor,
        warehouse: &Warehouse,
        now: OffsetDateTime,
    ) -> Result<Found, FetchError> {
        let Gathered {
            mut history,
            is_complete,
        } = gathered;
        let window = Window {
            from: at.from,
            now,
            overlap: self.config.overlap.try_into().unwrap_or(Duration::ZERO),
            is_complete,
            presses_on: self.limit.presses_on,
        };
        let mut asked: BTreeSet<(View, i64)> = BTreeSet::new();
        let mut round = 0;
        loop {
            let found;
            (history, found) = self
                .extracted(history, &at.state, warehouse, window)
                .await?;
            round += 1;
            if round > ROUNDS {
                return Ok(found);
            }
            self.doubt(&found.changed);
            let mut tables = self.catalogue.stale(&found.tables, now);
            tables.truncate(MAX_TABLES);
            let about = about_statements(&found, &mut asked);
            if tables.is_empty() && about.is_empty() {
                return Ok(found);
            }
            self.ask_for_columns(&tables, now, &mut history).await?;
            for (view, sql) in about {
                let mut none = Catalogue::default();
                self.ask(view, sql, now, &mut history, &mut none).await?;
            }
        }
    }

    /// Reads the statements beside the other tasks of the process: it may take seconds.
    async fn extracted(
        &mut self,
        history: History,
        state: &State,
        warehouse: &Warehouse,
        window: Window,
    ) -> Result<(History, Found), FetchError> {
        let catalogue = std::mem::take(&mut self.catalogue);
        let (state, warehouse) = (state.clone(), warehouse.clone());
        let options = self.config.options.clone();
        let task = tokio::task::spawn_blocking(move || {
            let poll = Poll {
                history: &history,
                catalogue: &catalogue,
                warehouse: &warehouse,
                options: &options,
                window,
            };
            let found = extract(&poll, &state);
            (history, catalogue, found)
        });
        match task.await {
            Ok((history, catalogue, found)) => {
                self.catalogue = catalogue;
                Ok((history, found))
            }
            Err(_) => {
                self.surroundings = None;
                let message = "the statements cannot be read because of a bug, please report it";
                Err(FetchError::Unavailable(message.to_owned()))
            }
        }
    }

    fn doubt(&mut self, changed: &BTreeMap<String, OffsetDateTime>) {
        for (table, at) in changed {
            self.catalogue.doubt(table, *at);
        }
    }

    async fn ask_for_columns(
        &mut self,
        tables: &[String],
        now: OffsetDateTime,
        history: &mut History,
    ) -> Result<(), StatementError> {
        for names in tables.chunks(queries::MAX_NAMES) {
            let mut found = Catalogue::default();
            let sql = queries::columns(names);
            self.ask(View::Columns, sql, now, history, &mut found)
                .await?;
            let sql = queries::late_binding_columns(names);
            self.ask(View::LateBindingColumns, sql, now, history, &mut found)
                .await?;
            self.catalogue.learn(names, found, now);
        }
        Ok(())
    }

    /// Asks for what can be done without. What may not be read is said by a finding.
    async fn ask(
        &mut self,
        view: View,
        sql: String,
        now: OffsetDateTime,
        history: &mut History,
        catalogue: &mut Catalogue,
    ) -> Result<(), StatementError> {
        match self.must(view, sql, now, history, catalogue).await {
            Ok(_) => Ok(()),
            Err(StatementError::Denied(reason)) => {
                history.add_invisible(view, &reason);
                Ok(())
            }
            // It is no more than a help.
            Err(StatementError::TooLarge) => {
                history.add_invisible(view, "the result is larger than can be had");
                Ok(())
            }
            Err(error @ StatementError::Fetch(_)) => Err(error),
        }
    }

    /// Asks for what is needed. Returns the bytes of the answer.
    async fn must(
        &mut self,
        view: View,
        sql: String,
        now: OffsetDateTime,
        history: &mut History,
        catalogue: &mut Catalogue,
    ) -> Result<usize, StatementError> {
        let mut bytes = 0;
        let take = |page: &[u8]| {
            bytes += page.len();
            let added = history.add(catalogue, view, view.name(), page);
            added.map_err(|error: ReadError| {
                // The answer is not what the documentation says: nothing of it can be relied upon.
                StatementError::Fetch(FetchError::Refused(error.to_string()))
            })?;
            match bytes <= MAX_ANSWER_BYTES {
                true => Ok(()),
                false => Err(StatementError::TooLarge),
            }
        };
        self.data_api.run(sql, now, take).await?;
        Ok(bytes)
    }
}

/// What to ask about single statements that was not asked for yet.
fn about_statements(found: &Found, asked: &mut BTreeSet<(View, i64)>) -> Vec<(View, String)> {
    type Query = fn(&[i64]) -> String;
    let wanted: [(View, Query, &BTreeSet<i64>); 3] = [
        (View::Details, queries::details, &found.details),
        (View::Loads, queries::loads, &found.loads),
        (View::Unloads, queries::unloads, &found.unloads),
    ];
    let mut all = Vec::new();
    for (view, query, ids) in wanted {
        let new = ids.iter().copied().filter(|id| asked.insert((view, *id)));
        let new: Vec<i64> = new.collect();
        let chunks = new.chunks(queries::MAX_NAMES);
        all.extend(chunks.map(|ids| (view, query(ids))));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_ends_at_one_row_and_at_passing_what_is_open() {
        let mut limit = Limit::default();
        let mut steps = 0;
        while let Some(less) = limit.less() {
            limit = less;
            steps += 1;
        }
        assert_eq!((limit.rows, steps), (1, 11));
        let mut limit = Limit::default();
        while !limit.presses_on {
            limit = limit.more();
        }
        assert_eq!(limit.rows, MOST_ROWS);
    }
}
