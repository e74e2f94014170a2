//! Connection secrets in any text: users and passwords in URLs, and settings whose name shows that the value is secret.
//!
//! Recognises names, not values: a password on its own stays. In doubt it redacts, as in `where token = 'x'`. Less is
//! redacted in namespaces ([`namespace`]), because they identify datasets. URLs are in `urls.rs`. Called for every string
//! of an event.

use std::borrow::Cow;
use std::collections::HashSet;

use openlineage::{Edits, Json};

use super::mask::STARS;
use super::settings::{self, Prose};
use super::urls::{is_host, without_urls};
use super::{command, shapes};

/// The most rounds, each as long as the text: redacting one value can reveal another. Two or three are usual.
const ROUNDS: usize = 8;

/// The most levels of JSON in strings of JSON that are searched; a configuration in a facet has one or two. Each level is
/// searched as often as there are levels around it.
const LEVELS: usize = 8;

/// Removes users and passwords from URLs in `text`, and replaces secrets, recognised by name, position or
/// shape:
///
/// - the values of settings, options, headers and SQL clauses with secret names: between quotes, brackets or
///   braces, or up to the next `;`, `&`, white space or quote, and in a segment of a path (`/token=x/a`) up to the next `/`;
/// - passwords of well-known commands (`curl -u user:x`, `mysql -px`, `redis-cli -a x`);
/// - keys and tokens with a known form (AWS, GitHub, Slack, …), JSON web tokens, private keys.
///
/// A password on its own, or in a sentence, is not recognised.
pub fn connection_secrets(text: &str) -> String {
    hidden(text, Prose::Any).into_owned()
}

/// Like [`connection_secrets`]; borrowed if nothing changes.
pub(super) fn hidden(text: &str, prose: Prose) -> Cow<'_, str> {
    hidden_in_levels(text, prose, LEVELS)
}

/// Hides the secrets of a text that may have so many levels of JSON in strings of JSON.
fn hidden_in_levels(text: &str, prose: Prose, levels: usize) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    replace(&mut text, |text| nested(text, prose, levels, None));
    let before = text.clone();
    let mut has_changed = false;
    let mut text = until_settled(text, |text| {
        #[cfg(test)]
        tests::SEARCHED.set(tests::SEARCHED.get() + text.len());
        // A key of several words before the setting that contains it, which would match first.
        let found = replace(text, without_urls)
            | replace(text, shapes::hidden)
            | replace(text, |text| settings::hidden(text, prose))
            | replace(text, command::hidden);
        has_changed |= found;
        found
    });
    // What was hidden may have made other strings, or JSON of the text, with secrets in its strings. Strings that were there
    // before are settled: to search them again would double the work with each level.
    if has_changed && replace(&mut text, |text| nested(text, prose, levels, Some(&before))) {
        return Cow::Owned(STARS.to_owned());
    }
    text
}

/// Repeats a round until it finds nothing. A text that is not settled by then is hidden as a whole: what is left of it
/// would be hidden by the next round.
fn until_settled<'t>(
    mut text: Cow<'t, str>,
    mut round: impl FnMut(&mut Cow<'t, str>) -> bool,
) -> Cow<'t, str> {
    for _ in 0..ROUNDS {
        if !round(&mut text) {
            return text;
        }
    }
    Cow::Owned(STARS.to_owned())
}

/// A text that is JSON, without the secrets of its strings, which have lines and quotes of their own (a configuration in
/// YAML, a command). Each level of escapes is a level here; JSON with strings below the last one is hidden as a whole.
/// Strings of `settled`, if that is JSON, stay.
fn nested<'t>(text: &'t str, prose: Prose, levels: usize, settled: Option<&str>) -> Cow<'t, str> {
    let Some(root) = json(text) else {
        return Cow::Borrowed(text);
    };
    let Some(levels) = levels.checked_sub(1) else {
        return Cow::Owned(STARS.to_owned());
    };
    let settled: HashSet<Cow<'_, str>> = settled
        .and_then(json)
        .map(|root| strings(root).into_iter().map(|(_, plain)| plain).collect())
        .unwrap_or_default();
    let mut edits = Edits::new(text);
    for (value, plain) in strings(root) {
        if !settled.contains(&plain)
            && let Cow::Owned(new) = hidden_in_levels(&plain, prose, levels)
            && new != *plain
        {
            edits.replace_string(value, &new);
        }
    }
    match edits.is_empty() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(edits.apply()),
    }
}

/// Parses a text that may be JSON with escapes in its strings.
fn json(text: &str) -> Option<Json<'_>> {
    let may_be = text.starts_with(['{', '[']) && text.contains('\\');
    may_be.then(|| Json::parse(text).ok()).flatten()
}

/// The strings with escapes of a value, at any depth, and what they say.
fn strings(root: Json<'_>) -> Vec<(Json<'_>, Cow<'_, str>)> {
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(value) = open.pop() {
        open.extend(value.members().into_iter().map(|member| member.value));
        open.extend(value.items());
        let escaped = value.text().starts_with('"') && value.text().contains('\\');
        if let Some(plain) = value.string().filter(|_| escaped) {
            found.push((value, plain));
        }
    }
    found
}

/// Returns a namespace without user and password, and without the values of secret settings after its first `?` or `;`.
/// Everything else stays: two namespaces must not become one because of a word in them.
pub(super) fn namespace(text: &str) -> Cow<'_, str> {
    until_settled(Cow::Borrowed(text), |text| replace(text, namespace_once))
}

/// One user may hide another.
fn namespace_once(text: &str) -> Cow<'_, str> {
    // A list continues after a slash: that is not a password.
    if text.split_once("://").is_some_and(|(_, rest)| {
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        path.split_once(',')
            .is_some_and(|(_, list)| list.contains('@'))
    }) {
        return Cow::Borrowed(text);
    }
    let (address, rest) = text.split_at(text.find([';', '?']).unwrap_or(text.len()));
    // The mark may belong to a password: `x://u:p?q@h`.
    let without = match settled(text, address) {
        true => format!("{}{rest}", without_urls(address)),
        false => without_urls(text).into_owned(),
    };
    let at = without.find([';', '?']).unwrap_or(without.len());
    let (address, rest) = without.split_at(at);
    let new = format!("{address}{}", settings::hidden(rest, Prose::Any));
    match new == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(new),
    }
}

/// Whether the host is in the address itself, and not half of a user and password.
fn settled(text: &str, address: &str) -> bool {
    let authority = address.split_once("://").map_or("", |(_, rest)| rest);
    let first = authority.split('/').next().unwrap_or_default();
    !text.contains('@') || authority.contains('@') || first.split(',').all(is_host)
}

pub(super) fn replace<'t>(text: &mut Cow<'t, str>, by: impl Fn(&str) -> Cow<'_, str>) -> bool {
    let new = match by(text) {
        Cow::Owned(new) if new != **text => new,
        Cow::Owned(_) | Cow::Borrowed(_) => return false,
    };
    *text = Cow::Owned(new);
    true
}

#[cfg(test)]
mod tests;
