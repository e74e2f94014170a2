//! The catalog and the crawlers of Glue.

use aws::glue::{
    CrawlsFilter, CreateDatabase, CreateTable, GetConnection, GetCrawler, GetTable, GetTables,
    ListCrawlers, ListCrawls, UpdateTable,
};
use aws::{Client, Error};
use serde_json::{Map, Value, json};

use crate::input::Input;

/// Makes the call, if it is one of these.
pub(crate) async fn call(
    client: &Client,
    operation: &str,
    input: Input<'_>,
) -> Result<Option<Value>, Error> {
    Ok(Some(match operation {
        "GetTable" => {
            let get = GetTable {
                catalog_id: input.text("CatalogId"),
                database_name: input.needed("DatabaseName"),
                name: input.needed("Name"),
            };
            json!({"Table": client.send(&get).await?.members})
        }
        // GetTable, answered with the table as it is written back.
        "TableInput" => {
            let get = GetTable {
                catalog_id: None,
                database_name: input.needed("DatabaseName"),
                name: input.needed("Name"),
            };
            let input: Map<String, Value> = client.send(&get).await?.to_input();
            json!(input)
        }
        "ListCrawlers" => {
            let mut pages = client.pages(ListCrawlers {
                next_token: input.text("NextToken"),
            });
            let mut names = Vec::new();
            while let Some(page) = pages.next().await {
                names.extend(page?.crawler_names);
            }
            json!({"CrawlerNames": names})
        }
        "GetCrawler" => {
            let name = input.needed("Name");
            json!({"Crawler": client.send(&GetCrawler { name }).await?})
        }
        "ListCrawls" => {
            let mut pages = client.pages(ListCrawls {
                crawler_name: input.needed("CrawlerName"),
                max_results: Some(7),
                filters: vec![CrawlsFilter {
                    field_name: "START_TIME",
                    filter_operator: "GE",
                    field_value: "1700000000000".to_owned(),
                }],
                next_token: input.text("NextToken"),
            });
            let mut crawls = Vec::new();
            while let Some(page) = pages.next().await {
                crawls.extend(page?.crawls);
            }
            json!({"Crawls": crawls})
        }
        "GetTables" => {
            let mut pages = client.pages(GetTables {
                database_name: input.needed("DatabaseName"),
                next_token: input.text("NextToken"),
            });
            let mut tables = Vec::new();
            while let Some(page) = pages.next().await {
                tables.extend(page?.table_list);
            }
            json!({"TableList": tables})
        }
        "GetConnection" => {
            let name = input.needed("Name");
            json!({"Connection": client.send(&GetConnection { name }).await?})
        }
        "CreateDatabase" => {
            let database = input.0.get("DatabaseInput");
            let text_of = |name: &str| Some(database?.get(name)?.as_str()?.to_owned());
            let create = CreateDatabase {
                catalog_id: input.text("CatalogId"),
                name: text_of("Name").unwrap_or_default(),
                description: text_of("Description"),
            };
            client.send(&create).await?;
            json!({})
        }
        "CreateTable" => {
            let create = CreateTable {
                catalog_id: input.text("CatalogId"),
                database_name: input.needed("DatabaseName"),
                table_input: table_input(input),
            };
            client.send(&create).await?;
            json!({})
        }
        "UpdateTable" => {
            let update = UpdateTable {
                catalog_id: input.text("CatalogId"),
                database_name: input.needed("DatabaseName"),
                table_input: table_input(input),
                version_id: input.needed("VersionId"),
            };
            client.send(&update).await?;
            json!({})
        }
        _ => return Ok(None),
    }))
}

fn table_input(input: Input<'_>) -> Map<String, Value> {
    let input = input.0.get("TableInput").and_then(Value::as_object);
    input.cloned().unwrap_or_default()
}
