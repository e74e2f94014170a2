//! Redaction held to its promise from both sides: no secret and no literal is left, and what is harmless stays.
//!
//! Statements of every dialect with marked literals (`redaction/statements.rs`), a corpus of ordinary statements, one of
//! secrets and one of harmless texts (`redaction/texts/`), and shapes that users met (`redaction/cases.rs`). With
//! `PROXY_TEST_RELIABILITY=full`, as `tests/reliability.sh` sets it, a million statements. Each prints what it measured.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment, and a test measures time"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "redaction/cases.rs"]
mod cases;
#[path = "redaction/statements.rs"]
mod statements;
#[path = "redaction/time.rs"]
mod time;

use std::collections::HashMap;

use transform::{Dialect, connection_secrets, redact_text, sql_literals_in};

use statements::{Statement, dialects};

const ORDINARY: &str = include_str!("redaction/texts/ordinary.sql");
const SECRETS: &str = include_str!("redaction/texts/secrets.txt");
const HARMLESS: &str = include_str!("redaction/texts/harmless.txt");

/// How many words of ordinary statements stay at least, of a hundred.
const KEPT: f64 = 95.0;

/// How many harmless texts may be changed, of a hundred.
const DESTROYED: f64 = 2.0;

/// What stands where a secret is: of letters and digits, of base64, with signs that others end at.
const VALUES: [&str; 6] = [
    "ZQtiger7",
    "ZQ7kPx/9aB+cD3==",
    "ZQp.w-d_9!x",
    "ZQ1#%^*~8",
    "ZQlongerthansixteencharacters",
    "ZQ$1a$b",
];

/// As with the other laws: the same statements each time where a seed is set, new ones in the reliability suite.
fn seed() -> u64 {
    let set = std::env::var("PROPTEST_RNG_SEED").ok();
    set.and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..))
}

fn count() -> u32 {
    match std::env::var("PROXY_TEST_RELIABILITY").as_deref() {
        Ok("full") => 1_000_000,
        Ok(_) | Err(_) => 3_000,
    }
}

/// A line of the table that `tests/reliability.sh` prints.
fn measured(case: &str, figures: &str) {
    println!("reliability | {case} | {figures}");
}

/// The words of a text that are no literals: letters and digits that do not begin with a digit.
fn words(text: &str) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            *found.entry(word.to_owned()).or_default() += 1;
        }
    }
    found
}

/// How many of the words of `of` are in `text` too, and how many there are.
fn kept(of: &str, text: &str) -> (usize, usize) {
    let (all, left) = (words(of), words(text));
    let stayed = |(word, count): (&String, &usize)| {
        let left: usize = left.get(word).copied().unwrap_or_default();
        left.min(*count)
    };
    (all.iter().map(stayed).sum(), all.values().sum())
}

fn share((kept, all): (usize, usize)) -> f64 {
    100.0 * kept as f64 / all.max(1) as f64
}

/// `text` without its marks, what is marked in it, and what is not.
fn marked(text: &str) -> (String, Vec<String>, String) {
    let (mut whole, mut inside, mut outside) = (String::new(), Vec::new(), String::new());
    for (index, piece) in text.split(['⟦', '⟧']).enumerate() {
        whole.push_str(piece);
        match index % 2 {
            1 => {
                inside.push(piece.to_owned());
                outside.push(' ');
            }
            _ => outside.push_str(piece),
        }
    }
    (whole, inside, outside)
}

#[test]
fn no_marked_literal_is_left_in_generated_statements_of_any_dialect() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut named, mut unnamed, mut literals) = ((0, 0), (0, 0), 0);
    for _ in 0..count() {
        let statement = Statement::new(&mut random);
        literals += statement.literals;
        for (dialects, kept_words) in [
            (&[statement.dialect][..], &mut named),
            (&[][..], &mut unnamed),
        ] {
            let out = sql_literals_in(&statement.text, dialects);
            assert!(
                !statement.is_in(&out),
                "seed {seed}, {dialects:?} of {:?}\n{}\n{out}",
                statement.dialect,
                statement.text
            );
            let (stayed, all) = kept(&statement.code, &out);
            *kept_words = (kept_words.0 + stayed, kept_words.1 + all);
        }
    }
    measured(
        "redaction: generated statements",
        &format!(
            "{} statements, {literals} literals, none left; of the other words {:.1} % stayed, {:.1} % where no dialect is named (these are made to be ambiguous)",
            count(),
            share(named),
            share(unnamed)
        ),
    );
}

#[test]
fn no_marked_literal_is_left_where_a_message_quotes_the_statement() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = 0;
    for _ in 0..count() / 10 {
        let statement = Statement::new(&mut random);
        let text = &statement.text;
        let message = match random.u8(..5) {
            0 => format!("Database error while running: {text}"),
            1 => format!(
                "org.x.SqlException: failed [{text}]\n\tat org.x.Y.z(Y.java:5)\n\tat org.x.Y.w(Y.java:6)"
            ),
            2 => format!(
                "ERROR in model orders\n  {}\n  ^",
                text.replace('\n', "\n  ")
            ),
            3 => format!("{{'task_id': 'load', 'sql': {}}}", openlineage::quote(text)),
            _ => format!("[SQL: {text}]\n(Background on this error at: https://x)"),
        };
        let out = redact_text(&message);
        assert!(!statement.is_in(&out), "seed {seed}\n{message}\n{out}");
        all += 1;
    }
    measured(
        "redaction: statements in messages",
        &format!("{all} messages, no literal left"),
    );
}

#[test]
fn ordinary_statements_stay_readable() {
    let (mut named, mut unnamed, mut statements) = ((0, 0), (0, 0), 0);
    let mut dialect: Option<Dialect> = None;
    let mut worst: Vec<(f64, String)> = Vec::new();
    for piece in ORDINARY
        .split("\n\n")
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        if let Some(name) = piece.strip_prefix('@') {
            dialect = Dialect::named(name);
            continue;
        }
        let (sql, literals, code) = marked(piece);
        statements += 1;
        for (dialects, kept_words) in [(dialect.as_slice(), &mut named), (&[][..], &mut unnamed)] {
            let out = sql_literals_in(&sql, dialects);
            for literal in &literals {
                let word = literal.trim_matches(|c: char| !c.is_alphanumeric());
                let is_word = word.len() > 3 && !code.to_lowercase().contains(&word.to_lowercase());
                assert!(
                    !(is_word && out.contains(word)),
                    "{dialects:?} {literal}\n{sql}\n{out}"
                );
            }
            let (stayed, all) = kept(&code, &out);
            *kept_words = (kept_words.0 + stayed, kept_words.1 + all);
            worst.push((share((stayed, all)), format!("{dialects:?} {out}")));
        }
    }
    worst.sort_by(|one, two| one.0.total_cmp(&two.0));
    for (share, out) in worst.iter().take(12).filter(|(share, _)| *share < 99.0) {
        println!("{share:.0} % {out}");
    }
    measured(
        "redaction: ordinary statements",
        &format!(
            "{statements} statements, {} words: {:.2} % stayed, {:.2} % where no dialect is named",
            named.1,
            share(named),
            share(unnamed)
        ),
    );
    assert!(statements > 200);
    assert!(share(named) >= KEPT && share(unnamed) >= KEPT);
}

#[test]
fn no_secret_is_left_and_what_is_harmless_stays() {
    let lines = |text: &'static str| text.lines().filter(|line| !line.starts_with("# "));
    let (mut secrets, mut left) = (0, Vec::new());
    for line in lines(SECRETS) {
        for value in VALUES {
            let (text, inside, _) = marked(&line.replace("⟦s⟧", &format!("⟦{value}⟧")));
            secrets += inside.len();
            let out = connection_secrets(&text);
            // A part of it is too much as well.
            let shown = |secret: &String| {
                let part = secret.get(..secret.len().min(8)).unwrap();
                out.contains(part)
            };
            if inside.iter().any(shown) {
                left.push(format!("{text}\n    {out}"));
            }
            assert_eq!(connection_secrets(&out), out, "twice is as once: {text}");
        }
    }
    let (mut texts, mut destroyed) = (0, Vec::new());
    for line in lines(HARMLESS) {
        texts += 1;
        let out = connection_secrets(line);
        if out != line {
            destroyed.push(format!("{line}\n    {out}"));
        }
    }
    measured(
        "redaction: secrets and harmless texts",
        &format!(
            "{secrets} secrets, {} left; {texts} harmless texts, {} changed",
            left.len(),
            destroyed.len()
        ),
    );
    println!("{}", destroyed.join("\n"));
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
    assert!(
        share((destroyed.len(), texts)) <= DESTROYED,
        "{} changed",
        destroyed.len()
    );
}

#[test]
fn a_text_that_is_json_stays_json() {
    for (text, expected) in [
        (
            r#"{"cmd": "curl -H \"X-Api-Key: k7\" https://h", "n": 1}"#,
            r#"{"cmd": "curl -H \"X-Api-Key: ***\" https://h", "n": 1}"#,
        ),
        (
            r#"{"config": "{\"url\": \"jdbc:x://h/d?password=k7\", \"n\": 1}"}"#,
            r#"{"config": "{\"url\": \"jdbc:x://h/d?password=***\", \"n\": 1}"}"#,
        ),
        (
            r#"{"profile": "a:\n  password: >-\n    k7\n  port: 1"}"#,
            r#"{"profile": "a:\n  password: >-\n    ***\n  port: 1"}"#,
        ),
        (
            r#"{"vars": "-e \"become_password=k7\""}"#,
            r#"{"vars": "-e \"become_password=***\""}"#,
        ),
    ] {
        assert_eq!(connection_secrets(text), expected);
    }
}

#[test]
fn a_statement_in_a_message_is_known_by_any_beginning() {
    let mut left = Vec::new();
    for (text, kept) in [
        ("failed: set role r identified by tiger", "set role r"),
        (
            "failed: /* a /* tiger */ tiger */ select 1 from t",
            "from t",
        ),
        ("failed: exec ('select ''tiger'' from t')", "exec"),
        (
            "failed: execute immediate $$ return 'tiger' $$",
            "execute immediate",
        ),
        (r"failed: select U&'\0041tiger' from t", "from t"),
        ("failed: select a->>'tiger' from t", "from t"),
        ("failed: pragma add_parquet_key('k', 'tiger')", "pragma"),
    ] {
        let out = redact_text(text);
        println!("{out}");
        left.extend(out.contains("tiger").then_some(text));
        assert!(out.starts_with("failed: ") && out.contains(kept), "{out}");
        assert_eq!(redact_text(&out), out);
    }
    assert!(left.is_empty(), "{left:?}");
    // Python calls a method so: the statement in it is what stays readable.
    let call = "    cur.execute(\"\"\"select a from t where b = 'tiger'\"\"\")";
    assert_eq!(
        redact_text(call),
        "    cur.execute(\"\"\"select a from t where b = ?\"\"\")"
    );
}

#[test]
fn every_dialect_is_generated() {
    assert_eq!(dialects().len(), 12);
}
