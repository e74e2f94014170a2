//! Masks the words of a response that may come from the event, or be a key.
//!
//! It compares words, not positions: a target may quote, cut, encode and rearrange what it was sent. What is left is a
//! message of ordinary words, which is the useful part. Pure. Called by `response.rs`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use super::own::{folded, squeezed};

/// The mask.
const STARS: &str = "***";

/// The shortest word that is searched for in the event, in characters.
const WORD: usize = 3;

/// How many letters and digits in a row a response must not share with the event, whatever is between them.
const ROW: usize = 8;

/// A mix of letters and digits of this length is a key, a token, a digest or base64; an identifier is shorter.
const OPAQUE: usize = 20;

/// Up to so many bytes between two masked words are masked too.
const BETWEEN: usize = 5;

/// How many nested encodings are removed.
const ROUNDS: usize = 4;

/// Words that are kept even if the event contains them: those of the specification, of SQL's grammar, and of messages.
const ORDINARY: &str = "the and not for was are has had but can may must cannot could should with from this that than then \
    invalid missing required expected found unknown unexpected unsupported allowed accepted error errors event events message \
    value values field fields null true false string object array number integer character line column position start \
    complete running abort fail failed failure other eventtype eventtime run runid job jobs namespace name names input inputs output \
    outputs dataset datasets facet facets producer _producer schemaurl _schemaurl parent root sql query schema type types \
    columnlineage inputfields symlinks identifiers nominaltime documentation source sourcecode description url uri uuid json \
    format date time datetime timestamp bad request server client http https internal exception empty too long large size \
    one many none any all set select where insert into update delete table key keys path property properties at in on of to \
    openlineage marquez datahub spec transport definition definitions does match already exists exist conflict parse parsed \
    parsing deserialize instance constraint violation violates duplicate quota rate limit exceeded";

/// Removes JSON escapes, percent-encoding and character references.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        if !text.contains(['\\', '%', '&']) {
            break;
        }
        let next = references(&unescaped(&percent_decode_str(&text).decode_utf8_lossy()));
        if next == *text {
            break;
        }
        text = Cow::Owned(next);
    }
    text
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let mut after = rest.chars();
        let (c, length) = match after.next() {
            Some('u') => match rest
                .get(1..5)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            {
                Some(code) => (char::from_u32(code).unwrap_or('\u{fffd}'), 5),
                None => ('\\', 0),
            },
            Some('n' | 'r' | 't' | 'b' | 'f') => (' ', 1),
            Some(c @ ('"' | '\\' | '/' | '\'')) => (c, 1),
            Some(_) | None => ('\\', 0),
        };
        plain.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    plain + rest
}

/// Replaces character references: `&#115;`, `&#x73;`, `&quot;`.
fn references(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.find(';').filter(|end| *end <= 10);
        let found = end.and_then(|end| Some((reference(rest.get(1..end)?)?, end + 1)));
        let (c, length) = found.unwrap_or(('&', 1));
        plain.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    plain + rest
}

fn reference(name: &str) -> Option<char> {
    let code = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => {
            let named = [
                ("quot", '"'),
                ("amp", '&'),
                ("lt", '<'),
                ("gt", '>'),
                ("apos", '\''),
                ("nbsp", ' '),
            ];
            return named
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, c)| *c);
        }
    };
    char::from_u32(code)
}

/// Finds the words of the event in a response. Both are plain.
pub(super) fn of_event(answer: &str, event: &str) -> Vec<Range<usize>> {
    let ordinary: HashSet<&str> = ORDINARY.split_whitespace().collect();
    let mut words: HashMap<String, Vec<Range<usize>>> = HashMap::new();
    for (range, word) in words_of(answer) {
        words.entry(folded(word)).or_default().push(range);
    }
    let is_kept = |range: &Range<usize>| {
        let word = answer.get(range.clone()).unwrap_or_default();
        ordinary.contains(word.to_lowercase().as_str())
    };
    let mut places = Vec::new();
    for (_, word) in words_of(event) {
        let long = word.len() >= WORD || word.bytes().all(|b| b.is_ascii_digit());
        if let (true, Some(found)) = (long, words.get(&folded(word))) {
            places.extend(found.iter().filter(|range| !is_kept(range)).cloned());
            words.remove(&folded(word));
        }
    }
    // Sequences that span words, or are a part of one.
    let letters: Vec<(Range<usize>, char)> = squeezed(answer).collect();
    let mut rows: HashMap<Vec<char>, Vec<Range<usize>>> = HashMap::new();
    for row in letters.windows(ROW) {
        if let (Some(first), Some(last)) = (row.first(), row.last()) {
            let key = row.iter().map(|(_, c)| *c).collect();
            rows.entry(key).or_default().push(first.0.start..last.0.end);
        }
    }
    let mut row = std::collections::VecDeque::with_capacity(ROW);
    for (_, c) in squeezed(event) {
        if row.len() == ROW {
            row.pop_front();
        }
        row.push_back(c);
        if row.len() == ROW
            && let Some(found) = rows.remove(&*row.make_contiguous())
        {
            for range in found {
                // A word of the specification is in every event, and kept.
                let inside = |(word, _): &(Range<usize>, &str)| {
                    word.start < range.end && range.start < word.end
                };
                let hit = words_of(answer).filter(inside).map(|(word, _)| word);
                places.extend(hit.filter(|word| !is_kept(word)));
            }
        }
    }
    places
}

/// Finds texts of the event in a response that are encoded in base64 or hex. `sent` is the event, plain and folded.
pub(super) fn encoded(answer: &str, sent: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let found = runs(answer, is_part).filter(|(_, run)| is_encoded(run, sent));
    found.map(|(range, _)| range).collect()
}

/// Whether this is base64 or hex of something that was sent: of a part of it, or of a text that contains a word of it.
pub(super) fn is_encoded(run: &str, sent: &str) -> bool {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let is_sent = |bytes: Vec<u8>| {
        let text = folded(&String::from_utf8_lossy(&bytes));
        let long = text.trim().len() >= WORD && sent.contains(text.trim());
        long || words_of(&text).any(|(_, word)| word.len() >= 2 * WORD && sent.contains(word))
    };
    let engines = [STANDARD, URL_SAFE].map(|alphabet| GeneralPurpose::new(&alphabet, config));
    // It may directly follow a letter or another `=`, and end anywhere.
    let cuts = run.split('=').flat_map(|part| {
        (0..4).filter_map(move |skipped| {
            let rest = part.get(skipped..)?;
            let odd = usize::from(rest.len() % 4 == 1);
            rest.get(..rest.len() - odd)
        })
    });
    let base64 = cuts.flat_map(|cut| engines.iter().map(move |engine| engine.decode(cut).ok()));
    let digits = runs(run, |c| c.is_ascii_hexdigit()).map(|(_, digits)| digits);
    let hex = digits.flat_map(|digits| {
        [0, 1].map(|skipped| {
            let rest = digits.get(skipped..)?;
            hex::decode(rest.get(..rest.len() / 2 * 2)?).ok()
        })
    });
    let decoded = hex.chain(base64);
    decoded.flatten().any(is_sent)
}

/// Finds long mixes of letters and digits, which may be keys. The id of a request (a UUID) is not one.
pub(super) fn opaque(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-');
    let is_secret = |run: &str| {
        let (digits, letters) = (
            run.bytes().any(|b| b.is_ascii_digit()),
            run.bytes().any(|b| b.is_ascii_alphabetic()),
        );
        let is_uuid = run.len() == 36 && run.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        // The parts of a path are short; base64 has long ones.
        let longest = run
            .split(['-', '/'])
            .map(str::len)
            .max()
            .unwrap_or_default();
        run.len() >= OPAQUE
            && digits
            && letters
            && !is_uuid
            && (longest >= 12 || run.contains(['+', '=']))
    };
    runs(text, is_part)
        .filter(|(_, run)| is_secret(run))
        .map(|(range, _)| range)
        .collect()
}

fn words_of(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    runs(text, |c| c.is_alphanumeric() || c == '_')
}

/// The longest runs of characters for which `is_part` holds, with their ranges.
fn runs(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(&is_part)?;
        let rest = text.get(start..)?;
        let end = start + rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        at = end;
        Some((start..end, text.get(start..end)?))
    })
}

/// Masks these ranges of a text, and what is short between two of them.
pub(super) fn mask(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|place| (place.start, place.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for place in places {
        match joined.last_mut() {
            Some(last) if place.start <= last.end + BETWEEN => last.end = last.end.max(place.end),
            Some(_) | None => joined.push(place),
        }
    }
    let (mut kept, mut done) = (String::with_capacity(text.len()), 0);
    for place in joined {
        kept.push_str(text.get(done..place.start).unwrap_or_default());
        kept.push_str(STARS);
        done = place.end;
    }
    kept + text.get(done..).unwrap_or_default()
}
