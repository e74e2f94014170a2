//! The URL of an endpoint, which may carry a credential in each of its parts.

use reqwest::Url;
use settings::Format;

/// The length from which a part of a path may be a token; a word is shorter.
const TOKEN: usize = 16;

/// A URL that may carry a key: `Debug` shows it without user, query, and what of the path may be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// A URL of scheme `http` or `https`.
pub enum HttpUrl {}

impl Format for HttpUrl {
    type Value = Address;

    fn expected() -> String {
        "a URL, http://… or https://…".to_owned()
    }

    fn parse(text: &str) -> Result<Address, String> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(Address(url))
            }
            // Not repeated: it may carry a key.
            Ok(_) | Err(_) => Err("expected http://… or https://…".to_owned()),
        }
    }

    fn show(value: &Address) -> String {
        format!("{value:?}")
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = if self.has_user() { "***@" } else { "" };
        write!(f, "{}://{user}{}", self.0.scheme(), self.host())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        for segment in self.0.path_segments().into_iter().flatten() {
            let shown = if may_be_token(segment) {
                "***"
            } else {
                segment
            };
            write!(f, "/{shown}")?;
        }
        f.write_str(if self.0.query().is_some() { "?***" } else { "" })
    }
}

/// Whether a part of a path is long enough to be a token: some endpoints have one there.
fn may_be_token(segment: &str) -> bool {
    segment.len() >= TOKEN
}

/// The URL without its password. It keeps the name of the user, who may be a tenant.
pub(crate) fn without_password(mut url: Url) -> Url {
    let _ = url.set_password(None); // fails for URLs without a host, which have none
    url
}

impl Address {
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn has_path(&self) -> bool {
        !matches!(self.0.path(), "" | "/")
    }

    /// Whether it carries a user name or a password, which a client sends as `Authorization: Basic`.
    pub(crate) fn has_user(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The URL, with `path` if it has none of its own.
    pub(crate) fn with_default_path(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        if !self.has_path() {
            url.set_path(path);
        }
        url
    }

    /// The credentials that a response may echo: user, password, and what of path and query may be a key.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let url = &self.0;
        let mut secrets = Vec::new();
        if let Some(password) = url.password() {
            secrets.push(format!("{}:{password}", url.username()));
        }
        secrets.push(url.username().to_owned());
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        let segments = url.path_segments().into_iter().flatten();
        secrets.extend(
            segments
                .filter(|part| may_be_token(part))
                .map(str::to_owned),
        );
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_a_credential() {
        for (url, shown) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:1/"),
            ("https://x/api/v1/lineage", "https://x/api/v1/lineage"),
            (
                "https://me:secret@x:8443/api/0123456789abcdef/e?code=secret#secret",
                "https://***@x:8443/api/***/e?***",
            ),
            ("https://me@x", "https://***@x/"),
        ] {
            let address = HttpUrl::parse(url).unwrap();
            assert_eq!(HttpUrl::show(&address), shown);
        }
    }
}
