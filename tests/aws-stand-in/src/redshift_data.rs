//! The Data API of Redshift (AWS JSON 1.1, 2019-12-20), which emulators lack: statements that take a while, sessions, tokens,
//! results in pages. What statements answer comes from `Settings::redshift_views`, of which it understands as much as the
//! product asks for: a time range, lists of ids and names, and a limit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Account, Settings, Workgroup};

impl Settings {
    /// Returns settings with the workgroup `corp-wg`, which answers statements from saved pages of results, by view, seven rows a page.
    ///
    /// # Errors
    /// If a page is not a result: an object with `ColumnMetadata` and `Records`.
    pub fn with_history(
        pages: impl IntoIterator<Item = (String, Value)>,
    ) -> serde_json::Result<Settings> {
        let mut views: BTreeMap<String, SavedPage> = BTreeMap::new();
        for (view, page) in pages {
            let page: SavedPage = serde_json::from_value(page)?;
            match views.entry(view) {
                Entry::Vacant(first) => drop(first.insert(page)),
                Entry::Occupied(known) => known.into_mut().records.extend(page.records),
            }
        }
        let mut redshift_views = BTreeMap::new();
        for (view, page) in views {
            redshift_views.insert(view, serde_json::to_value(page)?);
        }
        let workgroup = Workgroup {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            port: 5439,
        };
        Ok(Settings {
            workgroups: [("corp-wg".to_owned(), workgroup)].into(),
            redshift_views,
            redshift_page: 7,
            redshift_waits: 0,
            ..Settings::default()
        })
    }
}

/// What a saved page tells of its view.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedPage {
    column_metadata: Vec<Value>,
    records: Vec<Value>,
}

/// A failure of statements.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementFault {
    /// Only statements that contain this text.
    pub matches: String,
    /// What they fail with, as `Error` of DescribeStatement; nothing: the request to begin them is throttled.
    pub error: Option<String>,
    /// How often.
    pub times: u32,
}

/// What the service remembers.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    begun: BTreeMap<String, Statement>,
    /// The ids of statements by client token.
    tokens: BTreeMap<String, String>,
    sessions: u64,
    /// The number of the last session that is still there.
    ended: u64,
}

#[derive(Debug)]
struct Statement {
    sql: String,
    session: Option<String>,
    /// How often it was asked for.
    described: usize,
    has_ended: bool,
    is_cancelled: bool,
    error: Option<String>,
    result: Option<Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    columns: Vec<Value>,
    rows: Vec<Vec<Value>>,
}

/// The states that a statement goes through.
const STATES: [&str; 3] = ["SUBMITTED", "PICKED", "STARTED"];

/// An error: its name and message.
type Refusal = (&'static str, String);

pub(crate) fn call(inside: &mut Account, operation: &str, body: &str) -> Response {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let answer = match operation {
        "ExecuteStatement" => execute(inside, &request),
        "DescribeStatement" => describe(inside, &request),
        "GetStatementResult" => result(inside, &request),
        "CancelStatement" => statement(inside, &request).map(|statement| {
            statement.is_cancelled = true;
            json!({"Status": true})
        }),
        _ => Err(("ValidationException", "no such operation".to_owned())),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err((code, message)) => {
            let body = Json(json!({"__type": code, "message": message}));
            (StatusCode::BAD_REQUEST, body).into_response()
        }
    }
}

/// Ends all sessions, as their time does.
pub(crate) fn end_sessions(inside: &mut Account) {
    inside.statements.ended = inside.statements.sessions;
}

/// The statements so far that are no look-up of how one is, in order.
pub(crate) fn texts(inside: &Account) -> Vec<String> {
    let statements = inside.statements.begun.values();
    statements.map(|statement| statement.sql.clone()).collect()
}

fn execute(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let invalid = |message: &str| ("ValidationException", message.to_owned());
    let sql = text("Sql").filter(|sql| (1..=100_000).contains(&sql.len()));
    let sql = sql.ok_or_else(|| invalid("Sql"))?.to_owned();
    let keeps = request
        .get("SessionKeepAliveSeconds")
        .and_then(Value::as_u64);
    let is_target = text("WorkgroupName").is_some() != text("ClusterIdentifier").is_some();
    if let Some(session) = text("SessionId") {
        let number: Option<u64> = session
            .rsplit('-')
            .next()
            .and_then(|number| number.parse().ok());
        if number.is_none_or(|number| number <= inside.statements.ended) {
            return Err(invalid("Session is not available."));
        }
        if text("Database").is_some() || text("WorkgroupName").is_some() {
            return Err(invalid("Database and WorkgroupName belong to the session."));
        }
    } else if !is_target || text("Database").is_none() {
        return Err(invalid(
            "Either WorkgroupName or ClusterIdentifier is required, with Database.",
        ));
    }
    if text("ClientToken").is_some_and(|token| !(1..=64).contains(&token.len())) {
        return Err(invalid("ClientToken"));
    }
    let known = text("ClientToken").and_then(|token| inside.statements.tokens.get(token));
    if let Some(id) = known {
        let session = inside
            .statements
            .begun
            .get(id)
            .and_then(|statement| statement.session.clone());
        return Ok(json!({"Id": id, "SessionId": session}));
    }
    let mut error = None;
    let fault = inside.settings.redshift_faults.iter_mut();
    let mut fault = fault.filter(|fault| fault.times > 0 && sql.contains(&fault.matches));
    if let Some(fault) = fault.next() {
        fault.times -= 1;
        error.clone_from(&fault.error);
        if error.is_none() {
            let message = "Too many active statements.".to_owned();
            return Err(("ActiveStatementsExceededException", message));
        }
    }
    let session = match (text("SessionId"), keeps) {
        (Some(session), _) => Some(session.to_owned()),
        (None, Some(_)) => {
            inside.statements.sessions += 1;
            Some(format!(
                "00000000-0000-4000-8000-{:012}",
                inside.statements.sessions
            ))
        }
        (None, None) => None,
    };
    let id = format!(
        "10000000-0000-4000-8000-{:012}",
        inside.statements.begun.len()
    );
    let result = match error {
        Some(_) => None,
        None => answer(&inside.settings.redshift_views, &sql),
    };
    if let Some(token) = text("ClientToken") {
        inside
            .statements
            .tokens
            .insert(token.to_owned(), id.clone());
    }
    let statement = Statement {
        sql,
        session: session.clone(),
        described: 0,
        has_ended: false,
        is_cancelled: false,
        error,
        result,
    };
    inside.statements.begun.insert(id.clone(), statement);
    Ok(json!({"Id": id, "SessionId": session, "CreatedAt": 1_778_637_600.123}))
}

fn statement<'i>(inside: &'i mut Account, request: &Value) -> Result<&'i mut Statement, Refusal> {
    let id = request
        .get("Id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let statement = inside.statements.begun.get_mut(id);
    statement.ok_or_else(|| {
        (
            "ResourceNotFoundException",
            "Query does not exist.".to_owned(),
        )
    })
}

fn describe(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let begin = STATES.len().saturating_sub(inside.settings.redshift_waits);
    let hanging = inside.settings.redshift_hangs.clone();
    let statement = statement(inside, request)?;
    let hangs = hanging.is_some_and(|text| statement.sql.contains(&text));
    let state = match hangs && !statement.is_cancelled {
        true => Some(&"STARTED"),
        false => STATES.get(begin + statement.described),
    };
    statement.described += 1;
    statement.has_ended = state.is_none();
    let ended = if statement.is_cancelled {
        "ABORTED"
    } else if statement.error.is_some() {
        "FAILED"
    } else {
        "FINISHED"
    };
    let state = state.copied().unwrap_or(ended);
    let rows = statement.result.as_ref().map(|result| result.rows.len());
    let mut answer = json!({
        "Id": request.get("Id"),
        "Status": state,
        "HasResultSet": state == "FINISHED" && rows.is_some(),
        "ResultFormat": "JSON",
        "RedshiftPid": 1_073_815,
    });
    if let (Some(members), "FAILED") = (answer.as_object_mut(), state) {
        members.insert("Error".to_owned(), json!(statement.error));
    }
    if let (Some(members), "FINISHED") = (answer.as_object_mut(), state) {
        members.insert("ResultRows".to_owned(), json!(rows.unwrap_or(0)));
    }
    Ok(answer)
}

fn result(inside: &mut Account, request: &Value) -> Result<Value, Refusal> {
    let page = inside.settings.redshift_page.max(1);
    let statement = statement(inside, request)?;
    let has_ended = statement.has_ended;
    let table = statement.result.as_ref().filter(|_| has_ended);
    let table = table.ok_or_else(|| {
        (
            "ResourceNotFoundException",
            "Query does not have result.".to_owned(),
        )
    })?;
    let token = request
        .get("NextToken")
        .and_then(Value::as_str)
        .unwrap_or("0");
    let from: usize = token
        .parse()
        .map_err(|_| ("ValidationException", "NextToken".to_owned()))?;
    let rows: Vec<&Vec<Value>> = table.rows.iter().skip(from).take(page).collect();
    let mut answer =
        json!({"ColumnMetadata": table.columns, "Records": rows, "TotalNumRows": table.rows.len()});
    let next = from + page;
    if let Some(members) = answer.as_object_mut().filter(|_| next < table.rows.len()) {
        members.insert("NextToken".to_owned(), next.to_string().into());
    }
    Ok(answer)
}

/// What a statement answers: the rows of its view that it asks for. `None`: it has no result.
fn answer(views: &BTreeMap<String, Value>, sql: &str) -> Option<Table> {
    if !sql.contains("SELECT ") {
        return None;
    }
    let view = views
        .iter()
        .find(|(name, _)| sql.contains(&format!(" {name}")));
    let Some((_, view)) = view else {
        return Some(Table::default());
    };
    let list = |name: &str| {
        view.get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let columns = list("ColumnMetadata");
    let position = |name: &str| {
        columns
            .iter()
            .position(|column| column.get("name") == Some(&json!(name)))
    };
    let field = |row: &Vec<Value>, name: &str| -> Option<String> {
        let value = row
            .get(position(name)?)?
            .as_object()?
            .values()
            .next()?
            .clone();
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        )
    };
    let mut rows: Vec<Vec<Value>> = (list("Records").into_iter())
        .filter_map(|row| row.as_array().cloned())
        .filter(|row| {
            let start = field(row, "start_time");
            let is_from = |from: String| start.as_ref().is_none_or(|start| *start >= from);
            let is_before = |to: String| start.as_ref().is_none_or(|start| *start < to);
            let is_in = |name: &str| {
                let wanted = list_of(sql, &format!("{name} IN ("));
                wanted.is_none_or(|wanted| {
                    field(row, name).is_some_and(|value| wanted.contains(&value))
                })
            };
            between(sql, "start_time >= '", "'").is_none_or(is_from)
                && between(sql, "start_time < '", "'").is_none_or(is_before)
                && ["query_id", "table_name", "view_name"]
                    .iter()
                    .all(|name| is_in(name))
        })
        .collect();
    if sql.contains("ORDER BY start_time") {
        rows.sort_by_key(|row| field(row, "start_time"));
    }
    let limit = sql
        .rsplit_once("LIMIT ")
        .and_then(|(_, limit)| limit.trim().parse().ok());
    rows.truncate(limit.unwrap_or(usize::MAX));
    Some(Table { columns, rows })
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found.to_owned())
}

fn list_of(text: &str, before: &str) -> Option<Vec<String>> {
    let list = between(text, before, ")")?;
    Some(
        list.split(", ")
            .map(|item| item.trim_matches('\'').to_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests;
