//! The location of the rules file, and the key for hashes that replace redacted values.
//!
//! The file is read by `crate::rules`.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Format, Secret, SecretText, TextCheck};
use targets::{Kind, RuleUse};

use super::formats::Bucket;
use super::problems::Problems;
use super::raw::{Raw, RulesSettings};

/// The rules file.
#[derive(Clone)]
pub struct RulesFile {
    /// The location of the file, if there is one.
    pub source: Option<RulesSource>,
    /// The name of the setting of that location, for messages: `rules.file`, or `targets.NAME.rules.file`.
    pub setting: String,
    /// How often it is checked for changes.
    pub refresh: Duration,
    /// The source of the hash key, if there is one.
    pub hash_key: Option<HashKeySource>,
}

/// The source of the hash key.
#[derive(Debug, Clone)]
pub enum HashKeySource {
    /// The configuration.
    Key(HashKey),
    /// The secret of Secrets Manager with this id. Its text is the key.
    SecretId(String),
}

/// The key of the hashes that replace redacted values. `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashKey(SecretText);

impl HashKey {
    /// The shortest key, in bytes: HMAC discourages keys shorter than its hash (RFC 2104, section 3).
    const SHORTEST: usize = 32;

    /// Checks a key. The error does not repeat it.
    pub fn new(text: String) -> Result<HashKey, String> {
        match text.len() >= HashKey::SHORTEST {
            true => Ok(HashKey(SecretText::new(text))),
            false => Err(format!("expected {}", HashKey::expected())),
        }
    }

    /// A new key that nobody knows. `None` if the system has no random bytes.
    pub(crate) fn random() -> Option<HashKey> {
        let mut bytes = [0; HashKey::SHORTEST];
        getrandom::fill(&mut bytes).ok()?;
        Some(HashKey(SecretText::new(hex::encode(bytes))))
    }

    /// A key for tests of rules without the real one.
    pub fn stand_in() -> HashKey {
        HashKey(SecretText::new("*".repeat(HashKey::SHORTEST)))
    }

    /// Returns the key itself.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// The location of a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesSource {
    /// On disk. Files that it refers to are in its folder or below.
    Path(PathBuf),
    /// In S3. Objects that it refers to are under the same prefix.
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
    pub(super) fn from_raw(raw: &RulesSettings, problems: &mut Problems) -> RulesFile {
        let hash_key = match (raw.hash_key.as_deref(), raw.hash_key_secret_id.as_deref()) {
            (Some(_), Some(_)) => {
                let message = "cannot be combined with rules.hash_key";
                problems.at("rules.hash_key_secret_id", message);
                None
            }
            (Some(key), None) => Some(HashKeySource::Key(key.clone())),
            (None, Some(id)) => Some(HashKeySource::SecretId(id.clone())),
            (None, None) => None,
        };
        RulesFile::new(raw, hash_key, problems)
    }

    /// The rules file to check where another setting is wrong: its setting is valid, and the target may apply it. What the
    /// rules require of other settings is left out.
    pub(super) fn to_check(raw: &Raw, problems: &Problems) -> Option<RulesFile> {
        let chosen = raw.config.target.as_deref();
        let kind = match (chosen, problems.is_set("target")) {
            (Some(chosen), _) => Some(chosen.kind),
            (None, true) => None, // it is invalid
            (None, false) => Some(Kind::Store),
        };
        let mut sections = raw.sections.iter();
        let settings = sections.find(|(section, _)| Some(*section) == kind);
        match settings.map(|(_, settings)| settings.rules_applied()) {
            Some(RuleUse::Never) => return None,
            Some(RuleUse::Always | RuleUse::NotDecided(_)) | None => {}
        }
        // A key that is invalid, or in a secret, is not missing.
        let is_set = ["rules.hash_key", "rules.hash_key_secret_id"];
        let has_key = is_set.iter().any(|setting| problems.is_set(setting));
        let key = has_key.then(|| HashKeySource::Key(HashKey::stand_in()));
        let file = RulesFile::new(&raw.config.rules, key, problems);
        file.source.is_some().then_some(file)
    }

    fn new(raw: &RulesSettings, hash_key: Option<HashKeySource>, problems: &Problems) -> RulesFile {
        let source = raw.file.as_deref().cloned();
        // Checking a file costs nothing, checking an object costs a request.
        let refresh = match (raw.refresh.as_deref(), &source) {
            (Some(refresh), _) => *refresh,
            (None, Some(RulesSource::S3 { .. })) => Duration::from_secs(60),
            (None, Some(RulesSource::Path(_)) | None) => Duration::from_secs(2),
        };
        let setting = "rules.file";
        let origin = problems.origins.get(setting);
        RulesFile {
            source,
            setting: origin.map_or(setting, |origin| &origin.name).to_owned(),
            refresh,
            hash_key,
        }
    }
}

impl Format for RulesSource {
    type Value = RulesSource;

    fn expected() -> String {
        "a path, or s3://BUCKET/KEY".to_owned()
    }

    fn values() -> String {
        "path or `s3://BUCKET/KEY`".to_owned()
    }

    fn parse(text: &str) -> Result<RulesSource, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Ok(RulesSource::Path(PathBuf::from(text)));
        };
        match rest.split_once('/') {
            Some((bucket, _)) if !Bucket::is_valid(bucket) => Err(format!(
                "expected a BUCKET that is {}, found {text:?}",
                Bucket::EXPECTED
            )),
            Some((bucket, key)) if !key.is_empty() => Ok(RulesSource::S3 {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }),
            Some(_) | None => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &RulesSource) -> String {
        match value {
            RulesSource::Path(path) => path.display().to_string(),
            RulesSource::S3 { bucket, key } => format!("s3://{bucket}/{key}"),
        }
    }
}

impl Format for HashKey {
    type Value = HashKey;

    fn expected() -> String {
        format!("at least {} characters", HashKey::SHORTEST)
    }

    fn values() -> String {
        "secret".to_owned()
    }

    fn parse(text: &str) -> Result<HashKey, String> {
        HashKey::new(text.to_owned())
    }

    fn show(value: &HashKey) -> String {
        Secret::show(&value.0)
    }

    fn is_secret() -> bool {
        true
    }
}
