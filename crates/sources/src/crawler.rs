//! AWS Glue crawlers: crawls and the tables that they keep.
//!
//! A crawl is a run, and each table that it keeps is a run below it: one event with all inputs and all outputs would say
//! that each input feeds each table. Names are derived from tables, not from targets, because a crawler makes up the names
//! of tables. What the service answers is read in `answer.rs`, the data behind a table is named in `data.rs`, events are
//! written in `event.rs`, and files of answers are read in `file.rs`. `fetch` asks the service and calls this.

mod answer;
mod data;
mod event;
mod file;
mod hint;
#[cfg(test)]
mod tests;
mod unread;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::OffsetDateTime;

use crate::{Extraction, Finding, FindingRule, guarded};

pub use answer::{UnreadableAnswer, connection, crawl, crawler, table};
pub use file::{Answers, UnknownAccount};
pub use hint::{Hint, UnreadableHint};

/// Where crawlers run: what their names begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The id of the account: 12 digits.
    pub account: String,
}

/// A crawler, as far as it matters for lineage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crawler {
    /// Its name.
    pub name: String,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// The databases that its tables can be in.
    pub databases: BTreeSet<String>,
    /// The connections of its targets.
    pub connections: BTreeSet<String>,
}

/// A run of a crawler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawl {
    /// The id of the crawl, a UUID.
    pub id: String,
    /// How far it is.
    pub state: CrawlState,
    /// When it started.
    pub start: OffsetDateTime,
    /// When it ended.
    pub end: Option<OffsetDateTime>,
    /// Why it failed, as the service says it.
    pub error: Option<String>,
}

/// How far a crawl is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrawlState {
    /// It runs, or is in a state that is not known here.
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// A table of the Data Catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// The catalog that it is in: the id of an account, or begins with it.
    pub catalog: Option<String>,
    /// Where its data is: a URL, an ARN, or a name behind a connection.
    pub location: Option<String>,
    /// Its columns, and behind them its partition keys.
    pub columns: Vec<Column>,
    /// When it was created.
    pub created: Option<OffsetDateTime>,
    /// When it was changed last.
    pub updated: Option<OffsetDateTime>,
    /// What crawlers write about it, such as `classification`.
    pub parameters: BTreeMap<String, String>,
    /// Whether it only stands for a table elsewhere.
    pub is_link: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as Hive writes it.
    pub r#type: Option<String>,
    /// What somebody wrote about it.
    pub comment: Option<String>,
}

/// A connection that a crawler uses, without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// The URL of the server: that of a driver, or `mongodb://…`.
    pub url: Option<String>,
}

/// Connections by name.
pub type Connections = BTreeMap<String, Connection>;

/// Which tables of a completed crawl become runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tables {
    /// All that the crawler keeps.
    #[default]
    All,
    /// Those that the crawl created or changed.
    Changed,
}

/// A crawl whose tables become runs.
#[derive(Debug, Clone, Copy)]
pub struct CompletedCrawl<'c> {
    /// The crawl.
    pub crawl: &'c Crawl,
    /// Whether it is the last one of its crawler that ended: then tables have the columns that it left, or newer ones.
    pub is_newest: bool,
}

impl CrawlState {
    /// Whether nothing will happen any more.
    pub fn is_final(self) -> bool {
        match self {
            CrawlState::Running => false,
            CrawlState::Completed | CrawlState::Failed | CrawlState::Stopped => true,
        }
    }
}

impl Crawl {
    /// When it ended; for a crawl without an end, when it started.
    pub fn ended(&self) -> OffsetDateTime {
        self.end.unwrap_or(self.start)
    }
}

impl Table {
    /// The crawler that wrote it last.
    pub fn crawler(&self) -> Option<&str> {
        self.parameter("UPDATED_BY_CRAWLER")
    }

    /// The connection behind which its data is.
    pub fn connection(&self) -> Option<&str> {
        self.parameter("connectionName")
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.parameters.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    fn is_kept_by(&self, crawler: &Crawler) -> bool {
        !self.is_link && self.crawler() == Some(&crawler.name)
    }
}

/// The runs of the crawls themselves that have ended. Their datasets are those of the runs below them.
pub fn crawl_runs<'c>(
    place: &Place,
    crawler: &Crawler,
    crawls: impl IntoIterator<Item = &'c Crawl>,
) -> Extraction {
    let mut extraction = Extraction::default();
    let ended = crawls.into_iter().filter(|crawl| crawl.state.is_final());
    for crawl in ended {
        let run = guarded(crawl.id.as_bytes(), || {
            event::of_crawl(place, crawler, crawl)
        });
        match run {
            Some(event) => extraction.events.push(event),
            None => extraction.fail(unread::crawl(crawler, crawl)),
        }
    }
    extraction
}

/// The runs of tables in completed crawls. `tables` are some of the tables of the crawler's databases: those of others are
/// passed over.
pub fn table_runs(
    place: &Place,
    crawler: &Crawler,
    crawls: &[CompletedCrawl<'_>],
    tables: &[Table],
    connections: &Connections,
    which: Tables,
) -> Extraction {
    let mut extraction = Extraction::default();
    for table in tables.iter().filter(|table| table.is_kept_by(crawler)) {
        let concerned = crawls
            .iter()
            .filter(|completed| is_concerned(completed, table, which));
        let runs = guarded(table.name.as_bytes(), || {
            runs_of_table(place, crawler, concerned, table, connections)
        });
        match runs {
            Some(runs) => extraction.add(runs),
            None => extraction.fail(unread::table(crawler, crawls, table)),
        }
    }
    extraction
}

fn runs_of_table<'c>(
    place: &Place,
    crawler: &Crawler,
    concerned: impl Iterator<Item = &'c CompletedCrawl<'c>>,
    table: &Table,
    connections: &Connections,
) -> Extraction {
    let mut extraction = Extraction::default();
    let data = data::of_table(place, crawler, table, connections);
    extraction.events.extend(concerned.map(|completed| {
        let data = data.as_ref().ok();
        event::of_table(place, crawler, completed, table, data)
    }));
    if let Err(reason) = &data
        && !extraction.events.is_empty()
    {
        extraction.findings.push(Finding {
            rule: FindingRule::UnresolvedName,
            place: format!("table {}.{}", table.database, table.name),
            message: format!("the data behind it has no name: {reason}"),
        });
    }
    extraction
}

/// Reads the tables of an answer, in `database`. What cannot be read is a finding.
pub fn tables(database: &str, items: &[Value]) -> (Vec<Table>, Extraction) {
    let (mut tables, mut extraction) = (Vec::with_capacity(items.len()), Extraction::default());
    let place = || format!("database {database}");
    for item in items {
        let name = item.get("Name").and_then(Value::as_str);
        match guarded(name.unwrap_or_default().as_bytes(), || table(item)) {
            Some(Ok(table)) => tables.push(table),
            Some(Err(error)) => extraction.findings.push(Finding {
                rule: FindingRule::Unreadable,
                place: place(),
                message: error.to_string(),
            }),
            None => extraction.fail(unread::item(&place(), "TableList", item)),
        }
    }
    (tables, extraction)
}

/// The connections that these tables of a crawler need.
pub fn needed_connections(crawler: &Crawler, tables: &[Table]) -> BTreeSet<String> {
    let tables = tables.iter().filter(|table| table.is_kept_by(crawler));
    // One whose reading panics is reported by its runs.
    let connection = |table: &Table| {
        let name = table.name.as_bytes();
        let connection = guarded(name, || data::connection_of(crawler, table));
        connection.flatten().map(str::to_owned)
    };
    tables.filter_map(connection).collect()
}

/// How many of these tables the crawler keeps.
pub fn kept_tables(crawler: &Crawler, tables: &[Table]) -> usize {
    tables
        .iter()
        .filter(|table| table.is_kept_by(crawler))
        .count()
}

/// Whether a table was there when a crawl ended and, if only changes count, was changed by it. Times of tables and crawls
/// have whole seconds or finer ones, so seconds are compared.
fn is_concerned(completed: &CompletedCrawl<'_>, table: &Table, which: Tables) -> bool {
    let crawl = completed.crawl;
    let within = |time: Option<OffsetDateTime>| {
        time.is_some_and(|time| {
            let second = time.unix_timestamp();
            (crawl.start.unix_timestamp()..=crawl.ended().unix_timestamp()).contains(&second)
        })
    };
    let existed = table
        .created
        .is_none_or(|created| created.unix_timestamp() <= crawl.ended().unix_timestamp());
    crawl.state == CrawlState::Completed
        && existed
        && match which {
            Tables::All => true,
            Tables::Changed => within(table.updated) || within(table.created),
        }
}
