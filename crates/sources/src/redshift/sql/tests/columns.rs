//! Which columns come from which: scopes, aliases, stars, and forms that only Redshift has.

use super::*;

/// Each statement, and below it the direct sources of its columns.
const CASES: &str = include_str!("columns.sql");

#[test]
fn columns_come_from_where_they_do() {
    let mut wrong = Vec::new();
    let mut lines = CASES.lines();
    while let Some(sql) = lines.next() {
        let expected = lines.next().and_then(|line| line.strip_prefix("--"));
        let expected = expected.map(str::trim_start).unwrap();
        let statement = one(sql);
        let found = columns_of(&statement);
        if statement.reading != Reading::Parsed || found != expected {
            wrong.push(format!(
                "{sql}\n  {:?}\n  {found}\n  {expected}",
                statement.reading
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_tables_are_read() {
    for (sql, expected) in [
        (
            "create table t as with x as (select id from orders) select id from x",
            vec!["orders"],
        ),
        (
            "create table t as with unused as (select email from customers) select id from orders",
            vec!["orders"],
        ),
        (
            "create table t as select i.sku from events e, e.items i",
            vec!["events"],
        ),
        (
            "create table t as select 1 from generate_series(1, 2) g",
            vec![],
        ),
        (
            "update sales set revenue = 1 where day = (select max(day) from orders)",
            vec!["orders"],
        ),
        ("update sales set revenue = revenue + 1", vec!["sales"]),
        (
            "delete from sales where day in (select day from orders)",
            vec!["orders"],
        ),
        (
            "delete sales where day in (select day from orders)",
            vec!["orders"],
        ),
        (
            "delete from sales using orders o join customers c on c.id = o.id where sales.day = o.day",
            vec!["orders", "customers"],
        ),
        (
            "create model m from (select id, amount from orders) target amount function f iam_role default settings (s3_bucket 'b')",
            vec!["orders"],
        ),
        (
            "create model m from mart.training target y function f iam_role default",
            vec!["mart.training"],
        ),
        (
            "insert into sales values ((select max(day) from orders), 'x', 1)",
            vec!["orders"],
        ),
        ("explain select id from orders", vec![]),
    ] {
        assert_eq!(inputs(&one(sql)), expected, "{sql}");
    }
}

fn all(table: &str, except: &[&str]) -> Star {
    Star {
        table: TableName::bare(table),
        except: except.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn columns_of_a_table_that_is_not_known_are_left_out_by_name() {
    for (sql, stars) in [
        (
            "select * exclude (b, a) from unknown",
            vec![all("unknown", &["a", "b"])],
        ),
        (
            "select u.* exclude a from unknown u",
            vec![all("unknown", &["a"])],
        ),
        (
            "select * exclude a from (select * exclude b from unknown)",
            vec![all("unknown", &["a", "b"])],
        ),
        (
            "select a + 1 as a, * exclude a from unknown",
            vec![all("unknown", &["a"])],
        ),
        (
            "select * from unknown join other using (a)",
            vec![all("unknown", &["a"]), all("other", &["a"])],
        ),
        (
            "select * from unknown pivot (sum(b) for c in ('x'))",
            vec![all("unknown", &["b", "c"])],
        ),
        (
            "select * from unknown unpivot (v for n in (a, b))",
            vec![all("unknown", &["a", "b"])],
        ),
    ] {
        let statement = one(&format!("create table t as {sql}"));
        assert_eq!(statement.star_of, stars, "{sql}");
    }
    let gone = one("create table t as select a from (select * exclude a from unknown) x");
    assert_eq!(gone.unresolved, [Unresolved::Column("a".to_owned())]);
}

#[test]
fn what_is_not_known_is_said() {
    let statement = one("create table t as select *, id from unknown join other on true");
    assert_eq!(statement.star_of, [all("unknown", &[]), all("other", &[])]);
    assert!(
        statement
            .unresolved
            .contains(&Unresolved::Column("id".to_owned()))
    );
    let statement = one("insert into unknown select id from orders");
    assert_eq!(
        (statement.columns.len(), statement.unresolved),
        (0, vec![Unresolved::ColumnsOf(TableName::bare("unknown"))])
    );
    assert_eq!(
        inputs(&one("insert into unknown select id from orders")),
        ["orders"]
    );
}

#[test]
fn what_decides_about_rows_is_no_value() {
    let sql = "create table t as select o.id from orders o join customers c on c.id = o.customer_id where o.day > '2026' and c.country in (select country from sales) group by o.id having max(o.amount) > 1 order by o.day";
    let statement = one(sql);
    let mut shown: Vec<String> = statement
        .influences
        .iter()
        .map(|edge| {
            format!(
                "{}.{} {}",
                edge.table,
                edge.column,
                edge.transformation.subtype()
            )
        })
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "customers.country FILTER",
            "customers.id JOIN",
            "orders.amount FILTER",
            "orders.customer_id JOIN",
            "orders.day FILTER",
            "orders.day SORT",
            "orders.id GROUP_BY",
            "sales.country FILTER",
        ]
    );
}

#[test]
fn a_step_says_what_it_does_to_a_value() {
    let how = |sql: &str| {
        one(sql).columns[0]
            .sources
            .iter()
            .map(|edge| edge.transformation)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        how("create table t as select id from orders"),
        [Transformation::Identity]
    );
    assert_eq!(
        how("create table t as select id + 1 from orders"),
        [Transformation::Transformation]
    );
    assert_eq!(
        how("create table t as select sum(id + 1) from orders"),
        [Transformation::Aggregation]
    );
    assert_eq!(
        how("create table t as select max(x) from (select id + 1 as x from orders)"),
        [Transformation::Aggregation]
    );
    assert_eq!(
        how("create table t as select case when id = 1 then day end from orders"),
        [Transformation::Transformation, Transformation::Conditional]
    );
    assert_eq!(
        how("create table t as select sum(id) over (partition by day) from orders"),
        [Transformation::Aggregation, Transformation::Window]
    );
}
