//! What the job of a statement is called: the same whenever the statement runs again. Called by `extract`.
//!
//! In order: the node or task that a comment of dbt or Airflow names, the label of the query, the procedure, and else the
//! output with a hash of the statement that its literals do not change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::sql::Origin;

/// What names the job of a statement.
#[derive(Debug)]
pub(super) struct Clues<'a> {
    pub(super) origin: Option<&'a Origin>,
    /// `query_group`, as the history has it.
    pub(super) label: &'a str,
    /// The procedure that it calls.
    pub(super) procedure: Option<String>,
    /// What it writes, such as `mart.daily_sales`.
    pub(super) output: Option<String>,
    /// `generic_query_hash`, or nothing.
    pub(super) generic_hash: &'a str,
    /// The text without literals.
    pub(super) redacted: &'a str,
}

/// The label of queries that have none (<https://docs.aws.amazon.com/redshift/latest/dg/r_query_group.html>).
const NO_LABEL: &str = "default";

pub(super) fn name(clues: &Clues<'_>) -> String {
    match clues.origin {
        Some(Origin::Dbt { node: Some(node) }) => return node.clone(),
        // As Airflow's own events name a task.
        Some(Origin::Airflow {
            dag,
            task: Some(task),
        }) => return format!("{dag}.{task}"),
        Some(Origin::Airflow { dag, task: None }) => return dag.clone(),
        Some(Origin::Dbt { node: None } | Origin::Ourselves) | None => {}
    }
    if !clues.label.is_empty() && clues.label != NO_LABEL {
        return clues.label.to_owned();
    }
    if let Some(procedure) = &clues.procedure {
        return procedure.clone();
    }
    let output = clues.output.as_deref().unwrap_or("query");
    format!("{output}.{}", hash(clues))
}

/// Base64 of eight bytes, in the alphabet that is safe in names and URLs.
fn hash(clues: &Clues<'_>) -> String {
    let told = clues.generic_hash.trim_end_matches('=');
    let is_told = (1..=64).contains(&told.len())
        && told
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    if is_told {
        return told.replace('+', "-").replace('/', "_");
    }
    let digest: [u8; 32] = Sha256::digest(clues.redacted).into();
    let [
        first @ ..,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
    ] = digest;
    URL_SAFE_NO_PAD.encode(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clues() -> Clues<'static> {
        Clues {
            origin: None,
            label: "default",
            procedure: None,
            output: Some("mart.daily_sales".to_owned()),
            generic_hash: "n+4MX/RYM=",
            redacted: "INSERT INTO mart.daily_sales SELECT ?",
        }
    }

    #[test]
    fn a_job_is_what_it_writes_and_its_statement_without_literals() {
        assert_eq!(name(&clues()), "mart.daily_sales.n-4MX_RYM");
        let untold = Clues {
            generic_hash: "",
            ..clues()
        };
        let own = name(&untold);
        assert!(
            own.starts_with("mart.daily_sales.") && own.len() == "mart.daily_sales.".len() + 11
        );
    }

    #[test]
    fn who_sent_it_goes_before_its_label_and_that_before_the_procedure() {
        let node = Origin::Dbt {
            node: Some("model.shop.daily_sales".to_owned()),
        };
        let labelled = Clues {
            label: "nightly",
            procedure: Some("dev.mart.refresh".to_owned()),
            ..clues()
        };
        assert_eq!(name(&labelled), "nightly");
        let sent = Clues {
            origin: Some(&node),
            ..labelled
        };
        assert_eq!(name(&sent), "model.shop.daily_sales");
        let called = Clues {
            procedure: Some("dev.mart.refresh".to_owned()),
            ..clues()
        };
        assert_eq!(name(&called), "dev.mart.refresh");
    }
}
