//! The frame of every screen: head, navigation, the box that finds events, the colours, and messages.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};

use crate::Site;
use crate::line::Denial;
use crate::query::link;
use crate::session::set_cookie;
use crate::text::shown;
use crate::time::number;
use crate::visit::{FLASH, Theme, Visit};

/// The screens of the navigation, in its order: a path, and a title.
const SCREENS: [(&str, &str); 4] = [
    ("/", "Events"),
    ("/lineage", "Lineage"),
    ("/queue", "Queue"),
    ("/rules", "Rules"),
];

/// The most characters of a message: more does not fit a cookie.
const MESSAGE: usize = 500;

/// A screen, without its frame.
pub(crate) struct Screen<'a> {
    /// What the tab of the browser says.
    pub(crate) title: &'a str,
    /// The path of its screen in the navigation; nothing for those that are not there.
    pub(crate) path: &'a str,
    /// What is being looked for.
    pub(crate) find: &'a str,
    /// The content, with one `h1`.
    pub(crate) content: Markup,
}

/// Responds with a screen.
pub(crate) fn respond(site: &Site, visit: &Visit, screen: Screen<'_>) -> Response {
    let page = frame(site, visit, screen).into_string();
    let mut response = page.into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    if visit.flash.is_some() {
        let gone = set_cookie(
            &HeaderMap::new(),
            site.prefix(),
            &format!("{FLASH}="),
            Duration::ZERO,
        );
        headers.extend(gone.map(|gone| (header::SET_COOKIE, gone)));
    }
    response
}

/// Responds with a screen on which nothing is being looked for. Its path in the navigation is empty if it is not there.
pub(crate) fn plain(
    site: &Site,
    visit: &Visit,
    path: &str,
    title: &str,
    content: Markup,
) -> Response {
    let screen = Screen {
        title,
        path,
        find: "",
        content,
    };
    respond(site, visit, screen)
}

/// Responds with a part of a screen, for a script.
pub(crate) fn fragment(content: Markup) -> Response {
    let mut response = content.into_string().into_response();
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

/// Leads to a page that says this once.
pub(crate) fn redirect(site: &Site, path: &str, message: &str) -> Response {
    let mut response = Redirect::to(&site.path(path)).into_response();
    let message = shown(message, MESSAGE);
    let encoded: String = form_urlencoded::byte_serialize(message.as_bytes()).collect();
    let flash = format!("{FLASH}={encoded}");
    let cookie = set_cookie(
        &HeaderMap::new(),
        site.prefix(),
        &flash,
        Duration::from_secs(60),
    );
    let headers = response.headers_mut();
    headers.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// The page of an error.
pub(crate) fn fault(site: &Site, visit: &Visit, title: &str, why: &str) -> Response {
    let content = html! {
        h1 { (title) }
        p .problem { (shown(why, 2_000)) }
    };
    plain(site, visit, "", title, content)
}

/// The page for a key that may not do what was asked for.
pub(crate) fn refused(site: &Site, visit: &Visit, reason: Denial) -> Response {
    let (title, why) = match reason {
        Denial::NoKey | Denial::NoRole => (
            "Not permitted",
            "Your key may not do this: looking needs the role read, changing something the role operate.",
        ),
        Denial::Forwarded => (
            "Not permitted",
            "You came through a reverse proxy. To change something, configure a key with the role operate, and log in with it.",
        ),
        Denial::TooMany => (
            "Too many requests",
            "Your key has reached its limit of requests. Wait a second, and load the page again.",
        ),
        Denial::Unavailable => (
            "Not now",
            "It cannot be found out now who you are: see the log of the proxy.",
        ),
    };
    let content = html! {
        h1 { (title) }
        p .problem { (why) }
        @if site.line().has_keys() {
            p { a href=(site.path("/login")) { "Log in with another key" } }
        }
    };
    let mut response = plain(site, visit, "", title, content);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn frame(site: &Site, visit: &Visit, screen: Screen<'_>) -> Markup {
    let assets = site.assets();
    let asset = |file: &str| site.path(&format!("/assets/{file}"));
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(visit.theme.name()) data-root=(site.prefix()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (screen.title) " · lineage-proxy" }
                link rel="stylesheet" href=(asset(assets.css()));
                link rel="icon" href=(asset(assets.icon())) type="image/svg+xml";
                script src=(asset(assets.script())) type="module" {}
            }
            body {
                a .skip href="#content" { "Skip to content" }
                header .top {
                    a .brand href=(site.path("/")) {
                        img src=(asset(assets.icon())) alt="" width="20" height="20";
                        span { "lineage-proxy" }
                    }
                    nav aria-label="Screens" {
                        @for (path, title) in SCREENS {
                            a href=(site.path(path)) aria-current=[(screen.path == path).then_some("page")] {
                                (title)
                                @if path == "/queue" && visit.visitor.may_view { (dead_letters(site)) }
                            }
                        }
                    }
                    form .find role="search" action=(site.path("/")) {
                        label .unseen for="find" { "Find events" }
                        input #find name="q" type="search" value=(screen.find) maxlength="2000" autocomplete="off" spellcheck="false"
                            placeholder="Find: job:dbt.* outcome:dead orders";
                        button { "Find" }
                    }
                    (controls(site, visit))
                }
                main #content tabindex="-1" {
                    @if let Some(message) = &visit.flash {
                        p .flash role="status" { (shown(message, MESSAGE)) }
                    }
                    (screen.content)
                }
                footer {
                    "lineage-proxy " (env!("CARGO_PKG_VERSION"))
                    // A browser has no key for them.
                    @if !site.line().has_keys() {
                        " · " a href=(site.path("/metrics")) { "metrics" }
                    }
                    " · times are local" noscript { " (without script: UTC)" }
                }
            }
        }
    }
}

/// The number of dead letters, if there are some.
pub(crate) fn dead_letters(site: &Site) -> Markup {
    let count = site.queue().dead_letter_count().filter(|count| *count > 0);
    html! {
        span #dead {
            @if let Some(count) = count {
                " " span .mark { "●" (number(count)) span .unseen { " dead letters" } }
            }
        }
    }
}

/// The colours, and who looks.
fn controls(site: &Site, visit: &Visit) -> Markup {
    let (next, label) = match visit.theme {
        Theme::System => (Theme::Dark, "Colours: as the system"),
        Theme::Dark => (Theme::Light, "Colours: dark"),
        Theme::Light => (Theme::System, "Colours: light"),
    };
    let sign = match visit.theme {
        Theme::System => "◐",
        Theme::Dark => "●",
        Theme::Light => "○",
    };
    let here = visit.uri.path_and_query().map_or("", |it| it.as_str());
    html! {
        div .controls {
            form method="post" action=(site.path("/theme")) {
                input type="hidden" name="next" value=(here);
                button .plain name="theme" value=(next.name()) title=(label) aria-label=(label) { (sign) }
            }
            @if let Some(key) = &visit.visitor.key {
                span .who { "key " (crate::text::name(key)) }
            }
            @if visit.has_session {
                form method="post" action=(site.path("/logout")) { button .plain { "Log out" } }
            } @else if site.line().has_keys() {
                a href=(link(&site.path("/login"), &[("next", here)])) { "Log in" }
            }
        }
    }
}
