//! What is shown of a statement: no values, no comments, no credentials.

use proptest::prelude::*;

use super::*;

#[test]
fn credentials_and_places_are_values() {
    let sql = "copy orders from 's3://b/k' credentials 'aws_access_key_id=AKIA;aws_secret_access_key=s' delimiter '|' gzip";
    assert_eq!(
        one(sql).redacted,
        "copy orders from ? credentials ? delimiter ? gzip"
    );
}

#[test]
fn the_query_of_an_unload_has_no_values() {
    let sql = "unload ('select id from orders where day = ''2026-01-01'' and id = 7 -- x') to 's3://b/k' iam_role default";
    assert_eq!(
        one(sql).redacted,
        "unload ('select id from orders where day = ? and id = ?') to ? iam_role default"
    );
    let sql = "unload ($$select id from orders where day = 'secret'$$) to 's3://b/k'";
    assert_eq!(
        one(sql).redacted,
        "unload ('select id from orders where day = ?') to ?"
    );
}

#[test]
fn lists_of_values_are_one() {
    assert_eq!(
        one("insert into t values (1, 'a'), (2, f('b'))").redacted,
        "insert into t values (?)"
    );
    assert_eq!(
        one("delete from t where id in (1, 2, 'x')").redacted,
        "delete from t where id in (?)"
    );
}

#[test]
fn comments_are_left_out() {
    let sql = "/* jane@example.com */ select id -- jane\n  from orders /* was 'x' */ where id = $1";
    assert_eq!(
        one(sql).redacted,
        "select id \nfrom orders where id = ?".replace(" \n", "\n")
    );
}

#[test]
fn what_does_not_end_is_not_shown() {
    assert_eq!(
        one("select id from orders where name = 'jane").redacted,
        "select id from orders where name = ? …"
    );
}

#[test]
fn a_procedure_has_no_body() {
    let sql =
        "create procedure p() as $$ begin insert into t values ('secret'); end $$ language plpgsql";
    assert_eq!(
        one(sql).redacted,
        "create procedure p() as ? language plpgsql"
    );
}

proptest! {
    /// A value is not in anything that comes out, wherever in a statement it stands.
    #[test]
    fn no_value_comes_out(value in "[qxz]{8,20}", hole in 0..HOLES.len(), quote in 0..3_usize) {
        let quoted = match quote {
            0 => format!("'{value}'"),
            1 => format!("'it''s {value}'"),
            _ => format!("$${value}$$"),
        };
        let sql = HOLES[hole].replace('@', &quoted);
        for statement in read(&sql, &tables(), ReadOptions::default()) {
            prop_assert!(!format!("{statement:?}").contains(&value), "{statement:?}");
        }
    }
}

const HOLES: &[&str] = &[
    "select * from orders where id = @",
    "insert into sales values (@, 1)",
    "insert into sales select @, id from orders",
    "insert into sales select case when day = @ then @ else day end from orders",
    "copy sales from 's3://b/k' credentials @",
    "copy sales from 's3://b/k' iam_role @ region @",
    "unload ('select 1') to 's3://b/k' access_key_id @ secret_access_key @",
    "create user jane password @",
    "create external schema s from data catalog database 'd' iam_role @",
    "update orders set amount = @ where id = @",
    "merge into orders using sales on id = @ when matched then update set amount = @",
    "select @ from @ where",
    "call p(@)",
    "create view v as select @ as x, id from orders",
    "select foo bar baz @ @ @",
    "set query_group to @",
    "comment on table orders is @",
    "/* @ */ select 1",
    "select 1 -- @",
];
