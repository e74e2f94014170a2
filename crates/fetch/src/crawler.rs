//! AWS Glue crawlers: their crawls, and the tables that these keep.
//!
//! A poll goes round the crawlers. For each it lists the crawls since the last one that ended, and holds there while one
//! runs; for those that ended it reads the tables, page by page. What is next and where the cursor stands afterwards is
//! decided in `crawler/plan.rs`, the calls are in `crawler/calls.rs`, and what answers mean is decided in `sources`. An
//! event of EventBridge that says that a crawl has ended is only a reason to look: [`CrawlerConfig::only`].
//!
//! AWS captures the lineage of crawlers itself where a data source of DataZone does so
//! (<https://docs.aws.amazon.com/datazone/latest/userguide/datazone-data-lineage.html>): both together give every edge twice.

mod calls;
mod plan;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use ::sources::crawler::{
    self as crawls, CompletedCrawl, Connections, Crawl, CrawlState, Crawler, Place, Table,
};
use ::sources::{Extraction, Finding, FindingRule};
use aws::{Aws, Client};
use time::OffsetDateTime;

use crate::{Checkpoint, FetchError, Fetched};
use calls::Answer;
use plan::{Cursor, Plan, Window};

pub(crate) use settings::SavedCrawls;
pub use settings::{CrawlerConfig, CrawlerSettings};

/// The crawls whose tables are read together: a page has up to 100 tables, each with all of its columns, and an event for
/// each of these crawls.
const GROUP: usize = 4;

/// What fetches the crawls of crawlers.
#[derive(Debug)]
pub struct CrawlerSource {
    config: CrawlerConfig,
    aws: Aws,
    client: Client,
    place: Option<Place>,
    /// The crawlers that this poll has still to go to.
    round: Option<VecDeque<String>>,
    /// The crawls that are at hand.
    work: Option<Work>,
    /// The step that the next call continues, as the cursor has it.
    step: u64,
}

/// Crawls of one crawler that have ended, and how far their tables are read.
#[derive(Debug)]
struct Work {
    crawler: Crawler,
    plan: Plan,
    /// The databases of the crawler that are not read yet for the group at hand, and the page of the first.
    databases: VecDeque<String>,
    page: Option<String>,
    /// Whether the group at hand was begun.
    is_begun: bool,
    /// The tables of the crawler that were seen.
    tables: usize,
    connections: Connections,
}

impl CrawlerSource {
    /// Creates a source that has called nothing yet.
    pub fn new(config: CrawlerConfig, aws: &Aws) -> CrawlerSource {
        let aws = aws.assume(config.role.as_ref(), "glue-crawlers");
        let client = aws.client();
        CrawlerSource {
            client: match &config.region {
                Some(region) => client.region(region.clone()),
                None => client,
            },
            config,
            aws,
            place: None,
            round: None,
            work: None,
            step: 0,
        }
    }

    /// Makes the next step: lists the crawls of a crawler, or reads a page of tables.
    ///
    /// # Errors
    ///
    /// The service does not answer or refuses, or the cursor is none of this source.
    pub async fn next(
        &mut self,
        cursor: Option<&serde_json::Value>,
        now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        let mut at = match cursor {
            Some(cursor) => Cursor::read(cursor)?,
            None => Cursor::beginning(self.config.begin(now)),
        };
        // The caller went back, because events were not taken: so does the source.
        if at.step != self.step {
            (self.round, self.work, self.step) = (None, None, at.step);
        }
        let mut fetched = match self.take_step(&mut at, now).await {
            Ok(fetched) => fetched,
            Err(error) => {
                // What was in hand is begun again.
                (self.round, self.work) = (None, None);
                return Err(error);
            }
        };
        let is_over = self.work.is_none() && self.round.as_ref().is_none_or(VecDeque::is_empty);
        if is_over {
            self.round = None;
        }
        fetched.more = !is_over;
        let is_moved = cursor.is_none() || Some(&at.written()) != cursor;
        let Extraction { events, unread, .. } = &fetched.extraction;
        if is_moved || !events.is_empty() || !unread.is_empty() {
            at.step = at.step.wrapping_add(1);
            self.step = at.step;
            fetched.checkpoint = Checkpoint::Cursor(at.written());
        }
        Ok(fetched)
    }

    async fn take_step(
        &mut self,
        at: &mut Cursor,
        now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        let place = self.place().await?;
        if self.round.is_none() {
            let names = self.names().await?;
            // Those that are named may be a part of all, which another poll goes round.
            if self.config.crawlers.is_empty() {
                at.keep(&names);
            }
            self.round = Some(names.into());
        }
        match self.work.take() {
            Some(work) => self.read(&place, work, at).await,
            None => self.list(at, now).await,
        }
    }

    /// Lists the crawls of the next crawler, and takes those that have ended in hand.
    async fn list(&mut self, at: &mut Cursor, now: OffsetDateTime) -> Result<Fetched, FetchError> {
        let mut fetched = Fetched::default();
        let Some(name) = self.round.as_mut().and_then(VecDeque::pop_front) else {
            return Ok(fetched);
        };
        let position = at.position(&name);
        let window = Window::of(&position, self.config.end(now));
        let mut findings = Vec::new();
        let listed = match self.crawls(&name, &window, &mut findings).await? {
            Answer::Seen(listed) => listed,
            Answer::Hidden(why) => {
                fetched.extraction.findings.push(hidden(&name, &why));
                return Ok(fetched);
            }
        };
        let plan = Plan::of(position, listed, &window, now);
        for crawl in &plan.given_up {
            findings.push(Finding {
                rule: FindingRule::Incomplete,
                place: format!("crawler {name}, crawl {}", crawl.id),
                message: "it has been running for days, and is not waited for any more".to_owned(),
            });
        }
        fetched.extraction.findings = findings;
        at.put(&name, plan.position_after(&[]));
        if !plan.due.is_empty() {
            match self.crawler(&name).await? {
                Answer::Seen(crawler) => self.work = Some(Work::new(crawler, plan)),
                Answer::Hidden(why) => {
                    // Its crawls were listed a moment ago, so somebody deletes it or denies it: they stay due until the next
                    // poll. In this one its further windows would be denied, too.
                    at.put(&name, plan.position.clone());
                    fetched.extraction.findings.push(hidden(&name, &why));
                    return Ok(fetched);
                }
            }
        }
        if !window.is_last
            && let Some(round) = &mut self.round
        {
            round.push_front(name);
        }
        Ok(fetched)
    }

    /// Reads a page of the tables for the crawls at hand.
    async fn read(
        &mut self,
        place: &Place,
        mut work: Work,
        at: &mut Cursor,
    ) -> Result<Fetched, FetchError> {
        let mut extraction = Extraction::default();
        let group: Vec<Crawl> = work.plan.due.iter().take(GROUP).cloned().collect();
        let newest = work.plan.newest();
        let completed: Vec<CompletedCrawl<'_>> = group
            .iter()
            .filter(|crawl| crawl.state == CrawlState::Completed)
            .map(|crawl| CompletedCrawl {
                crawl,
                is_newest: newest == Some(&crawl.id),
            })
            .collect();
        if !work.is_begun {
            extraction.add(crawls::crawl_runs(place, &work.crawler, &group));
            work.is_begun = true;
            if !completed.is_empty() {
                work.databases = work.crawler.databases.iter().cloned().collect();
            }
        }
        if let Some(database) = work.databases.front().cloned() {
            let tables = self.tables(&database, &mut work, &mut extraction).await?;
            work.tables += crawls::kept_tables(&work.crawler, &tables);
            let connections = &work.connections;
            let which = self.config.tables;
            let found = crawls::table_runs(
                place,
                &work.crawler,
                &completed,
                &tables,
                connections,
                which,
            );
            extraction.add(found);
        }
        if work.databases.is_empty() {
            if !completed.is_empty() && work.tables == 0 {
                extraction.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: format!("crawler {}", work.crawler.name),
                    message: "no table that it keeps is visible: either it found no data, or a permission is missing \
                              (glue:GetTables, or DESCRIBE of Lake Formation)"
                        .to_owned(),
                });
            }
            at.put(&work.crawler.name, work.plan.position_after(&group));
            work = work.after(&group);
        }
        self.work = (!work.plan.due.is_empty()).then_some(work);
        Ok(Fetched {
            extraction,
            ..Fetched::default()
        })
    }

    /// Reads a page of the tables of a database, and the connections that they need.
    async fn tables(
        &self,
        database: &str,
        work: &mut Work,
        extraction: &mut Extraction,
    ) -> Result<Vec<Table>, FetchError> {
        let (tables, next) = match self.page(database, work.page.clone()).await? {
            Answer::Seen((items, next)) => {
                let (tables, found) = crawls::tables(database, &items);
                extraction.add(found);
                (tables, next)
            }
            Answer::Hidden(why) => {
                extraction.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: format!("database {database}"),
                    message: why,
                });
                (Vec::new(), None)
            }
        };
        for name in crawls::needed_connections(&work.crawler, &tables) {
            if work.connections.contains_key(&name) {
                continue;
            }
            match self.connection(&name).await? {
                Answer::Seen(connection) => {
                    work.connections.insert(name, connection);
                }
                Answer::Hidden(message) => extraction.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: format!("connection {name}"),
                    message,
                }),
            }
        }
        if next.is_none() {
            work.databases.pop_front();
        }
        work.page = next;
        Ok(tables)
    }
}

impl Work {
    fn new(crawler: Crawler, plan: Plan) -> Work {
        Work {
            crawler,
            plan,
            databases: VecDeque::new(),
            page: None,
            is_begun: false,
            tables: 0,
            connections: Connections::new(),
        }
    }

    /// What is left after a group of crawls.
    fn after(self, group: &[Crawl]) -> Work {
        Work {
            plan: self.plan.after(group),
            is_begun: false,
            tables: 0,
            ..self
        }
    }
}

fn hidden(name: &str, why: &str) -> Finding {
    Finding {
        rule: FindingRule::NotVisible,
        place: format!("crawler {name}"),
        message: why.to_owned(),
    }
}
