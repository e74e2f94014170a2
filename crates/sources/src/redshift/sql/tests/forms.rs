//! Every form of statement that the documentation of Redshift has, and the share that is understood.

use super::*;

/// What is left to its words: forms that the parser does not have for this dialect.
const REFUSED: &[&str] = &[
    "select object_transform(a keep ? set ?) from t",
    "select o.order_id, p.product, p.at from orders o, unnest(o.products) with offset as p(product, at)",
    "select cast(a as super), a::numeric(?)::varchar, a::interval day to second from t",
];

#[test]
fn the_forms_of_the_documentation_are_understood() {
    let statements = read(include_str!("forms.sql"), &tables(), ReadOptions::default());
    let refused: Vec<&StatementLineage> = statements
        .iter()
        .filter(|statement| statement.reading != Reading::Parsed)
        .collect();
    let (all, understood) = (statements.len(), statements.len() - refused.len());
    println!(
        "{understood} of {all} statements are understood: {:.1} %",
        100.0 * understood as f64 / all as f64
    );
    let texts: Vec<String> = refused
        .iter()
        .map(|statement| statement.redacted.clone())
        .collect();
    assert_eq!(texts, REFUSED);
}
