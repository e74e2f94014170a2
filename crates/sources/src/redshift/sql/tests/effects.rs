//! What statements change for later ones.

use super::*;

fn effects(sql: &str) -> Vec<Effect> {
    one(sql).effects
}

fn sales() -> TableName {
    TableName::in_schema("mart", "sales")
}

#[test]
fn a_temporary_table_is_known_by_its_word_or_its_sign() {
    for sql in [
        "create temp table t as select id from orders",
        "create local temporary table t as select id from orders",
        "select id into temp t from orders",
        "select id into temporary table t from orders",
    ] {
        let columns = Some(vec!["id".to_owned()]);
        let created = Effect::CreateTable {
            table: TableName::bare("t"),
            temporary: true,
            if_not_exists: false,
            columns,
        };
        assert_eq!(effects(sql), [created], "{sql}");
    }
    for sql in [
        "create table #t as select id from orders",
        "select id into #t from orders",
    ] {
        assert!(
            matches!(
                effects(sql).as_slice(),
                [Effect::CreateTable {
                    temporary: true,
                    ..
                }]
            ),
            "{sql}"
        );
    }
}

#[test]
fn a_table_that_is_defined_by_a_list_has_its_columns() {
    let sql = "create table if not exists mart.sales (day date encode az64 not null, \"Total\" numeric(18,2) distkey, like orders, primary key (day)) diststyle key sortkey (day)";
    let columns = ["day", "total", "id", "customer_id", "amount", "day"]
        .map(str::to_owned)
        .to_vec();
    let created = Effect::CreateTable {
        table: sales(),
        temporary: false,
        if_not_exists: true,
        columns: Some(columns),
    };
    assert_eq!(
        (effects(sql), one(sql).kind),
        (vec![created], StatementKind::Definition)
    );
    assert!(one(sql).outputs.is_empty());
}

#[test]
fn tables_are_renamed_dropped_and_emptied() {
    assert_eq!(
        effects("alter table mart.sales rename to \"Old\""),
        [Effect::Rename {
            from: sales(),
            to: "old".to_owned()
        }]
    );
    let renamed = Effect::RenameColumn {
        table: sales(),
        from: "a".to_owned(),
        to: "b".to_owned(),
    };
    assert_eq!(
        effects("alter table mart.sales rename column a to b"),
        [renamed]
    );
    assert_eq!(
        effects("alter table mart.sales add column x int"),
        [Effect::AlterColumns(sales())]
    );
    assert_eq!(
        effects("alter table mart.sales add constraint k primary key (a)"),
        []
    );
    assert_eq!(
        effects("drop table if exists mart.sales, orders cascade"),
        [Effect::Drop(vec![sales(), TableName::bare("orders")])]
    );
    assert_eq!(
        effects("drop materialized view mart.sales"),
        [Effect::Drop(vec![sales()])]
    );
    assert_eq!(effects("truncate mart.sales"), [Effect::Truncate(sales())]);
    assert_eq!(
        effects("alter table mart.sales append from orders fillTarget"),
        [Effect::Append {
            from: TableName::bare("orders"),
            to: sales()
        }]
    );
}

#[test]
fn the_search_path_is_known_however_it_is_written() {
    let path = |names: &[&str]| {
        [Effect::SetSearchPath(Some(
            names.iter().map(|name| (*name).to_owned()).collect(),
        ))]
    };
    assert_eq!(
        effects("set search_path to Mart, public"),
        path(&["mart", "public"])
    );
    assert_eq!(
        effects("set search_path = '$user', \"Mart\""),
        path(&["$user", "mart"])
    );
    assert_eq!(
        effects("SET SEARCH_PATH TO $user, 'mart, public'"),
        path(&["$user", "mart", "public"])
    );
    assert_eq!(effects("reset search_path"), [Effect::SetSearchPath(None)]);
    assert_eq!(
        effects("set search_path to default"),
        [Effect::SetSearchPath(None)]
    );
    assert_eq!(effects("set query_group to 'secret'"), []);
}

#[test]
fn identifiers_are_case_sensitive_when_the_session_says_so() {
    assert_eq!(
        effects("set enable_case_sensitive_identifier to true"),
        [Effect::SetCaseSensitive(Some(true))]
    );
    assert_eq!(
        effects("set enable_case_sensitive_identifier = 'off'"),
        [Effect::SetCaseSensitive(Some(false))]
    );
    let options = ReadOptions {
        case_sensitive: true,
    };
    let read = read(
        "insert into \"Mixed\" select id from Orders",
        &tables(),
        options,
    );
    assert_eq!(read[0].outputs, [Dataset::Table(TableName::bare("Mixed"))]);
    assert_eq!(read[0].inputs, [Dataset::Table(TableName::bare("orders"))]);
}

#[test]
fn transactions_begin_and_end() {
    for sql in [
        "begin",
        "start transaction isolation level serializable",
        "BEGIN READ WRITE",
    ] {
        assert_eq!(effects(sql), [Effect::Begin], "{sql}");
    }
    for (sql, effect) in [
        ("commit", Effect::Commit),
        ("end transaction", Effect::Commit),
        ("rollback work", Effect::Rollback),
        ("abort", Effect::Rollback),
    ] {
        assert_eq!(effects(sql), [effect], "{sql}");
    }
}

#[test]
fn a_call_names_its_procedure() {
    assert_eq!(
        effects("call Mart.refresh('2026-05-13', 1)"),
        [Effect::Call(TableName::in_schema("mart", "refresh"))]
    );
}

#[test]
fn a_database_is_chosen() {
    assert_eq!(
        effects("use Other"),
        [Effect::UseDatabase("other".to_owned())]
    );
}

#[test]
fn what_is_created_by_a_script_comes_in_its_order() {
    let sql = "begin; create temp table t as select 1 as a; insert into sales select a from t;; commit; -- done";
    let kinds: Vec<StatementKind> = read(sql, &tables(), ReadOptions::default())
        .iter()
        .map(|statement| statement.kind)
        .collect();
    let expected = [
        StatementKind::Transaction,
        StatementKind::CreateTableAs,
        StatementKind::Insert,
        StatementKind::Transaction,
    ];
    assert_eq!(kinds, expected);
}
