//! S3: objects of a bucket, each written and read whole, and the list of them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response, encoded, encoded_path};
use crate::service::{Exceptions, Protocol, Service};
use crate::xml;

/// S3.
pub static SERVICE: Service = Service {
    id: "S3",
    signing_name: "s3",
    host: "s3",
    protocol: Protocol::S3,
    endpoints: Exceptions::S3,
};

/// The error code where there is no such object, for who may list the bucket.
pub const NO_SUCH_KEY: &str = "NoSuchKey";

/// Whether a text names a bucket that the operations here can address: its name, or the alias of an access point.
#[must_use]
pub fn is_bucket(text: &str) -> bool {
    crate::endpoint::is_bucket(text)
}

/// The checksum of an object, which S3 verifies, keeps and returns.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Writes an object (`s3:PutObject`).
#[derive(Debug, Clone)]
pub struct PutObject {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub body: Bytes,
}

impl Operation for PutObject {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "PutObject";
    type Output = ();

    fn request(&self) -> Request {
        // Buckets with Object Lock take no object without one.
        let checksum = BASE64_STANDARD.encode(Sha256::digest(&self.body));
        Request {
            headers: vec![
                ("content-type", self.content_type.to_owned()),
                (CHECKSUM, checksum),
            ],
            body: self.body.clone(),
            ..object("PUT", &self.bucket, &self.key, Self::NAME)
        }
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}

/// Reads an object (`s3:GetObject`).
#[derive(Debug, Clone)]
pub struct GetObject {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
}

impl Operation for GetObject {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetObject";
    type Output = Bytes;

    fn request(&self) -> Request {
        Request {
            headers: vec![("x-amz-checksum-mode", "ENABLED".to_owned())],
            ..object("GET", &self.bucket, &self.key, Self::NAME)
        }
    }

    /// Verifies the checksum, where S3 has that of the whole object.
    fn read(response: Response) -> Result<Bytes, UnreadableResponse> {
        let checksum = response.header(CHECKSUM);
        let whole = checksum.filter(|checksum| !checksum.contains('-')); // with a dash, one of checksums of parts
        let matches = |checksum| BASE64_STANDARD.encode(Sha256::digest(&response.body)) == checksum;
        match whole.is_none_or(matches) {
            true => Ok(response.body),
            false => Err(UnreadableResponse("the checksum does not match".to_owned())),
        }
    }
}

/// Deletes an object (`s3:DeleteObject`). One that is not there is deleted too.
#[derive(Debug, Clone)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
}

impl Operation for DeleteObject {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DeleteObject";
    type Output = ();

    fn request(&self) -> Request {
        object("DELETE", &self.bucket, &self.key, Self::NAME)
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}

/// Lists the keys of a bucket in the order of their bytes, page by page (`s3:ListBucket`).
#[derive(Debug, Clone)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
    /// The keys after this text.
    pub start_after: Option<String>,
    /// The page.
    pub token: Option<String>,
}

/// The keys of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// The keys.
    pub keys: Vec<String>,
    next: Option<String>,
}

impl Operation for ListObjects {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ListObjectsV2";
    type Output = Objects;

    fn request(&self) -> Request {
        let mut path = format!("/?list-type=2&prefix={}", encoded(&self.prefix));
        for (name, value) in [
            ("start-after", &self.start_after),
            ("continuation-token", &self.token),
        ] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        path.push_str(&format!("&x-id={}", Self::NAME));
        Request {
            bucket: Some(self.bucket.clone()),
            ..Request::get(path)
        }
    }

    fn read(response: Response) -> Result<Objects, UnreadableResponse> {
        let mut objects = Objects::default();
        xml::document(&response.body, |name, element| {
            match name {
                "Contents" => xml::children(element, |name, element| {
                    if name == "Key" {
                        objects.keys.push(xml::text(element)?);
                    }
                    Ok(())
                })?,
                "NextContinuationToken" => objects.next = Some(xml::text(element)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(objects)
    }
}

impl Paginated for ListObjects {
    fn next_token(output: &Objects) -> Option<&str> {
        output.next.as_deref()
    }

    fn with_token(self, token: String) -> ListObjects {
        ListObjects {
            token: Some(token),
            ..self
        }
    }
}

fn object(method: &'static str, bucket: &str, key: &str, operation: &str) -> Request {
    Request {
        method,
        path: format!("/{}?x-id={operation}", encoded_path(key)),
        headers: Vec::new(),
        body: Bytes::new(),
        bucket: Some(bucket.to_owned()),
    }
}
