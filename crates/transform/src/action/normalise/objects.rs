//! Stores of objects and files: one scheme per store, no leading slash in object names, no endpoint or
//! port without meaning.
//!
//! OpenLineage's own clients do the same for the stores they know (`ObjectStorageDatasetExtractor` of the Java client:
//! `abfs` becomes `abfss`, and object names lose the leading slash). A doubled slash within a name stays: in a store of objects
//! `a//b` and `a/b` are two (Amazon S3, "Naming Amazon S3 objects"; Azure, "Naming and referencing blobs"). In HDFS they are
//! one (`org.apache.hadoop.fs.Path` collapses them).

use openlineage::Identity;

use super::store::{Store, store};
use super::url::Url;
use super::{Normalise, lacks_port};

/// The port of HDFS's NameNode if the host has none: `dfs.namenode.rpc-address`, 8020 (hdfs-default.xml). A nameservice of
/// several NameNodes has no port; it is a word without dots.
const NAMENODE: u16 = 8020;

/// Whether a scheme, in lower case, belongs to a store of objects or files.
pub(super) fn is_one(scheme: &str) -> bool {
    matches!(
        store(scheme),
        Some(Store::Bucket | Store::Container | Store::Files)
    )
}

pub(super) fn spelled(
    rule: &Normalise,
    kind: Store,
    url: &Url<'_>,
    dataset: &Identity,
) -> Option<Identity> {
    let lower = url.lower.as_str();
    let on = match lower {
        "s3" | "s3a" | "s3n" => rule.s3,
        "file" | "dbfs" => false,
        _ => rule.objects,
    };
    if url.authority.is_empty() {
        return None;
    }
    let scheme = match lower {
        "s3a" | "s3n" if on => "s3",
        "gcs" if on => "gs",
        "cosn" if on => "cos",
        "abfs" if on => "abfss",
        "wasb" if on => "wasbs",
        _ if rule.host_case => lower,
        _ => url.scheme,
    };
    let authority = match kind {
        Store::Container => container(rule, on, url.authority),
        Store::Bucket if on => bucket(lower, url).to_owned(),
        Store::Files => {
            let host = match rule.host_case {
                true => url.authority.to_ascii_lowercase(),
                false => url.authority.to_owned(),
            };
            let is_host = host.contains('.') && lacks_port(&host);
            match lower == "hdfs" && rule.default_ports && is_host {
                true => format!("{}:{NAMENODE}", host.trim_end_matches(':')),
                false => host,
            }
        }
        Store::Bucket | Store::Server(_) | Store::Host | Store::Athena | Store::BigQuery => {
            url.authority.to_owned()
        }
    };
    let (mut tail, mut name) = (url.tail, dataset.name.as_str());
    // The namespace contains the whole path.
    if on && name.is_empty() && !tail.trim_matches('/').is_empty() {
        (tail, name) = ("", tail);
    }
    if rule.trailing_slash {
        tail = tail.trim_end_matches('/');
        name = or_root(name, name.trim_end_matches('/'));
    }
    let name = match kind {
        Store::Bucket | Store::Container if on => {
            or_root(name, name.trim_start_matches('/')).to_owned()
        }
        Store::Files if on => single(name),
        Store::Bucket
        | Store::Container
        | Store::Files
        | Store::Server(_)
        | Store::Host
        | Store::Athena
        | Store::BigQuery => name.to_owned(),
    };
    Some(Identity {
        namespace: format!("{scheme}://{authority}{tail}"),
        name,
    })
}

/// `container@account.dfs.core.windows.net`: one account has an endpoint for blobs and one for files, over one set of
/// containers (Azure, "Multi-protocol access on Azure Data Lake Storage"), and the naming page writes the latter.
fn container(rule: &Normalise, on: bool, authority: &str) -> String {
    let Some((container, host)) = authority.rsplit_once('@') else {
        return authority.to_owned();
    };
    let mut host = match rule.host_case {
        true => host.to_ascii_lowercase(),
        false => host.to_owned(),
    };
    if on {
        for port in [":443", ":80"] {
            if let Some(bare) = host.strip_suffix(port) {
                host = bare.to_owned();
            }
        }
        if let Some((account, domain)) = host.split_once(".blob.")
            && (domain.starts_with("core.") || domain.starts_with("fabric."))
        {
            host = format!("{account}.dfs.{domain}");
        }
    }
    format!("{container}@{host}")
}

/// The bucket, without keys and without the endpoint that some clients append: bucket names are unique in
/// all of Alibaba's OSS (`<bucket>.<endpoint>`) and, with the account number, in Tencent's COS.
fn bucket<'n>(lower: &str, url: &Url<'n>) -> &'n str {
    let host = url.host();
    let end = match lower {
        "oss" if host.ends_with(".aliyuncs.com") => host.find(".oss-"),
        "cos" | "cosn" if host.ends_with(".myqcloud.com") => host.find(".cos."),
        _ => None,
    };
    end.filter(|end| *end > 0)
        .and_then(|end| host.get(..end))
        .unwrap_or(host)
}

/// Returns `short`, or the root if nothing remains of a name that was not empty.
fn or_root<'n>(name: &'n str, short: &'n str) -> &'n str {
    if short.is_empty() && !name.is_empty() {
        "/"
    } else {
        short
    }
}

/// An absolute path with single slashes.
fn single(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        if path.is_empty() && c != '/' {
            path.push('/');
        }
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    path
}
