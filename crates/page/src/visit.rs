//! A request of the page, as the screens see it, and the errors that they return.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;

use crate::line::Visitor;
use crate::query::Query;
use crate::session::{cookie_of, is_behind_tls};
use crate::{Site, shell};

/// The cookie that has the colours that the reader has chosen.
pub(crate) const THEME: &str = "lineage_theme";

/// The cookie that has what the next page says once.
pub(crate) const FLASH: &str = "lineage_flash";

/// A request that was admitted; an extension of it.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) visitor: Visitor,
    /// Whether it takes HTML, as browsers do.
    pub(crate) is_browser: bool,
    /// Whether it asks for JSON, and not for HTML.
    pub(crate) wants_json: bool,
    pub(crate) theme: Theme,
    /// What the last change had for a result.
    pub(crate) flash: Option<String>,
    /// Whether the reader has a session.
    pub(crate) has_session: bool,
    pub(crate) uri: Uri,
    /// The host by which the reader knows this site.
    pub(crate) host: Option<String>,
    /// Whether the reader comes by TLS.
    pub(crate) is_tls: bool,
}

/// The colours of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system has them.
    System,
    Light,
    Dark,
}

impl Visit {
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri, visitor: Visitor) -> Visit {
        let accepts = |media_type: &str| {
            let all = headers.get_all(header::ACCEPT).iter();
            let mut all = all.filter_map(|value| value.to_str().ok());
            all.any(|value| value.contains(media_type))
        };
        let is_browser = accepts("text/html");
        let host = headers.get(header::HOST);
        Visit {
            has_session: visitor.key.is_some() && !headers.contains_key(header::AUTHORIZATION),
            visitor,
            is_browser,
            wants_json: !is_browser && accepts("application/json"),
            is_tls: is_behind_tls(headers),
            theme: Theme::of(headers),
            flash: cookie_of(headers, FLASH).and_then(flash),
            uri: uri.clone(),
            host: host.and_then(|host| host.to_str().ok()).map(str::to_owned),
        }
    }

    /// Reads the query, which may have these parameters.
    pub(crate) fn query(&self, known: &[&str]) -> Result<Query<'_>, Fault> {
        let query = self.uri.query().unwrap_or_default();
        Query::read(query.as_bytes(), known).map_err(Fault::bad_request)
    }
}

impl Theme {
    fn of(headers: &HeaderMap) -> Theme {
        match cookie_of(headers, THEME) {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            Some(_) | None => Theme::System,
        }
    }

    /// The name, which is an attribute of the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// Reads the cookie of [`FLASH`], which is a query with one nameless parameter.
fn flash(cookie: &str) -> Option<String> {
    let (text, _) = form_urlencoded::parse(cookie.as_bytes()).next()?;
    (!text.is_empty()).then(|| text.into_owned())
}

/// Why a screen cannot be shown. It becomes a page or a problem document (RFC 9457), as the request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    status: StatusCode,
    why: String,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Fault {
        Fault {
            status,
            why: why.into(),
        }
    }

    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    pub(crate) fn bad_request(why: impl Into<String>) -> Fault {
        Fault::new(StatusCode::BAD_REQUEST, why)
    }

    pub(crate) fn not_found(why: impl Into<String>) -> Fault {
        Fault::new(StatusCode::NOT_FOUND, why)
    }

    pub(crate) fn unavailable(why: impl Into<String>) -> Fault {
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    pub(crate) fn respond(&self, site: &Site, visit: &Visit) -> Response<Body> {
        let title = self.status.canonical_reason().unwrap_or("error");
        let mut response = match visit.is_browser {
            true => shell::fault(site, visit, title, &self.why),
            false => {
                let problem = serde_json::json!({
                    "type": "about:blank",
                    "title": title.to_lowercase(),
                    "status": self.status.as_u16(),
                    "detail": self.why,
                });
                let mut response = problem.to_string().into_response();
                let media_type = HeaderValue::from_static("application/problem+json");
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, media_type);
                response
            }
        };
        *response.status_mut() = self.status;
        response
    }
}

/// Leaves the fault to `security.rs`, which knows the request.
impl IntoResponse for Fault {
    fn into_response(self) -> Response<Body> {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
