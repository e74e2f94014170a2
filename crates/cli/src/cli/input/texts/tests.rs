//! Every form that events come in, and what is broken among them.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn texts(file: &str) -> Vec<(u64, String)> {
    let texts = Texts::new(file.as_bytes()).map(Result::unwrap);
    texts
        .map(|text| (text.line, String::from_utf8(text.bytes).unwrap()))
        .collect()
}

fn lines(file: &str) -> Vec<u64> {
    texts(file).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn every_form_gives_the_same_texts() {
    let forms = [
        "{\"a\":1}\n{\"a\":NaN}\n{\"a\":\"]}\"}\n",
        "{\"a\":1}\r\n\r\n{\"a\":NaN}\r\n{\"a\":\"]}\"}",
        "{\"a\":1}{\"a\":NaN}{\"a\":\"]}\"}",
        "{\"a\":1} {\"a\":NaN}\n\n  {\"a\":\"]}\"}",
        "[{\"a\":1},{\"a\":NaN},{\"a\":\"]}\"}]",
        "\u{feff} [\n {\"a\":1} ,\n{\"a\":NaN}\n,{\"a\":\"]}\"} ]\n",
        "[{\"a\":1}]\n[{\"a\":NaN},{\"a\":\"]}\"}]",
        "\u{1e}{\"a\":1}\n\u{1e}{\"a\":NaN}\n\u{1e}{\"a\":\"]}\"}\n",
        "{\"a\":1},\n{\"a\":NaN},\n{\"a\":\"]}\"}\n",
    ];
    for form in forms {
        let texts: Vec<String> = texts(form).into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            texts,
            ["{\"a\":1}", "{\"a\":NaN}", "{\"a\":\"]}\"}"],
            "{form}"
        );
    }
}

#[test]
fn the_answer_of_the_proxy_stands_for_its_events() {
    let page = "{\"events\":[{\"a\":1},\n{\"b\":[2]}],\"totalCount\":2}\n";
    let expected = [(1, "{\"a\":1}".to_owned()), (2, "{\"b\":[2]}".to_owned())];
    assert_eq!(texts(page), expected);
    assert_eq!(texts("{\n \"totalCount\": 0, \"events\": []}"), []);
    let partial = page.replace(
        "}\n",
        ",\"searchedTo\":\"2026-11-20T10:00:00Z\",\"position\":\"-1\"}\n",
    );
    assert_eq!(texts(&partial), expected);
    for text in [
        "{\"events\":[1],\"job\":{}}",
        "{\"events\":7}",
        "{\"eventsOf\":[1]}",
        "{\"totalCount\":1}",
    ] {
        assert_eq!(texts(text), [(1, text.to_owned())]);
    }
}

#[test]
fn lines_count_from_one_and_are_those_on_which_texts_begin() {
    assert_eq!(lines("{}\n\n{}\n"), [1, 3]);
    assert_eq!(
        lines("{\n\n}\n{\n}{}\n[\n1,\n{\n},\n2]\n{}"),
        [1, 4, 5, 7, 8, 10, 11]
    );
    assert_eq!(lines("\n\n  {\"a\":\n{\"b\":\n1}}\n{}"), [3, 6]);
    assert_eq!(lines("\u{feff}\n{}"), [2]);
}

#[test]
fn a_text_that_does_not_end_takes_no_other_along() {
    let whole = "{\"a\":1}";
    for cut in [
        "{\"a\":1",
        "{\"a\":",
        "{\"a\"",
        "{\"a\":\"x",
        "{\"a\":\"x\\",
        "{\"a\":[",
        "{\"a\":[{\"b\":1},",
        "{\"a\":1,",
        "{",
        "[",
        "{\"a\":[1}",
        "not json",
    ] {
        let found = texts(&format!("{whole}\n{cut}\n{whole}\n{whole}\n"));
        let whole = |line| (line, whole.to_owned());
        assert_eq!(found, [whole(1), (2, cut.to_owned()), whole(3), whole(4)]);
    }
    let found = texts("{\n  \"a\": {\n    \"b\": 1\n  },\n\n{\"c\":1}\n{\"d\":");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!((found[0].0, found[1].0, found[2].0), (1, 6, 7));
    assert_eq!(
        texts("{} rest"),
        [(1, "{}".to_owned()), (1, "rest".to_owned())]
    );
    assert_eq!(texts("[{},]"), [(1, "{}".to_owned()), (1, String::new())]);
}

#[test]
fn what_is_empty_holds_nothing_and_another_encoding_is_named() {
    for empty in ["", "\n \n", "[]", " [ ] ", "\u{feff}"] {
        assert_eq!(texts(empty), [], "{empty:?}");
    }
    let error = Texts::new(&b"\xff\xfe{\0}\0"[..])
        .next()
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[test]
fn a_hundred_thousand_levels_and_cut_lines_are_read_in_their_turn() {
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(texts(&deep).len(), 1);
    let cut = "{\"a\":{\"b\":\n".repeat(5_000);
    assert_eq!(texts(&cut).len(), 5_000);
}

/// An object with whatever brackets, quotes and escapes in it.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[\\[\\]{}\",:\\\\\n é]{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        let members = prop::collection::vec(("[a-c{}\"]{0,3}", inner.clone()), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().collect()),
        ]
    });
    let members = prop::collection::vec(("[a-c]{1,3}", value), 0..4);
    members.prop_map(|members| members.into_iter().collect())
}

/// An object and how it is written: over many lines or on one.
fn written() -> impl Strategy<Value = String> {
    (object(), any::<bool>()).prop_map(|(object, pretty)| match pretty {
        true => format!("{object:#}"),
        false => object.to_string(),
    })
}

/// What is expected of `file`, into which each text is put as it is added.
#[derive(Default)]
struct Built {
    file: String,
    expected: Vec<(u64, String)>,
}

impl Built {
    fn add(&mut self, text: &str) {
        let line = 1 + newlines(self.file.as_bytes());
        self.expected.push((line, text.to_owned()));
        self.file += text;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn texts_are_found_whole_with_their_lines_however_they_are_laid_out(
        all in prop::collection::vec(
            (written(), prop::sample::select(vec!["", " ", "\n", "\r\n", "\n\n \t", "\n\u{1e}"])),
            1..6,
        ),
        form in 0..4,
    ) {
        let (before, comma, after) = match form {
            0 => ("", "", ""),
            1 => ("\u{feff}\n", "", "\n"),
            2 => (" [\n", ",", "]\n"),
            _ => ("{\"events\": [", ",", "\n], \"totalCount\": 7}"),
        };
        let mut built = Built { file: before.to_owned(), ..Built::default() };
        let last = all.len() - 1;
        for (index, (text, between)) in all.iter().enumerate() {
            built.add(text);
            built.file += if index == last { "" } else { comma };
            // The record separator stands between texts, and in no array.
            built.file += if comma.is_empty() { between } else { between.trim_end_matches('\u{1e}') };
        }
        built.file += after;
        prop_assert_eq!(texts(&built.file), built.expected, "{}", built.file);
    }

    #[test]
    fn a_text_that_is_cut_off_costs_itself_alone(
        before in prop::collection::vec(written(), 0..3),
        cut in object(),
        at in any::<prop::sample::Index>(),
        after in prop::collection::vec(written(), 0..3),
    ) {
        let cut = cut.to_string();
        let ends: Vec<usize> = (1..cut.len()).filter(|end| cut.is_char_boundary(*end)).collect();
        let cut = &cut[..ends[at.index(ends.len())]];
        let mut built = Built::default();
        for (text, is_whole) in before.iter().map(|text| (text.as_str(), true))
            .chain([(cut, false)])
            .chain(after.iter().map(|text| (text.as_str(), true)))
        {
            match is_whole {
                true => built.add(text),
                false => built.add(text.trim_end()),
            }
            built.file += "\n";
        }
        prop_assert_eq!(texts(&built.file), built.expected, "{}", built.file);
    }
}
