use proptest::prelude::*;

use super::*;

/// Parts as one reads them.
fn shown(parts: &[Part<'_>]) -> String {
    let part = |part: &Part<'_>| match part {
        Part::Same(text) => (*text).to_owned(),
        Part::Differs(text) => format!("[{text}]"),
        Part::LeftOut(count) => format!("<{count}>"),
    };
    parts.iter().map(part).collect()
}

fn sql(host: &str, limit: u32) -> String {
    let columns: Vec<String> = (0..300).map(|n| format!("o.column_{n}")).collect();
    let list = columns.join(", ");
    format!(
        "SELECT {list} FROM \"{host}\".orders o WHERE o.id > {limit} AND o.name <> 'x' ORDER BY {list}"
    )
}

#[test]
fn a_changed_host_in_a_long_query_is_shown_with_the_words_around_it() {
    let (before, after) = (sql("db.old", 10), sql("db.new", 2_000));
    let (one, other) = inside(&before, &after).unwrap();
    let expected = "<4053>, o.column_297, o.column_298, o.column_299 FROM \"[db.old]\".orders o WHERE o.id > [10] AND o.name <> 'x' ORDER BY o.column_0, o.column_1, <4064>";
    assert_eq!(shown(&one), expected);
    let expected = expected
        .replace("[db.old]", "[db.new]")
        .replace("[10]", "[2000]");
    assert_eq!(shown(&other), expected);
}

#[test]
fn what_only_one_text_has_stands_between_what_both_have() {
    let text = "one two three four ".repeat(20);
    let longer = text.replacen("four one", "four NEW one", 1);
    let (one, other) = inside(&text, &longer).unwrap();
    assert_eq!(
        shown(&one),
        "one two three four one two three four one two three four one two three four one<301>"
    );
    assert_eq!(
        shown(&other),
        "one two three four [NEW ]one two three four one two three four one two three four one<301>"
    );
}

#[test]
fn short_texts_and_those_that_have_nothing_alike_are_shown_whole() {
    assert_eq!(inside("a b", "a c"), None);
    assert_eq!(inside(&"a".repeat(1_000), &"b".repeat(1_000)), None);
    let same = "a b ".repeat(100);
    assert_eq!(inside(&same, &same), None);
}

#[test]
fn an_escape_and_a_character_of_several_code_points_stay_whole() {
    let text = |part: &str| format!("{}{part}{}", "word ".repeat(50), " word".repeat(50));
    for (before, after) in [
        ("a\\nb", "a\\tb"),
        ("\\u00e9", "\\u00e8"),
        ("e\u{301}", "e\u{300}"),
        ("e", "e\u{301}"),
        ("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f467}"),
        ("\u{1f1e9}\u{1f1ea}", "\u{1f1e9}\u{1f1f0}"),
    ] {
        let (one, other) = (text(before), text(after));
        let (one, other) = inside(&one, &other).unwrap();
        let differs = |parts: &[Part<'_>]| {
            let differs = parts.iter().filter_map(|part| match part {
                Part::Differs(text) => Some((*text).to_owned()),
                Part::Same(_) | Part::LeftOut(_) => None,
            });
            differs.collect::<String>()
        };
        let escape = |text: &str| text.trim_matches(['a', 'b']).to_owned();
        assert_eq!(
            (differs(&one), differs(&other)),
            (escape(before), escape(after))
        );
    }
}

#[test]
fn the_work_has_a_bound_whatever_the_texts() {
    let words = |begin: usize| {
        let words = (begin..begin + 8_000).map(|n| format!("w{} ", n * 7_919 % 10_007));
        words.collect::<String>()
    };
    let texts = [
        (words(0), words(5_000)),
        ("a ".repeat(30_000), "b a ".repeat(15_000)),
        (
            format!("{}x{}", "a".repeat(2_000_000), "a".repeat(2_000_000)),
            "a".repeat(4_000_000),
        ),
        (
            "\u{301}".repeat(50_000),
            format!("x{}", "\u{301}".repeat(50_000)),
        ),
        ("\\".repeat(60_000), format!("{}n", "\\".repeat(60_000))),
    ];
    for (before, after) in texts {
        let (one, other) = (words_of(&before), words_of(&after));
        let mut steps = 0;
        if let Some((one, other)) = inside(&before, &after) {
            steps = one.len() + other.len();
        }
        assert!(
            steps <= 4 * (EDITS as usize + 3),
            "{steps} of {one} and {other}"
        );
    }
}

fn words_of(text: &str) -> usize {
    words(text).len()
}

/// A text of words, of which some are hard, long enough to be compared.
fn text() -> impl Strategy<Value = Vec<&'static str>> {
    let words = prop::sample::select(vec![
        "select ",
        "a",
        "b",
        ".",
        ", ",
        "\\n",
        "\\u00e9",
        "e\u{301}",
        "\u{202e}",
        "שלום",
        " ",
        "日本",
        "\u{1f468}\u{200d}\u{1f469}",
        "'x'",
        "\\\\",
    ]);
    prop::collection::vec(words, 100..400)
}

proptest! {
    #[test]
    fn parts_are_the_text_in_order_and_both_sides_have_the_same_besides_what_differs(
        mut words in text(), places in prop::collection::vec((0usize..400, text()), 1..4),
    ) {
        let before = words.concat();
        for (at, more) in places {
            let at = at % words.len();
            words.splice(at..(at + more.len() % 5).min(words.len()), more.into_iter().take(3));
        }
        let after = words.concat();
        let Some((one, other)) = inside(&before, &after) else {
            return Ok(());
        };
        for (text, parts) in [(&before, &one), (&after, &other)] {
            let mut rest = text.as_str();
            for part in parts {
                let length = match part {
                    Part::Same(part) | Part::Differs(part) => {
                        prop_assert!(rest.starts_with(part));
                        part.len()
                    }
                    Part::LeftOut(count) => rest.chars().take(*count).map(char::len_utf8).sum(),
                };
                rest = &rest[length..];
                // No character of several code points is cut.
                let at = text.len() - rest.len();
                let is_cut = text.grapheme_indices(true).any(|(begin, it)| begin < at && at < begin + it.len());
                prop_assert!(!is_cut, "{at} of {text:?}");
            }
            prop_assert!(rest.is_empty());
        }
        let alike = |parts: &[Part<'_>]| {
            let alike = parts.iter().filter(|part| !matches!(part, Part::Differs(_)));
            let alike: Vec<_> = alike.copied().collect();
            shown(&alike)
        };
        prop_assert_eq!(alike(&one), alike(&other));
    }

    #[test]
    fn as_many_words_as_can_be_are_pairs(one in prop::collection::vec(0u8..4, 0..30), other in prop::collection::vec(0u8..4, 0..30)) {
        const WORDS: [&str; 4] = ["a", "b", "c", "d"];
        let words = |all: &[u8]| all.iter().map(|at| WORDS[usize::from(*at)]).collect::<Vec<_>>();
        let (one, other) = (words(&one), words(&other));
        let found = pairs(&one, &other);
        prop_assert!(found.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        prop_assert!(found.iter().all(|(x, y)| one[*x] == other[*y]));
        // The length of the longest common subsequence, by its definition.
        let mut longest = vec![vec![0; other.len() + 1]; one.len() + 1];
        for x in 0..one.len() {
            for y in 0..other.len() {
                longest[x + 1][y + 1] = match one[x] == other[y] {
                    true => longest[x][y] + 1,
                    false => longest[x][y + 1].max(longest[x + 1][y]),
                };
            }
        }
        prop_assert_eq!(found.len(), longest[one.len()][other.len()]);
    }
}
