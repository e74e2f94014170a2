//! YAML values on the lines below the name of a secret: `password:\n  x`, `password: |`, lists.
//!
//! Recognised by indentation alone. Each function returns the length of the value and its replacement. Called by
//! `settings.rs`.

use super::mask::STARS;

/// The longest block header: `|`, `>-`, `!vault |`.
const HEADER: usize = 16;

/// A YAML value that starts a line below: `password:\n  x`, `passwords:\n  - x`. Not the next key.
pub(super) fn lines(sign: &str, before: &str, rest: &str) -> Option<(usize, String)> {
    let indent = |text: &str| {
        let line = text.rsplit('\n').next().unwrap_or_default();
        line.len() - line.trim_start_matches([' ', '-']).len()
    };
    if indent(sign) <= indent(before) && !rest.starts_with("- ") {
        return None;
    }
    let mut length = 0;
    for line in rest.split_inclusive('\n') {
        let item = line.trim_start_matches([' ', '\t']);
        if length > 0 && !item.starts_with("- ") {
            break;
        }
        length += line.len();
    }
    let value = rest.get(..length)?.trim_end();
    let key = value.contains(": ") || value.ends_with(':') || value.starts_with(['{', '[']);
    if value.is_empty() || key || value == STARS {
        return None;
    }
    Some((value.len(), STARS.to_owned()))
}

/// `password: |` and the lines below it that are indented further.
pub(super) fn block(before: &str, rest: &str) -> Option<(usize, String)> {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let (head, below) = rest.split_once('\n')?;
    let mut length = 0;
    for line in below.split_inclusive('\n') {
        let deeper = line.len() - line.trim_start_matches([' ', '\t']).len() > indent;
        if !deeper && !line.trim().is_empty() {
            break;
        }
        length += line.len();
    }
    let inside = below.get(..length)?;
    let value = inside.trim();
    let fits = head.len() < HEADER && !value.is_empty() && value != STARS;
    let from = head.len() + 1 + inside.len() - inside.trim_start().len();
    fits.then(|| {
        let kept = rest.get(..from).unwrap_or_default();
        (from + value.len(), format!("{kept}{STARS}"))
    })
}
