//! What CloudWatch Logs sends to a Lambda function, or a stream, that a subscription filter names.

use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::LogEvent;

/// The largest payload after unpacking, in bytes. An invocation has at most 6 MB of Base64
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>); logs are packed to a tenth, and what was
/// packed to a thousandth is no log.
const MAX_UNPACKED: u64 = 64_000_000;

/// Log events of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    message_type: MessageType,
    #[serde(default)]
    log_group: String,
    #[serde(default)]
    log_stream: String,
    #[serde(default)]
    log_events: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MessageType {
    DataMessage,
    /// CloudWatch Logs looks whether the destination can be reached.
    ControlMessage,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Line {
    id: String,
    timestamp: i64,
    message: String,
}

/// A payload that no subscription filter sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePayload {
    /// It has no member `/awslogs/data`.
    #[error("the payload has no text at /awslogs/data")]
    NoData,
    /// It is not Base64.
    #[error("/awslogs/data is not Base64")]
    NotBase64,
    /// It is not packed, or damaged.
    #[error("/awslogs/data is not gzip")]
    NotGzip,
    /// It grows beyond the limit.
    #[error("/awslogs/data has more than {MAX_UNPACKED} bytes when it is unpacked")]
    TooLarge,
    /// What it contains is something else.
    #[error("/awslogs/data has no log events: line {line}, column {column}")]
    NotLogs {
        /// Where it departs.
        line: usize,
        /// Where it departs.
        column: usize,
    },
}

impl Subscription {
    /// Reads a Lambda event.
    ///
    /// # Errors
    ///
    /// A subscription filter does not send such a payload.
    pub fn read(payload: &[u8]) -> Result<Subscription, UnreadablePayload> {
        let event: Event =
            serde_json::from_slice(payload).map_err(|_| UnreadablePayload::NoData)?;
        let data = BASE64_STANDARD.decode(event.awslogs.data);
        Subscription::unpack(&data.map_err(|_| UnreadablePayload::NotBase64)?)
    }

    /// Reads what a subscription puts into a stream: the same, without the envelope of Lambda and without Base64.
    ///
    /// # Errors
    ///
    /// A subscription filter does not send such data.
    pub fn unpack(data: &[u8]) -> Result<Subscription, UnreadablePayload> {
        let mut unpacked = Vec::new();
        let mut reader = MultiGzDecoder::new(data).take(MAX_UNPACKED + 1);
        let read = reader.read_to_end(&mut unpacked);
        let size = read.map_err(|_| UnreadablePayload::NotGzip)?;
        if size as u64 > MAX_UNPACKED {
            return Err(UnreadablePayload::TooLarge);
        }
        serde_json::from_slice(&unpacked).map_err(|error| UnreadablePayload::NotLogs {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The log group whose events these are.
    pub fn log_group(&self) -> &str {
        &self.log_group
    }

    /// The log events. None in a control message, to which success is the answer.
    pub fn events(&self) -> impl Iterator<Item = LogEvent<'_>> {
        let events = match self.message_type {
            MessageType::DataMessage => self.log_events.as_slice(),
            MessageType::ControlMessage => &[],
        };
        events.iter().map(|line| LogEvent {
            group: &self.log_group,
            stream: &self.log_stream,
            id: &line.id,
            timestamp: Some(line.timestamp),
            message: &line.message,
        })
    }
}

#[derive(Deserialize)]
struct Event {
    awslogs: Data,
}

#[derive(Deserialize)]
struct Data {
    data: String,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn payload(data: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(data).unwrap();
        let data = BASE64_STANDARD.encode(gzip.finish().unwrap());
        format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#).into_bytes()
    }

    #[test]
    fn each_broken_payload_is_an_error_of_its_own() {
        let not_gzip = r#"{"awslogs":{"data":"bm90IGd6aXA="}}"#;
        for (payload, error) in [
            (
                r#"{"awslogs":{"data":"not base64!"}}"#,
                UnreadablePayload::NotBase64,
            ),
            (not_gzip, UnreadablePayload::NotGzip),
            (r#"{"awslogs":{}}"#, UnreadablePayload::NoData),
            (r#"{"Records":[]}"#, UnreadablePayload::NoData),
        ] {
            assert_eq!(Subscription::read(payload.as_bytes()).unwrap_err(), error);
        }
        let half = payload(br#"{"messageType":"#);
        assert_eq!(
            Subscription::read(&half).unwrap_err(),
            UnreadablePayload::NotLogs {
                line: 1,
                column: 15
            }
        );
    }

    #[test]
    fn a_payload_that_unpacks_to_more_than_any_log_is_refused() {
        let bomb = payload(&vec![b' '; 64_000_001]);
        assert_eq!(
            Subscription::read(&bomb).unwrap_err(),
            UnreadablePayload::TooLarge
        );
    }

    #[test]
    fn a_control_message_has_no_events() {
        let text = br#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Lambda."}]}"#;
        assert_eq!(
            Subscription::read(&payload(text)).unwrap().events().count(),
            0
        );
    }
}
