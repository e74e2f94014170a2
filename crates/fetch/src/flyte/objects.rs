//! The objects of S3 in which Flyte keeps literals, each read whole, within a limit for a message.

use std::time::Duration;

use aws::s3::GetObject;
use aws::{Aws, Client, Error};
use tokio::time::{Instant, timeout_at};

use super::FlyteConfig;
use crate::error::summary;

/// The time for one object, retries included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where objects are read.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    client: Client,
    /// What the URIs of objects begin with that may be read.
    prefix: Option<String>,
    max_bytes: usize,
}

/// Why an object is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ObjectError {
    /// It may be read later.
    Later(String),
    /// It will not be.
    Never(String),
}

impl ObjectError {
    /// The reason, as operators see it.
    pub(super) fn reason(self) -> String {
        match self {
            ObjectError::Later(reason) | ObjectError::Never(reason) => reason,
        }
    }
}

impl Bucket {
    pub(super) fn new(config: &FlyteConfig, aws: &Aws) -> Bucket {
        let client = aws.client().timeout(TIMEOUT);
        Bucket {
            client: match &config.bucket_region {
                Some(region) => client.region(region.clone()),
                None => client,
            },
            prefix: config.literals.clone(),
            max_bytes: config.max_literal_bytes,
        }
    }

    /// The bytes that the objects of one message may have.
    pub(super) fn budget(&self) -> usize {
        self.max_bytes
    }

    /// Reads an object, and takes its size from the budget.
    pub(super) async fn get(
        &self,
        uri: &str,
        budget: &mut usize,
        until: Instant,
    ) -> Result<Vec<u8>, ObjectError> {
        let never = |reason: &str| ObjectError::Never(reason.to_owned());
        let (bucket, key) = location(uri).ok_or_else(|| never("it is not in S3"))?;
        if self
            .prefix
            .as_ref()
            .is_some_and(|prefix| !uri.starts_with(prefix))
        {
            return Err(never("it is not below the prefix that `literals` names"));
        }
        let get = GetObject {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        let client = self.client.clone().max_bytes(*budget);
        let answer = match timeout_at(until, client.send(&get)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(self.unread(&error)),
            Err(_) => return Err(ObjectError::Later("no response of S3 in time".to_owned())),
        };
        *budget = budget.saturating_sub(answer.len());
        Ok(answer.to_vec())
    }

    fn unread(&self, error: &Error) -> ObjectError {
        let reason = match error {
            Error::TooLarge { .. } => {
                let limit = self.max_bytes;
                format!("the objects of the message have more than `max_literal_bytes` ({limit})")
            }
            Error::Service(_)
            | Error::NoResponse { .. }
            | Error::NotSent { .. }
            | Error::Unreadable { .. } => summary(error),
        };
        match error.may_pass() {
            true => ObjectError::Later(reason),
            false => ObjectError::Never(reason),
        }
    }
}

/// Bucket and key. Flyte names both in `s3://`.
fn location(uri: &str) -> Option<(&str, &str)> {
    let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
    (aws::s3::is_bucket(bucket) && !key.is_empty()).then_some((bucket, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_of_s3_have_a_location() {
        assert_eq!(location("s3://bucket/a/b.pb"), Some(("bucket", "a/b.pb")));
        for uri in [
            "",
            "s3://bucket",
            "s3://bucket/",
            "gs://bucket/a",
            "s3:///a",
            "s3://a?b/c",
            "/a",
        ] {
            assert_eq!(location(uri), None, "{uri}");
        }
    }
}
