//! Where a service is reached: its public endpoint in a region, or the one that was configured instead. Pure.
//!
//! Follows the endpoint rules of the service models for the services here; `tests/real/test_aws_calls.py` compares all
//! regions with botocore's. Not covered: access points given as ARN, S3 on Outposts, Object Lambda, directory buckets,
//! transfer acceleration and multi-region access points.

use std::net::Ipv4Addr;

use crate::service::{Exceptions, Service};

/// The suffixes of host names in a partition, by the beginning of its regions' names. The first that matches counts
/// (botocore, `partitions.json`).
const PARTITIONS: [(&str, Partition); 8] = [
    ("us-gov-", partition("amazonaws.com", "api.aws")),
    (
        "cn-",
        partition("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ),
    (
        "eusc-",
        partition("amazonaws.eu", "api.amazonwebservices.eu"),
    ),
    ("us-iso-", partition("c2s.ic.gov", "api.aws.ic.gov")),
    ("us-isob-", partition("sc2s.sgov.gov", "api.aws.scloud")),
    (
        "eu-isoe-",
        partition("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ),
    (
        "us-isof-",
        partition("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ),
    ("", partition("amazonaws.com", "api.aws")),
];

struct Partition {
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

const fn partition(suffix: &'static str, dual_stack_suffix: &'static str) -> Partition {
    Partition {
        suffix,
        dual_stack_suffix,
    }
}

/// Which of the endpoints of a service to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
}

/// Why a request has no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No region is configured.
    #[error("no region is configured: set AWS_REGION, or a region in the profile")]
    NoRegion,
    /// The region cannot be part of a host name.
    #[error("the region {0:?} is not a region name")]
    InvalidRegion(String),
    /// The service has no such endpoint there.
    #[error("{service} has no FIPS endpoint in {region}")]
    NoFips {
        /// The service.
        service: &'static str,
        /// The region.
        region: String,
    },
    /// The configured URL is not one.
    #[error("the endpoint URL of {0} is not an http or https URL")]
    InvalidUrl(&'static str),
    /// The bucket cannot be addressed.
    #[error("{0:?} is not the name of a general-purpose bucket")]
    InvalidBucket(String),
}

/// Returns the public endpoint of `service` in `region`.
pub(crate) fn public(
    service: &Service,
    region: &str,
    variant: Variant,
) -> Result<String, EndpointError> {
    if !is_label(region) {
        return Err(EndpointError::InvalidRegion(region.to_owned()));
    }
    let Variant { fips, dual_stack } = variant;
    let is_in = |prefix: &str| region.starts_with(prefix);
    let found = PARTITIONS.iter().find(|(prefix, _)| is_in(prefix));
    let (suffix, dual_stack_suffix) = match found {
        Some((_, partition)) => (partition.suffix, partition.dual_stack_suffix),
        None => ("amazonaws.com", "api.aws"), // the last matches all
    };
    let mut host = service.host.to_owned();
    let mut suffix = if dual_stack {
        dual_stack_suffix
    } else {
        suffix
    };
    let mut fips_label = if fips { "-fips" } else { "" };
    let mut dual_stack_label = "";
    match service.endpoints {
        Exceptions::None => {}
        Exceptions::GovCloudIsFips if is_in("us-gov-") && !dual_stack => fips_label = "",
        Exceptions::GovCloudIsAlwaysFips if is_in("us-gov-") => fips_label = "",
        Exceptions::GovCloudIsFips | Exceptions::GovCloudIsAlwaysFips => {}
        Exceptions::AlwaysDualStack if suffix == "api.aws" => suffix = "amazonaws.com",
        Exceptions::AlwaysDualStack if is_in("cn-") && !fips => suffix = "amazonaws.com.cn",
        Exceptions::AlwaysDualStack => {}
        Exceptions::S3 if fips && is_in("cn-") => {
            return Err(EndpointError::NoFips {
                service: service.id,
                region: region.to_owned(),
            });
        }
        Exceptions::S3 => {
            suffix = found.map_or(suffix, |(_, partition)| partition.suffix);
            dual_stack_label = if dual_stack { ".dualstack" } else { "" };
        }
    }
    host.push_str(fips_label);
    host.push_str(dual_stack_label);
    Ok(format!("https://{host}.{region}.{suffix}"))
}

/// Returns the endpoint and the beginning of the path for a bucket: the bucket is part of the host name where it can be, and
/// part of the path otherwise.
pub(crate) fn bucket(endpoint: &str, name: &str) -> Result<(String, String), EndpointError> {
    let invalid = || EndpointError::InvalidBucket(name.to_owned());
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(invalid)?;
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    if !is_bucket(name) {
        return Err(invalid());
    }
    let is_address = host.parse::<Ipv4Addr>().is_ok() || rest.starts_with('[');
    let labels: Vec<&str> = name.split('.').collect();
    // The certificate is for one label below the endpoint.
    let fits_host = name.len() <= 63
        && labels.iter().all(|label| is_label(label))
        && (labels.len() == 1 || scheme == "http")
        && name.parse::<Ipv4Addr>().is_err();
    match fits_host && !is_address {
        true => Ok((format!("{scheme}://{name}.{rest}"), String::new())),
        false => Ok((endpoint.to_owned(), format!("/{name}"))),
    }
}

/// Whether a text is the name of a bucket, or the alias of an access point of one (`…-s3alias`), which is a name like it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-alias.html>).
///
/// The other things that the SDKs take for a bucket have other hosts, and most of them other signatures: ARNs, and what has
/// these suffixes (botocore's `s3/2006-03-01/endpoint-rule-set-1.json`).
pub(crate) fn is_bucket(text: &str) -> bool {
    // Names of old buckets may hold capitals and underscores.
    (3..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && !matches!(text, "..." | "..") // no steps in a path
        && !OTHER_SUFFIXES.iter().any(|suffix| text.ends_with(suffix))
}

/// Of directory buckets, access points of these, and buckets on Outposts.
const OTHER_SUFFIXES: [&str; 3] = ["--x-s3", "--xa-s3", "--op-s3"];

/// Checks a configured endpoint, and takes a slash off its end.
pub(crate) fn configured(service: &Service, url: &str) -> Result<String, EndpointError> {
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    match is_url && !url.contains(['?', '#']) {
        true => Ok(url.trim_end_matches('/').to_owned()),
        false => Err(EndpointError::InvalidUrl(service.id)),
    }
}

/// Whether a text is one label of a host name, in small letters.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Variant = Variant {
        fips: false,
        dual_stack: false,
    };

    #[test]
    fn public_endpoints_follow_partition_and_variant() {
        let fips = Variant {
            fips: true,
            ..PLAIN
        };
        let both = Variant {
            fips: true,
            dual_stack: true,
        };
        let cases = [
            (
                &crate::lambda::SERVICE,
                "eu-west-1",
                PLAIN,
                "https://lambda.eu-west-1.amazonaws.com",
            ),
            (
                &crate::lambda::SERVICE,
                "cn-north-1",
                both,
                "https://lambda-fips.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                &crate::logs::SERVICE,
                "us-gov-west-1",
                fips,
                "https://logs.us-gov-west-1.amazonaws.com",
            ),
            (
                &crate::logs::SERVICE,
                "us-gov-west-1",
                both,
                "https://logs-fips.us-gov-west-1.api.aws",
            ),
            (
                &crate::secrets_manager::SERVICE,
                "us-east-1",
                both,
                "https://secretsmanager-fips.us-east-1.amazonaws.com",
            ),
            (
                &crate::s3::SERVICE,
                "eusc-de-east-1",
                both,
                "https://s3-fips.dualstack.eusc-de-east-1.amazonaws.eu",
            ),
        ];
        for (service, region, variant, url) in cases {
            assert_eq!(public(service, region, variant).unwrap(), url);
        }
    }

    #[test]
    fn a_region_from_a_message_cannot_name_another_host() {
        for region in [
            "",
            "eu-west-1.evil.example",
            "eu-west-1/x",
            "x@y",
            "EU",
            "-eu",
        ] {
            let result = public(&crate::redshift::SERVICE, region, PLAIN);
            assert_eq!(result, Err(EndpointError::InvalidRegion(region.to_owned())));
        }
    }

    #[test]
    fn a_bucket_is_part_of_the_host_where_it_can_be() {
        let s3 = "https://s3.eu-west-1.amazonaws.com";
        let cases = [
            (
                s3,
                "events-1",
                "https://events-1.s3.eu-west-1.amazonaws.com",
                "",
            ),
            (
                s3,
                "mine-a1b2c3-s3alias",
                "https://mine-a1b2c3-s3alias.s3.eu-west-1.amazonaws.com",
                "",
            ),
            (s3, "my.events", s3, "/my.events"),
            (s3, "Old_Name", s3, "/Old_Name"),
            (
                "http://localhost:4566",
                "my.events",
                "http://my.events.localhost:4566",
                "",
            ),
            (
                "http://127.0.0.1:4566",
                "events",
                "http://127.0.0.1:4566",
                "/events",
            ),
            (
                "http://[::1]:4566",
                "events",
                "http://[::1]:4566",
                "/events",
            ),
            (
                "https://proxy.example/s3",
                "events",
                "https://events.proxy.example/s3",
                "",
            ),
        ];
        for (endpoint, name, url, path) in cases {
            let expected = Ok((url.to_owned(), path.to_owned()));
            assert_eq!(bucket(endpoint, name), expected, "{name} at {endpoint}");
        }
        for name in [
            "",
            "a/b",
            "..",
            "...",
            "b?x",
            "arn:aws:s3:eu-west-1:1:accesspoint/a",
            "fast--use1-az4--x-s3",
            "fast--use1-az4--xa-s3",
            "outpost-a1b2c3--op-s3",
        ] {
            assert!(bucket(s3, name).is_err(), "{name}");
        }
    }
}
