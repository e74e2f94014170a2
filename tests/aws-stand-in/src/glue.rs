//! Databases and tables of Glue's Data Catalog, after the service model of 2017-03-31: what emulators leave out.
//!
//! UpdateTable replaces a table as a whole and checks its version; what the model does not allow is rejected. Before an
//! update somebody else may write the table (`Settings::glue_writers`), and operations fail on demand
//! (`Settings::glue_faults`). Versions and the text of the conflict are those that the service was seen to use
//! (<https://github.com/floci-io/floci/issues/1205>).

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Account;

/// An error of one operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GlueFault {
    /// The operation.
    pub operation: String,
    /// Only requests that contain this text.
    pub matches: String,
    /// The error's name in the model.
    pub code: String,
    /// How often it is still answered.
    pub times: u32,
}

/// Tables by database and name.
pub(crate) type Catalog = BTreeMap<String, BTreeMap<String, Table>>;

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    version: u64,
    input: Map<String, Value>,
}

/// An error: its name and message.
type Refusal = (&'static str, String);

/// The members of `TableInput`, and of a column.
const TABLE_INPUT: [&str; 15] = [
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
    "FederatedTable",
    "ViewDefinition",
];
const COLUMN: [&str; 4] = ["Name", "Type", "Comment", "Parameters"];

pub(crate) fn call(inside: &mut Account, operation: &str, body: &str) -> Response {
    let faults = &mut inside.settings.glue_faults;
    let fault = faults.iter_mut().find(|fault| {
        fault.operation == operation && fault.times > 0 && body.contains(&fault.matches)
    });
    if let Some(fault) = fault {
        fault.times -= 1;
        return refuse(&fault.code, "on demand");
    }
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let about_crawlers = crate::crawlers::call(&inside.settings.crawlers, operation, &request);
    let answer = match operation {
        _ if about_crawlers.is_some() => about_crawlers.unwrap_or(Ok(Value::Null)),
        "GetTable" => get_table(inside, &request),
        "CreateDatabase" => create_database(inside, &request),
        "CreateTable" => create_table(inside, &request),
        "UpdateTable" => update_table(inside, &request),
        _ => Err(("InvalidInputException", "no such operation".to_owned())),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err((code, message)) => refuse(code, &message),
    }
}

/// The table as GetTable answers it.
pub(crate) fn described(inside: &Account, database: &str, name: &str) -> Option<Value> {
    let Table { version, input } = inside.catalog.get(database)?.get(name)?;
    let mut table = input.clone();
    table.insert("DatabaseName".to_owned(), database.into());
    table.insert("CatalogId".to_owned(), "123456789012".into());
    table.insert("CreateTime".to_owned(), json!(1_700_000_000.25));
    table.insert("UpdateTime".to_owned(), json!(1_700_000_000.5));
    table.insert("VersionId".to_owned(), version.to_string().into());
    table.insert("IsRegisteredWithLakeFormation".to_owned(), false.into());
    Some(Value::Object(table))
}

/// Puts a table there, as others would.
pub(crate) fn put(inside: &mut Account, database: &str, input: Map<String, Value>) {
    let name = text(input.get("Name")).to_owned();
    let tables = inside.catalog.entry(database.to_owned()).or_default();
    let version = tables.get(&name).map_or(0, |table| table.version + 1);
    tables.insert(name, Table { version, input });
}

fn get_table(inside: &Account, request: &Value) -> Result<Value, Refusal> {
    let (database, name) = (database(request)?, lower(request.get("Name"))?);
    let table = described(inside, database, name);
    table
        .map(|table| json!({"Table": table}))
        .ok_or_else(|| not_found(&format!("Table {name} not found.")))
}

fn create_database(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let name = lower(request.pointer("/DatabaseInput/Name"))?;
    if inside.catalog.contains_key(name) {
        return Err(exists("Database already exists."));
    }
    inside.catalog.insert(name.to_owned(), BTreeMap::new());
    Ok(json!({}))
}

fn create_table(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let (database, input) = (database(request)?, table_input(request)?);
    let tables = inside.catalog.get_mut(database);
    let tables = tables.ok_or_else(|| not_found(&format!("Database {database} not found.")))?;
    let name = text(input.get("Name")).to_owned();
    if tables.contains_key(&name) {
        return Err(exists("Table already exists."));
    }
    tables.insert(name, Table { version: 0, input });
    Ok(json!({}))
}

fn update_table(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let (database, input) = (database(request)?, table_input(request)?);
    let name = text(input.get("Name")).to_owned();
    if request.get("SkipArchive") != Some(&Value::Bool(true)) {
        inside.archived += 1;
    }
    let table = inside.catalog.get_mut(database);
    let table = table.and_then(|tables| tables.get_mut(&name));
    let table = table.ok_or_else(|| not_found(&format!("Table {name} not found.")))?;
    if inside.settings.glue_writers > 0 {
        let number = inside.settings.glue_writers;
        inside.settings.glue_writers -= 1;
        let parameters = table.input.entry("Parameters").or_insert_with(|| json!({}));
        if let Some(parameters) = parameters.as_object_mut() {
            parameters.insert(format!("writer {number}"), "was here".into());
        }
        table.version += 1;
    }
    let version = request.get("VersionId").map(|version| text(Some(version)));
    if version.is_some_and(|version| version != table.version.to_string()) {
        let message = "Update table failed due to concurrent modifications.";
        return Err(("ConcurrentModificationException", message.to_owned()));
    }
    table.version += 1;
    table.input = input;
    Ok(json!({}))
}

/// A `TableInput` that the model allows.
fn table_input(request: &Value) -> Result<Map<String, Value>, Refusal> {
    let input = request.get("TableInput").and_then(Value::as_object);
    let input = input.ok_or_else(|| invalid("TableInput is missing"))?;
    lower(input.get("Name"))?;
    only(input, &TABLE_INPUT)?;
    parameters(input.get("Parameters"))?;
    let columns = input
        .get("StorageDescriptor")
        .and_then(|it| it.get("Columns"));
    let mut names = Vec::new();
    for column in list(columns).chain(list(input.get("PartitionKeys"))) {
        let column = column.as_object().ok_or_else(|| invalid("Columns"))?;
        only(column, &COLUMN)?;
        parameters(column.get("Parameters"))?;
        let name = text(column.get("Name"));
        let comment = text(column.get("Comment"));
        let is_line = |text: &str| !text.chars().any(|c| c.is_control() && c != '\t');
        if !(1..=255).contains(&name.len()) || comment.len() > 255 || !is_line(comment) {
            return Err(invalid("Column: name or comment"));
        }
        if names.contains(&name) {
            return Err(invalid("Duplicate column"));
        }
        names.push(name);
    }
    Ok(input.clone())
}

/// `ParametersMap`: keys of at most 255, values of at most 512,000.
fn parameters(parameters: Option<&Value>) -> Result<(), Refusal> {
    let parameters = parameters.and_then(Value::as_object).into_iter().flatten();
    for (key, value) in parameters {
        let is_value = value.as_str().is_some_and(|value| value.len() <= 512_000);
        if !(1..=255).contains(&key.len()) || !is_value {
            return Err(invalid("Parameters"));
        }
    }
    Ok(())
}

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    let unknown = members.keys().find(|name| !known.contains(&name.as_str()));
    match unknown {
        Some(name) => Err(invalid(&format!("unknown member {name}"))),
        None => Ok(()),
    }
}

fn database(request: &Value) -> Result<&str, Refusal> {
    lower(request.get("DatabaseName"))
}

/// A name. "For Hive compatibility, this name is entirely lowercase."
fn lower(name: Option<&Value>) -> Result<&str, Refusal> {
    let name = text(name);
    match (1..=255).contains(&name.len()) && name == name.to_lowercase() {
        true => Ok(name),
        false => Err(invalid("Name")),
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn not_found(message: &str) -> Refusal {
    ("EntityNotFoundException", message.to_owned())
}

fn exists(message: &str) -> Refusal {
    ("AlreadyExistsException", message.to_owned())
}

fn invalid(message: &str) -> Refusal {
    ("InvalidInputException", message.to_owned())
}

fn refuse(code: &str, message: &str) -> Response {
    let status = match code {
        "InternalServiceException" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, Json(json!({"__type": code, "Message": message}))).into_response()
}
