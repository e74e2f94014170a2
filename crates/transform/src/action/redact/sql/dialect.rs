//! SQL dialects as a lexer sees them: where strings, comments and quoted names begin and end.
//!
//! Contains only what decides which tokens are values; no grammar. The dialect of a text is given by its facet, or by
//! its engine and the datasets read (`redact/places.rs`). If it is unknown, the text is read in each dialect.

/// A dialect with lexical rules of its own.
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
    /// MySQL and MariaDB, and systems with their protocol: StarRocks, Doris, SingleStore.
    MySql,
    /// Oracle.
    Oracle,
    /// PostgreSQL and its descendants.
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

/// The meaning of double quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Double {
    Name,
    Value,
    /// By position: in a dialect with both, or an unknown one.
    Either,
}

/// Dollar-quoted texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dollar {
    No,
    /// `$$…$$` only.
    Plain,
    /// Also `$tag$…$tag$`.
    Tagged,
}

/// `r'…'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw {
    No,
    /// Ends at the first quote.
    Plain,
    /// A quote after a backslash does not end it, though both are kept.
    Escaped,
}

/// One set of lexical rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lexis {
    /// A backslash in a string escapes the next character.
    pub(super) backslash: bool,
    /// It does in `E'…'`.
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
    /// `$12.50` is an amount, and so is `$1`.
    pub(super) money: bool,
    /// A carriage return ends a line.
    pub(super) cr: bool,
    /// Typographic quotes, as word processors insert them.
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
    /// The dialect that `name` refers to, as producers and tools spell it: `postgresql`, `tsql`, `Spark SQL`, or the scheme
    /// of a namespace. `None` for an unknown name.
    pub fn named(name: &str) -> Option<Dialect> {
        let mut letters = name.to_ascii_lowercase();
        letters.retain(|c| c.is_ascii_alphanumeric());
        // The first match: `bigquery` before `sql`, `sparksql` and `mysql` by their own words.
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

    /// Its lexical rules. If servers of one dialect differ, each of their variants.
    fn ways(self) -> Vec<Lexis> {
        let one = match self {
            // Vertica has PostgreSQL's `E''` and `$$`.
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
            // learn.microsoft.com/sql/t-sql/statements/set-quoted-identifier-transact-sql: double quotes have either meaning.
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
            // Strings end as in PostgreSQL 8, where a backslash escapes; drivers differ.
            Dialect::Redshift => Lexis {
                backslash: true,
                ..one
            },
            // Hive, and Spark before 3.0, have neither raw strings nor nested comments.
            Dialect::Spark => Lexis {
                raw: Raw::No,
                nested: false,
                dollar: Dollar::No,
                ..one
            },
            // MySQL's mode NO_BACKSLASH_ESCAPES is not visible in the text; it is off by default.
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

/// Every set of rules by which `sql` may have to be read: in one of `dialects`, or in any if there are none. Sets that
/// cannot differ for this text are merged.
pub(super) fn ways(sql: &str, dialects: &[Dialect]) -> Vec<Lexis> {
    let unknown = dialects.is_empty();
    let mut found: Vec<Lexis> = Vec::new();
    let has = Features::of(sql);
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

/// Without a named dialect a backtick does not identify one, so it quotes; and `$1` is a parameter more often than money.
fn nobody_says(way: Lexis) -> Lexis {
    Lexis {
        backtick: true,
        money: false,
        double: Double::Either,
        ..way
    }
}

/// The features of a text in which rules differ.
struct Features {
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

impl Features {
    fn of(sql: &str) -> Features {
        let has = |text: &str| sql.contains(text);
        let quoted = |letters: [&str; 2]| {
            let after = |letter: &&str| has(&format!("{letter}'")) || has(&format!("{letter}\""));
            letters.iter().any(after)
        };
        Features {
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

    /// Clears the rules that do not affect the text.
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
