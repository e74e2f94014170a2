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

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::{Extraction, Finding, FindingRule, FoundEvent};

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

/// The run of a crawl itself, once it has ended. Its datasets are those of the runs below it.
pub fn crawl_run(place: &Place, crawler: &Crawler, crawl: &Crawl) -> Option<FoundEvent> {
    crawl
        .state
        .is_final()
        .then(|| event::of_crawl(place, crawler, crawl))
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
        let data = data::of_table(place, crawler, table, connections);
        let concerned = crawls
            .iter()
            .filter(|completed| is_concerned(completed, table, which));
        let before = extraction.events.len();
        extraction.events.extend(concerned.map(|completed| {
            let data = data.as_ref().ok();
            event::of_table(place, crawler, completed, table, data)
        }));
        if let Err(reason) = &data
            && extraction.events.len() > before
        {
            extraction.findings.push(Finding {
                rule: FindingRule::UnresolvedName,
                place: format!("table {}.{}", table.database, table.name),
                message: format!("the data behind it has no name: {reason}"),
            });
        }
    }
    extraction
}

/// The connections that these tables of a crawler need.
pub fn needed_connections(crawler: &Crawler, tables: &[Table]) -> BTreeSet<String> {
    let tables = tables.iter().filter(|table| table.is_kept_by(crawler));
    tables
        .filter_map(|table| data::connection_of(crawler, table))
        .map(str::to_owned)
        .collect()
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
