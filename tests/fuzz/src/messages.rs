//! Laws of messages that come from queues and streams: those of Flyte, and events of OpenLineage in whatever carries them.

use openlineage::{Event, Level};
use sources::flyte::{DatasetNaming, FlyteOptions, MAX_OBJECTS, Objects, TaskName, WorkflowName};
use sources::{Extraction, flyte, streams};

/// Any bytes as a message, whose objects are what follows a line feed: in base64 as it is delivered, and as they are.
pub(crate) fn flyte(bytes: &[u8]) {
    let (body, object) = split(bytes);
    let encoded = base64(body);
    let as_text = String::from_utf8_lossy(body);
    for body in [encoded.as_str(), &as_text] {
        let read = flyte::read(body, "place");
        let Ok(message) = read else {
            assert!(!read.unwrap_err().message.is_empty());
            continue;
        };
        for naming in [DatasetNaming::Physical, DatasetNaming::Logical] {
            let options = FlyteOptions {
                cluster: "flyte.example.com".to_owned(),
                workflow_name: WorkflowName::LaunchPlan,
                task_name: TaskName::default(),
                dataset_naming: naming,
                dataset_prefix: None,
            };
            let mut objects = Objects::default();
            let mut count = 0;
            loop {
                let needed = message.needed(&options, &objects);
                if needed.is_empty() {
                    break;
                }
                for uri in needed {
                    count += 1;
                    objects.insert(uri, Ok(object.to_vec()));
                }
            }
            assert!(count <= MAX_OBJECTS, "objects are bounded");
            let found = message.extraction(&options, &objects);
            assert!(found.events.len() <= 1, "a message is an event at most");
            legal(&found);
            assert_eq!(
                message.extraction(&options, &objects),
                found,
                "a second reading changes nothing"
            );
        }
    }
}

/// Any bytes as a record, and as the payload of a function.
pub(crate) fn streams(bytes: &[u8]) {
    let found = streams::events(bytes, "place");
    said(&found.extraction);
    assert_eq!(found.is_complete, found.extraction.findings.is_empty());
    let length: usize = found
        .extraction
        .events
        .iter()
        .map(|event| event.text.len())
        .sum();
    assert!(length <= bytes.len(), "nothing is made up");
    if let Ok((_, records)) = streams::records(bytes) {
        for record in records {
            assert!(!record.item.is_empty() || !record.place.is_empty());
            if let Ok(data) = record.data {
                said(&streams::events(&data, &record.place).extraction);
            }
        }
    }
}

/// What follows the first line feed is an object.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n');
    let (body, object) = bytes.split_at(at.unwrap_or(bytes.len()));
    (body, object.get(1..).unwrap_or_default())
}

fn legal(found: &Extraction) {
    for event in &found.events {
        let read = Event::read(event.text.as_bytes(), Level::Strict);
        assert!(read.is_ok(), "{:?} {}", read.err(), event.text);
    }
    said(found);
}

fn said(found: &Extraction) {
    assert_eq!(found.unread, [], "a panic");
    for finding in &found.findings {
        assert!(!finding.place.is_empty() && !finding.message.is_empty());
    }
}

/// The alphabet of RFC 4648.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Without padding, which readers do not need.
fn base64(bytes: &[u8]) -> String {
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let mut bits = [0u8; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        (0..=chunk.len())
            .map(move |index| ALPHABET[(bits >> (18 - 6 * index) & 63) as usize] as char)
    });
    digits.collect()
}

/// The bytes of base64 with or without padding, for seeds.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.trim_end_matches('=').bytes().map(digit).collect();
    let bytes = digits?
        .chunks(4)
        .flat_map(|chunk| {
            let bits =
                chunk.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - chunk.len()));
            let [_, bytes @ ..] = bits.to_be_bytes();
            bytes
                .into_iter()
                .take(chunk.len().saturating_sub(1))
                .collect::<Vec<u8>>()
        })
        .collect();
    Some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    let position = ALPHABET.iter().position(|digit| *digit == byte)?;
    u32::try_from(position).ok()
}
