//! SQL without its values.

use super::*;
use proptest::prelude::*;

#[test]
fn values_go_and_structure_stays() {
    for (sql, expected) in [
        (
            "SELECT a, \"B c\" FROM \"s\".t1 WHERE x = 'it''s' AND y != 1.5e3",
            "SELECT a, \"B c\" FROM \"s\".t1 WHERE x = ? AND y != ?",
        ),
        (
            "select N'x', X'ff', U&'d', $$a b $$, $t$ x $t$ from `T`",
            "select ?, ?, ?, ?, ? from `T`",
        ),
        (
            "insert into t values (-1, 'a', NULL, true);\r\n",
            "insert into t values (-?, ?, NULL, true);\r\n",
        ),
        (
            "select 1 -- pw: x\n, a /* secret */ + 2",
            "select ? --\n, a /**/ + ?",
        ),
        (
            "select a::int, b->>'k', $1, :name, ? from t_20240501 limit 10",
            "select a::int, b->>?, $1, :name, ? from t_20240501 limit ?",
        ),
        (
            "select '☃', ünï from t\twhere a<>'b'",
            "select ?, ünï from t\twhere a<>?",
        ),
        ("select $$!$$", "select ?"),
        ("", ""),
    ] {
        assert_eq!(sql_literals(sql), expected);
    }
}

#[test]
fn a_text_that_each_reading_takes_apart_further_is_hidden_as_a_whole() {
    // Quotes that do not match: each reading takes the last of them for an open one.
    let text = "a/tok\0A!=z`d5n\\A\\`s/v`o`l`o,l`l`o`l`o`l`o`l`o`l`o`l";
    let hidden = sql_literals(text);
    assert_eq!(sql_literals(&hidden), hidden);
    let kept = "kalu`sccou/talu`s*ccou/tok\0Accou/toke!=z/Acvqlulpaor`d5yShgn\\Ac\\`se@hx/paorvalu`o`aclu`o,l`aclu`o`aclu`o`aclu`o`ac";
    assert_eq!(sql_literals(kept), UNREADABLE);
}

#[test]
fn double_quotes_hold_values_where_no_identifier_can_stand() {
    for (sql, expected) in [
        (
            r#"select a from t where x = "S" and y <> "S" and z >= "S""#,
            "select a from t where x = ? and y <> ? and z >= ?",
        ),
        (
            r#"select a from `t` where x in ("S", "T") or x like "S%" or x not in (f("S"))"#,
            "select a from `t` where x in (?, ?) or x like ? or x not in (f(?))",
        ),
        (
            r#"insert into "t" ("a", "b") values ("S", 1), ("T", "U")"#,
            r#"insert into "t" ("a", "b") values (?, ?), (?, ?)"#,
        ),
        (
            r#"select "a" from "t" join "u" on "t"."x" = "u"."y""#,
            r#"select "a" from "t" join "u" on "t"."x" = "u"."y""#,
        ),
        (
            r#"select trim(both "S" from "T") from t where a is distinct from "S""#,
            "select trim(both ? from ?) from t where a is distinct from ?",
        ),
        (
            r#"copy into t from "s3://S/T" with (x = "S")"#,
            "copy into t from ? with (x = ?)",
        ),
        (
            r#"select "S", case when a then "S" end from t"#,
            "select ?, case when a then ? end from t",
        ),
    ] {
        assert_eq!(sql_literals(sql), expected);
    }
    let sql = r#"select a from t where "x" = "y""#;
    assert_eq!(sql_literals_in(sql, &[Dialect::Postgres]), sql);
}

#[test]
fn each_dialect_ends_its_literals_where_it_does() {
    use Dialect::*;
    for (dialect, sql, expected) in [
        (
            BigQuery,
            "set a = '''it's S''', b = '''it's T'''",
            "set a = ?, b = ?",
        ),
        (
            BigQuery,
            "select '''\nDear \"S\", it's\n''' as b",
            "select ? as b",
        ),
        (BigQuery, r#"f("""{"card": "S"}""", '$.c')"#, "f(?, ?)"),
        (
            BigQuery,
            r#"select rb"S", br'T', R"U", B'V', rb'''W''', x # it's"#,
            "select ?, ?, ?, ?, ?, x #",
        ),
        (BigQuery, r"select r'\d', 'a\\' || x", "select ?, ? || x"),
        (
            BigQuery,
            "select * from my-project-123.data.t",
            "select * from my-project-?.data.t",
        ),
        (
            Spark,
            r"select 'a\'b' || x, 'it\'s', c",
            "select ? || x, ?, c",
        ),
        (Spark, r"select r'C:\' as a, 'b' as c", "select [redacted]"),
        (
            MySql,
            "select 'it\\'s', \"S\" # it's\n, _utf8'x', a--1",
            "select ?, ? #\n, _utf8?, a--?",
        ),
        (
            Postgres,
            r#"select '\', a #>> '{x}', E'\'' from "it's""#,
            r#"select ?, a #>> ?, ? from "it's""#,
        ),
        (
            Postgres,
            "select /* a /* b */ c */ d, $q$it's$q$, x from v$y$z",
            "select /**/ d, ?, x from v$y$z",
        ),
        (
            Oracle,
            "select q'[it's]', Nq'!it's!', v from v$session",
            "select ?, ?, v from v$session",
        ),
        (
            Snowflake,
            "select 'a\\'b', $$it's$$, v:x.y // it's\n, z",
            "select ?, ?, v:x.y //\n, z",
        ),
        (
            SqlServer,
            "select [it's], N'x', $4111.50 from #tmp where a = @p",
            "select [it's], ?, ? from #tmp where a = @p",
        ),
        (
            SqlServer,
            r"select 'C:\', [a]]b] from t",
            "select ?, [a]]b] from t",
        ),
        (
            Standard,
            "select 10_000_000, 0xDEAD_BEEF, 0o7_7, 1e-5 from t1",
            "select ?, ?, ?, ? from t1",
        ),
    ] {
        assert_eq!(sql_literals_in(sql, &[dialect]), expected, "{dialect:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_not_shown() {
    for (sql, expected) in [
        ("select 'open", "select [redacted]"),
        ("select /* open", "select [redacted]"),
        (r"select 'a\'b secret', 'c\'d'", "select [redacted]"),
        ("select 1 # don't secret", "select ? #"),
        ("select 1 // secret", "select ? //"),
        ("select a /* x /* y */ secret */, b", "select a /**/, b"),
        ("$t$ open", "[redacted]"),
        ("select q'[it's secret]', b", "select [redacted]"),
        ("select ‘it's secret’, 'b'", "select [redacted]"),
    ] {
        assert_eq!(sql_literals(sql), expected);
    }
}

#[test]
fn data_that_stands_in_a_statement_without_quotes_goes() {
    for (sql, expected) in [
        (
            "COPY t (a, b) FROM stdin;\n1\tsecret\n2\tother\n\\.\nselect a from t",
            "COPY t (a, b) FROM stdin;[redacted]\n\\.\nselect a from t",
        ),
        (
            "INSERT INTO t FORMAT JSONEachRow {\"a\": secret}",
            "INSERT INTO t FORMAT JSONEachRow [redacted]",
        ),
        (
            "INSERT INTO t SELECT format('x', a) FROM u",
            "INSERT INTO t SELECT format(?, a) FROM u",
        ),
    ] {
        assert_eq!(sql_literals(sql), expected);
        assert_eq!(sql_literals(expected), expected);
    }
}

#[test]
fn passwords_of_users_go_however_they_are_quoted() {
    for (sql, expected) in [
        (
            "CREATE USER a IDENTIFIED BY tiger ACCOUNT UNLOCK",
            "CREATE USER a IDENTIFIED BY ? ACCOUNT UNLOCK",
        ),
        (
            r#"CREATE USER a IDENTIFIED BY "t i" REPLACE "u""#,
            "CREATE USER a IDENTIFIED BY ? REPLACE ?",
        ),
        (
            "ALTER USER a IDENTIFIED BY VALUES 'S:1'",
            "ALTER USER a IDENTIFIED BY VALUES ?",
        ),
        (
            "CREATE USER 'a'@'%' IDENTIFIED WITH mysql_native_password BY 'x'",
            "CREATE USER ?@? IDENTIFIED WITH mysql_native_password BY ?",
        ),
    ] {
        assert_eq!(sql_literals_in(sql, &[Dialect::Oracle]), expected);
    }
}

proptest! {
    #[test]
    fn no_value_is_left_in_any_quoting(
        secret in "SECRET[a-z '\\\\;/*-]{0,6}[0-9]{2}",
        quoting in 0..8usize, lead in "[a-z ,()=]{0,8}", end in "[a-z ,()=\n]{0,8}",
    ) {
        let value = match quoting {
            0 => format!("'{}'", secret.replace('\'', "''")),
            1 => format!("E'{}'", secret.replace('\\', "\\\\").replace('\'', "\\'")),
            2 => format!("N'{}'", secret.replace('\'', "''")),
            3 => format!("$q${secret}$q$"),
            4 => format!("$${secret}$$"),
            5 => format!("/*{}*/", secret.replace("*/", "").replace("/*", "")),
            6 => format!("--{secret}\n"),
            _ => format!("'{}'", secret.replace('\'', "\\'")),
        };
        let out = sql_literals(&format!("{lead} {value} {end}"));
        prop_assert!(!out.contains("SECRET"), "{}", out);
    }

    #[test]
    fn twice_is_as_once_and_nothing_breaks_it(
        sql in "(select |a|\"b\"| in \\(|values\\(| like |=|<|,|\\)|from |on |\"b\"|'c'|'|\"|`|\\\\|--|/\\*|\\*/|\\$\\$|E'|q'|#|\\?|1|\\.|[|]|\n|\r\n|\r| |é|’|.|identified by |x){0,14}",
        which in 0..4usize,
    ) {
        let dialects = [Dialect::Postgres, Dialect::BigQuery, Dialect::SqlServer];
        let dialects = dialects.get(which..=which).unwrap_or_default();
        let once = sql_literals_in(&sql, dialects);
        prop_assert_eq!(sql_literals_in(&once, dialects), once);
    }
}
