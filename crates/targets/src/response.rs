//! Reduces the response of a target to what may be kept: enough to see what is wrong, and nothing of what was sent.
//!
//! A target may echo the body or the headers of a request, so a response can contain the SQL of an event and our own key, and
//! what is kept goes into logs and dead letters. By default only the structure of a response is kept ([`structure`]). With
//! `response: redacted` its text is kept without our credentials (`response/own.rs`), without any word of the event, and
//! without what looks like a secret (`response/masked.rs`). Pure. Called by the targets behind a network for each response that
//! reports a failure.

mod masked;
mod own;
mod structure;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::error::Error;
use std::io::Read;

use aws::{error_chain, naming_role};
use flate2::bufread::GzDecoder;
use openlineage::is_unseen;

pub(crate) use own::OwnCredentials;
pub(crate) use structure::{denied_action, is_code, is_denied_by_domain};

/// How much of a response is read, in bytes: more than a problem document with some hundred findings, and bounded whatever a
/// target sends.
pub(crate) const MAX_READ: usize = 65_536;

/// How much of a body is redacted as text, in bytes. What is kept of it is shorter.
const MAX_TEXT: usize = 4_096;

/// The largest event, in bytes, that is searched for the words of a response: the search needs several times its size in
/// memory.
const MAX_SEARCHED: usize = 2_000_000;

/// How much is kept of a response that reports a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseDetail {
    /// The status, the names of the fields, and error codes.
    #[default]
    Structure,
    /// Its text too, without our credentials, the words of the event, and secrets.
    Redacted,
}

impl settings::Choice for ResponseDetail {
    const CHOICES: &'static [(&'static str, ResponseDetail)] = &[
        ("structure", ResponseDetail::Structure),
        ("redacted", ResponseDetail::Redacted),
    ];
}

/// Decides what is kept of the responses of one target.
#[derive(Clone)]
pub(crate) struct ResponseFilter {
    pub(crate) response: ResponseDetail,
    pub(crate) own: OwnCredentials,
}

impl ResponseFilter {
    /// Reduces the body of a response to a log line; `None` if there is nothing to keep. `event` is what was sent.
    pub(crate) fn body(
        &self,
        media_type: Option<&str>,
        body: &[u8],
        event: &str,
    ) -> Option<String> {
        let whole = body.len() < MAX_READ;
        let body = decompressed(body);
        if body.trim_ascii().is_empty() {
            return None;
        }
        // An event that is too large is not searched: then no word is known to be harmless.
        let small = event.len() <= MAX_SEARCHED;
        if self.response == ResponseDetail::Redacted && small {
            let some = body.get(..MAX_TEXT).unwrap_or(&body);
            return Some(self.words(&String::from_utf8_lossy(some), event));
        }
        let sent = LazyCell::new(|| own::folded(&masked::plain(event)));
        let harmless = |word: &str| {
            let is_sent = || match word.bytes().all(|b| b.is_ascii_digit()) {
                true => sent
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|number| number == word),
                false => sent.contains(&own::folded(word)) || masked::is_encoded(word, &sent),
            };
            small && self.own.places(word).is_empty() && !is_sent()
        };
        let structure = structure::of(&body, harmless);
        Some(structure.unwrap_or_else(|| {
            let more = if whole { "" } else { "more than " };
            format!(
                "{more}{} bytes of {}",
                body.len(),
                media_type_name(media_type)
            )
        }))
    }

    /// Redacts a text of the target to a log line, where more than the structure is kept.
    pub(crate) fn words(&self, text: &str, event: &str) -> String {
        let text = masked::plain(text);
        let mut hidden = self.own.places(&text);
        let event = masked::plain(event);
        hidden.extend(masked::of_event(&text, &event));
        hidden.extend(masked::encoded(&text, &own::folded(&event)));
        hidden.extend(masked::opaque(&text));
        escaped(&transform::redact_text(&masked::mask(&text, hidden)))
    }

    /// Redacts an error of our own client, which may quote an address or a header.
    pub(crate) fn causes(&self, text: &str) -> String {
        let hidden = self.own.places(text);
        words(&masked::mask(text, hidden))
    }
}

/// Redacts the error message of a service or a library to a log line, where no event is at hand: without what looks like a
/// key, a token or a body. AWS quotes the request whose signature is wrong, session token included
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
#[must_use]
pub fn words(text: &str) -> String {
    let end = ["The Canonical String", "{", "<", "\n", "\r"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    let (text, more) = match end {
        Some(end) => (text.get(..end).unwrap_or_default().trim_end(), " …"),
        None => (text, ""),
    };
    let text = masked::mask(text, masked::opaque(text));
    escaped(&(transform::redact_text(&text) + more))
}

/// Formats an error and its causes, outermost first, as a log line. Their `Debug` would contain the raw answer.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    naming_role(error, words(&error_chain(error)))
}

/// Escapes characters that are invisible or change the direction of text, and shortens the text to what a log line and an
/// SQS message attribute need.
#[must_use]
pub fn escaped(text: &str) -> String {
    const LONGEST: usize = 500;
    escaped_up_to(LONGEST, text)
}

/// Formats a response for a terminal: longer than a log line, without these credentials, and without control characters.
#[must_use]
pub fn shown<'s>(text: &str, credentials: impl IntoIterator<Item = &'s str>) -> String {
    const LONGEST: usize = 20_000;
    let hidden = OwnCredentials::of(credentials).places(text);
    escaped_up_to(LONGEST, &masked::mask(text, hidden))
}

fn escaped_up_to(longest: usize, text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(longest));
    let mut count = 0;
    for c in text.chars() {
        let escaped = is_unseen(c).then(|| c.escape_default());
        count += escaped.as_ref().map_or(1, ExactSizeIterator::len);
        // An escape is long: what is bounded is the text that is kept, and not the one that was read.
        if count > longest {
            kept.push('…');
            break;
        }
        match escaped {
            Some(escaped) => kept.extend(escaped),
            None => kept.push(c),
        }
    }
    kept
}

/// Decompresses a body that is gzip though it was not asked for, up to the limit.
fn decompressed(body: &[u8]) -> Cow<'_, [u8]> {
    // RFC 1952, section 2.3.1.
    if !body.starts_with(b"\x1f\x8b") {
        return Cow::Borrowed(body);
    }
    let mut text = Vec::new();
    let most = u64::try_from(MAX_READ).unwrap_or(u64::MAX);
    match GzDecoder::new(body).take(most).read_to_end(&mut text) {
        Ok(_) => Cow::Owned(text),
        Err(_) if !text.is_empty() => Cow::Owned(text), // truncated, or longer than the limit
        Err(_) => Cow::Borrowed(body),
    }
}

/// Parses a body, decompressed, as JSON.
pub(crate) fn json(body: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(&decompressed(body)).ok()
}

/// The name of a known media type. An unknown one is a text of the target and not repeated.
fn media_type_name(media_type: Option<&str>) -> &'static str {
    let essence = media_type.and_then(|text| text.split(';').next());
    match essence
        .map(|text| text.trim().to_ascii_lowercase())
        .as_deref()
    {
        Some("application/json" | "application/problem+json") => "application/json",
        Some("text/html") => "text/html",
        Some("text/plain") => "text/plain",
        Some("application/xml" | "text/xml") => "application/xml",
        Some(_) => "another type",
        None => "no type",
    }
}

#[cfg(test)]
mod tests;
