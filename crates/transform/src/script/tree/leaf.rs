//! Strings, numbers, booleans and null: converts their text to a script's value and back.

use openlineage::quote;
use rhai::{Dynamic, FLOAT, INT, ImmutableString};

/// A number that neither `i64` nor `f64` represents exactly, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::script) struct Number(pub(in crate::script) ImmutableString);

/// Whether the JSON text of a leaf stands for that value.
pub(super) fn equal(value: &Dynamic, text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'"') => match value.read_lock::<ImmutableString>() {
            Some(string) if text.contains('\\') => string.as_str() == unquote(text).as_str(),
            Some(string) => text.get(1..text.len() - 1) == Some(string.as_str()),
            None => false,
        },
        Some(b't') => value.as_bool() == Ok(true),
        Some(b'f') => value.as_bool() == Ok(false),
        Some(b'n') => value.is_unit(),
        _ => {
            let old = number(text);
            if let (Ok(a), Ok(b)) = (old.as_int(), value.as_int()) {
                a == b
            } else if let (Ok(a), Ok(b)) = (old.as_float(), value.as_float()) {
                a.to_bits() == b.to_bits()
            } else {
                match (old.read_lock::<Number>(), value.read_lock::<Number>()) {
                    (Some(a), Some(b)) => *a == *b,
                    _ => false,
                }
            }
        }
    }
}

/// Returns the JSON text. An error names a type that JSON does not have.
pub(super) fn put_leaf(value: &Dynamic, out: &mut String) -> Result<(), String> {
    if value.is_unit() {
        out.push_str("null");
    } else if let Ok(bool) = value.as_bool() {
        out.push_str(if bool { "true" } else { "false" });
    } else if let Ok(int) = value.as_int() {
        out.push_str(&int.to_string());
    } else if let Ok(float) = value.as_float() {
        let number = serde_json::Number::from_f64(float)
            .ok_or("the event holds a number that is infinite or none")?;
        out.push_str(&number.to_string());
    } else if let Ok(char) = value.as_char() {
        out.push_str(&quote(char.encode_utf8(&mut [0; 4])));
    } else if let Some(string) = value.read_lock::<ImmutableString>() {
        out.push_str(&quote(&string));
    } else if let Some(number) = value.read_lock::<Number>() {
        out.push_str(&number.0);
    } else {
        let kind = value.type_name();
        return Err(format!(
            "the event holds a value of type {kind}, which JSON has not"
        ));
    }
    Ok(())
}

/// Returns the number as `i64` or `f64` if that represents it exactly, else as it is written.
pub(super) fn number(text: &str) -> Dynamic {
    if !text.contains(['.', 'e', 'E']) {
        if let Ok(int) = text.parse::<INT>()
            && text != "-0"
        {
            return Dynamic::from_int(int);
        }
    } else if let Ok(float) = text.parse::<FLOAT>()
        && let Some(written) = serde_json::Number::from_f64(float)
        && digits(&written.to_string()) == digits(text)
    {
        return Dynamic::from_float(float);
    }
    Dynamic::from(Number(text.into()))
}

/// Returns a decimal number in its one form: sign, digits without zeros at either end, and the power of ten of the last
/// one. Returns nothing for an exponent that no `f64` has.
fn digits(text: &str) -> Option<(bool, String, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent
        .parse()
        .ok()
        .filter(|power: &i32| power.abs() < 1000)?;
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let dropped = i32::try_from(all.len() - kept.len()).ok()?;
    let power = exponent - i32::try_from(fraction.len()).ok()? + dropped;
    let kept = kept.trim_start_matches('0');
    Some((
        negative,
        kept.to_owned(),
        if kept.is_empty() { 0 } else { power },
    ))
}

/// Returns the value of a JSON string.
pub(super) fn unquote(text: &str) -> ImmutableString {
    // Events contain no lone surrogates, so each string has a value.
    serde_json::from_str::<String>(text)
        .unwrap_or_default()
        .into()
}
