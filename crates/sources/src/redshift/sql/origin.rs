//! Who sent a statement, as dbt, Airflow and this product write it into a comment.

use serde_json::Value;

use super::Origin;
use super::lexeme::{Kind, Lexeme};

/// The longest comment that is looked at. Those of dbt have a few hundred bytes.
const LONGEST: usize = 8 << 10;

/// How many comments are looked at: those of tools are the first or the last.
const MOST: usize = 8;

/// How the queries begin by which this product reads the history.
const OURS: &str = "lineage-proxy";

/// The origin that one of the comments names.
pub(super) fn origin(text: &str, lexemes: &[Lexeme]) -> Option<Origin> {
    let comments = || {
        lexemes
            .iter()
            .filter(|lexeme| lexeme.kind() == Kind::Comment)
    };
    let looked_at = comments().take(MOST).chain(comments().rev().take(MOST));
    looked_at
        .map(|lexeme| inner(lexeme.of(text)))
        .filter(|comment| comment.len() <= LONGEST)
        .find_map(of_comment)
}

fn inner(comment: &str) -> &str {
    match comment.strip_prefix("/*") {
        Some(rest) => rest.strip_suffix("*/").unwrap_or(rest).trim(),
        None => comment.trim_start_matches('-').trim(),
    }
}

fn of_comment(comment: &str) -> Option<Origin> {
    if comment.starts_with(OURS) {
        return Some(Origin::Ourselves);
    }
    if comment.starts_with('{') {
        return of_json(comment);
    }
    of_pairs(comment)
}

/// `{"app": "dbt", "node_id": "model.shop.daily_sales", …}`, as dbt writes it without configuration. Airflow's providers
/// have no comment of their own; teams put the names of its context into one.
fn of_json(comment: &str) -> Option<Origin> {
    let fields: Value = serde_json::from_str(comment).ok()?;
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let app = text("app").unwrap_or_default().to_ascii_lowercase();
    if let Some(dag) = text("dag_id").or_else(|| text("airflow_dag_id")) {
        return Some(Origin::Airflow {
            dag,
            task: text("task_id").or_else(|| text("airflow_task_id")),
        });
    }
    (app == "dbt").then(|| Origin::Dbt {
        node: text("node_id"),
    })
}

/// `dag_id='daily',task_id='load'`, as sqlcommenter writes it, or with other separators.
/// <https://google.github.io/sqlcommenter/spec/>
fn of_pairs(comment: &str) -> Option<Origin> {
    let mut dag = None;
    let mut task = None;
    for pair in comment.split([',', ';', ' ']) {
        let Some((key, value)) = pair.split_once(['=', ':']) else {
            continue;
        };
        let value = value.trim().trim_matches(['\'', '"']);
        if value.is_empty() {
            continue;
        }
        match key.trim().to_ascii_lowercase().as_str() {
            "dag_id" | "airflow_dag_id" => dag = Some(value.to_owned()),
            "task_id" | "airflow_task_id" => task = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(Origin::Airflow { dag: dag?, task })
}

#[cfg(test)]
mod tests {
    use super::super::lexeme::{Backslash, lexemes};
    use super::*;

    fn of(text: &str) -> Option<Origin> {
        origin(text, &lexemes(text, Backslash::Escapes).all)
    }

    #[test]
    fn dbt_names_its_node() {
        let text = r#"/* {"app": "dbt", "dbt_version": "1.9.0", "node_id": "model.shop.daily_sales"} */ create view v as select 1"#;
        assert_eq!(
            of(text),
            Some(Origin::Dbt {
                node: Some("model.shop.daily_sales".to_owned())
            })
        );
    }

    #[test]
    fn airflow_is_named_by_pairs() {
        let airflow = Origin::Airflow {
            dag: "daily".to_owned(),
            task: Some("load".to_owned()),
        };
        assert_eq!(
            of("select 1 /*dag_id='daily',task_id='load'*/"),
            Some(airflow)
        );
    }

    #[test]
    fn our_own_queries_are_known() {
        assert_eq!(of("/* lineage-proxy */ SELECT 1"), Some(Origin::Ourselves));
    }

    #[test]
    fn other_comments_name_nobody() {
        assert_eq!(of("-- only good ones: a=b\nselect 1"), None);
        assert_eq!(of("select '/* lineage-proxy */'"), None);
    }
}
