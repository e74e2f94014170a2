//! Objects in a bucket of S3. An object is durable once S3 confirms it; S3 compares its checksum (`crates/aws`).

use std::time::Duration;

use aws::s3::PutObject;
use aws::{Aws, Client, Error, ProvideErrorMetadata};

use super::object::Object;
use crate::response::{is_code, words};
use crate::{Failure, Reason, Scope};

/// The time to write an object: enough for some 10 MB, and for a few seconds of retries. What a longer batch has left is for its
/// settlement.
const PUT: Duration = Duration::from_secs(30);

/// A bucket that objects are written to.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    client: Client,
    bucket: String,
    prefix: String,
}

impl Bucket {
    pub(super) fn new(aws: &Aws, bucket: &str, prefix: &str, region: Option<&str>) -> Bucket {
        let client = aws.client();
        let client = match region {
            Some(region) => client.region(region),
            None => client,
        };
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Bucket {
            client,
            bucket: bucket.to_owned(),
            prefix,
        }
    }

    /// Writes an object within `time`.
    pub(super) async fn put(&self, object: Object, time: Duration) -> Result<(), Failure> {
        let put = PutObject {
            bucket: self.bucket.clone(),
            key: format!("{}{}", self.prefix, object.key()),
            // Not `Content-Encoding: gzip`: clients would decompress what is named `.gz`.
            content_type: "application/gzip",
            body: object.bytes.into(),
        };
        let client = self.client.clone().timeout(time.min(PUT));
        client.send(&put).await.map_err(|error| failure(&error))
    }
}

/// Every failure concerns the bucket, none an event. The message is the code alone: S3's own text may quote the request.
fn failure(error: &Error) -> Failure {
    let reason = match error {
        // Several of these have status 400: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        Error::Service(service) => match (service.status, service.code()) {
            // A bucket in another region responds with the latter to a signature for this region.
            (_, Some("NoSuchBucket" | "AuthorizationHeaderMalformed")) => Reason::Missing,
            (404, _) | (301 | 307, _) => Reason::Missing,
            (_, Some("ExpiredToken" | "InvalidToken")) | (401 | 403, _) => Reason::Permission,
            // A key that is disabled, or not ours to use.
            (_, Some(code)) if code.starts_with("KMS.") => Reason::Permission,
            (429, _) | (_, Some("SlowDown" | "RequestLimitExceeded")) => Reason::Throttled,
            (_, _) => Reason::Unavailable,
        },
        Error::NoResponse { .. }
        | Error::NotSent { .. }
        | Error::TooLarge { .. }
        | Error::Unreadable { .. } => Reason::Unavailable,
    };
    let code = error.code().filter(|code| is_code(code));
    let message = match code {
        Some(code) => format!("S3: {code}"),
        None => words(&aws::error_chain(error)),
    };
    Failure::new(reason, Scope::Target, &message)
}
