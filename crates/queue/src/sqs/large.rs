//! Events that are larger than an SQS message: the body is in an S3 bucket, and the message points to it.
//!
//! The format is that of the Amazon SQS Extended Client Libraries (Java, Python), so that each can read what the other
//! sends. Only the configured bucket is read: a message cannot point to another one.
//!
//! A body in `events/` belongs to one message, and is deleted with it. A body in `shared/` belongs to the messages of several
//! queues, and nobody deletes it: it expires by the lifecycle of the bucket, later than any of these messages. Its key says
//! so, so that no reader needs a setting for it.

use std::time::Duration;

use aws::s3::{DeleteObject, GetObject, NO_SUCH_KEY, PutObject};
use aws::{Aws, Client, Error, summarize};

use crate::{BodyError, Redactor};

/// The attributes that mark a message as a pointer, whose value is the size of the body: of version 2 of the libraries,
/// and of version 1.
pub(super) const SIZE: &str = "ExtendedPayloadSize";
const SIZE_V1: &str = "SQSLargePayloadSize";

/// The class that the libraries write into the body: of version 2, and of version 1.
const CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";
const CLASS_V1: &str = "com.amazon.sqs.javamessaging.MessageS3Pointer";

/// The most bytes of large bodies in memory for one batch: the largest that one event can have
/// (`max_decompressed_size`).
const AT_ONCE: usize = 32_000_000;

/// The timeout of an upload or a deletion, with all retries. An upload also ends with the time for sending.
const TRANSFER: Duration = Duration::from_secs(4);

/// The timeout for the first byte of a download, with all retries: a bucket that hangs must leave the other events of
/// a batch enough time. A download that has begun may use the time of its caller.
const FIRST_BYTE: Duration = Duration::from_secs(4);

/// How many messages point to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// One.
    Single,
    /// One in the queue of each target.
    Shared,
}

impl Ownership {
    /// The folder of such bodies in the bucket. The template allows and expires them by it.
    fn prefix(self) -> &'static str {
        match self {
            Ownership::Single => "events/",
            Ownership::Shared => "shared/",
        }
    }
}

/// The object with the body of a large event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// The size of the body in bytes, according to the sender.
    pub bytes: u64,
}

impl Pointer {
    /// Reads a pointer from a message; `attribute` returns the value of a message attribute.
    pub fn read(body: &str, attribute: impl Fn(&str) -> Option<String>) -> Option<Pointer> {
        let size = attribute(SIZE).or_else(|| attribute(SIZE_V1))?;
        let (class, location): (String, Location) = serde_json::from_str(body).ok()?;
        (class == CLASS || class == CLASS_V1).then_some(Pointer {
            bucket: location.bucket,
            key: location.key,
            bytes: size.parse().ok()?,
        })
    }

    /// Whether the messages of other queues may point to the same object.
    fn is_shared(&self) -> bool {
        self.key.starts_with(Ownership::Shared.prefix())
    }

    /// Returns the message body.
    pub(super) fn text(&self) -> String {
        let (bucket, key) = (&self.bucket, &self.key);
        serde_json::json!([CLASS, {"s3BucketName": bucket, "s3Key": key}]).to_string()
    }
}

#[derive(serde::Deserialize)]
struct Location {
    #[serde(rename = "s3BucketName")]
    bucket: String,
    #[serde(rename = "s3Key")]
    key: String,
}

/// The bucket for large events. Bodies of one message are deleted once their event is settled; the rest expires.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    client: Client,
    name: String,
    redact: Redactor,
}

impl Bucket {
    pub(super) fn new(aws: &Aws, name: String, redact: Redactor) -> Bucket {
        Bucket {
            client: aws.client().max_bytes(AT_ONCE),
            name,
            redact,
        }
    }

    /// Puts a body into the bucket; returns the pointer to it.
    pub(super) async fn put(
        &self,
        id: &str,
        body: String,
        ownership: Ownership,
    ) -> Result<Pointer, String> {
        let pointer = Pointer {
            bucket: self.name.clone(),
            key: format!("{}{id}", ownership.prefix()),
            bytes: body.len() as u64,
        };
        let put = PutObject {
            bucket: self.name.clone(),
            key: pointer.key.clone(),
            content_type: "application/json",
            body: body.into(),
        };
        match self.client.clone().timeout(TRANSFER).send(&put).await {
            Ok(()) => Ok(pointer),
            Err(error) => Err(summarize(&error, self.redact)),
        }
    }

    /// Returns the body that a pointer points to, within `limit`.
    pub(super) async fn get(
        &self,
        pointer: &Pointer,
        limit: Duration,
    ) -> Result<String, BodyError> {
        let object = format!("s3://{}/{}", pointer.bucket, pointer.key);
        if pointer.bucket != self.name {
            return Err(BodyError::Gone(format!(
                "the body is in {object}, not in this queue's bucket"
            )));
        }
        let get = GetObject {
            bucket: self.name.clone(),
            key: pointer.key.clone(),
        };
        let client = self.client.clone().timeout(limit).first_byte(FIRST_BYTE);
        let body = client.send(&get).await.map_err(|error| match error {
            Error::Service(_) if error.is(NO_SUCH_KEY) => BodyError::Gone(format!(
                "the body is no longer in {object}: it was delivered before, or has expired"
            )),
            Error::TooLarge { .. } => {
                BodyError::Gone(format!("{object} has more than {AT_ONCE} bytes"))
            }
            Error::Service(_)
            | Error::NoResponse { .. }
            | Error::NotSent { .. }
            | Error::Unreadable { .. } => BodyError::Unavailable(summarize(&error, self.redact)),
        })?;
        String::from_utf8(body.into())
            .map_err(|_| BodyError::Gone(format!("{object} is not UTF-8 text")))
    }

    /// Deletes a body that belongs to one message. A body that cannot be deleted expires.
    pub(super) async fn delete(&self, pointer: &Pointer) -> Result<(), String> {
        if pointer.bucket != self.name || pointer.is_shared() {
            return Ok(()); // not ours, or not ours alone
        }
        let delete = DeleteObject {
            bucket: self.name.clone(),
            key: pointer.key.clone(),
        };
        let deleted = self.client.clone().timeout(TRANSFER).send(&delete).await;
        deleted.map_err(|error| summarize(&error, self.redact))
    }
}

/// Selects the bodies that are fetched now: always the first, and further ones while they fit into memory.
pub(super) fn now_or_later(pointers: &[Option<&Pointer>]) -> Vec<bool> {
    let mut fetched = 0u64;
    let mut fits = |bytes: u64| {
        let fits = fetched == 0 || fetched.saturating_add(bytes) <= AT_ONCE as u64;
        fetched = fetched.saturating_add(if fits { bytes.max(1) } else { 0 });
        fits
    };
    pointers
        .iter()
        .map(|pointer| pointer.is_none_or(|pointer| fits(pointer.bytes)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(bytes: u64) -> Pointer {
        Pointer {
            bucket: "b".to_owned(),
            key: "events/k".to_owned(),
            bytes,
        }
    }

    #[test]
    fn pointers_of_the_java_and_the_python_library_are_read() {
        let attribute =
            |name: &'static str| move |asked: &str| (asked == name).then(|| "7".to_owned());
        let java = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"events/k"}]"#;
        let v1 = r#"["com.amazon.sqs.javamessaging.MessageS3Pointer",{"s3BucketName":"b","s3Key":"events/k"}]"#;
        assert_eq!(Pointer::read(java, attribute(SIZE)), Some(pointer(7)));
        assert_eq!(Pointer::read(v1, attribute(SIZE_V1)), Some(pointer(7)));
        assert_eq!(pointer(7).text(), java);
        // Without the attribute, or with another class, it is ordinary text and not a pointer.
        assert_eq!(Pointer::read(java, |_| None), None);
        assert_eq!(
            Pointer::read(&java.replace("PayloadS3Pointer", "Other"), attribute(SIZE)),
            None
        );
    }

    #[test]
    fn a_batch_fetches_no_more_large_bodies_than_fit_into_memory() {
        let (large, small) = (pointer(AT_ONCE as u64 - 10), pointer(5));
        let now = now_or_later(&[None, Some(&large), Some(&large), Some(&small), None]);
        assert_eq!(now, [true, true, false, true, true]);
        assert_eq!(now_or_later(&[Some(&pointer(u64::MAX))]), [true]);
    }
}
