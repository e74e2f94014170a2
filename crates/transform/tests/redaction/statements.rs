//! Statements of every dialect, made of parts: code that is known to be none of a literal, and literals and comments with
//! a mark in them and whatever a dialect lets stand beside it.
//!
//! How a literal ends is read here a second time from the manuals, without a look at the code under test.

use fastrand::Rng;
use transform::Dialect;

/// In every marked text; no word of the templates.
const MARK: &str = "ZQ";

/// The first digits of every marked number.
const DIGITS: &str = "90817";

pub(crate) struct Statement {
    pub(crate) dialect: Dialect,
    pub(crate) text: String,
    /// All of it but literals and comments.
    pub(crate) code: String,
    pub(crate) literals: usize,
}

pub(crate) fn dialects() -> [Dialect; 12] {
    use Dialect::*;
    [
        Standard, BigQuery, ClickHouse, DuckDb, MySql, Oracle, Postgres, Redshift, SqlServer,
        Sqlite, Snowflake, Spark,
    ]
}

/// `L` is a literal, `N` a number, `C` a place for a comment; all else is code.
const TEMPLATES: [&str; 16] = [
    "select a, b from t where c = ‹L› and d in (‹L›, ‹L›) ‹C› order by a",
    "insert into t (a, b, c) values (‹L›, ‹N›, ‹L›), (‹L›, ‹N›, null)",
    "update t set a = ‹L›, b = ‹N› where c <> ‹L› ‹C›",
    "delete from s.t where a like ‹L› or b between ‹N› and ‹N›",
    "merge into t using u on t.id = u.id when matched then update set a = ‹L› ‹C› when not matched then insert (id, a) values (u.id, ‹L›)",
    "with x as (select ‹L› as a ‹C› from y) select x.a, concat(‹L›, x.b, ‹L›) from x",
    "select case when a = ‹L› then ‹L› else ‹N› end as k from t ‹C› group by k having count(*) > ‹N›",
    "create table n as select ‹L› as a, cast(‹N› as int) as b from s.t where f(‹L›, a) = ‹L›",
    "select coalesce(a, ‹L›) || ‹L› from t ‹C› limit ‹N›",
    "select ‹L›, ‹L›",
    "alter table t add column c varchar(‹N›) default ‹L›",
    "select json_value(p, ‹L›) from t1 where x = -‹N› ‹C› and y = ‹L›",
    "call refresh(‹L›, ‹N›)",
    "copy into t from ‹L› ‹C›",
    "select a from t where ‹L› = b and not (c = ‹L›) union all select ‹L› from u",
    "create user app identified by ‹P›",
];

/// What may stand beside the mark in a text; none of them ends it when it is escaped.
const BESIDE: [&str; 22] = [
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    ";",
    "#",
    "//",
    "$$",
    "`",
    "[",
    "]",
    "\n",
    " ",
    "\\",
    "''",
    "?",
    " from x where ",
    "’",
    "%",
    "é",
    ")",
];

impl Statement {
    pub(crate) fn new(random: &mut Rng) -> Statement {
        let dialect = dialects()[random.usize(..12)];
        let template = TEMPLATES[random.usize(..TEMPLATES.len())];
        let mut statement = Statement {
            dialect,
            text: String::new(),
            code: String::new(),
            literals: 0,
        };
        for (index, piece) in template.split(['‹', '›']).enumerate() {
            if index % 2 == 0 {
                statement.text.push_str(piece);
                statement.code.push_str(piece);
                continue;
            }
            let new = match piece {
                "L" => literal(dialect, random),
                "N" => number(dialect, random),
                "P" => password(dialect, random),
                _ if random.bool() => comment(dialect, random),
                _ => String::new(),
            };
            statement.literals += usize::from(!new.is_empty());
            statement.text.push_str(&new);
            statement.code.push(' ');
        }
        statement
    }

    /// Whether anything marked is in `out`.
    pub(crate) fn is_in(&self, out: &str) -> bool {
        out.contains(MARK) || out.replace('_', "").contains(DIGITS)
    }
}

/// A mark and what stands around it.
fn content(random: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..random.usize(..3) {
        text.push_str(BESIDE[random.usize(..BESIDE.len())]);
    }
    text.push_str(MARK);
    text.push_str(&random.u16(..).to_string());
    for _ in 0..random.usize(..3) {
        text.push_str(BESIDE[random.usize(..BESIDE.len())]);
    }
    if random.bool() {
        text.push_str(MARK);
    }
    text
}

fn backslashes(dialect: Dialect) -> bool {
    use Dialect::*;
    matches!(dialect, BigQuery | ClickHouse | MySql | Snowflake | Spark)
}

/// In quotes of one kind, escaped as the dialect has it.
fn quoted(dialect: Dialect, quote: char, random: &mut Rng) -> String {
    let text = content(random);
    let text = if backslashes(dialect) {
        let text = text.replace('\\', "\\\\");
        // BigQuery knows no doubled quotes, and no lines in strings of one quote.
        if dialect == Dialect::BigQuery || random.bool() {
            text.replace('\n', " ")
                .replace(quote, &format!("\\{quote}"))
        } else {
            text.replace(quote, &quote.to_string().repeat(2))
        }
    } else if dialect == Dialect::Redshift {
        // Whether a backslash escapes there depends on settings.
        text.replace('\\', "").replace(quote, "''")
    } else {
        text.replace(quote, &quote.to_string().repeat(2))
    };
    format!("{quote}{text}{quote}")
}

fn without(text: &str, ends: &[&str]) -> String {
    let mut text = text.to_owned();
    for end in ends {
        text = text.replace(end, "");
    }
    text
}

fn literal(dialect: Dialect, random: &mut Rng) -> String {
    use Dialect::*;
    let choice = random.u8(..6);
    if choice == 5 {
        return number(dialect, random);
    }
    if choice < 2 {
        return quoted(dialect, '\'', random);
    }
    match dialect {
        BigQuery => match choice {
            2 => quoted(dialect, '"', random),
            3 => {
                let (quote, prefix) = (
                    ["'''", "\"\"\""][random.usize(..2)],
                    ["", "b", "r", "rb", "R"][random.usize(..5)],
                );
                // Not at the end, where one of its own would close it.
                let text = content(random).replace(['\\'], "").replace(quote, "");
                format!("{prefix}{quote}x{}x{quote}", without(&text, &[quote]))
            }
            _ => {
                let text = without(&content(random), &["\\", "'", "\n"]);
                format!("{}'{text}'", ["r", "b", "rb", "Br"][random.usize(..4)])
            }
        },
        ClickHouse | DuckDb | Postgres | Redshift => match choice {
            2 if dialect != ClickHouse => {
                let text = content(random)
                    .replace('\\', "\\\\")
                    .replace('\'', ["\\'", "''"][random.usize(..2)]);
                format!("{}'{text}'", ["E", "e"][random.usize(..2)])
            }
            3 => {
                let tag = ["", "q", "_x1"][random.usize(..3)];
                format!("${tag}${}${tag}$", without(&content(random), &["$"]))
            }
            4 if dialect == Postgres => format!("U&'{}'", without(&content(random), &["\\", "'"])),
            _ => quoted(dialect, '\'', random),
        },
        MySql => match choice {
            2 => quoted(dialect, '"', random),
            3 => format!(
                "{}{}",
                ["_utf8mb4", "N", "_latin1 "][random.usize(..3)],
                quoted(dialect, '\'', random)
            ),
            _ => format!("date{}", quoted(dialect, '\'', random)),
        },
        Oracle => match choice {
            2 | 3 => {
                let (open, close) = [
                    ("[", "]"),
                    ("(", ")"),
                    ("{", "}"),
                    ("<", ">"),
                    ("!", "!"),
                    ("|", "|"),
                ][random.usize(..6)];
                // Only its own end ends it.
                let text = without(&content(random), &[&format!("{close}'")]);
                let text = text.trim_end_matches(close);
                format!(
                    "{}'{open}{text}{close}'",
                    ["q", "Q", "nq", "Nq"][random.usize(..4)]
                )
            }
            _ => format!("N{}", quoted(dialect, '\'', random)),
        },
        SqlServer => match choice {
            2 | 3 => format!("N{}", quoted(dialect, '\'', random)),
            _ => format!("${DIGITS}.{}", random.u8(..)),
        },
        Snowflake => match choice {
            2 | 3 => format!("$${}$$", without(&content(random), &["$"])),
            _ => quoted(dialect, '\'', random),
        },
        Spark => match choice {
            2 => quoted(dialect, '"', random),
            3 => format!("r'{}'", without(&content(random), &["\\", "'"])),
            _ => format!("X'{MARK}{}'", random.u8(..)),
        },
        Standard | Sqlite => match choice {
            2 => format!("X'{MARK}{}'", random.u8(..)),
            3 => format!("date {}", quoted(dialect, '\'', random)),
            _ => quoted(dialect, '\'', random),
        },
    }
}

fn number(dialect: Dialect, random: &mut Rng) -> String {
    let tail = random.u32(1_000..10_000);
    match random.u8(..8) {
        0 => format!("{DIGITS}.{tail}"),
        1 => format!("{DIGITS}{tail}e-3"),
        2 => format!("9_08_17_{tail}"),
        3 => format!("0x{DIGITS}{tail}"),
        4 if dialect == Dialect::Spark => format!("{DIGITS}{tail}L"),
        5 => format!("0x{MARK}DEAD_BEEF"),
        6 => format!("1.5{DIGITS}"),
        _ => format!("{DIGITS}{tail}"),
    }
}

fn password(dialect: Dialect, random: &mut Rng) -> String {
    match (dialect, random.u8(..3)) {
        (Dialect::Oracle, 0) => format!("{MARK}{}", random.u8(..)),
        (Dialect::Oracle, 1) => format!("\"{MARK} {}\"", random.u8(..)),
        _ => quoted(dialect, '\'', random),
    }
}

fn comment(dialect: Dialect, random: &mut Rng) -> String {
    use Dialect::*;
    let line = content(random).replace('\n', " ");
    match (random.u8(..4), dialect) {
        (0, BigQuery | MySql | ClickHouse) => format!("# {line}\n"),
        (0, Snowflake) => format!("// {line}\n"),
        (1, Postgres | DuckDb | SqlServer) => {
            let inner = without(&content(random), &["*/", "/*", "*", "/"]);
            format!("/* {inner} /* {MARK} */ {inner} */")
        }
        (1 | 2, _) => format!(
            "/* {} */",
            without(&content(random), &["*/", "/*", "*", "/"])
        ),
        _ => format!("-- {line}\n"),
    }
}
