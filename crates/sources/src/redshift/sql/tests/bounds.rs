//! What any text may take. Tests have threads of 2 MB of stack, as those of the service have: a tree that is too deep ends
//! the process, and so the test.

use super::*;

fn reading(sql: &str) -> Reading {
    one(sql).reading
}

#[test]
fn a_chain_of_operators_as_long_as_is_parsed_fits_the_stack() {
    for operator in [" + id", " or id = 1", "::int", " || id", " is null", "[0]"] {
        let sql = format!(
            "insert into wide select id{} from orders",
            operator.repeat(1_900 / operator.split(' ').count().max(2))
        );
        assert_eq!(reading(&sql), Reading::Parsed, "{operator}");
    }
}

#[test]
fn a_longer_chain_is_left_to_its_words() {
    for operator in [
        " + id",
        " or id = 1",
        "::int",
        " is null",
        " union all select 1",
        " pivot (sum(id) for id in (1))",
        "[0]",
        ".a",
    ] {
        let sql = format!(
            "insert into wide select id from orders where id{}",
            operator.repeat(100_000)
        );
        let statement = one(&sql);
        assert_ne!(statement.reading, Reading::Parsed, "{operator}");
        assert_eq!(inputs(&statement), ["orders"], "{operator}");
    }
}

#[test]
fn many_unions_are_parsed() {
    let sql = format!(
        "insert into wide select id from orders{}",
        " union all select id from customers".repeat(900)
    );
    assert_eq!(direct(&sql), "id<customers.id,orders.id");
}

#[test]
fn many_joins_are_parsed() {
    let sql = format!(
        "insert into wide select o.id from orders o{}",
        " left join customers c on c.id = o.id".repeat(300)
    );
    assert_eq!(reading(&sql), Reading::Parsed);
}

#[test]
fn nesting_of_any_kind_has_an_end() {
    let nested = [
        ("(", "1", ")"),
        ("(select ", "1", ")"),
        ("case when ", "1", " then 1 end"),
        ("f(", "1", ")"),
        ("not ", "1", ""),
        ("- ", "1", ""),
        ("[", "1", "]"),
        ("array(", "1", ")"),
        ("cast(", "1", " as int)"),
        ("interval ", "'1'", " day"),
        ("case ", "1", ""),
        ("exists (select ", "1", ")"),
        ("extract(day from ", "1", ")"),
        ("1 in (", "1", ")"),
        ("{", "1", "}"),
        ("1::struct<a ", "int", ">"),
        ("1::array<", "int", ">"),
    ];
    for (open, middle, close) in nested {
        for depth in [10, 40, 60, 1_000, 50_000] {
            let sql = format!(
                "insert into wide select {}{middle}{} from orders",
                open.repeat(depth),
                close.repeat(depth)
            );
            assert_eq!(one(&sql).outputs.len(), 1, "{open}");
        }
    }
}

#[test]
fn nested_sources_have_an_end() {
    let nested = [
        ("(", "orders", ")"),
        ("(select * from ", "orders", ") a"),
        ("((select * from ", "orders", ") a join orders b on 1 = 1)"),
        ("(orders join ", "orders", " on 1 = 1)"),
        ("orders join ", "orders", ""),
        ("orders join ", "orders", " on 1 = 1"),
        ("lateral (select * from ", "orders", ") a"),
        ("table(", "orders", ")"),
    ];
    for (open, middle, close) in nested {
        for depth in [5, 15, 30, 1_000, 30_000] {
            let sql = format!(
                "insert into wide select 1 from {}{middle}{}",
                open.repeat(depth),
                close.repeat(depth)
            );
            assert_eq!(one(&sql).outputs.len(), 1, "{open}");
        }
    }
}

#[test]
fn queries_that_double_their_columns_have_an_end() {
    let mut sql = "create view v as with c0 as (select * from orders)".to_owned();
    for n in 1..40 {
        sql += &format!(
            ", c{n} as (select a.*, b.* from c{} a cross join c{} b)",
            n - 1,
            n - 1
        );
    }
    let statement = one(&format!("{sql} select * from c39"));
    assert_eq!(statement.reading, Reading::Words(Refusal::TooLarge));
    assert_eq!(inputs(&statement), ["orders"]);
}

#[test]
fn megabytes_of_anything_are_read() {
    let size = 4 << 20;
    for unit in [
        "a ",
        "'a',",
        "(",
        ")",
        "1,",
        "a.",
        ";",
        "--\n",
        "$a$ ",
        "\"",
        "'",
        "/*",
        "select ",
        "from a,",
        "with a as (",
        "e'\\",
        ";a",
    ] {
        let text = unit.repeat(size / unit.len());
        assert!(read(&text, &tables(), ReadOptions::default()).len() <= MAX_STATEMENTS);
    }
}

#[test]
fn an_insert_of_megabytes_of_values_is_known_by_its_head() {
    let sql = format!(
        "insert into wide (id) values {}(1)",
        "(12345, 'abcdefgh'),".repeat(150_000)
    );
    let statement = one(&sql);
    assert_eq!(
        (statement.kind, statement.reading),
        (StatementKind::InsertValues, Reading::Parsed)
    );
    assert!(statement.redacted.len() < 100, "{}", statement.redacted);
}

#[test]
fn a_long_list_of_keys_is_parsed() {
    let sql = format!(
        "insert into wide select id from orders where id in (1{})",
        ", 2".repeat(90_000)
    );
    assert_eq!(direct(&sql), "id<orders.id");
}
