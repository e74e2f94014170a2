//! Runs statements by the Data API, one after the other, in one session. Called by `redshift.rs` and `poll.rs`.
//!
//! A statement is begun, asked for until it has ended, and its result fetched page by page. It is begun once, however
//! often the request is sent, because of its client token.

use std::future::pending;
use std::time::Duration;

use aws::redshift_data::{
    self, CancelStatement, DescribeStatement, ExecuteStatement, GetStatementResult,
};
use aws::{Client, Error};
use sources::Identity;
use sources::redshift::queries;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::settings::{RedshiftConfig, WarehouseName};
use crate::FetchError;
use crate::error::words;

/// How long a session stays after a statement: longer than any pause between two of one poll.
const KEEP_ALIVE_SECONDS: u32 = 120;

/// A statement that takes longer is cancelled: it would run into the next poll.
const LONGEST_STATEMENT: Duration = Duration::from_secs(600);

/// How long one request may take, its retries included.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);

/// The pauses between two questions whether a statement has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The largest page of a result. The documentation has no limit; a row has at most 64 KB.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// Runs statements in a warehouse.
#[derive(Debug)]
pub(super) struct DataApi {
    client: Client,
    /// A request that opens a session.
    opening: ExecuteStatement,
    session: Option<String>,
    /// Statements so far, so that each has a token of its own.
    statements: u64,
    /// When whoever polls has no more time: a statement that runs then is cancelled.
    deadline: Option<Instant>,
}

/// Why a statement has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementError {
    /// The service, or the warehouse for now.
    Fetch(FetchError),
    /// The user may not read that, or it is not there in this warehouse.
    Denied(String),
    /// The result is larger than the service, or we, can hold.
    TooLarge,
}

impl From<StatementError> for FetchError {
    fn from(error: StatementError) -> FetchError {
        match error {
            StatementError::Fetch(error) => error,
            StatementError::Denied(message) => FetchError::Refused(message),
            StatementError::TooLarge => {
                FetchError::Refused("a result is larger than the Data API can hold".to_owned())
            }
        }
    }
}

impl DataApi {
    pub(super) fn new(config: &RedshiftConfig, client: Client) -> DataApi {
        let mut opening = ExecuteStatement {
            database: Some(config.database.clone()),
            secret_arn: config.secret_arn.clone(),
            statement_name: Some("lineage-proxy".to_owned()),
            session_keep_alive_seconds: Some(KEEP_ALIVE_SECONDS),
            ..ExecuteStatement::default()
        };
        match &config.warehouse {
            WarehouseName::Workgroup(name) => opening.workgroup_name = Some(name.clone()),
            WarehouseName::Cluster { name, user } => {
                opening.cluster_identifier = Some(name.clone());
                opening.db_user = user.clone();
            }
        }
        DataApi {
            client: client.timeout(LONGEST_REQUEST).max_bytes(MAX_PAGE_BYTES),
            opening,
            session: None,
            statements: 0,
            deadline: config.deadline,
        }
    }

    /// Runs a statement, and gives each page of its result to `take`.
    pub(super) async fn run(
        &mut self,
        sql: String,
        now: OffsetDateTime,
        mut take: impl FnMut(&[u8]) -> Result<(), StatementError>,
    ) -> Result<(), StatementError> {
        let id = self.begin(sql, now).await?;
        if !self.wait(&id).await? {
            return Ok(());
        }
        let mut page = GetStatementResult {
            id,
            next_token: None,
        };
        loop {
            let answer = self
                .client
                .send(&page)
                .await
                .map_err(|error| not_answered(&error))?;
            take(&answer.json)?;
            match answer.next_token.filter(|token| !token.is_empty()) {
                // A service that repeats itself would be asked for ever.
                Some(token) if page.next_token.as_deref() != Some(&token) => {
                    page.next_token = Some(token);
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Begins a statement in the session, which is opened first if there is none, or it has ended.
    async fn begin(&mut self, sql: String, now: OffsetDateTime) -> Result<String, StatementError> {
        if let Some(session) = self.session.clone() {
            let within = ExecuteStatement {
                session_id: Some(session),
                session_keep_alive_seconds: Some(KEEP_ALIVE_SECONDS),
                statement_name: self.opening.statement_name.clone(),
                ..ExecuteStatement::default()
            };
            match self.send(within, sql.clone(), now).await {
                Ok(id) => return Ok(id),
                // It has ended since the last poll. Whatever else is invalid is so in a new one, too.
                Err(error)
                    if error.is(redshift_data::INVALID) || error.is(redshift_data::NOT_FOUND) =>
                {
                    self.session = None;
                }
                Err(error) => return Err(not_answered(&error)),
            }
        }
        let opening = self.opening.clone();
        let label = self.send(opening.clone(), queries::label(), now).await;
        let label = label.map_err(|error| not_answered(&error))?;
        self.wait(&label).await?;
        let request = match &self.session {
            Some(session) => ExecuteStatement {
                session_id: Some(session.clone()),
                session_keep_alive_seconds: Some(KEEP_ALIVE_SECONDS),
                statement_name: opening.statement_name,
                ..ExecuteStatement::default()
            },
            // The service knows no sessions: the comment of each statement says that it is ours.
            None => opening,
        };
        self.send(request, sql, now)
            .await
            .map_err(|error| not_answered(&error))
    }

    async fn send(
        &mut self,
        request: ExecuteStatement,
        sql: String,
        now: OffsetDateTime,
    ) -> Result<String, Error> {
        self.statements += 1;
        let token = Identity::of(&[
            &sql,
            &now.unix_timestamp_nanos().to_string(),
            &self.statements.to_string(),
        ]);
        let begun = self
            .client
            .send(&ExecuteStatement {
                sql,
                client_token: Some(token.to_string()),
                ..request
            })
            .await?;
        self.session = begun.session_id.or(self.session.take());
        Ok(begun.id)
    }

    /// Waits until a statement has ended. Returns whether it has a result. After the deadline it waits for ever: whoever set it
    /// ends the poll.
    async fn wait(&self, id: &str) -> Result<bool, StatementError> {
        let describe = DescribeStatement { id: id.to_owned() };
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let statement = self
                .client
                .send(&describe)
                .await
                .map_err(|error| not_answered(&error))?;
            match statement.status.as_deref() {
                Some("FINISHED") => return Ok(statement.has_result_set),
                Some("FAILED") => {
                    return Err(statement_failed(&statement.error.unwrap_or_default()));
                }
                Some("ABORTED") => {
                    let message = "our statement was cancelled in the warehouse";
                    return Err(StatementError::Fetch(FetchError::Unavailable(
                        message.to_owned(),
                    )));
                }
                // SUBMITTED, PICKED, STARTED, and what may come.
                Some(_) | None => {}
            }
            let is_late = self.deadline.is_some_and(|end| Instant::now() >= end);
            if is_late || begun.elapsed() > LONGEST_STATEMENT {
                let cancel = CancelStatement { id: id.to_owned() };
                // It ends by itself otherwise.
                let _ = self.client.send(&cancel).await;
                if is_late {
                    return pending().await;
                }
                let message = "our statement took longer than 10 minutes, and was cancelled";
                return Err(StatementError::Fetch(FetchError::Unavailable(
                    message.to_owned(),
                )));
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

fn not_answered(error: &Error) -> StatementError {
    match error {
        Error::TooLarge { .. } => StatementError::TooLarge,
        Error::Service(_)
        | Error::NoResponse { .. }
        | Error::NotSent { .. }
        | Error::Unreadable { .. } => StatementError::Fetch(FetchError::of(error)),
    }
}

/// What the error of a statement of ours means. The Data API has its text alone.
fn statement_failed(message: &str) -> StatementError {
    let text = words(message);
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // <https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-troubleshooting.html>
    if says(&[
        "packet for query is too large",
        "result size exceed",
        "result exceeds",
        "query result is too large",
    ]) {
        return StatementError::TooLarge;
    }
    let is_denied = says(&[
        "permission denied",
        "must be superuser",
        "insufficient privilege",
        "does not exist",
        "not supported",
    ]);
    match is_denied {
        true => StatementError::Denied(text),
        false => StatementError::Fetch(FetchError::Unavailable(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_is_denied_stays_so_and_one_that_failed_may_pass() {
        let denied =
            statement_failed("ERROR: permission denied for relation sys_transaction_history");
        assert!(matches!(denied, StatementError::Denied(_)));
        let gone = statement_failed("ERROR: relation \"sys_x\" does not exist");
        assert!(matches!(gone, StatementError::Denied(_)));
        let large = statement_failed("ERROR: Packet for query is too large (70000 > 65536)");
        assert_eq!(large, StatementError::TooLarge);
        let busy = statement_failed("ERROR: out of memory\n detail: x");
        let expected = FetchError::Unavailable("ERROR: out of memory".to_owned());
        assert_eq!(busy, StatementError::Fetch(expected));
    }

    #[test]
    fn an_error_of_a_statement_is_told_without_what_it_quotes() {
        for message in [
            "ERROR: column does not exist in: SELECT * FROM people WHERE name = 'Ada Lovelace'",
            "ERROR: out of memory in: INSERT INTO people VALUES ('Ada Lovelace')",
        ] {
            let error = FetchError::from(statement_failed(message)).to_string();
            assert!(
                error.starts_with("ERROR: ") && !error.contains("Ada"),
                "{error}"
            );
        }
    }
}
