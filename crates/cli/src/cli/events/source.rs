//! Where the history of a `serve` is read: its data folder, or its URL. Both give the same pages.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::history::{FindError, Found, FoundPage, History as Database, Page, Search, Term};
use proxy::config::Errors;
use reqwest::{Client, Url};
use serde_json::Value;

use super::{Arguments, now};
use crate::cli::send;

/// The most bytes of a response: more than a page of events with many datasets has.
const MAX_RESPONSE: usize = 64_000_000;

/// Why a history cannot be searched.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum LookError {
    /// The same request will fail again.
    #[error("{0}")]
    Refused(String),
    /// Nothing answers at the address. It may be wrong, unless something has answered there before.
    #[error("{0}")]
    Unreachable(String),
    /// It may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

impl LookError {
    /// The exit status of the process.
    pub(in crate::cli) fn exit_status(&self) -> u8 {
        match self {
            LookError::Refused(_) => 2,
            LookError::Unreachable(_) => 64,
            LookError::Unavailable(_) => 75,
        }
    }
}

/// Where a history is read.
pub(super) enum Source {
    Folder(Folder),
    Url(Remote),
}

/// The history in a data folder.
pub(super) struct Folder {
    path: PathBuf,
    database: Database,
    /// The device and inode of the file that is open.
    file: (u64, u64),
}

/// The history of a `serve` that runs.
pub(super) struct Remote {
    client: Client,
    url: Url,
    key: Option<String>,
}

impl Source {
    pub(super) fn open(from: &str, arguments: &Arguments) -> anyhow::Result<Source> {
        if let Some(url) = url(from)? {
            let key = send::read_key(arguments.api_key_file.as_deref(), arguments.api_key.clone())?;
            return Ok(Source::Url(Remote::new(url, key)?));
        }
        let folder = Path::new(from);
        if !Database::path(folder).is_file() {
            let why = match folder.exists() {
                true => None,
                false => hint(from),
            };
            let why = why.unwrap_or_else(|| {
                "no history: expected the URL of a serve, or its data folder, unless history.age is 0 or the queue is SQS".to_owned()
            });
            return Err(Errors::general(format!("{from}: {why}")).into());
        }
        Ok(Source::Folder(Folder::open(folder)?))
    }

    pub(super) async fn find(
        &self,
        search: &Search,
        page: Page,
        limit: usize,
    ) -> Result<Found, LookError> {
        match self {
            Source::Url(remote) => remote.find(search, page, limit).await.map(|it| it.found),
            Source::Folder(folder) => {
                let found = folder.database.find(search.clone(), page, limit, now());
                found.await.map_err(|error| match error {
                    FindError::TooLong => LookError::Refused(error.to_string()),
                    FindError::Failed(_) => LookError::Unavailable(error.to_string()),
                })
            }
        }
    }

    /// Finds the newest events; of a `serve` that runs, also those that wait.
    pub(super) async fn newest(
        &self,
        search: &Search,
        limit: usize,
    ) -> Result<FoundPage, LookError> {
        match self {
            Source::Url(remote) => remote.find(search, Page::Before(None), limit).await,
            Source::Folder(_) => {
                let found = self.find(search, Page::Before(None), limit).await?;
                let waiting = None;
                Ok(FoundPage { found, waiting })
            }
        }
    }

    /// Opens the file in the folder again if it is another one. Returns whether it is.
    pub(super) fn renew(&mut self) -> Result<bool, LookError> {
        match self {
            Source::Url(_) => Ok(false),
            Source::Folder(folder) => folder.renew(),
        }
    }
}

impl Folder {
    fn open(path: &Path) -> Result<Folder, LookError> {
        // First: a file that replaces it meanwhile is opened by the next poll.
        let file = file(path)?;
        let opened = Database::open(path);
        let database = opened.map_err(|error| LookError::Unavailable(error.to_string()))?;
        Ok(Folder {
            path: path.to_owned(),
            database,
            file,
        })
    }

    fn renew(&mut self) -> Result<bool, LookError> {
        let is_other = file(&self.path)? != self.file;
        if is_other || self.database.has_failed() {
            *self = Folder::open(&self.path)?;
        }
        Ok(is_other)
    }
}

/// Returns the device and inode of the history in the folder.
fn file(folder: &Path) -> Result<(u64, u64), LookError> {
    let path = Database::path(folder);
    let found = std::fs::metadata(&path);
    let found =
        found.map_err(|error| LookError::Unavailable(format!("{}: {error}", path.display())))?;
    Ok((found.dev(), found.ino()))
}

/// Returns the URL that a text is, if it begins like one.
fn url(text: &str) -> Result<Option<Url>, Errors> {
    if !["http://", "https://"]
        .iter()
        .any(|it| text.starts_with(it))
    {
        return Ok(None);
    }
    let url = text.parse().map(Some);
    url.map_err(|error| Errors::general(format!("{text}: {error}")))
}

/// What someone meant who wrote this as the place, if it is a search, or a URL without its beginning.
fn hint(from: &str) -> Option<String> {
    let is_key = |term: &Term| !matches!(term, Term::Word(_));
    let search = from.parse::<Search>();
    if search.is_ok_and(|search| search.terms.iter().any(is_key)) {
        let place = "the data folder of a serve, or its URL, stands before it";
        return Some(format!("this is what to look for: {place}"));
    }
    let url: Url = format!("http://{from}").parse().ok()?;
    url.port()?;
    Some(format!("no such folder: did you mean http://{from}?"))
}

impl Remote {
    /// The path of the URL is the prefix of the paths of the proxy.
    fn new(mut url: Url, key: Option<String>) -> anyhow::Result<Remote> {
        url.set_path(&format!(
            "{}/api/v1/events",
            url.path().trim_end_matches('/')
        ));
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            // The key is meant for this proxy.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Remote { client, url, key })
    }

    async fn find(
        &self,
        search: &Search,
        page: Page,
        limit: usize,
    ) -> Result<FoundPage, LookError> {
        let mut url = self.url.clone();
        let mut query = url.query_pairs_mut();
        query.clear().append_pair("q", &search.to_string());
        query.append_pair("limit", &limit.to_string());
        let place = match page {
            Page::Before(None) => None,
            Page::Before(Some(position)) => Some(("before", position)),
            Page::After(position) => Some(("after", position)),
        };
        if let Some((name, position)) = place {
            query.append_pair(name, &position.to_string());
        }
        drop(query);
        let mut request = self.client.get(url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let unavailable = |error: reqwest::Error| {
            let is_unreachable = error.is_connect();
            let why = targets::causes(&error.without_url()); // the URL may have a password
            let name = self.name();
            match is_unreachable {
                true => LookError::Unreachable(format!(
                    "{name}: no connection, is it the address of a serve that runs? {why}"
                )),
                false => LookError::Unavailable(format!("{name}: {why}")),
            }
        };
        let mut response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                let why = format!("{}: the response is too large: see --limit", self.name());
                return Err(LookError::Refused(why));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem
                .get("detail")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let detail = targets::shown(detail, self.key.as_deref());
            let why = format!("{}: {status}: {detail}", self.name());
            let why = why.trim_end_matches([':', ' ']).to_owned();
            return Err(match send::is_transient(status) {
                true => LookError::Unavailable(why),
                false => LookError::Refused(why),
            });
        }
        serde_json::from_slice(&body).map_err(|error| {
            LookError::Refused(format!(
                "{}: not the history of a proxy: {error}",
                self.name()
            ))
        })
    }

    /// The host, for errors: a URL may have a password.
    fn name(&self) -> String {
        let port = self
            .url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_prefix_of_the_proxy_and_shows_no_password() {
        let remote = Remote::new("https://u:secret@h:1/lineage/".parse().unwrap(), None).unwrap();
        assert_eq!(remote.url.path(), "/lineage/api/v1/events");
        assert_eq!(remote.name(), "h:1");
    }

    #[test]
    fn a_search_or_a_host_as_the_place_gets_a_hint() {
        for (from, expected) in [
            ("job:dbt.*", Some("what to look for")),
            ("since:2h", Some("what to look for")),
            ("127.0.0.1:6100", Some("http://127.0.0.1:6100?")),
            (
                "localhost:5000/lineage",
                Some("http://localhost:5000/lineage?"),
            ),
            ("[::1]:5000", Some("http://[::1]:5000?")),
            ("lineage-data", None),
            ("./data", None),
        ] {
            let told = hint(from);
            match expected {
                Some(part) => assert!(
                    told.as_ref().is_some_and(|it| it.contains(part)),
                    "{from}: {told:?}"
                ),
                None => assert_eq!(told, None, "{from}"),
            }
        }
    }
}
