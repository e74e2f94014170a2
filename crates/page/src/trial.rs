//! `/rules`: the rules in force and what they did. `/rules/try`: what other rules would do to past events.
//!
//! A trial changes nothing: the rules file is edited where it is. What a trial finds is shown by `trial/report.rs`.

mod report;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use history::Search;
use maud::{Markup, html};
use serde_json::json;

use crate::Site;
use crate::line::rules::{Problem, TargetRules, TrialFailure, TrialReport, TrialRequest};
use crate::lineage::{blocking, compared};
use crate::query::{Query, link};
use crate::security;
use crate::shell;
use crate::text::{REASON, shown};
use crate::time::number;
use crate::visit::{Fault, Visit};

/// The longest rules file that is tried, in bytes.
const MAX_RULES: usize = 65_536;

/// On how many events rules can be tried; the first is proposed.
const EVENTS: [usize; 3] = [1_000, 100, 10];

const PATH: &str = "/rules";

/// What the form of a trial has.
struct Form<'f> {
    target: &'f str,
    rules: &'f str,
    search: &'f str,
    events: usize,
}

/// Shows the rules in force.
pub(crate) async fn rules(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    visit.query(&[])?;
    let all = site.rules().rules().await;
    if visit.wants_json {
        return Ok(axum::Json(all).into_response());
    }
    let content = html! {
        h1 { "Rules" }
        p .quiet { "With the number of events since the start of the process. Rules that begin with builtin/ are what the target needs." }
        @if all.is_empty() { p .quiet { "This process delivers to no target, so it applies no rules." } }
        @for target in &all { (in_force(&site, &visit, target)) }
    };
    Ok(screen(&site, &visit, "Rules", content))
}

/// Asks for rules to try: those in force at first.
pub(crate) async fn form(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let query = visit.query(&["target", "q"])?;
    let all = site.rules().rules().await;
    let wanted = query.text("target");
    let is_it = |it: &&TargetRules| wanted.is_none_or(|wanted| it.target == wanted);
    let Some(target) = all.iter().find(is_it) else {
        return Err(Fault::not_found("there is no such target"));
    };
    let form = Form {
        target: &target.target,
        rules: target.text.as_deref().unwrap_or(NO_RULES),
        search: query.text("q").unwrap_or_default(),
        events: EVENTS[0],
    };
    if visit.wants_json {
        let target = form.target;
        let known =
            json!({"target": target, "rules": form.rules, "q": form.search, "events": form.events});
        return Ok(axum::Json(known).into_response());
    }
    let content = trial(&site, &all, &form, html! {});
    Ok(screen(&site, &visit, "Try rules", content))
}

/// What there is to begin with where no rules are in force.
const NO_RULES: &str = "version: 1\nrules: []\n";

/// Tries rules.
pub(crate) async fn run(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Fault> {
    let body = security::form(body).await?;
    let query = Query::read(&body, &["target", "rules", "q", "events"]);
    let query = query.map_err(Fault::bad_request)?;
    let events = query.number("events").map_err(Fault::bad_request)?;
    let form = Form {
        target: query.text("target").unwrap_or_default(),
        rules: query.text("rules").unwrap_or_default(),
        search: query.text("q").unwrap_or_default(),
        events: events.unwrap_or(EVENTS[0]).clamp(1, EVENTS[0]),
    };
    if form.rules.len() > MAX_RULES {
        let why = format!("rules: expected at most {MAX_RULES} bytes");
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let tried = match form.search.parse::<Search>() {
        Ok(search) => {
            let request = TrialRequest {
                target: form.target.to_owned(),
                // Browsers end lines so, and columns would count it.
                rules: form.rules.replace("\r\n", "\n"),
                events: form.events,
                search,
            };
            site.rules().try_rules(request).await
        }
        Err(error) => Err(TrialFailure::NoEvents(format!("Search: {error}"))),
    };
    if visit.wants_json {
        return Ok(as_json(tried));
    }
    let all = site.rules().rules().await;
    let (status, result) = match &tried {
        Ok(report) => {
            let near = report.graph.near.clone();
            let drawings = blocking(move || compared(&near)).await?;
            let command = command(&visit, &site, &form, &all);
            let result = report::report(&site, report, &drawings, &command);
            (StatusCode::OK, result)
        }
        Err(failure) => (status(failure), failed(failure)),
    };
    let content = trial(&site, &all, &form, result);
    let mut response = screen(&site, &visit, "Try rules", content);
    *response.status_mut() = status;
    Ok(response)
}

fn as_json(tried: Result<TrialReport, TrialFailure>) -> Response {
    match tried {
        Ok(report) => axum::Json(report).into_response(),
        Err(failure) => {
            let status = status(&failure);
            let body = match failure {
                TrialFailure::Invalid(problems) => json!({"problems": problems}),
                TrialFailure::Busy => json!({"error": BUSY}),
                TrialFailure::NotFound(why)
                | TrialFailure::NoEvents(why)
                | TrialFailure::Failed(why) => json!({"error": why}),
            };
            (status, axum::Json(body)).into_response()
        }
    }
}

const BUSY: &str = "Other rules are being tried. A trial takes some seconds: try again.";

fn status(failure: &TrialFailure) -> StatusCode {
    match failure {
        TrialFailure::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        TrialFailure::NotFound(_) | TrialFailure::NoEvents(_) => StatusCode::NOT_FOUND,
        TrialFailure::Busy => StatusCode::TOO_MANY_REQUESTS,
        TrialFailure::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn failed(failure: &TrialFailure) -> Markup {
    let problem = |why: &str| html! { p .problem role="alert" { (shown(why, REASON)) } };
    match failure {
        TrialFailure::Invalid(problems) => html! {
            section #result {
                h2 { "The rules are invalid" }
                (listed(problems, "problem"))
            }
        },
        TrialFailure::Busy => problem(BUSY),
        TrialFailure::NotFound(why) | TrialFailure::NoEvents(why) | TrialFailure::Failed(why) => {
            problem(why)
        }
    }
}

/// Problems by line, as the command line prints them.
fn listed(problems: &[Problem], class: &str) -> Markup {
    html! {
        ul .problems {
            @for problem in problems.iter().take(100) {
                li class=(class) {
                    span .mono { "rules:" (problem.line) ":" (problem.column) ": " } (shown(&problem.message, 1_000))
                }
            }
            @if problems.len() > 100 { li { "and " (number(problems.len() - 100)) " more" } }
        }
    }
}

/// The rules in force for a target.
fn in_force(site: &Site, visit: &Visit, target: &TargetRules) -> Markup {
    let find = |outcome: &str, rule: &str, count: u64| {
        let escaped = rule.replace('\\', "\\\\").replace('"', "\\\"");
        let search = format!("target:{} {outcome}rule:\"{escaped}\"", target.target);
        html! {
            td .number {
                @if count == 0 { "0" } @else { a href=(link(&site.path("/"), &[("q", &search)])) { (number(count)) } }
            }
        }
    };
    html! {
        section {
            h2 { bdi { (shown(&target.target, REASON)) } @if target.kind != target.target { " " span .quiet { (target.kind) } } }
            @if let Some(error) = &target.error { p .problem { (error) } }
            p {
                @match &target.file {
                    Some(file) => { span .mono { (shown(file, REASON)) } " · version " span .mono { (target.version) } },
                    None if target.error.is_none() => "No rules file.",
                    None => "",
                }
                @if visit.visitor.may_operate && target.error.is_none() {
                    " " a .button href=(link(&site.path("/rules/try"), &[("target", &target.target)])) { "Try rules…" }
                }
            }
            @if !target.rules.is_empty() {
                div .wide role="region" aria-label=(format!("Rules of {}", target.target)) tabindex="0" {
                    table .rules {
                        caption .unseen { "Rules of " (target.target) }
                        thead {
                            tr {
                                th scope="col" { "Rule" }
                                th scope="col" .number { "Changed" }
                                th scope="col" .number { "Dropped" }
                                th scope="col" .number { "Failed" }
                            }
                        }
                        tbody {
                            @for rule in &target.rules {
                                tr {
                                    th scope="row" { (shown(&rule.name, REASON)) }
                                    (find("", &rule.name, rule.changed))
                                    (find("outcome:dropped ", &rule.name, rule.dropped))
                                    td .number { (rule.failed) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The form, with what the last trial has found.
fn trial(site: &Site, all: &[TargetRules], form: &Form<'_>, result: Markup) -> Markup {
    html! {
        h1 { "Try rules" }
        p .quiet { "On past events, beside the rules in force. Nothing is changed or delivered, and no file is read or written." }
        form .trial method="post" action=(format!("{}#result", site.path("/rules/try"))) {
            label for="rules" { "Rules" }
            textarea #rules .mono name="rules" rows="14" spellcheck="false" autocomplete="off" autocapitalize="off" required
                maxlength=(MAX_RULES) { "\n" (form.rules) }
            div .choices {
                label { "Target "
                    select name="target" {
                        @for target in all {
                            option value=(target.target) selected[target.target == form.target] { (target.target) }
                        }
                    }
                }
                label { "On the newest "
                    select name="events" {
                        @for count in EVENTS { option value=(count) selected[count == form.events] { (count) } }
                    }
                    " events"
                }
                label .grow { "matching "
                    input name="q" value=(form.search) maxlength="2000" spellcheck="false" placeholder="all, or job:dbt.* kind:complete";
                }
                button .main { "Try" }
            }
        }
        (result)
    }
}

/// The command that tries the rules on what the proxy has.
fn command(visit: &Visit, site: &Site, form: &Form<'_>, all: &[TargetRules]) -> String {
    let scheme = if visit.is_tls { "https" } else { "http" };
    let host = visit.host.as_deref().unwrap_or("localhost:5000");
    let kind = all.iter().find(|target| target.target == form.target);
    let kind = kind.map_or("store", |target| target.kind);
    let base = format!("{scheme}://{host}{}", site.prefix());
    command_text(&base, kind, form, site.line().has_keys())
}

fn command_text(base: &str, kind: &str, form: &Form<'_>, has_keys: bool) -> String {
    let key = match has_keys {
        true => " -H \"Authorization: Bearer $KEY\"",
        false => "",
    };
    let note = match form.search.trim().is_empty() {
        true => "",
        false => "# On the newest events of all: the API does not know the search.\n",
    };
    let url = format!("{base}/api/v1/events/lineage?limit={}", form.events);
    format!(
        "{note}curl -s{key} '{}' |\n  lineage-proxy transform replay --rules transforms.yaml --target {kind} -",
        shown(&url, 300)
    )
}

fn screen(site: &Site, visit: &Visit, title: &str, content: Markup) -> Response {
    shell::plain(site, visit, PATH, title, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_asks_for_as_many_events_and_says_that_it_leaves_out_the_search() {
        let form = |search| Form {
            target: "store",
            rules: "",
            search,
            events: 10,
        };
        let plain = command_text("https://a.example/x", "store", &form(""), false);
        let url = "https://a.example/x/api/v1/events/lineage?limit=10'";
        assert!(
            plain.starts_with("curl -s '") && plain.contains(url),
            "{plain}"
        );
        let searched = command_text("http://a", "store", &form("job:x"), true);
        assert!(
            searched.starts_with("# ") && searched.contains("$KEY"),
            "{searched}"
        );
    }
}
