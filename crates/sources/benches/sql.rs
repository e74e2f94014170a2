//! How many statements one core reads in a second, as a day of a warehouse has them: 2 KB each.
//!
//! `cargo bench -p sources --bench sql`

#![allow(missing_docs, reason = "a benchmark has no users")]

use divan::counter::{BytesCount, ItemsCount};
use sources::redshift::sql::{Catalog, ColumnList, ReadOptions, TableName, read};

fn main() {
    divan::main();
}

/// Every table has fifty columns.
struct Wide(ColumnList);

impl Catalog for Wide {
    fn columns(&self, _: &TableName) -> Option<ColumnList> {
        Some(self.0.clone())
    }
}

fn wide() -> Wide {
    Wide(
        (0..50)
            .map(|number| format!("column_{number}"))
            .collect::<Vec<_>>()
            .into(),
    )
}

/// A statement of at least 2 KB: expressions in a common table expression, joined and grouped.
fn statement(number: usize) -> String {
    let mut sql = format!("insert into mart.table_{number} with recent as (select o.column_0");
    for column in 1..12 {
        sql += &format!(
            ",\n  case when o.column_{column} > {number} then coalesce(o.column_{column}, 0) * 1.25 else c.column_{column} end as value_{column}"
        );
    }
    sql += "\n from public.orders o left join public.customers c on c.column_0 = o.column_1 where o.column_2 in ('a', 'b'))\nselect r.column_0";
    for column in 1..12 {
        sql += &format!(
            ",\n  sum(r.value_{column}) over (partition by r.column_0 order by r.value_1) as total_{column}"
        );
    }
    sql += "\nfrom recent r join (select * from stage.loads) l using (column_0) where r.value_1 is not null";
    assert!(sql.len() >= 2_000);
    sql
}

#[divan::bench]
fn ten_thousand_statements(bencher: divan::Bencher<'_, '_>) {
    let texts: Vec<String> = (0..10_000).map(statement).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let tables = wide();
    bencher
        .counter(ItemsCount::new(texts.len()))
        .counter(BytesCount::new(bytes))
        .bench_local(|| {
            let read = texts
                .iter()
                .flat_map(|text| read(text, &tables, ReadOptions::default()));
            read.map(|statement| statement.columns.len()).sum::<usize>()
        });
}

#[divan::bench]
fn an_insert_of_16_mb(bencher: divan::Bencher<'_, '_>) {
    let text = format!(
        "insert into t (a, b) values (1, 'x'){}",
        ", (12345, 'abcdefgh')".repeat(840_000)
    );
    let tables = wide();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| read(&text, &tables, ReadOptions::default()).len());
}
