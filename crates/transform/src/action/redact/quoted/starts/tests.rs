//! Statements are known by whatever they start with, and sentences are none.

use crate::redact_text;

/// What may stand before the first literal of a statement, `‹› ` is the place of it.
const BEFORES: [&str; 58] = [
    "select ‹›",
    "SELECT DISTINCT ‹›",
    "select all top 5 ‹›",
    "select /* x */ ‹›",
    "select sql_no_cache ‹› from t",
    "select a b, ‹› from t",
    "select timestamp with time zone ‹›",
    "select not ‹›",
    "select -‹›",
    "select a.b->>‹›",
    "select\n\t‹›",
    "select (‹›)",
    "select as struct ‹›",
    "select \"a b\", ‹›",
    "select [a b], ‹›",
    "select :p, ‹›",
    "select ?, ‹›",
    "select @p, ‹›",
    "insert into t values (‹›)",
    "insert or replace into t values (‹›)",
    "insert dbo.t values (‹›)",
    "replace into t select ‹›",
    "upsert into t values (‹›)",
    "update t set a = ‹›",
    "update \"my table\" set a = ‹›",
    "update low_priority t as x set x.a = ‹›",
    "update top (5) dbo.[my t] set a = ‹›",
    "delete from t where a = ‹›",
    "delete t where a = ‹›",
    "merge into t using (select ‹› as a) u on a = b",
    "merge t as x using u on x.a = ‹›",
    "with x (a, b) as (values (‹›)) select a from x",
    "with recursive x as not materialized (select ‹›)",
    "create or replace function f() returns text as ‹›",
    "create masking policy p as (v string) returns string -> ‹›",
    "alter user x identified by ‹›",
    "drop user ‹›",
    "copy t (a, b) from ‹›",
    "copy (select 1) to ‹›",
    "copy into @stage from (select a from t) file_format = (x = ‹›)",
    "unload (‹›) to x",
    "values (‹›)",
    "attach database ‹› as x",
    "call f(‹›)",
    "exec dbo.f ‹›",
    "exec @r = dbo.f ‹›",
    "execute immediate ‹›",
    "execute p using ‹›",
    "set session x = ‹›",
    "set password for x = ‹›",
    "declare @x varchar(5) = ‹›",
    "comment on table s.t is ‹›",
    "raise notice ‹›",
    "grant all on *.* to ‹›",
    "prepare p from ‹›",
    "backup database x to disk = ‹›",
    "show tables like ‹›",
    "where upper(a) like ‹›",
];

const LITERALS: [&str; 9] = [
    "'ZQ1'",
    "N'ZQ1'",
    "U&'ZQ1'",
    "_utf8 'ZQ1'",
    "q'[ZQ1]'",
    "$$ZQ1$$",
    "$t$ZQ1$t$",
    "E'\\'ZQ1'",
    "'' || 'ZQ1'",
];

#[test]
fn whatever_a_statement_starts_with_its_literals_are_gone() {
    let mut left = Vec::new();
    for before in BEFORES {
        for literal in LITERALS {
            let sql = before.replace("‹›", literal);
            let json = openlineage::quote(&sql);
            for message in [
                sql.clone(),
                format!("failed: {sql}"),
                format!("[SQL: {sql}]"),
                format!("{{'sql': {json}}}"),
                format!("{{'sql': {}}}", json.replacen('"', "\"\\n", 1)),
                format!("E1\n\t{}\n\tat a.b(C.java:1)", sql.to_uppercase()),
            ] {
                let out = redact_text(&message);
                if out.contains("ZQ1") {
                    left.push(format!("{message}\n    {out}"));
                }
            }
        }
    }
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn sentences_with_the_words_of_statements_stay() {
    for text in [
        "Please select a warehouse. Then open 'settings' and wait 5 minutes.",
        "Task 7 was not able to select. Code 5",
        "update 3 of 5 is done, 'x' is next",
        "failed with exit code 1: 'x'",
        "Created 5 files in 'out'",
        "see where the 3 files of 'out' are",
        "and 5 more, on 2 nodes: 'a' or 'b'",
        "call us at 555 1234",
        "print the 3 pages",
        "Loaded 12 rows, set 'a' to be read",
        "do 5 things and raise an error: 'x'",
        "the merge of 3 branches, and a delete, were 'ok'",
        "in case of 404, show 'not found'",
        "s.replace('a', 'b')",
        "Selected 5, inserted 6",
        "az keyvault secret show --name n --vault-name v --query 'value'",
        "git merge --no-ff feature/1 -m 'two'",
        "aws s3api create-bucket --bucket b && aws sqs set-queue-attributes --queue-url 'q'",
        "kubectl create --filename 'job.yaml' && docker exec --tty 7 'ls'",
        "terraform import --var 'a=1' x.y 7",
    ] {
        assert_eq!(redact_text(text), text);
    }
}
