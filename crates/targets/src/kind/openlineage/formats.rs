//! The values of the settings of a target behind HTTP that no other setting has.

use std::collections::BTreeSet;

use reqwest::header::HeaderName;
use settings::{Choice, Format, List, TextCheck};

/// The kinds of events that an endpoint accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Events {
    /// RunEvents, JobEvents and DatasetEvents.
    #[default]
    All,
    /// RunEvents.
    Run,
}

impl Choice for Events {
    const CHOICES: &'static [(&'static str, Events)] =
        &[("all", Events::All), ("run", Events::Run)];
}

/// How requests are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthKind {
    /// `Authorization: Bearer`.
    #[default]
    Bearer,
    /// A header of its own.
    Header,
    /// A parameter of the query.
    Query,
    /// `Authorization: Basic`.
    Basic,
    /// OAuth2 client credentials.
    OAuth2,
    /// A token of another issuer (RFC 8693).
    TokenExchange,
    /// An API key of IBM Cloud.
    IbmIam,
    /// The key of a Google service account.
    Google,
    /// The service account of a machine or a pod in Google Cloud.
    GoogleMetadata,
    /// A signature with the AWS credentials of the process.
    SigV4,
}

impl AuthKind {
    /// The word for it in the setting.
    pub(super) fn name(self) -> &'static str {
        let found = AuthKind::CHOICES.iter().find(|(_, auth)| *auth == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Choice for AuthKind {
    const CHOICES: &'static [(&'static str, AuthKind)] = &[
        ("bearer", AuthKind::Bearer),
        ("header", AuthKind::Header),
        ("query", AuthKind::Query),
        ("basic", AuthKind::Basic),
        ("oauth2", AuthKind::OAuth2),
        ("token_exchange", AuthKind::TokenExchange),
        ("ibm_iam", AuthKind::IbmIam),
        ("google", AuthKind::Google),
        ("google_metadata", AuthKind::GoogleMetadata),
        ("sigv4", AuthKind::SigV4),
    ];
}

/// The name of a header: a token (RFC 9110, section 5.6.2). The name of a parameter needs no more.
pub enum Token {}

impl TextCheck for Token {
    const EXPECTED: &'static str = "a name such as X-API-Key";

    fn is_valid(text: &str) -> bool {
        HeaderName::from_bytes(text.as_bytes()).is_ok()
    }
}

/// HTTP statuses: `500` or `409,500`.
pub enum Statuses {}

impl Format for Statuses {
    type Value = BTreeSet<u16>;

    fn expected() -> String {
        "a list of HTTP statuses such as 409,500".to_owned()
    }

    fn values() -> String {
        List::values()
    }

    fn parse(text: &str) -> Result<BTreeSet<u16>, String> {
        Self::of(&List::parse(text)?)
    }

    fn read(value: serde_json::Value) -> Result<BTreeSet<u16>, String> {
        Self::of(&List::read(value)?)
    }

    fn show(value: &BTreeSet<u16>) -> String {
        let statuses = value.iter().map(u16::to_string);
        statuses.collect::<Vec<_>>().join(", ")
    }
}

impl Statuses {
    fn of(texts: &[String]) -> Result<BTreeSet<u16>, String> {
        let status = |text: &String| {
            let status = text.parse().ok();
            let status = status.filter(|status| (100..=599).contains(status));
            status.ok_or_else(|| format!("expected {}, found {text:?}", Self::expected()))
        };
        texts.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statuses_are_a_list_of_numbers() {
        let read = |value| Statuses::read(value);
        assert_eq!(read(json!([409, "500"])), Ok([409, 500].into()));
        assert_eq!(read(json!("409,500")), Ok([409, 500].into()));
        assert!(read(json!("5xx")).is_err() && read(json!([99])).is_err());
    }
}
