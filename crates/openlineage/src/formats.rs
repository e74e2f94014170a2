//! The three formats that the core event requires (uuid, date-time, uri), and their repairable spellings.
//!
//! The strict forms are those of JSON Schema 2020-12, "format" vocabulary: RFC 3339 section 5.6, RFC 4122, RFC 3986.
//! Repairs of times are in `formats/times.rs`.

mod times;

use fluent_uri::Uri;
use fluent_uri::pct_enc::EString;
use fluent_uri::pct_enc::encoder::Data;
use md5::{Digest, Md5};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::{Builder, Uuid};

use crate::finding::cut;

pub(crate) use times::repair_date_time;

/// The producer of events and facets that name none.
pub(crate) const UNKNOWN_PRODUCER: &str = "urn:lineage-proxy:unknown-producer";

/// The label of a URN that replaces a text that is not a URI.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    Producer,
    Schema,
}

/// An RFC 3339 `date-time`, with zone.
pub fn date_time(text: &str) -> Option<OffsetDateTime> {
    // `time` accepts any separator, as RFC 3339's note allows; JSON Schema requires its grammar, which has `T`.
    let t = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    if t {
        OffsetDateTime::parse(text, &Rfc3339).ok()
    } else {
        None
    }
}

/// A hyphenated UUID, in either case.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    if text.len() == HYPHENATED {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// An absolute URI.
pub fn uri(text: &str) -> bool {
    Uri::parse(text).is_ok()
}

/// Repairs a UUID: without hyphens, in braces, as a URN, in any case.
pub(crate) fn repair_uuid(text: &str) -> Option<String> {
    const URN: &str = "urn:uuid:";
    let text = text.trim();
    let text = match text.get(..URN.len()) {
        Some(start) if start.eq_ignore_ascii_case(URN) => text.get(URN.len()..)?,
        _ => text,
    };
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    Uuid::try_parse(inner.unwrap_or(text))
        .ok()
        .map(|id| id.hyphenated().to_string())
}

/// The UUID for a run id that is not one: version 3 (MD5) of the text alone, without a namespace.
///
/// The version is Marquez's for such a run id (`OpenLineageDao.runToUuid`, which is Java's
/// `UUID.nameUUIDFromBytes`), so that events that reach it through the proxy and directly belong to one run.
/// <https://github.com/MarquezProject/marquez/blob/main/api/src/main/java/marquez/db/OpenLineageDao.java>
/// <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/UUID.html#nameUUIDFromBytes(byte%5B%5D)>
pub(crate) fn name_based_uuid(text: &str) -> Uuid {
    Builder::from_md5_bytes(Md5::digest(text).into()).into_uuid()
}

/// Repairs a URI: trims white space, or makes a URN that keeps the text; `None` for an empty text.
///
/// `urn:lineage-proxy:producer:my%20job`. By RFC 8141, section 2, the NSS consists of unreserved characters and
/// percent-encoded ones (and our `:`), so decoding returns the text, and the same text yields the same URN.
pub(crate) fn repair_uri(text: &str, label: Label) -> Option<String> {
    const LONGEST: usize = 1_000;
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if uri(text) {
        return Some(text.to_owned());
    }
    let mut encoded = EString::<Data>::new();
    encoded.encode_str::<Data>(&cut(text, LONGEST));
    let label = match label {
        Label::Producer => "producer",
        Label::Schema => "schema",
    };
    Some(format!("urn:lineage-proxy:{label}:{encoded}"))
}

/// The URL of a definition in the core schema.
pub(crate) fn definition(name: &str) -> String {
    format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_times_are_rfc_3339_and_nothing_else() {
        for good in [
            "2026-11-20T20:08:53.746383+00:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00.4z",
        ] {
            assert!(date_time(good).is_some(), "{good}");
        }
        for bad in [
            "2026-11-20T21:06:27.826602",
            "2026-01-01 00:00:00Z",
            "20260101T000000Z",
            "2026-13-01T00:00:00Z",
            "",
        ] {
            assert!(date_time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn uuids_that_clients_send_are_put_right() {
        let meant = Some("01a1faa6-e194-708b-a993-cc010cbe1ae4");
        for sent in [
            "01a1faa6e194708ba993cc010cbe1ae4",
            "{01A1FAA6-E194-708B-A993-CC010CBE1AE4}",
            "urn:uuid:01a1faa6-e194-708b-a993-cc010cbe1ae4",
            "URN:UUID:01A1FAA6-E194-708B-A993-CC010CBE1AE4",
            "{01a1faa6e194708ba993cc010cbe1ae4}",
        ] {
            assert!(uuid(sent).is_none());
            assert_eq!(repair_uuid(sent).as_deref(), meant, "{sent}");
        }
        assert_eq!(repair_uuid("run-1"), None);
    }
    #[test]
    fn a_text_is_the_uuid_that_marquez_makes_of_it() {
        // jshell> UUID.nameUUIDFromBytes("run_id".getBytes())
        let cases = [
            ("run_id", "0acf093b-3c88-3560-8dc6-22a33921d360"),
            (
                "manual__2026-03-01T10:00:00+00:00",
                "2ee6d4b4-e509-3e05-9b3b-2c530ff92345",
            ),
            ("77123#88#99", "4dcc4cb3-fb13-389a-aa5d-c314db10752c"),
        ];
        for (text, meant) in cases {
            assert_eq!(name_based_uuid(text).to_string(), meant, "{text}");
        }
    }

    #[test]
    fn a_word_becomes_a_urn_that_keeps_it() {
        let repaired = |text| repair_uri(text, Label::Producer);
        let cases = [
            ("manual_annotation", "manual_annotation"),
            ("dspm-emitter/0.1.0", "dspm-emitter%2F0.1.0"),
            ("my job (v2)", "my%20job%20%28v2%29"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("100%:{x}", "100%25%3A%7Bx%7D"),
        ];
        for (sent, kept) in cases {
            let meant = format!("urn:lineage-proxy:producer:{kept}");
            assert_eq!(repaired(sent), Some(meant.clone()), "{sent}");
            assert!(uri(&meant));
        }
        assert_eq!(repaired(" urn:a:b\n").as_deref(), Some("urn:a:b"));
        assert_eq!(repaired(" \t"), None);
        let long = repaired(&"ä ".repeat(1 << 20)).unwrap_or_default();
        assert!(uri(&long) && long.len() < 10_000, "{} bytes", long.len());
    }
}
