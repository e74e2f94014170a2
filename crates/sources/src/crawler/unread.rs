//! Writes a crawl or a table whose reading panicked, in the form of answers: `lineage-proxy extract glue-crawlers --input`
//! reads it again.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{CompletedCrawl, Crawl, CrawlState, Crawler, Table};
use crate::UnreadInput;

/// A crawl.
pub(super) fn crawl(crawler: &Crawler, crawl: &Crawl) -> UnreadInput {
    let place = format!("crawler {}, crawl {}", crawler.name, crawl.id);
    written(&place, [of_crawler(crawler), of_crawls(crawler, &[crawl])])
}

/// A table, in these crawls.
pub(super) fn table(
    crawler: &Crawler,
    crawls: &[CompletedCrawl<'_>],
    table: &Table,
) -> UnreadInput {
    let place = format!("table {}.{}", table.database, table.name);
    let crawls: Vec<&Crawl> = crawls.iter().map(|completed| completed.crawl).collect();
    let columns = table.columns.iter();
    let columns = columns.map(
        |column| json!({"Name": column.name, "Type": column.r#type, "Comment": column.comment}),
    );
    let item = json!({"Table": {
        "DatabaseName": table.database,
        "Name": table.name,
        "CatalogId": table.catalog,
        "CreateTime": table.created.map(seconds),
        "UpdateTime": table.updated.map(seconds),
        "Parameters": table.parameters,
        "StorageDescriptor": {"Location": table.location, "Columns": columns.collect::<Vec<Value>>()},
    }});
    let answers = [of_crawler(crawler), of_crawls(crawler, &crawls), item];
    written(&place, answers)
}

/// An item of an answer that could not be read at all.
pub(super) fn item(place: &str, member: &str, item: &Value) -> UnreadInput {
    written(place, [json!({member: [item]})])
}

fn of_crawler(crawler: &Crawler) -> Value {
    let targets = |member: &'static str, names: &mut dyn Iterator<Item = &String>| -> Vec<Value> {
        names.map(|name| json!({member: name})).collect()
    };
    let databases = &mut crawler.databases.iter();
    let connections = &mut crawler.connections.iter();
    json!({"Crawler": {
        "Name": crawler.name,
        "Description": crawler.description,
        "Targets": {
            "CatalogTargets": targets("DatabaseName", databases),
            "JdbcTargets": targets("ConnectionName", connections),
        },
    }})
}

fn of_crawls(crawler: &Crawler, crawls: &[&Crawl]) -> Value {
    let item = |crawl: &&Crawl| {
        let state = match crawl.state {
            CrawlState::Running => "RUNNING",
            CrawlState::Completed => "COMPLETED",
            CrawlState::Failed => "FAILED",
            CrawlState::Stopped => "STOPPED",
        };
        json!({
            "CrawlId": crawl.id,
            "State": state,
            "StartTime": seconds(crawl.start),
            "EndTime": crawl.end.map(seconds),
            "ErrorMessage": crawl.error,
            "LogStream": crawler.name,
        })
    };
    json!({"Crawls": crawls.iter().map(item).collect::<Vec<Value>>()})
}

/// A time as the service writes it.
fn seconds(time: OffsetDateTime) -> Value {
    let millis = time.unix_timestamp_nanos() / 1_000_000;
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of years 0 to 9999 fit"
    )]
    let seconds = millis as f64 / 1_000.0;
    seconds.into()
}

fn written(place: &str, answers: impl IntoIterator<Item = Value>) -> UnreadInput {
    let lines = answers.into_iter().map(|answer| format!("{answer}\n"));
    UnreadInput::new(place, lines.collect::<String>().as_bytes())
}
