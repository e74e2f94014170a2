//! Logging in with a key, logging out, and the colours: what needs no role.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use tokio::time::Instant;

use crate::Site;
use crate::line::{Credentials, Denial, Role, Visitor};
use crate::query::Query;
use crate::security::{by, form, visitor};
use crate::session;
use crate::shell;
use crate::visit::{Fault, THEME, Visit};

/// How long the chosen colours are remembered: a year.
const THEME_AGE: Duration = Duration::from_secs(31_536_000);

/// Asks for a key.
pub(crate) async fn page(State(site): State<Site>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let visit = visit(&site, &head).await;
    let next = match visit.query(&["next"]) {
        Ok(query) => query.text("next").unwrap_or_default().to_owned(),
        Err(fault) => return fault.respond(&site, &visit),
    };
    ask(&site, &visit, &next, None)
}

/// Opens a session.
pub(crate) async fn log_in(State(site): State<Site>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let visit = visit(&site, &head).await;
    let headers = head.headers;
    let body = match form(body).await {
        Ok(body) => body,
        Err(fault) => return fault.respond(&site, &visit),
    };
    let query = match Query::read(&body, &["key", "next"]) {
        Ok(query) => query,
        Err(why) => return Fault::bad_request(why).respond(&site, &visit),
    };
    let next = query.text("next").unwrap_or_default();
    let again = |status, why: &str| {
        let mut response = ask(&site, &visit, next, Some(why));
        *response.status_mut() = status;
        response
    };
    let key = session::hash(query.text("key").unwrap_or_default().trim());
    let admitted = site.line().admit(Credentials::Key(&key), Role::View).await;
    let is_wrong = match &admitted {
        Ok(visitor) => visitor.key.is_none(),
        Err(denied) => denied.reason == Denial::NoKey,
    };
    if is_wrong && site.sessions().has_too_many_failures(Instant::now()) {
        let why = "too many wrong keys are being tried: wait a second";
        return again(StatusCode::TOO_MANY_REQUESTS, why);
    }
    match admitted {
        Ok(Visitor { key: None, .. }) => again(StatusCode::FORBIDDEN, "the key is not known"),
        Ok(visitor) => {
            let opened = session_opened(&site, &headers, key, next).unwrap_or_else(|| {
                let why = "the system has no random bytes for a session";
                again(StatusCode::SERVICE_UNAVAILABLE, why)
            });
            by(visitor.key, opened)
        }
        Err(denied) => {
            let why = match denied.reason {
                Denial::NoKey | Denial::Forwarded => "the key is not known",
                Denial::NoRole => "the key may not look: it needs the role read or operate",
                Denial::TooMany => "the key has reached its limit of requests: wait a second",
                Denial::Unavailable => "keys cannot be checked now: see the log of the proxy",
            };
            let (parts, _) = denied.response.into_parts();
            let mut response = again(parts.status, why);
            // What is logged of the rejection.
            *response.extensions_mut() = parts.extensions;
            by(denied.key, response)
        }
    }
}

/// Ends a session.
pub(crate) async fn log_out(State(site): State<Site>, request: Request) -> Response {
    let headers = request.headers();
    site.sessions().close(headers);
    let mut response = shell::redirect(&site, "/login", "You are logged out.");
    if let Some(gone) = session::no_cookie(headers, site.prefix()) {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    response
}

/// Chooses the colours.
pub(crate) async fn theme(State(site): State<Site>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let visit = visit(&site, &head).await;
    let headers = head.headers;
    match form(body)
        .await
        .and_then(|body| chosen(&site, &headers, &body))
    {
        Ok(response) => response,
        Err(fault) => fault.respond(&site, &visit),
    }
}

fn chosen(site: &Site, headers: &HeaderMap, body: &[u8]) -> Result<Response, Fault> {
    let query = Query::read(body, &["theme", "next"]).map_err(Fault::bad_request)?;
    let theme = match query.text("theme") {
        Some(theme @ ("light" | "dark" | "system")) => theme,
        Some(_) | None => {
            return Err(Fault::bad_request("theme: expected light, dark or system"));
        }
    };
    let next = local(site, query.text("next").unwrap_or_default());
    let mut response = Redirect::to(&next).into_response();
    let cookie = session::set_cookie(
        headers,
        site.prefix(),
        &format!("{THEME}={theme}"),
        THEME_AGE,
    );
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    response.headers_mut().extend(cookie);
    Ok(response)
}

fn session_opened(site: &Site, headers: &HeaderMap, key: [u8; 32], next: &str) -> Option<Response> {
    site.sessions().close(headers);
    let id = site.sessions().open(key, Instant::now())?;
    let cookie = session::cookie(headers, site.prefix(), &id)?;
    let mut response = Redirect::to(&local(site, next)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Some(response)
}

/// Returns a path of this site: a link to the login must not lead to another one.
fn local(site: &Site, next: &str) -> String {
    let start = site.path("/");
    let is_path = next.starts_with(&start)
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\');
    match is_path {
        true => next.to_owned(),
        false => start,
    }
}

fn ask(site: &Site, visit: &Visit, next: &str, error: Option<&str>) -> Response {
    let content = html! {
        section .narrow {
            h1 { "Log in" }
            @if site.line().has_keys() {
                p { "Use an API key with the role " code { "read" } " to look, or " code { "operate" } " to change something." }
                form .stack method="post" action=(site.path("/login")) {
                    input type="hidden" name="next" value=(next);
                    label for="key" { "Key" }
                    input #key name="key" type="password" autocomplete="current-password" required autofocus
                        aria-describedby=[error.map(|_| "wrong")];
                    @if let Some(error) = error {
                        p #wrong .problem role="alert" { (error) }
                    }
                    button .main { "Log in" }
                }
            } @else {
                p { "There are no keys, so there is nothing to log in with. " a href=(site.path("/")) { "Go to the events" } }
            }
        }
    };
    shell::plain(site, visit, "", "Log in", content)
}

/// The request, of whomever it is.
async fn visit(site: &Site, head: &Parts) -> Visit {
    let visitor = visitor(site, &head.headers, Role::View).await;
    Visit::of(&head.headers, &head.uri, visitor.unwrap_or(Visitor::NOBODY))
}
