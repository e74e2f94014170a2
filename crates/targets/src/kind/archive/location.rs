//! Where an archive is: a folder, or a bucket with a prefix.

use std::path::PathBuf;

use settings::Format;

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder.
    Folder(PathBuf),
    /// A bucket of S3.
    Bucket {
        /// Its name.
        bucket: String,
        /// What the keys begin with, without a slash at the end; may be empty.
        prefix: String,
    },
}

/// A folder, or `s3://BUCKET/PREFIX`.
pub enum ArchiveLocation {}

const SCHEME: &str = "s3://";

impl Format for ArchiveLocation {
    type Value = Location;

    fn expected() -> String {
        "a folder, or s3://BUCKET/PREFIX".to_owned()
    }

    fn values() -> String {
        "path or `s3://BUCKET/PREFIX`".to_owned()
    }

    fn parse(text: &str) -> Result<Location, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return match text.contains("://") {
                true => Err(format!("expected {}, found {text:?}", Self::expected())),
                false => Ok(Location::Folder(PathBuf::from(text))),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        // Athena and most tools take an empty part for the end of a folder's name.
        let is_prefix = prefix.is_empty() || prefix.split('/').all(|part| !part.is_empty());
        match is_bucket(bucket) && is_prefix {
            true => Ok(Location::Bucket {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            }),
            false => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &Location) -> String {
        match value {
            Location::Folder(path) => path.display().to_string(),
            Location::Bucket { bucket, prefix } if prefix.is_empty() => format!("{SCHEME}{bucket}"),
            Location::Bucket { bucket, prefix } => format!("{SCHEME}{bucket}/{prefix}"),
        }
    }
}

/// Whether this is the name of a general-purpose bucket
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
fn is_bucket(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    (3..=63).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && aws::s3::is_bucket(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_or_a_bucket_with_a_prefix() {
        let bucket = |bucket: &str, prefix: &str| Location::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (text, location) in [
            ("events", Location::Folder("events".into())),
            ("/var/lib/a b", Location::Folder("/var/lib/a b".into())),
            ("s3://my-events", bucket("my-events", "")),
            ("s3://my-events/", bucket("my-events", "")),
            ("s3://my.events/a/b/", bucket("my.events", "a/b")),
        ] {
            assert_eq!(ArchiveLocation::parse(text), Ok(location.clone()), "{text}");
            let shown = ArchiveLocation::show(&location);
            assert_eq!(ArchiveLocation::parse(&shown), Ok(location), "{text}");
        }
        for wrong in [
            "s3://",
            "s3://a",
            "s3://My-Events",
            "s3://my-events//a",
            "s3://my-events/a//b",
            "s3://arn:aws:s3:eu-west-1:1:accesspoint/x",
            "s3://fast--use1-az4--x-s3",
            "gs://my-events",
        ] {
            assert!(ArchiveLocation::parse(wrong).is_err(), "{wrong}");
        }
    }
}
