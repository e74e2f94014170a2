//! The time that redaction takes for texts that repeat one piece.

use transform::{redact_text, sql_literals_in};

#[test]
fn a_text_of_any_size_takes_time_in_proportion() {
    // What would be read again from every place of its kind.
    let pieces = [
        "select 'it''s' from t where a = 1;\n",
        "'",
        "\"",
        "(",
        ")",
        "password=(",
        "\\'",
        "$a$",
        "/*",
        "--\n",
        "`",
        "[",
        "token: x ",
        "x://u:p@h ",
        "password ",
        "curl -u ",
        "a=b ",
        "\n\tat a.b(",
        "select select from ",
        "name value ",
        "identified by ",
        "x://",
        "@",
        "s3('",
        "'''",
        "insert into t values ('a\n\tat b(c'",
        "password for x ",
        "{{",
        "}",
        "<password>",
        "logon a/b,",
        "password:\n  x\n",
        "password: |\n  x\n",
        "passwords:\n  - x\n",
        "set(\"password\", \"x\"",
        "docker exec mysql -p",
        "echo x | ",
        "/* */ select 1 ",
        "{\"a\": \"\\n",
        "a%3D",
        "map[password:x ",
        "connect to d user u using x ",
        "rclone config ",
        "az x -u ",
        "Bearer ",
        "-----BEGIN PRIVATE KEY-----",
        "\\\\\"",
        "q'[",
        "é",
        "1",
        "1.",
        "=",
        "''select ''x''\n\tat a.b(",
        "\"select \\\"x\n\tat a.b(",
        "copy t (",
        "with x (",
        "where a ",
        "and (",
        "set ",
        "grant a, ",
        "update a.",
        "create ",
        "select a b c d e f ",
        "\\nselect ",
        "e'",
        "U&'",
        "$a$b",
        "1e+",
        "/*/*",
        "*/",
        "#",
        "q'a",
        "from stdin;",
        "case when '",
    ];
    for piece in pieces {
        let short = piece.repeat(6_000 / piece.len());
        let long = piece.repeat(96_000 / piece.len());
        let time = |text: &str| {
            let start = std::time::Instant::now();
            std::hint::black_box(redact_text(text));
            std::hint::black_box(sql_literals_in(text, &[]));
            start.elapsed().as_secs_f64()
        };
        let (one, sixteen) = (time(&short).max(0.01), time(&long));
        // Sixteen times as long; quadratic would be 256 times.
        assert!(
            sixteen < one * 100.0,
            "{piece:?}: {one} s, then {sixteen} s"
        );
    }
}
