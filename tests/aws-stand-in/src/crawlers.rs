//! Crawlers of Glue, their crawls, the tables that they keep and the connections that they use, after the service model of
//! 2017-03-31: emulators have no crawls. What is there is set, and answered in pages, filtered and in the service's order.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crawlers {
    /// `Crawler` of the model by name.
    pub crawlers: BTreeMap<String, Value>,
    /// `CrawlerHistory` of the model by crawler.
    pub crawls: BTreeMap<String, Vec<Value>>,
    /// `Table` of the model by database.
    pub tables: BTreeMap<String, Vec<Value>>,
    /// `Connection` of the model by name.
    pub connections: BTreeMap<String, Value>,
    /// The most items of a page, if less than the service has.
    pub page: Option<usize>,
}

impl Crawlers {
    /// What answers of the service tell, one JSON object a line: `Crawler`, `Crawls`, `TableList` and `Connection`.
    ///
    /// # Errors
    /// If a line is not JSON, or something in it does not say what it is kept under: `Name` of a crawler and of a connection,
    /// `LogStream` of a crawl, `DatabaseName` of a table.
    pub fn of_answers(lines: &str) -> serde_json::Result<Crawlers> {
        let mut found = Crawlers::default();
        for line in lines.lines() {
            let answer: Value = serde_json::from_str(line)?;
            let items = |name: &str| {
                let items = answer.get(name).and_then(Value::as_array);
                items.cloned().unwrap_or_default()
            };
            let text = |item: &Value, name: &'static str| {
                let text = item.get(name).and_then(Value::as_str).map(str::to_owned);
                text.ok_or_else(|| serde_json::Error::missing_field(name))
            };
            if let Some(crawler) = answer.get("Crawler") {
                (found.crawlers).insert(text(crawler, "Name")?, crawler.clone());
            }
            if let Some(connection) = answer.get("Connection") {
                (found.connections).insert(text(connection, "Name")?, connection.clone());
            }
            for crawl in items("Crawls") {
                let crawls = found.crawls.entry(text(&crawl, "LogStream")?);
                crawls.or_default().push(crawl);
            }
            for table in items("TableList") {
                let tables = found.tables.entry(text(&table, "DatabaseName")?);
                tables.or_default().push(table);
            }
        }
        Ok(found)
    }
}

/// An error: its name and message.
type Refusal = (&'static str, String);

/// Answers an operation on crawlers; `None` for other operations.
pub(crate) fn call(
    crawlers: &Crawlers,
    operation: &str,
    request: &Value,
) -> Option<Result<Value, Refusal>> {
    Some(match operation {
        "ListCrawlers" => {
            let names: Vec<Value> = crawlers.crawlers.keys().map(|name| json!(name)).collect();
            Ok(crawlers.paged(request, "CrawlerNames", names, 100))
        }
        "GetCrawlers" => {
            let all: Vec<Value> = crawlers.crawlers.values().cloned().collect();
            Ok(crawlers.paged(request, "Crawlers", all, 100))
        }
        "GetCrawler" => match crawlers.crawlers.get(named(request, "Name")) {
            Some(crawler) => Ok(json!({"Crawler": crawler})),
            None => Err(not_found("Crawler", named(request, "Name"))),
        },
        "ListCrawls" => list_crawls(crawlers, request),
        "GetTables" => match crawlers.tables.get(named(request, "DatabaseName")) {
            Some(tables) => Ok(crawlers.paged(request, "TableList", tables.clone(), 100)),
            None => Err(not_found("Database", named(request, "DatabaseName"))),
        },
        "GetConnection" => match crawlers.connections.get(named(request, "Name")) {
            // Without it a password would be in the answer, and in whatever keeps it.
            Some(_) if request.get("HidePassword") != Some(&json!(true)) => Err((
                "InvalidInputException",
                "HidePassword is expected".to_owned(),
            )),
            Some(connection) => Ok(json!({"Connection": connection})),
            None => Err(not_found("Connection", named(request, "Name"))),
        },
        _ => return None,
    })
}

fn list_crawls(crawlers: &Crawlers, request: &Value) -> Result<Value, Refusal> {
    let name = named(request, "CrawlerName");
    if !crawlers.crawlers.contains_key(name) {
        return Err(not_found("Crawler", name));
    }
    let start = |crawl: &Value| {
        let seconds = crawl.get("StartTime").and_then(Value::as_f64);
        seconds.unwrap_or_default() * 1_000.0
    };
    let mut crawls = crawlers.crawls.get(name).cloned().unwrap_or_default();
    for filter in request
        .get("Filters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let (field, operator) = (named(filter, "FieldName"), named(filter, "FilterOperator"));
        let value = named(filter, "FieldValue").parse::<f64>();
        let (Ok(value), "START_TIME") = (value, field) else {
            return Err(("InvalidInputException", format!("filter by {field}")));
        };
        match operator {
            "GE" => crawls.retain(|crawl| start(crawl) >= value),
            "LE" => crawls.retain(|crawl| start(crawl) <= value),
            other => return Err(("InvalidInputException", format!("operator {other}"))),
        }
    }
    crawls.sort_by(|a, b| start(b).total_cmp(&start(a)));
    let most = request.get("MaxResults").and_then(Value::as_u64);
    let most = usize::try_from(most.unwrap_or(20)).unwrap_or(20).min(100);
    Ok(crawlers.paged(request, "Crawls", crawls, most))
}

impl Crawlers {
    fn paged(&self, request: &Value, member: &str, items: Vec<Value>, most: usize) -> Value {
        let most = self.page.unwrap_or(most).min(most).max(1);
        let from = named(request, "NextToken").parse::<usize>().unwrap_or(0);
        let rest = items.len().saturating_sub(from);
        let items: Vec<Value> = items.into_iter().skip(from).take(most).collect();
        let mut answer = Map::new();
        answer.insert(member.to_owned(), json!(items));
        if rest > most {
            answer.insert("NextToken".to_owned(), json!((from + most).to_string()));
        }
        Value::Object(answer)
    }
}

fn named<'v>(value: &'v Value, member: &str) -> &'v str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn not_found(what: &str, name: &str) -> Refusal {
    (
        "EntityNotFoundException",
        format!("{what} {name} not found."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_the_name_of_what_it_tells_is_an_error() {
        for (line, missing) in [
            (r#"{"Crawler":{}}"#, "Name"),
            (r#"{"Connection":{"Name":1}}"#, "Name"),
            (r#"{"Crawls":[{"CrawlId":"a"}]}"#, "LogStream"),
            (r#"{"TableList":[{"Name":"clicks"}]}"#, "DatabaseName"),
        ] {
            let error = Crawlers::of_answers(line).unwrap_err();
            assert_eq!(error.to_string(), format!("missing field `{missing}`"));
        }
    }
}
