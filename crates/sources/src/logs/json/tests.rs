//! An object is read as a parser reads it, in however many pieces it comes.

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

fn whole(text: &str) -> Progress {
    Object::new().read(text)
}

/// What serde_json says about the object at the beginning of a text.
fn expected(text: &str) -> Progress {
    let mut read = serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>();
    match read.next() {
        Some(Ok(_)) => Progress::Complete(read.byte_offset()),
        Some(Err(error)) if error.is_eof() => Progress::Unfinished,
        _ => Progress::Broken,
    }
}

fn jsonish() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\\u00e9"),
        Just("\"a\""),
        Just("\"a\":"),
        Just("{\"b\":"),
        Just("1"),
        Just("-"),
        Just("0"),
        Just("."),
        Just("e"),
        Just("true"),
        Just("nul"),
        Just(" "),
        Just("\n"),
        Just("é"),
        Just("\u{1}"),
    ];
    proptest::collection::vec(token, 0..30).prop_map(|tokens| format!("{{{}", tokens.concat()))
}

proptest! {
    #[test]
    fn it_is_as_strict_as_a_parser(text in jsonish()) {
        prop_assert_eq!(whole(&text), expected(&text));
    }

    #[test]
    fn pieces_come_to_what_the_whole_comes_to(text in jsonish(), cuts in proptest::collection::vec(0usize..60, 0..5)) {
        let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
        ends.sort_unstable();
        ends.push(text.len());
        let mut object = Object::new();
        let mut progress = Progress::Unfinished;
        for end in ends {
            if progress == Progress::Unfinished {
                progress = object.read(&text[..end.min(text.len())]);
            }
        }
        prop_assert_eq!(progress, whole(&text));
    }
}

#[test]
fn what_python_prints_for_floats_that_are_no_numbers_is_read() {
    let text = r#"{"a":[NaN,Infinity,-Infinity]}"#;
    assert_eq!(whole(text), Progress::Complete(text.len()));
    assert_eq!(whole(r#"{"a":Nan}"#), Progress::Broken);
}

#[test]
fn nesting_has_the_limit_of_intake() {
    let nested = |depth: usize| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(matches!(whole(&nested(MAX_DEPTH)), Progress::Complete(_)));
    assert_eq!(whole(&nested(MAX_DEPTH + 1)), Progress::Broken);
}

#[test]
fn it_says_what_is_in_the_object_so_far() {
    let text = r#"{"eventTime":"t","run":{"facets":{"runId":"no"},"runId":"r"},"job":{"namespace":"n","na"#;
    let mut object = Object::new();
    assert_eq!(object.read(text), Progress::Unfinished);
    assert_eq!(object.first(), Some(Key::EventTime));
    assert!(object.has(Key::Run) && object.has(Key::Job) && !object.has(Key::Producer));
    assert_eq!(object.kept(Kept::RunId, text), Some("r"));
    assert_eq!(object.kept(Kept::JobNamespace, text), Some("n"));
    assert_eq!(object.kept(Kept::JobName, text), None);
}
