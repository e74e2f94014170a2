//! The targets, with what is queued for them and what they answer; and the sources.

use maud::{Markup, html};

use crate::Site;
use crate::line::queue::{Counted, Counts, Health, Pace, QueueState, TargetState};
use crate::query::link;
use crate::text::{REASON, shown};
use crate::time::{age, number};

// The columns. On narrow screens each cell says its own.
const STATE: &str = "State";
const WAITING: &str = "Waiting";
const IN_FLIGHT: &str = "In flight";
const RETRYING: &str = "Retrying";
const DEAD: &str = "Dead";
const OLDEST: &str = "Oldest";
const LAST: &str = "Last delivery";
const RATE: &str = "Rate";

/// The targets as a table.
pub(super) fn table(site: &Site, state: &QueueState) -> Markup {
    let is_told = state.targets.iter().all(|target| match &target.counts {
        Counted::Known(counts) => counts.retrying.is_some(),
        Counted::Unknown { .. } => true,
    });
    html! {
        div .wide role="region" aria-label="Targets" tabindex="0" {
            table .targets {
                caption .unseen { "Targets" }
                thead {
                    tr {
                        th scope="col" { "Target" }
                        th scope="col" { (STATE) }
                        th scope="col" .number { (WAITING) }
                        th scope="col" .number { (IN_FLIGHT) }
                        th scope="col" .number { (RETRYING) }
                        th scope="col" .number { (DEAD) }
                        th scope="col" .number { (OLDEST) }
                        th scope="col" { (LAST) }
                        th scope="col" { (RATE) }
                    }
                }
                tbody { @for target in &state.targets { (row(site, target)) } }
            }
        }
        p .quiet.note {
            "The queue is " (state.kind) ". Waiting: for the first attempt. In flight: received for it, and not settled. "
            "Retrying: attempted before, and waiting for another attempt or in one. "
            @if !is_told { "SQS does not tell the last: those that can be received now count as waiting, all others as in flight." }
        }
    }
}

fn row(site: &Site, target: &TargetState) -> Markup {
    let find = |outcome: &str, text: &str| {
        let search = format!("target:{} outcome:{outcome}", target.name);
        html! { a href=(link(&site.path("/"), &[("q", &search)])) { (text) } }
    };
    html! {
        tr {
            th scope="row" { bdi { (shown(&target.name, REASON)) } @if target.kind != target.name { " " span .quiet { (target.kind) } } }
            td .health data-label=(STATE) { (health(&target.health)) }
            @match &target.counts {
                Counted::Known(counts) => (counted(counts, find)),
                Counted::Unknown { error: why } => td colspan="5" { span .state.bad { "✖ " (shown(why, REASON)) } },
            }
            td data-label=(LAST) { @match &target.last_delivery {
                Some(at) => time datetime=(at) { (at) },
                None => span .quiet { "none since the start" },
            } }
            td data-label=(RATE) { @match &target.pace {
                Some(pace) => div { (rate(pace)) },
                None => span .quiet { "–" },
            } }
        }
    }
}

fn counted(counts: &Counts, find: impl Fn(&str, &str) -> Markup) -> Markup {
    let in_flight = counts
        .in_flight
        .saturating_sub(counts.retrying.unwrap_or(0));
    html! {
        td .number data-label=(WAITING) { (number(counts.waiting)) }
        td .number data-label=(IN_FLIGHT) { (number(in_flight)) }
        td .number data-label=(RETRYING) { @match counts.retrying {
            Some(0) => "0",
            Some(count) => (find("retry", &number(count))),
            None => span .quiet title="SQS does not tell" { "–" },
        } }
        td .number data-label=(DEAD) { @match counts.dead_letters {
            Some(0) => "0",
            Some(count) => (find("dead", &number(count))),
            None => span .quiet { "–" },
        } }
        td .number data-label=(OLDEST) { @match counts.oldest_seconds {
            Some(seconds) if counts.waiting + counts.in_flight > 0 => (age(seconds)),
            Some(_) | None => span .quiet { "–" },
        } }
    }
}

fn health(health: &Health) -> Markup {
    match health {
        Health::Up => html! { span .state.good { "✔ delivering" } },
        Health::Failing { seconds, failures } => html! {
            span .state.wait { "◔ fails" } " " (failures) " times in " (age(*seconds))
        },
        Health::Down {
            seconds,
            failures,
            error,
        } => html! {
            span .state.bad { "✖ down" } " for " (age(*seconds)) ", " (failures) " attempts"
            p .reason { (shown(error, REASON)) }
        },
        Health::NotOpen {
            error,
            next_seconds,
        } => html! {
            span .state.bad { "✖ not open" } ", tried again in " (age(*next_seconds))
            p .reason { (shown(error, REASON)) }
        },
        Health::Elsewhere => html! { span .state.off { "another process delivers" } },
    }
}

fn rate(pace: &Pace) -> Markup {
    let per_second = |rate: f64| match rate < 10.0 {
        true => format!("{rate:.1}/s"),
        false => format!("{rate:.0}/s"),
    };
    let is_slow = match (pace.rate, pace.budget) {
        (Some(rate), Some(budget)) => rate < budget,
        (rate, None) => rate.is_some(),
        (None, Some(_)) => false,
    };
    html! {
        @if let Some(seconds) = pace.paused_seconds {
            span .state.wait { "◔ slow: it asked for a pause, next post in " (age(seconds)) }
        } @else if pace.is_refusing {
            span .state.wait { "◔ slow: it refuses requests" }
        }
        " "
        @match (pace.rate, pace.budget) {
            (Some(rate), Some(budget)) if is_slow => { (per_second(rate)) " of " (per_second(budget)) }
            (_, Some(budget)) => { "up to " (per_second(budget)) }
            (Some(rate), None) => { "slowed to " (per_second(rate)) }
            (None, None) => span .quiet { "no limit" },
        }
    }
}

/// The sources, if there are some.
pub(super) fn sources(state: &QueueState) -> Markup {
    html! {
        @if !state.sources.is_empty() {
            section {
                h2 { "Sources" }
                ul .sources {
                    @for source in &state.sources {
                        li { bdi { (shown(&source.name, REASON)) } " " span .quiet { (source.kind) ", each " (age(source.interval_seconds)) } }
                    }
                }
            }
        }
    }
}
