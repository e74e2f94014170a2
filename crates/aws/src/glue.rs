//! Glue: the databases and tables of the Data Catalog, and the crawlers that write them.
//!
//! Lists of tables are in `tables.rs`, crawlers and connections in `crawlers.rs`.
//! A table is kept as the JSON that the service answers, so that a member that is not known here survives a read and a
//! write. UpdateTable replaces a table as a whole.

mod crawlers;
mod tables;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

pub use crawlers::{
    CrawlerNames, Crawls, CrawlsFilter, GetConnection, GetCrawler, ListCrawlers, ListCrawls,
};
pub use tables::{GetTables, TableList};

/// Glue.
pub static SERVICE: Service = Service {
    id: "Glue",
    signing_name: "glue",
    host: "glue",
    protocol: Protocol::Json {
        target_prefix: "AWSGlue",
    },
    endpoints: Exceptions::None,
};

/// The members of `Table` that `TableInput` does not have: the service sets them. `tests/real/test_aws_calls.py` compares
/// the list with botocore's model, so that a new member cannot be overlooked.
const READ_ONLY: [&str; 11] = [
    "CatalogId",
    "CreateTime",
    "CreatedBy",
    "DatabaseName",
    "IcebergTableMetadata",
    "IsMaterializedView",
    "IsMultiDialectView",
    "IsRegisteredWithLakeFormation",
    "Status",
    "UpdateTime",
    "VersionId",
];

/// Reads a table (`glue:GetTable`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTable {
    /// The account of the catalog; the caller's without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    /// The database.
    pub database_name: String,
    /// The table.
    pub name: String,
}

/// A table with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What [`UpdateTable`] has to name.
    pub version_id: String,
    /// `Table` of the service model.
    pub members: Map<String, Value>,
}

/// Creates a database (`glue:CreateDatabase`).
#[derive(Debug, Clone)]
pub struct CreateDatabase {
    /// The account of the catalog; the caller's without it.
    pub catalog_id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// Creates a table (`glue:CreateTable`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateTable {
    /// The account of the catalog; the caller's without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    /// The database.
    pub database_name: String,
    /// `TableInput` of the service model.
    pub table_input: Map<String, Value>,
}

/// Replaces a table, if it still has that version, without an archived copy of the old one (`glue:UpdateTable`).
#[derive(Debug, Clone)]
pub struct UpdateTable {
    /// The account of the catalog; the caller's without it.
    pub catalog_id: Option<String>,
    /// The database.
    pub database_name: String,
    /// `TableInput` of the service model.
    pub table_input: Map<String, Value>,
    /// The version that was read. With another one the service answers `ConcurrentModificationException`.
    pub version_id: String,
}

impl Table {
    /// Returns the table as it can be written back: every member except those that the service sets. A member that neither
    /// this program nor the model it was written against knows is carried: dropping it would delete it.
    #[must_use]
    pub fn to_input(&self) -> Map<String, Value> {
        let members = self.members.iter();
        members
            .filter(|(name, value)| !READ_ONLY.contains(&name.as_str()) && !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl Operation for GetTable {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetTable";
    type Output = Table;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<Table, UnreadableResponse> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            table: Map<String, Value>,
        }
        let Output { table: members } = serde_json::from_slice(&response.body)?;
        let version = members.get("VersionId").and_then(Value::as_str);
        // Without it a write could not tell whether the table is still the one that was read.
        let version = version.ok_or_else(|| UnreadableResponse::without("VersionId"))?;
        Ok(Table {
            version_id: version.to_owned(),
            members,
        })
    }
}

impl Operation for CreateDatabase {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "CreateDatabase";
    type Output = ();

    fn request(&self) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            catalog_id: Option<&'a str>,
            database_input: Database<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Database<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
        }
        Request::json::<Self>(&Input {
            catalog_id: self.catalog_id.as_deref(),
            database_input: Database {
                name: &self.name,
                description: self.description.as_deref(),
            },
        })
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}

impl Operation for CreateTable {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "CreateTable";
    type Output = ();

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}

impl Operation for UpdateTable {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "UpdateTable";
    type Output = ();

    fn request(&self) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            catalog_id: Option<&'a str>,
            database_name: &'a str,
            table_input: &'a Map<String, Value>,
            skip_archive: bool,
            version_id: &'a str,
        }
        Request::json::<Self>(&Input {
            catalog_id: self.catalog_id.as_deref(),
            database_name: &self.database_name,
            table_input: &self.table_input,
            skip_archive: true,
            version_id: &self.version_id,
        })
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}
