//! HTTP as every target behind it needs it: a client that posts with authentication and TLS, and what a response means.
//!
//! `client.rs` makes requests, `auth.rs` and `token.rs` authenticate them, `tls.rs` configures TLS, `body.rs` has their bodies,
//! and `response.rs` classifies responses. What is posted, and where to, is up to the kinds of targets.

mod address;
mod auth;
mod body;
mod client;
mod google;
mod response;
mod tls;
mod token;

pub(crate) use address::{Address, HttpUrl};
pub(crate) use auth::{AuthConfig, Method, REREADS, RereadPolicy};
pub(crate) use body::Compression;
pub(crate) use client::{HttpClient, HttpConfig, Post, PostResult, identity, open_questions};
#[cfg(test)]
pub(crate) use response::cases;
pub(crate) use response::{HttpResponse, StatusRules, classify};
pub(crate) use tls::{CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE, TlsFiles};
pub(crate) use token::{ClientAuth, Grant, TokenEndpoint};
