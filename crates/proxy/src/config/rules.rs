//! Where the rules file is, and what it may know.
//!
//! Part of `config.rs`: read with the others, wrong together with the others. The file itself is read by `rules.rs`.

use std::path::PathBuf;
use std::time::Duration;

use super::parse::{duration, parsed};
use super::settings::Reader;

/// The shortest key of hashes, in bytes: HMAC discourages keys shorter than its hash (RFC 2104, section 3).
pub const HASH_KEY: usize = 32;

/// The rules file.
#[derive(Clone, Default)]
pub struct RulesFile {
    /// Where it is, if there is one.
    pub source: Option<RulesSource>,
    /// How often to look whether it has changed.
    pub refresh: Option<Duration>,
    /// The key of hashes that stand for what was redacted.
    pub hash_key: Option<String>,
    /// A Secrets Manager secret that is the key.
    pub hash_key_secret: Option<String>,
}

/// Where a rules file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesSource {
    /// On disk. What it refers to stands beside it.
    Path(PathBuf),
    /// In S3. What it refers to stands under the same prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object.
        key: String,
    },
}

impl std::fmt::Debug for RulesFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f) // the rest holds a key
    }
}

impl RulesFile {
    /// How often to look: a look at a disk costs nothing, one at S3 a request.
    pub fn every(&self) -> Duration {
        self.refresh.unwrap_or(match self.source {
            Some(RulesSource::S3 { .. }) => Duration::from_secs(60),
            Some(RulesSource::Path(_)) | None => Duration::from_secs(2),
        })
    }
}

pub(super) fn read(r: &mut Reader) -> RulesFile {
    let source = r.get("rules.file", |text| match text.strip_prefix("s3://") {
        None => Ok(RulesSource::Path(PathBuf::from(text))),
        Some(rest) => match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(RulesSource::S3 {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }),
            Some(_) | None => Err(format!(
                "expected a path, or s3://BUCKET/KEY, found {text:?}"
            )),
        },
    });
    let refresh = r.get("rules.refresh", |text| duration(text, 1, 86_400));
    let hash_key = r.get("rules.hash_key", |text| {
        let ok = text.len() >= HASH_KEY;
        let short = || format!("expected at least {HASH_KEY} characters");
        ok.then(|| text.to_owned()).ok_or_else(short)
    });
    let hash_key_secret = r.get("rules.hash_key_secret_id", parsed);
    if hash_key.is_some() && hash_key_secret.is_some() {
        let message = "expected one key, from one place, found rules.hash_key too";
        r.refuse("rules.hash_key_secret_id", message);
    }
    RulesFile {
        source,
        refresh,
        hash_key,
        hash_key_secret,
    }
}
