//! The calls of this source. One crawler, database or connection that is gone or denied is a finding and harms no other;
//! what concerns all is an error.

use ::sources::crawler::{self as crawls, Connection, Crawl, Crawler, Place};
use ::sources::{Finding, FindingRule};
use aws::glue::{CrawlsFilter, GetConnection, GetCrawler, GetTables, ListCrawlers, ListCrawls};
use aws::sts::GetCallerIdentity;
use aws::{Error, Paginated};
use serde_json::Value;

use super::CrawlerSource;
use super::plan::Window;
use crate::FetchError;

/// The most crawls of a page (the documentation of `MaxResults` says 100; the model allows 1,000).
const CRAWLS_OF_A_PAGE: u32 = 100;

/// What was asked for, or why one thing is hidden.
pub(super) enum Answer<T> {
    Seen(T),
    Hidden(String),
}

impl CrawlerSource {
    /// Where the crawlers run. Asked for once.
    pub(super) async fn place(&mut self) -> Result<Place, FetchError> {
        if let Some(place) = &self.place {
            return Ok(place.clone());
        }
        let region = match &self.config.region {
            Some(region) => region.clone(),
            None => {
                let configured = self.aws.config().await.region();
                let configured = configured.map(|region| region.as_ref().to_owned());
                let unknown = "no region is configured: set region of the source, or AWS_REGION";
                configured.ok_or_else(|| FetchError::Refused(unknown.to_owned()))?
            }
        };
        let account = match &self.config.account {
            Some(account) => account.clone(),
            None => {
                let caller = self.client.send(&GetCallerIdentity).await;
                caller.map_err(|error| FetchError::of(&error))?.account
            }
        };
        let place = Place { region, account };
        self.place = Some(place.clone());
        Ok(place)
    }

    /// The names of the crawlers to poll.
    pub(super) async fn names(&self) -> Result<Vec<String>, FetchError> {
        if !self.config.crawlers.is_empty() {
            return Ok(self.config.crawlers.clone());
        }
        let mut pages = self.client.pages(ListCrawlers::default());
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            names.extend(page.map_err(|error| FetchError::of(&error))?.crawler_names);
        }
        Ok(names)
    }

    /// The crawls of a crawler that started in a window.
    pub(super) async fn crawls(
        &self,
        name: &str,
        window: &Window,
        findings: &mut Vec<Finding>,
    ) -> Result<Answer<Vec<Crawl>>, FetchError> {
        let start = |operator, value: i64| CrawlsFilter {
            field_name: "START_TIME",
            filter_operator: operator,
            field_value: value.to_string(),
        };
        let mut filters = vec![start("GE", window.from)];
        if !window.is_last {
            filters.push(start("LE", window.to));
        }
        let mut pages = self.client.pages(ListCrawls {
            crawler_name: name.to_owned(),
            max_results: Some(CRAWLS_OF_A_PAGE),
            filters,
            next_token: None,
        });
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match answer(page)? {
                Answer::Seen(page) => page,
                Answer::Hidden(why) => return Ok(Answer::Hidden(why)),
            };
            for item in &page.crawls {
                match crawls::crawl(item) {
                    Ok(crawl) => listed.push(crawl),
                    Err(error) => findings.push(Finding {
                        rule: FindingRule::Unreadable,
                        place: format!("crawler {name}"),
                        message: error.to_string(),
                    }),
                }
            }
        }
        Ok(Answer::Seen(listed))
    }

    pub(super) async fn crawler(&self, name: &str) -> Result<Answer<Crawler>, FetchError> {
        let name = name.to_owned();
        let found = answer(self.client.send(&GetCrawler { name }).await)?;
        Ok(read(found, crawls::crawler))
    }

    pub(super) async fn connection(&self, name: &str) -> Result<Answer<Connection>, FetchError> {
        let name = name.to_owned();
        let found = answer(self.client.send(&GetConnection { name }).await)?;
        Ok(read(found, crawls::connection))
    }

    /// A page of the tables of a database, and the token of the next.
    pub(super) async fn page(
        &self,
        database: &str,
        token: Option<String>,
    ) -> Result<Answer<(Vec<Value>, Option<String>)>, FetchError> {
        let get = GetTables {
            database_name: database.to_owned(),
            next_token: token.clone(),
        };
        Ok(match answer(self.client.send(&get).await)? {
            Answer::Seen(page) => {
                let next = GetTables::next_token(&page).filter(|token| !token.is_empty());
                // A service that repeats itself would be asked for ever.
                let next = next
                    .map(str::to_owned)
                    .filter(|next| Some(next) != token.as_ref());
                Answer::Seen((page.table_list, next))
            }
            Answer::Hidden(why) => Answer::Hidden(why),
        })
    }
}

fn read<T, E: std::fmt::Display>(
    found: Answer<Value>,
    read: impl Fn(&Value) -> Result<T, E>,
) -> Answer<T> {
    match found {
        Answer::Seen(value) => match read(&value) {
            Ok(value) => Answer::Seen(value),
            Err(error) => Answer::Hidden(error.to_string()),
        },
        Answer::Hidden(why) => Answer::Hidden(why),
    }
}

/// What concerns this one thing alone, and what concerns the source.
fn answer<T>(answer: Result<T, Error>) -> Result<Answer<T>, FetchError> {
    match answer {
        Ok(value) => Ok(Answer::Seen(value)),
        Err(Error::Service(error)) => {
            let error = Error::Service(error);
            match FetchError::of(&error) {
                FetchError::Refused(why) => Ok(Answer::Hidden(why)),
                error @ FetchError::Unavailable(_) => Err(error),
            }
        }
        Err(error) => Err(FetchError::of(&error)),
    }
}
