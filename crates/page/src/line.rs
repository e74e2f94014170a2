//! What the page needs of the proxy that runs: the line from ingest to the targets.
//!
//! `proxy` implements [`Line`], [`queue::QueueLine`] and [`rules::RulesLine`]. The structs here belong to the page, so that it depends on no queue and no target.

pub mod queue;
pub mod rules;

pub mod events;

use std::pin::Pin;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use history::History;

/// What a method of [`Line`] returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The proxy that runs.
pub trait Line: Send + Sync + 'static {
    /// The time, in milliseconds since 1970.
    fn now(&self) -> i64;

    /// Whether there are keys, so that somebody can log in.
    fn has_keys(&self) -> bool;

    /// Admits who has the role.
    fn admit<'a>(
        &'a self,
        credentials: Credentials<'a>,
        role: Role,
    ) -> Answer<'a, Result<Visitor, Denied>>;

    /// Returns what happened to events, as far as that is recorded.
    fn history(&self) -> Answer<'_, Recorded>;
}

/// By what a request shows who it is from.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// Its headers, in which scripts have a key.
    Headers(&'a HeaderMap),
    /// The SHA-256 of the key of its session.
    Key(&'a [u8; 32]),
}

/// What a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To look.
    View,
    /// To change something. Whoever may do that may look.
    Operate,
}

/// Who is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The name of the key; `None` if no key is needed.
    pub key: Option<Arc<str>>,
    /// Whether the visitor has [`Role::View`].
    pub may_view: bool,
    /// Whether the visitor has [`Role::Operate`].
    pub may_operate: bool,
}

impl Visitor {
    /// Somebody who may do nothing.
    pub(crate) const NOBODY: Visitor = Visitor {
        key: None,
        may_view: false,
        may_operate: false,
    };
}

/// The name of the key of a request; an extension of its response, by which the request is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey(pub Arc<str>);

/// Why a request is not admitted.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub reason: Denial,
    /// The name of the key, if it is known.
    pub key: Option<Arc<str>>,
    /// What a script gets.
    pub response: Response,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It has no key, or one that is not known.
    NoKey,
    /// The key lacks the role.
    NoRole,
    /// Without keys, only who comes directly may change something, and this one came through a reverse proxy.
    Forwarded,
    /// The key has a limit of requests, which is used up for now.
    TooMany,
    /// Not now.
    Unavailable,
}

/// Whether it is recorded what happens to events.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// It is not, and the reason.
    Never(&'static str),
    /// It is, but nothing can be read now.
    Unavailable,
    /// It is.
    In(History),
}
