//! A crawl and its tables, for the tests beside this file.

mod answers;
mod names;
mod runs;

use serde_json::{Value, json};

use super::*;

fn place() -> Place {
    Place {
        region: "eu-west-1".to_owned(),
        account: "111122223333".to_owned(),
    }
}

/// A completed crawl from second 100 to second 200.
fn completed() -> Crawl {
    answer::crawl(&json!({
        "CrawlId": "738054e1-c53b-4e28-99bf-22ed27beb840", "State": "COMPLETED", "StartTime": 100, "EndTime": 200.0,
    }))
    .unwrap()
}

fn crawler() -> Crawler {
    Crawler {
        name: "c".to_owned(),
        ..Crawler::default()
    }
}

/// A table that the crawler `c` keeps, with these members on top.
fn kept(more: Value) -> Table {
    let mut table = json!({
        "Name": "t", "DatabaseName": "d", "CreateTime": 100, "UpdateTime": 150,
        "StorageDescriptor": {"Location": "s3://b/k/", "Columns": [{"Name": "a", "Type": "int"}]},
    });
    let mut parameters = json!({"UPDATED_BY_CRAWLER": "c"});
    for (name, value) in more.as_object().unwrap() {
        match name.as_str() {
            "Parameters" => merge(&mut parameters, value),
            "Location" => table["StorageDescriptor"]["Location"] = value.clone(),
            _ => table[name] = value.clone(),
        }
    }
    table["Parameters"] = parameters;
    answer::table(&table).unwrap()
}

fn merge(one: &mut Value, other: &Value) {
    let other = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(other);
}

fn runs(crawl: &Crawl, table: &Table, connections: &Connections) -> (Vec<Value>, Vec<Finding>) {
    let completed = [CompletedCrawl {
        crawl,
        is_newest: false,
    }];
    let tables = std::slice::from_ref(table);
    let found = table_runs(
        &place(),
        &crawler(),
        &completed,
        tables,
        connections,
        Tables::All,
    );
    let events = found.events.iter();
    let events = events.map(|event| serde_json::from_str(&event.text).unwrap());
    (events.collect(), found.findings)
}

/// The name of the data behind a table, as `namespace name`.
fn data(table: &Table, url: Option<&str>) -> Option<String> {
    let connection = Connection {
        name: "con".to_owned(),
        url: url.map(str::to_owned),
    };
    let connections = [("con".to_owned(), connection)].into();
    let (events, _) = runs(&completed(), table, &connections);
    let input = events[0]["inputs"].get(0)?;
    let text = |member: &str| input[member].as_str().unwrap().to_owned();
    Some(format!("{} {}", text("namespace"), text("name")))
}
