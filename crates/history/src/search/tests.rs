use proptest::prelude::*;

use super::*;

fn read_all(text: &str) -> Vec<String> {
    let search: Search = text.parse().unwrap();
    search.terms.iter().map(ToString::to_string).collect()
}

fn error(text: &str) -> String {
    text.parse::<Search>().unwrap_err().to_string()
}

#[test]
fn a_search_is_keys_with_values_and_words() {
    let search =
        "job:dbt.*  outcome:DEAD since:2h run:1B2C kind:Complete dataset:\"daily load\" orders";
    assert_eq!(
        read_all(search),
        [
            "job:dbt.*",
            "outcome:dead",
            "since:2h",
            "run:1b2c",
            "kind:complete",
            "dataset:\"daily load\"",
            "orders"
        ]
    );
    assert_eq!(read_all(" \t "), [""; 0]);
    assert_eq!(
        read_all("outcome:dead_lettered outcome:dead-lettered"),
        ["outcome:dead"; 2]
    );
}

#[test]
fn a_url_and_a_quoted_text_are_words() {
    assert_eq!(read_all("s3://bucket/a"), ["s3://bucket/a"]);
    assert_eq!(read_all("10.0.0.1:5432"), ["10.0.0.1:5432"]);
    assert_eq!(
        read_all(r#""job:a" "say \"x\" \\ y""#),
        [r#""job:a""#, r#""say \"x\" \\ y""#]
    );
    assert_eq!(read_all("job:s3://b"), ["job:s3://b"]);
    assert_eq!(read_all(r#"a"b"#), [r#"a"b"#]);
}

#[test]
fn an_error_names_the_place_and_what_was_expected() {
    for (text, expected) in [
        (
            "orders jbo:a",
            "character 8: unknown key \"jbo\": did you mean job? A text with a colon stands in quotes",
        ),
        (
            "x:1",
            "character 1: unknown key \"x\": known are job, dataset, run, id, outcome, target, kind, rule, reason, since, until. A text with a colon stands in quotes",
        ),
        ("job:", "character 5: expected a value after job:"),
        ("job: a", "character 5: expected a value after job:"),
        (
            "é outcome:lost",
            "character 11: outcome: expected one of delivered, unchanged, dropped, dead, retry, found \"lost\"",
        ),
        (
            "kind:x",
            "character 6: kind: expected one of run, job, dataset, start, running, complete, abort, fail, other, found \"x\"",
        ),
        (
            "run:xyz1",
            "character 5: run: expected a UUID, or at least four characters of its beginning, found \"xyz1\"",
        ),
        (
            "since:yesterday",
            "character 7: since: expected a time such as 2026-11-20T10:00:00Z, a date, or how long ago such as 2h, found \"yesterday\"",
        ),
        ("a \"b", "character 3: the quoted text does not end"),
        ("\"\"", "character 1: the text is empty"),
        ("é a\0b", "character 4: NUL cannot be searched for"),
        (
            "\"a\"b",
            "character 4: expected a space after the quoted text",
        ),
        (
            r#""a\n""#,
            r#"character 3: expected \" or \\ in the quoted text"#,
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    assert!(error(&"a".repeat(2_001)).ends_with("longer than 2000 characters"));
    assert_eq!(error(&"a ".repeat(21)), "character 41: more than 20 terms");
}

fn term() -> impl Strategy<Value = Term> {
    // What breaks a naive reader, and anything else.
    let text = || prop_oneof!["[a:\"\\\\ */é\u{a0}]{1,8}", "\\PC{1,12}", "job:[a-z]{0,3}"];
    let pattern = move || text().prop_map(Pattern);
    let id = || "[0-9a-f-]{4,36}".prop_map(IdStart);
    let time = || {
        prop_oneof![
            (0..4_000_000_000_000i64).prop_map(PointInTime::At),
            (0..100_000_000u64)
                .prop_map(|it| PointInTime::Ago(std::time::Duration::from_millis(it))),
        ]
    };
    prop_oneof![
        pattern().prop_map(Term::Job),
        pattern().prop_map(Term::Dataset),
        pattern().prop_map(Term::Target),
        pattern().prop_map(Term::Rule),
        pattern().prop_map(Term::Reason),
        id().prop_map(Term::Run),
        id().prop_map(Term::Id),
        proptest::sample::select(&Outcome::ALL[..]).prop_map(Term::Outcome),
        proptest::sample::select(&KINDS[..]).prop_map(Term::Kind),
        time().prop_map(Term::Since),
        time().prop_map(Term::Until),
        text().prop_map(Term::Word),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(terms in proptest::collection::vec(term(), 0..8)) {
        let search = Search { terms };
        let printed = search.to_string();
        prop_assert_eq!(printed.parse::<Search>(), Ok(search), "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in "\\PC{0,60}") {
        match text.parse::<Search>() {
            Ok(search) => prop_assert_eq!(search.to_string().parse(), Ok(search)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.place), "{}", error),
        }
    }
}
