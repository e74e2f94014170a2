//! Redshift endpoints and their short names, as they are written in a namespace.
//!
//! Only parses and formats; `redshift.rs` decides what to rewrite.

/// The port that every client assumes (Amazon Redshift's default).
const DEFAULT_PORT: u16 = 5439;

/// Whether a warehouse is a cluster or a workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// A Redshift Serverless workgroup.
    Serverless,
    /// A provisioned cluster.
    Provisioned,
}

/// A warehouse, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Cluster or workgroup.
    pub flavour: Flavour,
    /// The cluster identifier or workgroup name.
    pub identifier: String,
    /// The region.
    pub region: String,
    /// The account, if the address or the lookup contains it.
    pub account: Option<String>,
    /// The full host name.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// `<cluster or workgroup>.<region>:<port>`: a name that can be either.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortName {
    /// The cluster identifier or workgroup name.
    pub identifier: String,
    /// The region.
    pub region: String,
    /// The port.
    pub port: u16,
}

/// The form of a host name.
pub(crate) enum HostForm {
    Endpoint(Endpoint),
    Short(ShortName),
    Other,
}

impl Flavour {
    /// Returns the service in ARNs and host names.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Flavour::Serverless => "redshift-serverless",
            Flavour::Provisioned => "redshift",
        }
    }
}

/// Returns the host, in lower case, and the port of a `redshift://` namespace.
pub(crate) fn host_and_port(namespace: &str) -> Option<(String, u16)> {
    let rest = namespace.strip_prefix("redshift://")?;
    let authority = rest
        .split('/')
        .next()
        .filter(|authority| !authority.is_empty())?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, DEFAULT_PORT),
    };
    Some((host.to_ascii_lowercase(), port))
}

/// Parses a host name by its form (AWS, "Connecting to Amazon Redshift" and "…Serverless"; short form: OpenLineage naming).
pub(crate) fn parse_host(host: String, port: u16) -> HostForm {
    let labels: Vec<&str> = host.split('.').collect();
    let endpoint = |flavour, identifier: &str, account: Option<&str>, region: &str| {
        HostForm::Endpoint(Endpoint {
            flavour,
            identifier: identifier.to_owned(),
            region: region.to_owned(),
            account: account.map(str::to_owned),
            address: host.clone(),
            port,
        })
    };
    match labels.as_slice() {
        [
            workgroup,
            account,
            region,
            "redshift-serverless",
            "amazonaws",
            "com",
        ]
        | [
            workgroup,
            account,
            region,
            "redshift-serverless",
            "amazonaws",
            "com",
            "cn",
        ] => endpoint(Flavour::Serverless, workgroup, Some(account), region),
        [cluster, _, region, "redshift", "amazonaws", "com"]
        | [cluster, _, region, "redshift", "amazonaws", "com", "cn"] => {
            endpoint(Flavour::Provisioned, cluster, None, region)
        }
        [identifier, region] if is_identifier(identifier) && is_region(region) => {
            HostForm::Short(ShortName {
                identifier: (*identifier).to_owned(),
                region: (*region).to_owned(),
                port,
            })
        }
        _ => HostForm::Other,
    }
}

/// Cluster identifiers have 1 to 63, workgroup names 3 to 64 characters of `[a-z0-9-]` (Redshift API reference).
fn is_identifier(text: &str) -> bool {
    let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(ok)
}

/// `eu-west-1`, `us-gov-east-1`, `ap-southeast-2`: letters in groups, a number last.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts
        .pop()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    number
        && parts.len() >= 2
        && parts
            .iter()
            .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
}

pub(crate) fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

pub(crate) fn partition(region: &str) -> &'static str {
    // https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    PARTITIONS
        .iter()
        .find(|(start, _)| region.starts_with(start))
        .map_or("aws", |(_, partition)| partition)
}
