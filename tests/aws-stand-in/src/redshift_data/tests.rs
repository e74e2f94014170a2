use super::*;

#[test]
fn the_pages_of_a_view_are_one_result() {
    let page = |row: u8| {
        let page = json!({"ColumnMetadata": [{"name": "id"}], "Records": [[{"longValue": row}]], "NextToken": "2"});
        ("view".to_owned(), page)
    };
    let settings = Settings::with_history([page(1), page(2)]).unwrap();
    let whole = json!({"ColumnMetadata": [{"name": "id"}], "Records": [[{"longValue": 1}], [{"longValue": 2}]]});
    assert_eq!(settings.redshift_views, [("view".to_owned(), whole)].into());
}

#[test]
fn a_page_without_records_is_an_error_first_and_later() {
    let whole = json!({"ColumnMetadata": [], "Records": []});
    let without = json!({"ColumnMetadata": []});
    for pages in [vec![without.clone()], vec![whole, without]] {
        let pages = pages.into_iter().map(|page| ("view".to_owned(), page));
        let error = Settings::with_history(pages).unwrap_err();
        assert_eq!(error.to_string(), "missing field `Records`");
    }
}
