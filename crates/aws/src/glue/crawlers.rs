//! Crawlers and their crawls.
//!
//! What describes a crawler, a crawl or a connection is kept as the JSON that the service answers: `sources` reads it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SERVICE;
use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::Service;

/// Lists the names of crawlers (`glue:ListCrawlers`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListCrawlers {
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The names of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CrawlerNames {
    /// The names.
    pub crawler_names: Vec<String>,
    next_token: Option<String>,
}

/// Describes a crawler (`glue:GetCrawler`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetCrawler {
    /// Its name.
    pub name: String,
}

/// Lists the crawls of a crawler, the newest first (`glue:ListCrawls`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListCrawls {
    /// The crawler.
    pub crawler_name: String,
    /// The most crawls of a page: 20 without it, and up to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
    /// Only crawls that match all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<CrawlsFilter>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A condition on crawls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CrawlsFilter {
    /// Such as `START_TIME`.
    pub field_name: &'static str,
    /// Such as `GE`.
    pub filter_operator: &'static str,
    /// A time is in milliseconds since 1970.
    pub field_value: String,
}

/// The crawls of one page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Crawls {
    /// `CrawlerHistory` of the service model.
    pub crawls: Vec<Value>,
    next_token: Option<String>,
}

/// Describes a connection, without its password (`glue:GetConnection`).
#[derive(Debug, Clone)]
pub struct GetConnection {
    /// Its name.
    pub name: String,
}

impl Operation for ListCrawlers {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ListCrawlers";
    type Output = CrawlerNames;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<CrawlerNames, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for ListCrawlers {
    fn next_token(output: &CrawlerNames) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> ListCrawlers {
        ListCrawlers {
            next_token: Some(token),
        }
    }
}

impl Operation for GetCrawler {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetCrawler";
    type Output = Value;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<Value, UnreadableResponse> {
        member(response, "Crawler")
    }
}

impl Operation for ListCrawls {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ListCrawls";
    type Output = Crawls;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<Crawls, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for ListCrawls {
    fn next_token(output: &Crawls) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> ListCrawls {
        ListCrawls {
            next_token: Some(token),
            ..self
        }
    }
}

impl Operation for GetConnection {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetConnection";
    type Output = Value;

    fn request(&self) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            name: &'a str,
            hide_password: bool,
        }
        Request::json::<Self>(&Input {
            name: &self.name,
            hide_password: true,
        })
    }

    fn read(response: Response) -> Result<Value, UnreadableResponse> {
        member(response, "Connection")
    }
}

/// The only member of an answer.
fn member(response: Response, name: &'static str) -> Result<Value, UnreadableResponse> {
    let mut answer: Value = serde_json::from_slice(&response.body)?;
    let member = answer.get_mut(name).map(Value::take);
    let member = member.filter(Value::is_object);
    member.ok_or_else(|| UnreadableResponse::without(name))
}
