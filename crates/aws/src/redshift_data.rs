//! The Data API of Redshift: runs SQL without a connection, and keeps its result for a day.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// The Data API of Redshift.
pub static SERVICE: Service = Service {
    id: "Redshift Data",
    signing_name: "redshift-data",
    host: "redshift-data",
    protocol: Protocol::Json {
        target_prefix: "RedshiftData",
    },
    endpoints: Exceptions::None,
};

/// The error code where a warehouse, a database, a secret or a statement is not there.
pub const NOT_FOUND: &str = "ResourceNotFoundException";
/// The error code for a request that cannot be carried out: also for a session that has ended.
pub const INVALID: &str = "ValidationException";
/// The error code for too many statements at the same time.
pub const TOO_MANY_STATEMENTS: &str = "ActiveStatementsExceededException";
/// The error code for too many sessions at the same time.
pub const TOO_MANY_SESSIONS: &str = "ActiveSessionsExceededException";

/// Begins a statement (`redshift-data:ExecuteStatement`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecuteStatement {
    /// The statement.
    pub sql: String,
    /// The database. Not within a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The serverless workgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroup_name: Option<String>,
    /// Or the provisioned cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_identifier: Option<String>,
    /// A user of the cluster; without one, it is that of the IAM identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// A secret with user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    /// The statement is begun once, however often the request is sent: at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// The name by which it is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_name: Option<String>,
    /// The session to run it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// How long the session stays after it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_keep_alive_seconds: Option<u32>,
}

/// A statement that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BegunStatement {
    /// Its id.
    pub id: String,
    /// The session that it runs in, if that stays.
    pub session_id: Option<String>,
}

/// Asks how far a statement is (`redshift-data:DescribeStatement`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeStatement {
    /// Its id.
    pub id: String,
}

/// How far a statement is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StatementDescription {
    /// `SUBMITTED`, `PICKED`, `STARTED`, `FINISHED`, `FAILED` or `ABORTED`.
    pub status: Option<String>,
    /// Why it failed. It may quote the statement.
    pub error: Option<String>,
    /// Whether there is a result to get.
    #[serde(default)]
    pub has_result_set: bool,
    /// How many rows it has.
    #[serde(default)]
    pub result_rows: i64,
}

/// Gets a page of a result (`redshift-data:GetStatementResult`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetStatementResult {
    /// The id of the statement.
    pub id: String,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A page of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultPage {
    /// The page as it was answered: `ColumnMetadata` and `Records`.
    pub json: Bytes,
    /// The page after it.
    pub next_token: Option<String>,
}

/// Cancels a statement (`redshift-data:CancelStatement`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelStatement {
    /// Its id.
    pub id: String,
}

impl Operation for ExecuteStatement {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ExecuteStatement";
    type Output = BegunStatement;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<BegunStatement, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for DescribeStatement {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DescribeStatement";
    type Output = StatementDescription;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<StatementDescription, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for GetStatementResult {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetStatementResult";
    type Output = ResultPage;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<ResultPage, UnreadableResponse> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            next_token: Option<String>,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        Ok(ResultPage {
            json: response.body,
            next_token: output.next_token,
        })
    }
}

impl Operation for CancelStatement {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "CancelStatement";
    /// Whether it was cancelled.
    type Output = bool;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<bool, UnreadableResponse> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            status: bool,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        Ok(output.status)
    }
}
