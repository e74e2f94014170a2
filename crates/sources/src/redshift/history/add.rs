//! Adds the answers of views to a history and a catalogue: their pages, and the rows of each, one by one. What the columns
//! of a view are is in `rows.rs`, and how an answer is written in `result`. `fetch` adds what its queries bring, and
//! `saved` what was saved.

use super::super::catalogue::Catalogue;
use super::super::result::{Columns, NoValue, Page, Row};
use super::super::unread;
use super::{History, MAX_ROW_FINDINGS, View};
use crate::{Finding, FindingRule, guarded};

/// A result that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no answer of GetStatementResult.
    #[error(
        "{place}: not an answer of GetStatementResult: JSON {category} error at line {line}, column {column}"
    )]
    NotAnAnswer {
        /// The name of the result.
        place: String,
        /// Which kind of error, in words of JSON.
        category: &'static str,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A column is not there.
    #[error("{place}: no column {column}")]
    NoColumn {
        /// The name of the result.
        place: String,
        /// The column.
        column: &'static str,
    },
    /// Neither its name nor its columns are those of a view.
    #[error(
        "{place}: not a result of a view that is read; give the file the name of its view: {known}"
    )]
    UnknownView {
        /// The name of the result.
        place: String,
        /// What views there are.
        known: String,
    },
}
impl History {
    /// Adds an answer, or an array of the pages of one. `place` names it in errors and findings.
    ///
    /// # Errors
    ///
    /// It is no answer of GetStatementResult, or has not the columns of that view. Rows that cannot be read are findings.
    pub fn add(
        &mut self,
        catalogue: &mut Catalogue,
        view: View,
        place: &str,
        bytes: &[u8],
    ) -> Result<(), ReadError> {
        // Told apart by the first byte: trying both would hide the position of an error.
        let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let pages = match is_array {
            true => serde_json::from_slice::<Vec<Page>>(bytes),
            false => serde_json::from_slice(bytes).map(|page| vec![page]),
        };
        let pages = pages.map_err(|error| not_an_answer(place, &error))?;
        for page in &pages {
            self.note_page(view, page);
        }
        if view == View::Transactions {
            self.transactions.get_or_insert_default();
        }
        for page in pages.iter().filter(|page| !page.is_empty()) {
            self.add_page(catalogue, view, place, page)
                .map_err(|column| ReadError::NoColumn {
                    place: place.to_owned(),
                    column,
                })?;
        }
        Ok(())
    }

    /// Reads every row. One that cannot be read is a finding, and harms no other.
    pub(super) fn each<const N: usize>(
        &mut self,
        place: &str,
        page: &Page,
        names: [&'static str; N],
        required: usize,
        mut read: impl FnMut(&mut History, &Row<'_, N>) -> Result<(), NoValue>,
    ) -> Result<(), &'static str> {
        let columns: Columns<N> = page.columns(names, required)?;
        for (number, row) in (1..).zip(page.rows(&columns)) {
            let last = row.padded(N - 1).unwrap_or_default();
            let NoValue(column) = match guarded(last.as_bytes(), || read(self, &row)) {
                Some(Ok(())) => continue,
                Some(Err(missing)) => missing,
                None => {
                    let place = format!("{place}, row {number}");
                    self.unread.push(unread::row(&place, page, number - 1));
                    continue;
                }
            };
            self.unreadable += 1;
            if self.unreadable <= MAX_ROW_FINDINGS {
                let column = names.get(column).copied().unwrap_or_default();
                self.findings.push(Finding {
                    rule: FindingRule::Unreadable,
                    place: format!("{place}, row {number}"),
                    message: format!("no value that can be read in column {column}"),
                });
            }
        }
        Ok(())
    }
}

pub(in crate::redshift) fn not_an_answer(place: &str, error: &serde_json::Error) -> ReadError {
    ReadError::NotAnAnswer {
        place: place.to_owned(),
        category: match error.classify() {
            serde_json::error::Category::Io => "input",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "type",
            serde_json::error::Category::Eof => "end of input",
        },
        line: error.line(),
        column: error.column(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(name: &str, json: &str) -> (History, Result<(), ReadError>) {
        let mut history = History::default();
        let added = history.add_file(&mut Catalogue::default(), name, json.as_bytes());
        (history, added)
    }

    #[test]
    fn a_row_without_its_id_is_a_finding_and_harms_no_other() {
        let json = r#"[
            {"ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
             "Records": [[{"isNull": true}, {"longValue": 0}, {"stringValue": "x"}]]},
            {"ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
             "Records": [[{"longValue": 7}, {"longValue": 0}, {"stringValue": "x"}]]}]"#;
        let (history, added) = added("sys_query_text.json", json);
        assert_eq!(added, Ok(()));
        assert_eq!(history.texts.len(), 1);
        let [finding] = &history.findings[..] else {
            panic!()
        };
        assert_eq!(finding.place, "sys_query_text.json, row 1");
        assert!(finding.message.ends_with("column query_id"));
    }

    #[test]
    fn a_complete_result_does_not_hide_another_one_that_was_cut() {
        let page = |rows: std::ops::Range<i64>, total: usize, token: &str| {
            let records = rows.map(
                |id| serde_json::json!([{"longValue": id}, {"longValue": 0}, {"stringValue": "x"}]),
            );
            serde_json::json!({
                "ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
                "Records": records.collect::<Vec<_>>(), "TotalNumRows": total, "NextToken": token,
            })
            .to_string()
        };
        let cut = |pages: &[String]| {
            let (history, added) = added("sys_query_text.json", &pages.join("\n"));
            assert_eq!(added, Ok(()));
            history.cut_views().into_iter().collect::<Vec<_>>()
        };
        let (first, last) = (page(0..2, 3, "t"), page(2..3, 3, ""));
        let (other, none) = (page(7..9, 2, ""), page(0..0, 0, ""));
        for whole in [
            vec![first.clone(), last.clone()],
            vec![last.clone(), other.clone(), first.clone()],
            vec![other.clone(), other.clone(), none.clone()],
        ] {
            assert_eq!(cut(&whole), []);
        }
        for part in [
            vec![first.clone()],
            vec![first.clone(), other.clone()],
            vec![other, first.clone(), none],
            vec![first.clone(), last.clone(), first],
            vec![last],
        ] {
            assert_eq!(cut(&part), [View::Texts]);
        }
    }

    #[test]
    fn an_error_names_the_place_and_nothing_that_stands_there() {
        let (_, broken) = added("sys_query_text.json", "{\"Records\": \"secret\"}");
        let error = broken.unwrap_err().to_string();
        assert!(
            error.contains("line 1") && !error.contains("secret"),
            "{error}"
        );
        let (_, other) = added(
            "sys_query_text.json",
            r#"{"ColumnMetadata": [{"name": "query_id"}], "Records": []}"#,
        );
        assert_eq!(
            other.unwrap_err().to_string(),
            "sys_query_text.json: no column sequence"
        );
    }
}
