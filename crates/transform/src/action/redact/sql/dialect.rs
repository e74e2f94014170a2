//! The dialects of SQL as a lexer sees them: where strings, comments and quoted names begin and end.
//!
//! Only what decides what is a value is here; nothing of grammar. Which dialect a text is in is said by its facet, or by
//! who ran it and what it read (`redact/places.rs`); where nobody says so it can be any, and is read as each.

/// A dialect whose texts are cut into tokens in a way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// The standard, and what follows it: Trino, Vertica, DB2, Teradata, Exasol, Hana.
    Standard,
    /// BigQuery (GoogleSQL).
    BigQuery,
    /// ClickHouse.
    ClickHouse,
    /// DuckDB.
    DuckDb,
    /// MySQL and MariaDB, and what speaks their protocol: StarRocks, Doris, SingleStore.
    MySql,
    /// Oracle.
    Oracle,
    /// PostgreSQL, and what grew out of it.
    Postgres,
    /// Redshift.
    Redshift,
    /// SQL Server, Synapse, Fabric, Sybase.
    SqlServer,
    /// SQLite.
    Sqlite,
    /// Snowflake.
    Snowflake,
    /// Spark, Databricks, Hive, Impala.
    Spark,
}

/// What texts in double quotes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Double {
    Name,
    Value,
    /// By the place they stand in: a dialect that takes both, or one that nobody named.
    Either,
}

/// Texts between dollar signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dollar {
    No,
    /// `$$…$$` only.
    Plain,
    /// `$tag$…$tag$` too.
    Tagged,
}

/// `r'…'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw {
    No,
    /// Ends at the first quote.
    Plain,
    /// A quote after a backslash does not end it, though both stay.
    Escaped,
}

/// One way to cut a text into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lexis {
    /// A backslash in a string escapes what follows.
    pub(super) backslash: bool,
    /// In `E'…'` it does.
    pub(super) e_strings: bool,
    pub(super) raw: Raw,
    /// `'''…'''` and `"""…"""`.
    pub(super) triple: bool,
    pub(super) dollar: Dollar,
    /// `q'[…]'`.
    pub(super) q_strings: bool,
    pub(super) double: Double,
    /// `` `name` ``; `\` escapes in it where it does in strings.
    pub(super) backtick: bool,
    /// `[name]`.
    pub(super) brackets: bool,
    /// `# comment`.
    pub(super) hash: bool,
    /// `// comment`.
    pub(super) slashes: bool,
    /// `--` starts a comment only before white space.
    pub(super) dash_space: bool,
    /// Comments in comments.
    pub(super) nested: bool,
    /// `$12.50` is an amount, and `$1` is one too.
    pub(super) money: bool,
    /// A carriage return ends a line.
    pub(super) cr: bool,
    /// Typographic quotes, as a text has them that went through a word processor.
    pub(super) curly: bool,
}

const STANDARD: Lexis = Lexis {
    backslash: false,
    e_strings: false,
    raw: Raw::No,
    triple: false,
    dollar: Dollar::No,
    q_strings: false,
    double: Double::Name,
    backtick: false,
    brackets: false,
    hash: false,
    slashes: false,
    dash_space: false,
    nested: false,
    money: false,
    cr: false,
    curly: false,
};

const ALL: [Dialect; 12] = [
    Dialect::Standard,
    Dialect::BigQuery,
    Dialect::ClickHouse,
    Dialect::DuckDb,
    Dialect::MySql,
    Dialect::Oracle,
    Dialect::Postgres,
    Dialect::Redshift,
    Dialect::SqlServer,
    Dialect::Sqlite,
    Dialect::Snowflake,
    Dialect::Spark,
];

impl Dialect {
    /// The dialect that `name` means, as producers and tools write it: `postgresql`, `tsql`, `Spark SQL`, or the scheme
    /// of a namespace. `None` for a name that says nothing.
    pub fn named(name: &str) -> Option<Dialect> {
        let mut letters = name.to_ascii_lowercase();
        letters.retain(|c| c.is_ascii_alphanumeric());
        // The first that fits: `bigquery` before `sql`, `sparksql` and `mysql` by their own words.
        const NAMES: [(&str, Dialect); 12] = [
            ("bigquery googlesql googlestandardsql", Dialect::BigQuery),
            ("clickhouse", Dialect::ClickHouse),
            ("duckdb motherduck", Dialect::DuckDb),
            (
                "mysql mariadb starrocks doris singlestore memsql tidb",
                Dialect::MySql,
            ),
            ("oracle plsql", Dialect::Oracle),
            ("redshift", Dialect::Redshift),
            (
                "greenplum postgres postgre plpgsql cockroach materialize risingwave alloydb yugabyte timescale",
                Dialect::Postgres,
            ),
            (
                "tsql transactsql mssql sqlserver azuresql synapse fabric sybase",
                Dialect::SqlServer,
            ),
            ("sqlite", Dialect::Sqlite),
            ("snowflake", Dialect::Snowflake),
            ("spark databricks unitycatalog hive impala", Dialect::Spark),
            ("trino presto vertica db2 teradata", Dialect::Standard),
        ];
        let fits =
            |(words, _): &&(&str, Dialect)| words.split(' ').any(|word| letters.contains(word));
        NAMES.iter().find(fits).map(|(_, dialect)| *dialect)
    }

    /// How it is read. Where servers of one dialect differ, in each of their ways.
    fn ways(self) -> Vec<Lexis> {
        let one = match self {
            // Vertica has `E''` and `$$` of PostgreSQL's.
            Dialect::Standard => Lexis {
                e_strings: true,
                ..STANDARD
            },
            // https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
            Dialect::BigQuery => Lexis {
                backslash: true,
                raw: Raw::Escaped,
                triple: true,
                double: Double::Value,
                backtick: true,
                hash: true,
                ..STANDARD
            },
            // https://clickhouse.com/docs/sql-reference/syntax: `#` before a blank or `!`, heredocs, names in either quote.
            Dialect::ClickHouse => Lexis {
                backslash: true,
                dollar: Dollar::Tagged,
                backtick: true,
                hash: true,
                nested: true,
                ..STANDARD
            },
            Dialect::DuckDb => Lexis {
                e_strings: true,
                dollar: Dollar::Tagged,
                nested: true,
                ..STANDARD
            },
            // https://dev.mysql.com/doc/refman/8.4/en/comments.html, …/string-literals.html
            Dialect::MySql => Lexis {
                backslash: true,
                double: Double::Value,
                backtick: true,
                hash: true,
                dash_space: true,
                ..STANDARD
            },
            // https://docs.oracle.com/en/database/oracle/oracle-database/23/sqlrf/Literals.html
            Dialect::Oracle => Lexis {
                q_strings: true,
                ..STANDARD
            },
            // https://www.postgresql.org/docs/current/sql-syntax-lexical.html
            Dialect::Postgres => Lexis {
                e_strings: true,
                dollar: Dollar::Tagged,
                nested: true,
                cr: true,
                ..STANDARD
            },
            Dialect::Redshift => Lexis {
                e_strings: true,
                dollar: Dollar::Tagged,
                nested: true,
                ..STANDARD
            },
            // https://learn.microsoft.com/sql/t-sql/statements/set-quoted-identifier-transact-sql: double quotes are either.
            Dialect::SqlServer => Lexis {
                brackets: true,
                nested: true,
                money: true,
                double: Double::Either,
                ..STANDARD
            },
            // https://www.sqlite.org/quirks.html#dblquote
            Dialect::Sqlite => Lexis {
                backtick: true,
                brackets: true,
                double: Double::Either,
                ..STANDARD
            },
            // https://docs.snowflake.com/en/sql-reference/data-types-text, …/sql/comment
            Dialect::Snowflake => Lexis {
                backslash: true,
                dollar: Dollar::Plain,
                slashes: true,
                ..STANDARD
            },
            // https://spark.apache.org/docs/latest/sql-ref-literals.html
            Dialect::Spark => Lexis {
                backslash: true,
                raw: Raw::Plain,
                double: Double::Value,
                backtick: true,
                nested: true,
                dollar: Dollar::Plain,
                ..STANDARD
            },
        };
        let other = match self {
            // Strings end as in PostgreSQL 8, where a backslash escapes; drivers have it either way.
            Dialect::Redshift => Lexis {
                backslash: true,
                ..one
            },
            // Hive, and Spark before 3.0, know neither raw strings nor comments in comments.
            Dialect::Spark => Lexis {
                raw: Raw::No,
                nested: false,
                dollar: Dollar::No,
                ..one
            },
            // Of MySQL's mode NO_BACKSLASH_ESCAPES nothing says that it is on; it is off by default.
            Dialect::Standard => Lexis {
                dollar: Dollar::Plain,
                nested: true,
                ..one
            },
            Dialect::BigQuery
            | Dialect::ClickHouse
            | Dialect::DuckDb
            | Dialect::MySql
            | Dialect::Oracle
            | Dialect::Postgres
            | Dialect::SqlServer
            | Dialect::Sqlite
            | Dialect::Snowflake => return vec![one],
        };
        vec![one, other]
    }
}

/// Every way in which `sql` may have to be read when it is in one of `dialects`, or in any when there are none. Ways that
/// cannot differ in this text are one.
pub(super) fn ways(sql: &str, dialects: &[Dialect]) -> Vec<Lexis> {
    let unknown = dialects.is_empty();
    let mut found: Vec<Lexis> = Vec::new();
    let has = Has::of(sql);
    for dialect in if unknown { &ALL } else { dialects } {
        for way in dialect.ways() {
            let way = if unknown { nobody_says(way) } else { way };
            for cr in [way.cr, true] {
                for curly in [false, true] {
                    let way = has.reduced(Lexis { cr, curly, ..way });
                    if !found.contains(&way) {
                        found.push(way);
                    }
                }
            }
        }
    }
    found
}

/// Where no dialect is named: a backtick is no sign of any, so it quotes; and `$1` is a parameter more often than money.
fn nobody_says(way: Lexis) -> Lexis {
    Lexis {
        backtick: true,
        money: false,
        double: Double::Either,
        ..way
    }
}

/// What a text has that ways differ in.
struct Has {
    backslash: bool,
    triple: bool,
    dollar: bool,
    q: bool,
    raw: bool,
    double: bool,
    backtick: bool,
    bracket: bool,
    hash: bool,
    slashes: bool,
    dashes: bool,
    comment: bool,
    cr: bool,
    curly: bool,
}

impl Has {
    fn of(sql: &str) -> Has {
        let has = |text: &str| sql.contains(text);
        let quoted = |letters: [&str; 2]| {
            let after = |letter: &&str| has(&format!("{letter}'")) || has(&format!("{letter}\""));
            letters.iter().any(after)
        };
        Has {
            backslash: has("\\"),
            triple: has("'''") || has("\"\"\""),
            dollar: has("$"),
            q: quoted(["q", "Q"]),
            raw: quoted(["r", "R"]) || quoted(["b", "B"]),
            double: has("\""),
            backtick: has("`"),
            bracket: has("["),
            hash: has("#"),
            slashes: has("//"),
            dashes: has("--"),
            comment: has("/*"),
            cr: has("\r"),
            curly: sql.chars().any(super::lexer::is_curly),
        }
    }

    /// `way` without what makes no difference to the text.
    fn reduced(&self, way: Lexis) -> Lexis {
        Lexis {
            backslash: way.backslash && self.backslash,
            e_strings: way.e_strings && self.backslash,
            raw: if self.raw && self.backslash {
                way.raw
            } else {
                Raw::No
            },
            triple: way.triple && self.triple,
            dollar: if self.dollar { way.dollar } else { Dollar::No },
            q_strings: way.q_strings && self.q,
            double: if self.double {
                way.double
            } else {
                Double::Name
            },
            backtick: way.backtick && self.backtick,
            brackets: way.brackets && self.bracket,
            hash: way.hash && self.hash,
            slashes: way.slashes && self.slashes,
            dash_space: way.dash_space && self.dashes,
            nested: way.nested && self.comment,
            money: way.money && self.dollar,
            cr: way.cr && self.cr,
            curly: way.curly && self.curly,
        }
    }
}
