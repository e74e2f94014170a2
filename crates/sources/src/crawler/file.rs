//! Reads files of answers, such as the AWS CLI prints: `get-crawler`, `list-crawls`, `get-tables`, `get-connection`.
//! For machines that may not ask the service. Called by `lineage-proxy extract glue-crawlers --input`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Deserializer, Value, json};

use super::answer::{self, UnreadableAnswer, members, text};
use super::event::account_of;
use super::{
    CompletedCrawl, Connection, Connections, Crawl, CrawlState, Crawler, Place, Table, Tables,
    crawl_runs, table_runs,
};
use crate::{Extraction, Finding, FindingRule};

/// Answers of the service, collected from documents of JSON in any order.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    crawlers: BTreeMap<String, Crawler>,
    /// By crawler, and by id.
    crawls: BTreeMap<String, BTreeMap<String, Crawl>>,
    /// By database and name.
    tables: BTreeMap<(String, String), Table>,
    connections: Connections,
    /// Whether the last page is there of what was listed.
    ends: BTreeMap<Listed, bool>,
    /// What the document before listed, if another page of it has to come.
    open: Option<Listed>,
    /// Whether somebody asked for tables and there were none: such an answer names no database.
    has_empty_tables: bool,
    findings: Vec<Finding>,
}

/// What the service lists page by page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Listed {
    CrawlsOf(String),
    TablesOf(String),
    Crawlers,
    Connections,
}

impl Answers {
    /// Adds the documents of a file: one after the other, or one a line. `name` is the place that findings name.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let documents = Deserializer::from_slice(bytes).into_iter::<Value>();
        let mut is_empty = true;
        for (index, document) in documents.enumerate() {
            is_empty = false;
            let place = format!("{name}, document {}", index + 1);
            match document {
                Ok(document) => self.document(&place, &document),
                Err(error) => {
                    let (line, column) = (error.line(), error.column());
                    let message = format!("it is not JSON in line {line}, column {column}");
                    self.unreadable(&place, message);
                }
            }
        }
        if is_empty {
            // As a redirection leaves it whose command has failed.
            self.unreadable(name, "it is empty".to_owned());
        }
    }

    /// Leaves out the crawls of all crawlers but these. One without a crawl is a finding.
    #[must_use]
    pub fn only(mut self, crawlers: &[String]) -> Answers {
        self.crawls.retain(|name, _| crawlers.contains(name));
        for name in crawlers {
            if !self.crawls.contains_key(name) {
                self.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: format!("crawler {name}"),
                    message: "no crawl of it is in the answers of list-crawls".to_owned(),
                });
            }
        }
        self
    }

    /// Returns the events and the findings. The account is that of the tables, unless it is given.
    ///
    /// # Errors
    ///
    /// No account is given, and no table tells it. The error has the findings.
    pub fn extract(
        self,
        region: &str,
        account: Option<&str>,
        which: Tables,
    ) -> Result<Extraction, UnknownAccount> {
        let cut = self.ends.iter().filter(|(_, is_there)| !**is_there);
        let cut = cut.map(|(listed, _)| Finding {
            rule: FindingRule::Incomplete,
            place: listed.to_string(),
            message: "the answer has a NextToken: the page that it names was not saved".to_owned(),
        });
        let findings = self.findings.iter().cloned().chain(cut);
        let findings: Vec<Finding> = findings.chain(self.without_tables()).collect();
        let mut catalogs = self
            .tables
            .values()
            .filter_map(|table| table.catalog.as_deref());
        let told = catalogs.find_map(account_of);
        let Some(account) = account.or(told) else {
            return Err(UnknownAccount { findings });
        };
        let place = Place {
            region: region.to_owned(),
            account: account.to_owned(),
        };
        let tables: Vec<Table> = self.tables.into_values().collect();
        let mut extraction = Extraction {
            findings,
            ..Extraction::default()
        };
        for (name, crawls) in self.crawls {
            let crawler = self.crawlers.get(&name).cloned().unwrap_or(Crawler {
                name,
                ..Crawler::default()
            });
            let mut crawls: Vec<Crawl> = crawls.into_values().collect();
            crawls.sort_by_key(|crawl| crawl.start);
            let newest = crawls
                .iter()
                .rposition(|crawl| crawl.state == CrawlState::Completed);
            extraction.add(crawl_runs(&place, &crawler, &crawls));
            let completed: Vec<CompletedCrawl<'_>> = crawls
                .iter()
                .enumerate()
                .map(|(index, crawl)| CompletedCrawl {
                    crawl,
                    is_newest: newest == Some(index),
                })
                .collect();
            let connections = &self.connections;
            let found = table_runs(&place, &crawler, &completed, &tables, connections, which);
            extraction.add(found);
        }
        Ok(extraction)
    }

    /// The crawlers with a completed crawl of whose databases nobody saved the tables: their lineage would be missing without
    /// a word.
    fn without_tables(&self) -> Vec<Finding> {
        let saved: BTreeSet<&String> = self.tables.keys().map(|(database, _)| database).collect();
        let is_missing = |name: &String| match self.crawlers.get(name) {
            Some(crawler) if !crawler.databases.is_empty() => {
                let mut databases = crawler.databases.iter();
                !databases.any(|database| saved.contains(database))
            }
            Some(_) | None => saved.is_empty(),
        };
        let crawlers = self.crawls.iter().filter(|(name, crawls)| {
            let mut crawls = crawls.values();
            !self.has_empty_tables
                && crawls.any(|crawl| crawl.state == CrawlState::Completed)
                && is_missing(name)
        });
        let finding = |(name, _): (&String, _)| Finding {
            rule: FindingRule::Incomplete,
            place: format!("crawler {name}"),
            message:
                "no tables of its databases were saved (get-tables): its crawls come without them"
                    .to_owned(),
        };
        crawlers.map(finding).collect()
    }

    fn document(&mut self, place: &str, document: &Value) {
        let Some(answer) = members(document) else {
            return self.unreadable(place, "it is not an object".to_owned());
        };
        let mut is_known = false;
        let mut each = |member: &str| -> Vec<Value> {
            let found = answer.get(member);
            is_known |= found.is_some();
            match found {
                Some(Value::Array(items)) => items.clone(),
                Some(item) => vec![item.clone()],
                None => Vec::new(),
            }
        };
        let crawlers = [each("Crawler"), each("Crawlers")].concat();
        let crawls = each("Crawls");
        let tables = [each("Table"), each("TableList")].concat();
        let connections = [each("Connection"), each("ConnectionList")].concat();
        each("CrawlerNames");
        if !is_known {
            return self.unreadable(place, "it is no answer about crawlers".to_owned());
        }
        let of = |items: &[Value], member: &str| items.first().and_then(|it| text(it, member));
        let is_there = |member: &str| answer.get(member).is_some();
        self.has_empty_tables |= is_there("TableList") && tables.is_empty();
        let listed = [
            of(&crawls, "LogStream").map(Listed::CrawlsOf),
            of(&tables, "DatabaseName").map(Listed::TablesOf),
            is_there("Crawlers").then_some(Listed::Crawlers),
            is_there("ConnectionList").then_some(Listed::Connections),
        ];
        let is_last = text(document, "NextToken").is_none();
        let empty = |member: &str| answer.get(member).is_some_and(|list| list == &json!([]));
        self.note_page(listed, is_last, empty("Crawls"), empty("TableList"));
        for item in &crawlers {
            if let Some(crawler) = self.read(place, answer::crawler(item)) {
                self.crawlers.insert(crawler.name.clone(), crawler);
            }
        }
        for item in &crawls {
            self.crawl(place, item);
        }
        for item in &tables {
            if let Some(table) = self.read(place, answer::table(item)) {
                let key = (table.database.clone(), table.name.clone());
                self.tables.insert(key, table);
            }
        }
        for item in &connections {
            if let Some(connection) = self.read(place, answer::connection(item)) {
                let Connection { name, .. } = &connection;
                self.connections.insert(name.clone(), connection);
            }
        }
    }

    /// Notes what a page lists, and whether it is the last one. An empty one does not say what it is of: of what the page before
    /// it listed, if that goes on.
    fn note_page(
        &mut self,
        listed: [Option<Listed>; 4],
        is_last: bool,
        no_crawls: bool,
        no_tables: bool,
    ) {
        let goes_on = self.open.take().filter(|open| match open {
            Listed::CrawlsOf(_) => no_crawls,
            Listed::TablesOf(_) => no_tables,
            Listed::Crawlers | Listed::Connections => false, // an empty page says it
        });
        for listed in listed.into_iter().flatten().chain(goes_on) {
            *self.ends.entry(listed.clone()).or_default() |= is_last;
            self.open = (!is_last).then_some(listed);
        }
    }

    /// A crawl does not name its crawler, but its log stream is called like it.
    fn crawl(&mut self, place: &str, item: &Value) {
        let Some(crawl) = self.read(place, answer::crawl(item)) else {
            return;
        };
        match text(item, "LogStream") {
            Some(crawler) => {
                let crawls = self.crawls.entry(crawler).or_default();
                crawls.insert(crawl.id.clone(), crawl);
            }
            None => self.unreadable(place, "a crawl has no LogStream".to_owned()),
        }
    }

    fn read<T>(&mut self, place: &str, read: Result<T, UnreadableAnswer>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.unreadable(place, error.to_string());
                None
            }
        }
    }

    fn unreadable(&mut self, place: &str, message: String) {
        self.findings.push(Finding {
            rule: FindingRule::Unreadable,
            place: place.to_owned(),
            message,
        });
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listed::CrawlsOf(crawler) => write!(f, "crawls of {crawler}"),
            Listed::TablesOf(database) => write!(f, "tables of {database}"),
            Listed::Crawlers => f.write_str("crawlers"),
            Listed::Connections => f.write_str("connections"),
        }
    }
}

/// Answers do not say whose they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no table tells its account: name the account")]
pub struct UnknownAccount {
    /// What could not be read, or is missing: perhaps the reason.
    pub findings: Vec<Finding>,
}
