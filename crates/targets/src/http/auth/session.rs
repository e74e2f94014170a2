//! What a request carries: a session is made of a credential, and holds what may be kept of responses.

use std::time::SystemTime;

use aws::Signer;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use settings::SecretText;

use super::super::google;
use super::super::token::basic;
use super::{Method, Shared};
use crate::response::{OwnCredentials, ResponseFilter};
use crate::{Failure, Reason, Scope};

/// What requests are authenticated with until the credential changes.
pub(crate) struct Session {
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    pub(super) query: Option<(String, String)>,
    pub(super) signer: Option<Signer>,
    /// What may be kept of responses.
    pub(crate) filter: ResponseFilter,
    /// What is sent.
    pub(super) credential: Option<SecretText>,
}

impl Session {
    /// The headers that authenticate a POST of `body` to `url`.
    pub(crate) fn headers(&self, url: &Url, body: &[u8]) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = &self.header {
            headers.insert(name, value.clone());
        }
        if let Some(signer) = &self.signer {
            let unsigned = |message: &str| Failure::new(Reason::Permission, Scope::Target, message);
            let signed = signer.sign_post(url.as_str(), body, SystemTime::now());
            for (name, value) in signed.map_err(|error| unsigned(&error.to_string()))? {
                let name = HeaderName::from_bytes(name.as_bytes());
                let value = HeaderValue::from_str(&value);
                let (Ok(name), Ok(mut value)) = (name, value) else {
                    return Err(unsigned("the signature is not a valid header"));
                };
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// Adds the credential to a URL.
    pub(crate) fn url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if let Some((name, value)) = &self.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }
}

impl Shared {
    /// Makes a session of a credential. `exchanged` is what a token was requested with. The error does not contain it.
    pub(super) fn session(
        &self,
        credential: &SecretText,
        exchanged: Option<&SecretText>,
    ) -> Result<Session, String> {
        let text = credential.expose();
        let is_sent_as_it_is = !self.is_token();
        if is_sent_as_it_is && google::private_key(text).is_some() {
            return Err(
                "the credential is the key file of a Google service account: it is never sent, and needs auth: google"
                    .to_owned(),
            );
        }
        let header = |name: HeaderName, text: &str| {
            let value = HeaderValue::from_str(text);
            let mut value = value.map_err(|_| {
                "the API key contains a character that no HTTP header can carry".to_owned()
            })?;
            value.set_sensitive(true);
            Ok::<_, String>(Some((name, value)))
        };
        let (mut headers, mut query) = (None, None);
        match &self.config.method {
            Method::Bearer if text.is_empty() => {}
            Method::Bearer | Method::Token(_) => {
                headers = header(AUTHORIZATION, &format!("Bearer {text}"))?;
            }
            Method::Header(name) => headers = header(name.clone(), text)?,
            Method::Basic { username } => {
                headers = basic(username, text).map(|value| (AUTHORIZATION, value));
            }
            Method::Query { name } => query = Some((name.clone(), text.to_owned())),
            Method::SigV4 { .. } => {}
        }
        let basic = match &self.config.method {
            Method::Basic { username } => format!("{username}:{text}"),
            Method::Bearer
            | Method::Header(_)
            | Method::Query { .. }
            | Method::Token(_)
            | Method::SigV4 { .. } => String::new(),
        };
        let exchanged = exchanged.map_or("", SecretText::expose);
        Ok(Session {
            header: headers,
            query,
            signer: None,
            filter: self.filter(&[text, exchanged, &basic]),
            credential: (!text.is_empty()).then(|| credential.clone()),
        })
    }

    pub(super) fn filter(&self, secrets: &[&str]) -> ResponseFilter {
        let of_url = self.of_url.iter().map(String::as_str);
        ResponseFilter {
            response: self.response,
            own: OwnCredentials::of(secrets.iter().copied().chain(of_url)),
        }
    }
}
