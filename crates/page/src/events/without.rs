//! What `GET /` shows without events: how to send the first, what can be looked for, what is wrong with a search. Called by `events.rs`.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::Site;
use crate::query::link;
use crate::shell::{self, Screen};
use crate::text::shown;
use crate::visit::{Fault, Visit};

/// Shows what is wrong with a search, which stays in its box.
pub(super) fn wrong(site: &Site, visit: &Visit, text: &str, error: &str) -> Response {
    let content = html! {
        h1 { "Events" }
        p #wrong .problem role="alert" { "The search cannot be read: " (shown(error, 500)) }
        (syntax(site))
    };
    let screen = Screen {
        title: "Events",
        path: "/",
        find: text,
        content,
    };
    let mut response = shell::respond(site, visit, screen);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Shows that nothing is recorded, and what there is instead.
pub(super) fn no_history(site: &Site, visit: &Visit, text: &str, fault: Fault) -> Response {
    let content = html! {
        h1 { "Events" }
        section .empty {
            h2 { "What happens to events is not shown here" }
            p { (fault.why()) "." }
            p .quiet { "Delivery does not depend on it. The log and the metrics of the proxy tell the outcomes." }
        }
    };
    let screen = Screen {
        title: "Events",
        path: "/",
        find: text,
        content,
    };
    shell::respond(site, visit, screen)
}

/// What can be looked for.
pub(super) fn syntax(site: &Site) -> Markup {
    const EXAMPLES: [(&str, &str); 6] = [
        ("orders", "a text in a job, a dataset or a reason"),
        ("job:dbt.*", "a job, with * for any text"),
        ("dataset:shop.orders", "a dataset that it names"),
        (
            "outcome:dead since:2h",
            "dead letters of the last two hours",
        ),
        ("kind:fail", "a kind of event, or a type of RunEvents"),
        ("run:1b2c44e9", "the beginning of a run id"),
    ];
    html! {
        dl .syntax {
            @for (example, meaning) in EXAMPLES {
                dt { a href=(link(&site.path("/"), &[("q", example)])) { code { (example) } } }
                dd { (meaning) }
            }
        }
    }
}

/// Says how to send the first event.
pub(super) fn nothing_yet(site: &Site, visit: &Visit) -> Markup {
    let host = visit.host.as_deref().unwrap_or("localhost:5000");
    let scheme = if visit.is_tls { "https" } else { "http" };
    let base = format!("{scheme}://{host}{}", site.prefix());
    let url = format!("{base}/api/v1/lineage");
    let event = r#"{"eventType": "COMPLETE", "eventTime": "2026-01-01T00:00:00Z",
  "run": {"runId": "0191f3a0-0000-7000-8000-000000000001"},
  "job": {"namespace": "test", "name": "first"},
  "inputs": [{"namespace": "test", "name": "raw"}], "outputs": [{"namespace": "test", "name": "clean"}],
  "producer": "https://example.com/test",
  "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}"#;
    let key = match site.line().has_keys() {
        true => " \\\n  -H 'Authorization: Bearer KEY'",
        false => "",
    };
    html! {
        section .empty {
            h2 { "No event yet" }
            p { "Point an OpenLineage client at " code { (shown(&base, 300)) } ", or send a first event:" }
            pre { "curl " (shown(&url, 300)) " -H 'Content-Type: application/json'" (key) " -d '" (event) "'" }
            p .quiet { "It appears here at once, and what becomes of it as soon as it was attempted." }
        }
    }
}
