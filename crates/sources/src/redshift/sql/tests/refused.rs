//! What the parser refuses: the tables that the words name, the place, and nothing of the text.

use super::*;

#[test]
fn the_place_is_that_of_the_text() {
    let statement =
        one("insert into sales\n/* a\nb */ select id from orders o\n where frob nicate 7 = ] and");
    assert_eq!(
        statement.reading,
        Reading::Words(Refusal::Syntax {
            line: 4,
            column: 13
        })
    );
    assert_eq!(
        (inputs(&statement), statement.kind),
        (vec!["orders".to_owned()], StatementKind::Insert)
    );
}

#[test]
fn a_string_that_does_not_end_leaves_what_stands_before_it() {
    let statement = one("insert into sales select id from orders where day = '2026");
    assert_eq!(statement.reading, Reading::Words(Refusal::Unterminated));
    assert_eq!(inputs(&statement), ["orders"]);
}

#[test]
fn a_backslash_at_the_end_of_a_string_is_read_as_it_must_be_meant() {
    assert_eq!(
        direct(r"insert into wide select id from orders where path = 'c:\' and id = 1"),
        "id<orders.id"
    );
}

#[test]
fn words_name_tables_in_lists_and_joins_and_no_expressions() {
    let sql = "insert into sales with x as (select 1 from a.b), y (c) as (select 2 from d e, e.items i) \
        select extract(day from f), trim(g from h) from x join y using (c) left join \"K\".l on ] 1, m.n.o p, q(1)";
    let statement = one(sql);
    assert!(matches!(statement.reading, Reading::Words(_)));
    assert_eq!(
        inputs(&statement),
        ["a.b", "d", "k.l", "m.n.o"].map(str::to_owned)[..3]
    );
}

#[test]
fn what_a_refused_statement_writes_is_known_by_its_head() {
    for (sql, output) in [
        (
            "create table mart.t distkey(a) as select ] from orders",
            "mart.t",
        ),
        (
            "create materialized view mart.v auto refresh yes as select ] from orders",
            "mart.v",
        ),
        ("select ] into #t from orders", "#t"),
        ("update sales set ] from orders", "sales"),
        ("delete from sales using orders where ]", "sales"),
        ("merge into sales using orders on ]", "sales"),
        (
            "with x as (select 1) update sales set ] from orders",
            "sales",
        ),
    ] {
        let statement = one(sql);
        assert!(matches!(statement.reading, Reading::Words(_)), "{sql}");
        let outputs: Vec<String> = statement.outputs.iter().map(dataset).collect();
        assert_eq!(
            (outputs, inputs(&statement)),
            (vec![output.to_owned()], vec!["orders".to_owned()]),
            "{sql}"
        );
        assert!(statement.columns.is_empty(), "{sql}");
    }
}

#[test]
fn nothing_of_the_text_is_in_what_is_said_of_it() {
    let Reading::Words(refusal) = one("select * from orders where 'jane' 'doe' jane").reading
    else {
        panic!("parsed")
    };
    assert_eq!(refusal.to_string(), "not understood at line 1, column 35");
}
