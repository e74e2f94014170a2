//! Reads files of results, such as `aws redshift-data get-statement-result` prints: for machines that may not ask the
//! warehouse. What the rows of a result mean is decided in `history` and `catalogue`; `lineage-proxy extract redshift
//! --input` reads the files.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::catalogue::Catalogue;
use super::history::{History, ReadError, VIEWS, View, not_an_answer};
use super::result::Page;

/// The columns by which a result is known where its file is not called like its view. In this order: some views have the
/// columns of others besides their own.
const TELLING: [(&[&str], View); 14] = [
    (&["query_id", "sequence", "text"], View::Texts),
    (&["query_id", "caller_procedure_query_id"], View::Calls),
    (&["query_id", "query_text"], View::Queries),
    (&["query_id", "step_name"], View::Details),
    (&["query_id", "data_source"], View::Loads),
    (&["query_id", "unloaded_location"], View::Unloads),
    (&["transaction_id", "status"], View::Transactions),
    (&["session_id", "start_time"], View::Sessions),
    (&["column_name", "ordinal_position"], View::Columns),
    (&["view_name", "col_name"], View::LateBindingColumns),
    (&["database_name", "database_type"], View::Databases),
    (&["schemaname", "eskind"], View::ExternalSchemas),
    (&["user_id", "user_name"], View::Users),
    (&["version"], View::Version),
];

impl View {
    /// The view whose name is that of a file up to its first dot: `saved/sys_query_history.page-2.json`.
    fn of_file(file: &str) -> Option<View> {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        View::of_name(name)
    }

    fn of_page(page: &Page) -> Option<View> {
        let is_it = |(columns, _): &&(&[&str], View)| columns.iter().all(|name| page.has(name));
        TELLING.iter().find(is_it).map(|(_, view)| *view)
    }
}

impl History {
    /// Adds the results of a file: JSON documents, each of which is an answer of GetStatementResult, an array of the pages
    /// of one, or an object with such answers by the name of their view. The name of the file, up to its first dot,
    /// is that of a view, or else the columns tell which view it is. `file` is the place that errors and findings name.
    ///
    /// # Errors
    ///
    /// A document is no such answer, or lacks columns of its view, or is of no view that is read.
    pub fn add_file(
        &mut self,
        catalogue: &mut Catalogue,
        file: &str,
        bytes: &[u8],
    ) -> Result<(), ReadError> {
        let view = View::of_file(file);
        let documents = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
        for (number, document) in (1..).zip(documents) {
            let place = match number {
                1 => file.to_owned(),
                _ => format!("{file}, document {number}"),
            };
            let text = document.map_err(|error| not_an_answer(&place, &error))?;
            match view {
                Some(view) => self.add(catalogue, view, &place, text.get().as_bytes())?,
                None => self.add_document(catalogue, &place, text.get())?,
            }
        }
        Ok(())
    }

    /// Adds a document of which nobody says what it is.
    fn add_document(
        &mut self,
        catalogue: &mut Catalogue,
        place: &str,
        text: &str,
    ) -> Result<(), ReadError> {
        let unknown = || ReadError::UnknownView {
            place: place.to_owned(),
            known: VIEWS.map(|(name, _)| name).join(", "),
        };
        let page = match text.starts_with('[') {
            true => serde_json::from_str::<Vec<Page>>(text).map(|pages| pages.into_iter().next()),
            false => serde_json::from_str(text).map(Some),
        };
        let page = page.map_err(|error| not_an_answer(place, &error))?;
        if let Some(view) = page.as_ref().and_then(View::of_page) {
            return self.add(catalogue, view, place, text.as_bytes());
        }
        // Results by the name of their view, if it is an object; an answer of another view has none.
        let results: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|_| unknown())?;
        if results.is_empty() {
            return Err(unknown());
        }
        let views = results.keys().map(|name| View::of_name(name));
        let views: Option<Vec<View>> = views.collect();
        for (view, result) in views.ok_or_else(unknown)?.into_iter().zip(results.values()) {
            let place = format!("{place}, {}", view.name());
            self.add(catalogue, view, &place, result.get().as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn added(name: &str, json: &str) -> (History, Result<(), ReadError>) {
        let mut history = History::default();
        let added = history.add_file(&mut Catalogue::default(), name, json.as_bytes());
        (history, added)
    }

    const TEXTS: &str = r#"{"ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
        "Records": [[{"longValue": 7}, {"longValue": 0}, {"stringValue": "x"}]], "TotalNumRows": 1}"#;

    #[test]
    fn a_result_is_known_by_its_file_its_columns_or_the_name_of_its_member() {
        let twice = format!(
            "{TEXTS}\n{}",
            TEXTS.replace("\"longValue\": 7", "\"longValue\": 8")
        );
        for (name, json, texts) in [
            ("a/SYS_QUERY_TEXT.page-2.json", TEXTS.to_owned(), 1),
            ("result.json", TEXTS.to_owned(), 1),
            ("result.json", format!("[{TEXTS}]"), 1),
            ("<stdin>", twice, 2),
            ("all.json", format!("{{\"sys_query_text\": {TEXTS}}}"), 1),
            ("empty.json", String::new(), 0),
        ] {
            let (history, added) = added(name, &json);
            assert_eq!(added, Ok(()), "{name}");
            assert_eq!(history.texts.len(), texts, "{name}");
        }
    }

    #[test]
    fn what_is_no_result_of_a_view_is_an_error_that_lists_them() {
        for json in [
            "{}",
            "[]",
            r#"{"Crawls": []}"#,
            r#"{"ColumnMetadata": [{"name": "a"}], "Records": []}"#,
        ] {
            let (_, unknown) = added("stl_query.json", json);
            let unknown = unknown.unwrap_err().to_string();
            assert!(unknown.starts_with("stl_query.json: "), "{unknown}");
            assert!(unknown.contains("sys_query_history"), "{unknown}");
        }
        let (_, broken) = added("x.json", "{\"Records\": \n");
        let broken = broken.unwrap_err().to_string();
        assert!(
            broken.contains("x.json") && broken.contains("line 2"),
            "{broken}"
        );
    }

    #[test]
    fn each_view_is_told_from_the_others_by_its_own_columns() {
        for (columns, view) in TELLING {
            let names = columns
                .iter()
                .map(|name| serde_json::json!({ "name": name }));
            let names: Vec<_> = names.collect();
            let json = serde_json::json!({"ColumnMetadata": names, "Records": []}).to_string();
            let page: Page = serde_json::from_str(&json).unwrap();
            assert_eq!(View::of_page(&page), Some(view));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99), at in 0..=VIEWS.len()) {
            let name = VIEWS.get(at).map_or("other", |(name, _)| name);
            let _ = History::default().add_file(&mut Catalogue::default(), name, &bytes);
        }
    }
}
