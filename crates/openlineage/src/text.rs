//! From bytes to well-formed text: UTF-8, JSON grammar, depth, and the invalid JSON that Python writes.
//!
//! A parser stops at its first error. To report all findings at once, tokens such as `NaN` and lone
//! surrogates are found and masked first, then the rest is parsed as usual. Called by `Event::read` and the batch route.

use std::borrow::Cow;
use std::ops::Range;

use crate::finding::{Finding, Findings, Severity, join};
use crate::json::Json;

/// The deepest nesting that is accepted: as deep as `serde_json` reads, so that any consumer can read the event.
pub const MAX_DEPTH: usize = 127;

/// The most values in one event. Each takes 32 to 64 bytes while its list or object is read, so a text of nothing
/// but commas would need many times its size. An event of 32 MB reaches this limit at 32 bytes a value.
pub const MAX_VALUES: usize = 1_000_000;

/// The longest key, in bytes, that is decoded for display.
const LONGEST_KEY: usize = 2_000;

/// The result of scanning a text: its findings, and the text with invalid tokens masked by values of
/// the same length, so that a parser can continue. `masked` is set only if something was masked.
#[derive(Default)]
pub(crate) struct TextScan {
    /// How many commas separate values, at all levels and at the top level.
    commas: usize,
    commas_on_top: usize,
    pub(crate) findings: Findings,
    pub(crate) masked: Option<String>,
}

/// Decodes `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, Finding> {
    std::str::from_utf8(bytes).map_err(|error| {
        whole(
            "utf-8",
            format!("not UTF-8: invalid at byte {}", error.valid_up_to()),
        )
    })
}

/// Strips a byte order mark (RFC 8259, section 8.1 allows parsers to ignore it).
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Checks the text itself. Without findings, `text` is JSON within the depth limit and without lone surrogates.
pub(crate) fn check(text: &str) -> TextScan {
    let mut scanned = scan_text(text);
    if scanned.commas >= MAX_VALUES {
        let too_many = || whole("size", format!("more than {MAX_VALUES} values"));
        scanned.findings.push_with(too_many);
        scanned.masked = None; // it is not looked into any further
        return scanned;
    }
    if let Err(error) = Json::parse(scanned.masked.as_deref().unwrap_or(text)) {
        scanned.findings.push_with(|| syntax(&error));
        scanned.masked = None;
    }
    scanned
}

/// Splits a JSON array into the texts of its elements, so that each is validated separately: one that contains `NaN` does not
/// invalidate its neighbours.
///
/// Errors: the finding that prevents reading the text as an array.
pub fn split_array(bytes: &[u8]) -> Result<Vec<&str>, Finding> {
    split_array_up_to(bytes, usize::MAX)
}

/// The same, of at limit `limit` elements: `maxItems` is found in an array with more, before it takes memory.
pub fn split_array_up_to(bytes: &[u8], limit: usize) -> Result<Vec<&str>, Finding> {
    let text = without_bom(decode(bytes)?);
    let TextScan {
        masked,
        commas_on_top,
        ..
    } = scan_text(text);
    if text.trim_start().starts_with('[') && commas_on_top >= limit {
        return Err(whole("maxItems", format!("more than {limit} events")));
    }
    let readable = masked.as_deref().unwrap_or(text);
    let root = Json::parse(readable).map_err(|error| syntax(&error))?;
    if root.kind() != "array" {
        return Err(whole(
            "type",
            format!("expected an array of events, found {}", root.kind()),
        ));
    }
    // Masks keep their length, so a span of the masked text is a span of the text.
    let spans = root
        .items()
        .into_iter()
        .filter_map(|item| item.span(readable));
    Ok(spans.filter_map(|span| text.get(span)).collect())
}

fn whole(rule: &'static str, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        pointer: String::new(),
        rule,
        message,
    }
}

fn syntax(error: &serde_json::Error) -> Finding {
    whole("json", format!("not JSON: {error}"))
}

/// The position of the scan: inside an object after a key, or at an element of an array.
enum Frame {
    Object(Option<Range<usize>>),
    Array(usize),
}

/// Scans the text once, inside and outside strings. The grammar is left to the parser.
fn scan_text(text: &str) -> TextScan {
    const BARE: [(&str, &[u8]); 3] = [
        ("NaN", b"0.0"),
        ("Infinity", b"0.000000"),
        ("-Infinity", b"-0.000000"),
    ];
    let bytes = text.as_bytes();
    let (mut findings, mut masked): (Findings, Option<Vec<u8>>) = (Findings::default(), None);
    let (mut stack, mut depth, mut too_deep): (Vec<Frame>, usize, bool) = (Vec::new(), 0, false);
    let (mut at, mut string_start, mut last_string) = (0, None, 0..0);
    let (mut commas, mut commas_on_top) = (0, 0);
    let mut note = |stack: &[Frame], rule, message: String| {
        findings.push_with(|| Finding {
            severity: Severity::Error,
            pointer: pointer(stack, text),
            rule,
            message,
        });
    };
    while let Some(&byte) = bytes.get(at) {
        let mut step = 1;
        match (string_start, byte) {
            (Some(start), b'"') => {
                last_string = start..at + 1;
                string_start = None;
            }
            (Some(_), b'\\') => {
                step = 2;
                match surrogate(bytes, at) {
                    Surrogate::None => {}
                    Surrogate::Pair => step = 12,
                    Surrogate::Lone => {
                        note(
                            &stack,
                            "json",
                            "a lone surrogate is not a character: send valid Unicode".to_owned(),
                        );
                        cover(&mut masked, bytes, at, b"\\ufffd");
                        step = 6;
                    }
                }
            }
            (Some(_), _) => {}
            (None, b'"') => string_start = Some(at),
            (None, b'[' | b'{') => {
                depth += 1;
                if depth <= MAX_DEPTH {
                    stack.push(if byte == b'[' {
                        Frame::Array(0)
                    } else {
                        Frame::Object(None)
                    });
                } else if !too_deep {
                    too_deep = true;
                    note(
                        &stack,
                        "depth",
                        format!("nested deeper than {MAX_DEPTH} levels"),
                    );
                }
            }
            (None, b']' | b'}') => {
                if depth <= MAX_DEPTH {
                    stack.pop();
                }
                depth = depth.saturating_sub(1);
            }
            (None, b':' | b',') => {
                commas += usize::from(byte == b',');
                commas_on_top += usize::from(byte == b',' && depth == 1);
                match (stack.last_mut().filter(|_| depth <= MAX_DEPTH), byte) {
                    (Some(Frame::Object(key)), b':') => *key = Some(last_string.clone()),
                    (Some(Frame::Object(key)), _) => *key = None,
                    (Some(Frame::Array(index)), b',') => *index += 1,
                    (Some(Frame::Array(_)) | None, _) => {}
                }
            }
            (None, b'N' | b'I' | b'-') => {
                let rest = bytes.get(at..).unwrap_or_default();
                if let Some((token, mask)) = BARE
                    .iter()
                    .find(|(token, _)| rest.starts_with(token.as_bytes()))
                {
                    note(
                        &stack,
                        "json",
                        format!("{token} is no JSON number: send null or a string"),
                    );
                    cover(&mut masked, bytes, at, mask);
                    step = token.len();
                }
            }
            (None, _) => {}
        }
        at += step;
    }
    // Masks are ASCII over ASCII: the text stays UTF-8.
    TextScan {
        commas,
        commas_on_top,
        findings,
        masked: masked.and_then(|bytes| String::from_utf8(bytes).ok()),
    }
}

enum Surrogate {
    None,
    Pair,
    Lone,
}

/// Reads the escape at `at` (a backslash): half a surrogate pair, a whole one, or neither.
fn surrogate(bytes: &[u8], at: usize) -> Surrogate {
    let unit = |at: usize| -> Option<u16> {
        let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    match unit(at) {
        Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => Surrogate::Pair,
        Some(0xD800..=0xDFFF) => Surrogate::Lone,
        Some(_) | None => Surrogate::None,
    }
}

fn cover(masked: &mut Option<Vec<u8>>, bytes: &[u8], at: usize, mask: &[u8]) {
    let copy = masked.get_or_insert_with(|| bytes.to_vec());
    if let Some(place) = copy.get_mut(at..at + mask.len()) {
        place.copy_from_slice(mask);
    }
}

/// The pointer of the scan: the keys and indices that are open.
fn pointer(stack: &[Frame], text: &str) -> String {
    let mut pointer = String::new();
    for frame in stack {
        match frame {
            Frame::Array(index) => pointer = join(pointer, &index.to_string()),
            Frame::Object(Some(key)) => {
                let key = text.get(key.clone()).unwrap_or_default();
                // A key too long for display is not decoded, which could happen a hundred times.
                let decoded = match key.len() <= LONGEST_KEY {
                    true => Json::parse(key).ok().and_then(Json::string),
                    false => Some(Cow::Borrowed(key)),
                };
                pointer = join(pointer, &decoded.unwrap_or_default());
            }
            Frame::Object(None) => break,
        }
    }
    pointer
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(String, &'static str)> {
        check(text)
            .findings
            .into_vec()
            .into_iter()
            .map(|f| (f.pointer, f.rule))
            .collect()
    }

    #[test]
    fn everything_python_writes_that_is_no_json_is_named_at_once() {
        let text = r#"{"a": [1, NaN], "b~/": {"c": -Infinity, "s": "\udc80 ok \ud83d\ude00"}, "t": "NaN \\ud800"}"#;
        let expected = vec![
            ("/a/1".into(), "json"),
            ("/b~0~1/c".into(), "json"),
            ("/b~0~1/s".into(), "json"),
        ];
        assert_eq!(findings(text), expected);
    }

    #[test]
    fn a_nesting_bomb_is_one_finding_at_a_bounded_pointer() {
        let bomb = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let found = findings(&bomb);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, "depth");
        assert_eq!(found[0].0.matches('/').count(), MAX_DEPTH);
        assert!(
            findings(&format!(
                "{}{}",
                "[".repeat(MAX_DEPTH),
                "]".repeat(MAX_DEPTH)
            ))
            .is_empty()
        );
    }

    #[test]
    fn a_long_key_above_many_findings_is_not_repeated() {
        let text = format!(
            r#"{{"{}":[{}NaN]}}"#,
            "k".repeat(1 << 20),
            "NaN,".repeat(99)
        );
        let shown: usize = findings(&text)
            .iter()
            .map(|(pointer, _)| pointer.len())
            .sum();
        assert!(shown < 30_000, "{shown}");
    }

    #[test]
    fn a_text_of_nothing_but_commas_is_refused_before_it_is_taken_apart() {
        let commas = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert_eq!(findings(&commas), [(String::new(), "size")]);
        let rule =
            |limit| split_array_up_to(b"[{},[1,2,3],{}]", limit).map_err(|finding| finding.rule);
        assert_eq!(rule(3).unwrap().len(), 3);
        assert_eq!(rule(2), Err("maxItems"));
    }

    #[test]
    fn a_number_that_no_float_can_hold_is_still_json() {
        assert!(findings("[1e400, 1180591620717411303424, -0.0]").is_empty());
    }

    #[test]
    fn a_bad_element_does_not_hide_its_neighbours() {
        let parts = split_array(br#" [ {"a":NaN}, 2 , "\ud800" ] "#).unwrap();
        assert_eq!(parts, [r#"{"a":NaN}"#, "2", r#""\ud800""#]);
        assert_eq!(split_array(b"{}").unwrap_err().rule, "type");
        assert_eq!(split_array(b"[1,").unwrap_err().rule, "json");
    }
}
