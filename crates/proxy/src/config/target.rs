//! Which target events go to, and its settings.
//!
//! Part of `config.rs`: read with the others, wrong together with the others.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use targets::{Compression, FileSettings, HttpSettings, JobEvents, Kind, Response, TargetName};

use super::Role;
use super::parse::{between, bytes, choice, domain, duration, parsed, role_arn};
use super::settings::Reader;

/// Where events go.
#[derive(Clone)]
pub enum Target {
    /// The store in the data folder.
    Store,
    /// JSON lines.
    File(FileSettings),
    /// An OpenLineage endpoint.
    OpenLineage {
        /// How it is reached.
        http: HttpSettings,
        /// A Secrets Manager secret that is the key.
        api_key_secret: Option<String>,
    },
    /// Amazon DataZone.
    DataZone {
        /// `dzd_…`.
        domain: String,
        /// The domain's region, when it is not the process's own.
        region: Option<String>,
        /// The role that posts, when it is not the process's own.
        role: Option<String>,
        /// Posts a second at most.
        per_second: NonZeroU32,
        /// What becomes of JobEvents.
        job_events: JobEvents,
        /// What is kept of an answer that is no success.
        response: Response,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind().name()) // settings hold keys
    }
}

impl Target {
    /// The name of the target: that of its kind.
    pub fn name(&self) -> TargetName {
        self.kind().into()
    }

    /// The kind of the target.
    pub fn kind(&self) -> Kind {
        match self {
            Target::Store => Kind::Store,
            Target::File(_) => Kind::File,
            Target::OpenLineage { .. } => Kind::OpenLineage,
            Target::DataZone { .. } => Kind::DataZone,
        }
    }
}

/// Reads the settings of all targets, and gives that which was chosen.
pub(super) fn read(r: &mut Reader, role: Role) -> Target {
    let names = Kind::ALL.map(|kind| (kind.name(), kind.name().to_owned()));
    let name = r.get("target", |t| choice(t, &names));
    let path = r.get("file.path", parsed::<PathBuf>);
    let max_bytes = r.get("file.max_bytes", bytes).unwrap_or(100_000_000);
    let keep = r
        .get("file.keep", |t| between(t, 0, 1_000_000))
        .unwrap_or(0);
    let url = r.get("openlineage.url", |t| match reqwest::Url::parse(t) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err("expected http://… or https://…".to_owned()),
    });
    let api_key = r.get("openlineage.api_key", parsed);
    let api_key_secret = r.get("openlineage.api_key_secret_id", parsed);
    let codings = [("none", Compression::None), ("gzip", Compression::Gzip)];
    let compression = r.get("openlineage.compression", |t| choice(t, &codings));
    let timeout = r
        .get("openlineage.timeout", |t| duration(t, 1, 300))
        .unwrap_or(Duration::from_secs(10));
    let http_response = r.get("openlineage.response", response).unwrap_or_default();
    let domain = r.get("datazone.domain_id", domain);
    let region = r.get("datazone.region", parsed);
    let role_arn = r.get("datazone.role_arn", role_arn);
    let per_second = r.get("datazone.posts_per_second", |t| {
        match t.parse::<NonZeroU32>() {
            Ok(rate) => Ok(rate),
            Err(_) => Err(format!(
                "expected a whole number of at least 1, found {t:?}"
            )),
        }
    });
    let job_events = [("convert", JobEvents::Convert), ("skip", JobEvents::Skip)];
    let job_events = r.get("datazone.job_events", |t| choice(t, &job_events));
    let datazone_response = r.get("datazone.response", response).unwrap_or_default();
    if api_key.is_some() && api_key_secret.is_some() {
        let message = "expected one key, from one place, found openlineage.api_key too";
        r.refuse("openlineage.api_key_secret_id", message);
    }
    if role == Role::Check && name.as_deref() != Some("datazone") {
        r.refuse("target", "expected datazone: nothing else can be checked");
    }
    let chosen = name.as_deref().unwrap_or("a target").to_owned();
    let mut needs = |name: &str| match name {
        "target" => r.refuse(name, "expected openlineage or datazone, found nothing"),
        name if r.is_given(name) => {}
        name => r.refuse(
            name,
            format!("expected a value, found nothing: target {chosen} needs it"),
        ),
    };
    match name.as_deref() {
        Some("file") => match path {
            Some(path) => {
                return Target::File(FileSettings {
                    path,
                    max_bytes: max_bytes as u64,
                    keep,
                });
            }
            None => needs("file.path"),
        },
        Some("openlineage") => match url {
            Some(url) => {
                let compression = compression.unwrap_or_default();
                return Target::OpenLineage {
                    http: HttpSettings {
                        url,
                        api_key,
                        compression,
                        timeout,
                        response: http_response,
                    },
                    api_key_secret,
                };
            }
            None => needs("openlineage.url"),
        },
        Some("datazone") => match domain {
            Some(domain) => {
                return Target::DataZone {
                    domain,
                    region,
                    role: role_arn,
                    // PostLineageEvent: 20 a second an account and Region (Amazon DataZone, "Quotas").
                    per_second: per_second
                        .or(NonZeroU32::new(20))
                        .unwrap_or(NonZeroU32::MIN),
                    job_events: job_events.unwrap_or_default(),
                    response: datazone_response,
                };
            }
            None => needs("datazone.domain_id"),
        },
        Some(_) | None if role == Role::Batch => needs("target"),
        Some(_) | None => {}
    }
    Target::Store
}

fn response(text: &str) -> Result<Response, String> {
    let kept = [
        ("structure", Response::Structure),
        ("redacted", Response::Redacted),
    ];
    choice(text, &kept)
}
