//! What every request of the page passes, and what every response has.
//!
//! A browser sends a form of any site to us, with our cookies, so what changes something has to come from our own pages
//! (`Sec-Fetch-Site`, or else `Origin`). Host names are checked by `proxy`, as those of its other routes. No page can run a
//! script that is not ours: there are none in HTML, and the policy says so.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::line::{Credentials, Denial, Denied, Role, UsedKey, Visitor};
use crate::query::link;
use crate::visit::{Fault, Visit};
use crate::{Site, shell};

/// What a page may load and do: its own files, and nothing that stands in its HTML. Rows that arrive later go through the one
/// policy `rows` of `page.js`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types rows";

/// Other sites do not learn the address of a page. Our own forms send their origin: with `no-referrer` it would be `null`
/// (<https://fetch.spec.whatwg.org/#append-a-request-origin-header>), and over plain HTTP nothing else tells where a form comes
/// from, as browsers send `Sec-Fetch-Site` only by TLS and on this machine.
const REFERRER: &str = "same-origin";

/// The most of a form that is read: a script of 64 KB, each byte of which is escaped.
const MAX_BODY: usize = 262_144;

/// Sets the headers of all responses.
pub(crate) async fn secure(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, REFERRER),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let caching = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(caching);
    response
}

/// Rejects what another site sends in the name of the reader.
pub(crate) async fn same_site(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_safe || is_own(request.headers()) {
        return next.run(request).await;
    }
    let visit = Visit::of(request.headers(), request.uri(), Visitor::NOBODY);
    discard(request).await;
    let why = "the request comes from another site: open the page by its own address and send it from there";
    Fault::new(StatusCode::FORBIDDEN, why).respond(&site, &visit)
}

/// Whether one of our own pages, or a script with a key, sent it.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(HeaderValue::to_str);
    match text(HeaderName::from_static("sec-fetch-site")) {
        Some(Ok("same-origin" | "none")) => return true,
        Some(_) => return false,
        None => {}
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(Ok(origin)), Some(Ok(host))) => {
            let authority = ["http://", "https://"]
                .iter()
                .find_map(|scheme| origin.strip_prefix(scheme));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        }
        (Some(_), _) => false,
        // No browser sends it without one of the headers above.
        (None, _) => headers.contains_key(header::AUTHORIZATION),
    }
}

/// Admits who has the role.
pub(crate) async fn admit(
    State((site, role)): State<(Site, Role)>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers().clone();
    match visitor(&site, &headers, role).await {
        Ok(visitor) => {
            let visit = Visit::of(request.headers(), request.uri(), visitor);
            request.extensions_mut().insert(visit.clone());
            let mut response = next.run(request).await;
            let response = match response.extensions_mut().remove::<Fault>() {
                Some(fault) => fault.respond(&site, &visit),
                None => response,
            };
            by(visit.visitor.key, response)
        }
        Err(denied) => {
            let visit = Visit::of(request.headers(), request.uri(), Visitor::NOBODY);
            let target = request
                .uri()
                .path_and_query()
                .map(|it| it.as_str().to_owned());
            let method = request.method().clone();
            discard(request).await;
            let key = denied.key.clone();
            by(key, refuse(&site, &visit, (method, target), denied))
        }
    }
}

/// Notes whose key the request has.
pub(crate) fn by(key: Option<Arc<str>>, mut response: Response) -> Response {
    let key = key.map(UsedKey);
    key.map(|key| response.extensions_mut().insert(key));
    response
}

/// Finds out who sends a request: the holder of a session, or else of a key in the headers.
pub(crate) async fn visitor(
    site: &Site,
    headers: &HeaderMap,
    role: Role,
) -> Result<Visitor, Denied> {
    if let Some(key) = site.sessions().key(headers, tokio::time::Instant::now()) {
        match site.line().admit(Credentials::Key(&key), role).await {
            // The key was withdrawn, and its sessions with it.
            Err(Denied {
                reason: Denial::NoKey,
                ..
            }) => site.sessions().close(headers),
            admitted => return admitted,
        }
    }
    site.line().admit(Credentials::Headers(headers), role).await
}

/// Responds to who may not: a browser is asked for a key, a script gets what the API answers.
fn refuse(
    site: &Site,
    visit: &Visit,
    (method, target): (Method, Option<String>),
    denied: Denied,
) -> Response {
    if !visit.is_browser {
        return denied.response;
    }
    match denied.reason {
        Denial::NoKey => {
            let target = target.filter(|_| method == Method::GET).unwrap_or_default();
            let login = link(&site.path("/login"), &[("next", &target)]);
            Redirect::to(&login).into_response()
        }
        Denial::NoRole | Denial::Forwarded | Denial::TooMany | Denial::Unavailable => {
            let (mut parts, _) = denied.response.into_parts();
            let mut page = shell::refused(site, visit, denied.reason);
            *page.status_mut() = parts.status;
            let later = parts.headers.remove(header::RETRY_AFTER);
            let later = later.map(|later| (header::RETRY_AFTER, later));
            page.headers_mut().extend(later);
            // What is logged of the rejection.
            *page.extensions_mut() = parts.extensions;
            page
        }
    }
}

/// Reads the body of a request that is rejected, so that the client gets the response and not a reset.
async fn discard(request: Request) {
    let _ = to_bytes(request.into_body(), MAX_BODY).await;
}

/// Reads a form.
pub(crate) async fn form(body: Body) -> Result<Vec<u8>, Fault> {
    let too_large = |_| {
        let why = format!("the form is larger than {MAX_BODY} bytes, or ended early");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    let body = to_bytes(body, MAX_BODY).await;
    body.map(|body| body.to_vec()).map_err(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_scripts_with_a_key_change_anything() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            is_own(
                &pairs
                    .chain([(header::HOST, HeaderValue::from_static("a:5000"))])
                    .collect(),
            )
        };
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
        assert!(!own(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://a:5000")
        ]));
        assert!(!own(&[
            ("sec-fetch-site", "cross-site"),
            ("authorization", "Bearer x")
        ]));
        assert!(own(&[("origin", "http://a:5000")]));
        assert!(own(&[("origin", "https://A:5000")]));
        assert!(!own(&[("origin", "http://a:5001")]));
        assert!(!own(&[("origin", "http://a:5000.evil.example")]));
        assert!(!own(&[("origin", "null"), ("authorization", "Bearer x")]));
        assert!(own(&[("authorization", "Bearer x")]));
        assert!(!own(&[]));
    }
}
