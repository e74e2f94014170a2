//! What a trial has found: what becomes of the events, what each rule does, names, lineage, and some events before and after.

use history::Name;
use maud::{Markup, html};

use super::listed;
use crate::Site;
use crate::differences::{grouped, places, values};
use crate::line::rules::{
    GraphChange, Listed, Merge, RenameCount, RuleCount, Split, TrialDifference, TrialExample,
    TrialNode, TrialReport,
};
use crate::lineage::{Drawing, GONE, NEW, RENAMED};
use crate::text::{REASON, name, shown};
use crate::time::{counted, number};

/// The most characters of a value before and after.
const VALUE: usize = 600;

/// Shows a report. `drawings` are those of its lineage before and after, and `command` does the same on the command line.
pub(super) fn report(
    site: &Site,
    report: &TrialReport,
    drawings: &[Drawing; 2],
    command: &str,
) -> Markup {
    let counts = &report.counts;
    let tried = counted(report.events, "event");
    html! {
        section #result {
            h2 { "Result" }
            p .counts role="status" {
                span { strong { (counts.unchanged) } " as now" }
                span .changed { "✎ " strong { (counts.changed) } " changed" }
                span .off { "⊘ " strong { (counts.dropped) } " dropped" }
                @if counts.restored > 0 { span .good { "✔ " strong { (counts.restored) } " delivered again" } }
                span .bad { "✖ " strong { (counts.failed) } " dead letters" }
            }
            p .quiet {
                "Compared with the rules in force, on " (tried) ", in " (report.milliseconds) " ms."
                @if report.left_out > 0 { " " (report.left_out) " more cannot be tried: their bodies are kept no longer, or they cannot be shown." }
            }
            @if !report.is_complete { p .problem { "The time was up: not all events were tried." } }
            @if !report.warnings.is_empty() { (listed(&report.warnings, "warning")) }
            @if !report.merges.is_empty() || !report.splits.is_empty() {
                h3 { "Datasets" }
                ul .together {
                    @for merge in &report.merges { li { (merged(merge)) } }
                    @for split in &report.splits { li { (split_up(split)) } }
                }
            }
            (renames(&report.renames, report.more_renames))
            (lineage(site, &report.graph, drawings))
            (rules(&report.rules))
            @if !report.examples.is_empty() {
                h3 { "Examples" }
                @for example in &report.examples { (shown_example(site, example)) }
            }
            h3 { "On the command line" }
            pre { (command) }
        }
    }
}

fn merged(merge: &Merge) -> Markup {
    let count = merge.datasets.len() + merge.more;
    html! {
        strong { (number(count)) " datasets become 1" } ": " (dataset(&merge.into))
        ul {
            @for one in &merge.datasets { li { (dataset(one)) } }
            @if merge.more > 0 { li { "and " (number(merge.more)) " more" } }
        }
    }
}

fn split_up(split: &Split) -> Markup {
    let count = split.into.len() + split.more;
    html! {
        strong { "1 dataset becomes " (number(count)) } ": " (dataset(&split.dataset))
        ul {
            @for one in &split.into { li { (dataset(one)) } }
            @if split.more > 0 { li { "and " (number(split.more)) " more" } }
        }
    }
}

fn dataset(of: &Name) -> Markup {
    html! { span .mono { (name(&of.namespace)) " " (name(&of.name)) } }
}

fn renames(all: &[RenameCount], more: usize) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "Names that become others" }
            div .wide role="region" aria-label="Names" tabindex="0" {
                table {
                    caption .unseen { "Names" }
                    thead {
                        tr {
                            th scope="col" .number { "Times" }
                            th scope="col" { "Now" }
                            th scope="col" { "With these rules" }
                        }
                    }
                    tbody {
                        @for rename in all {
                            tr {
                                td .number { (rename.times) " ×" }
                                td { @if rename.is_job { "job " } (dataset(&rename.before)) }
                                td { (dataset(&rename.after)) }
                            }
                        }
                    }
                }
            }
            @if more > 0 { p .quiet { "and " (number(more)) " more" } }
        }
    }
}

fn lineage(site: &Site, change: &GraphChange, drawings: &[Drawing; 2]) -> Markup {
    let is_same = change.removed_nodes.some.is_empty()
        && change.added_nodes.some.is_empty()
        && change.removed_edges.some.is_empty()
        && change.added_edges.some.is_empty();
    let edge = |(from, to): &(TrialNode, TrialNode)| html! { (node(from)) " → " (node(to)) };
    html! {
        h3 { "Lineage of these events" }
        p {
            (change.nodes.0) " nodes become " (change.nodes.1) ", " (change.edges.0) " edges become " (change.edges.1) "."
            @if is_same { " None is another one." }
        }
        @if !change.near.nodes.is_empty() { (drawn(site, drawings)) }
        (changes("−", ("node is gone", "nodes are gone"), &change.removed_nodes, node))
        (changes("+", ("new node", "new nodes"), &change.added_nodes, node))
        (changes("−", ("edge is gone", "edges are gone"), &change.removed_edges, edge))
        (changes("+", ("new edge", "new edges"), &change.added_edges, edge))
    }
}

/// The lineage before and after, drawn: the lists below have the same.
fn drawn(site: &Site, [before, after]: &[Drawing; 2]) -> Markup {
    let asset = |file: &str| site.path(&format!("/assets/{file}"));
    html! {
        div .compared {
            (side("With the rules in force", before))
            (side("With these rules", after))
        }
        p .graph-foot {
            span #spoken role="status" {}
            small { (GONE) " gone, dashed · " (NEW) " new, thick · " (RENAMED) " with another name, dashes and dots" }
        }
        script src=(asset(site.assets().lineage())) type="module" {}
    }
}

fn side(title: &str, drawing: &Drawing) -> Markup {
    let label = |what: &str| format!("{what}: {title}");
    html! {
        @if drawing.is_empty() {
            figure {
                figcaption { (title) }
                p .quiet { "Nothing of it is there." }
            }
        } @else {
            figure .graph-frame .awaited hidden {
                figcaption { (title) }
                div .graph-tools {
                    button type="button" data-zoom="+" aria-label=(label("larger")) { "+" }
                    button type="button" data-zoom="-" aria-label=(label("smaller")) { "−" }
                    button type="button" data-zoom="0" aria-label=(label("all of it")) { "fit" }
                }
                section .graph tabindex="0" role="application" aria-label=(label("Lineage, drawn, where arrows walk along it"))
                    data-drawing=(drawing.json()) {}
            }
        }
    }
}

fn changes<T>(
    sign: &str,
    (singular, plural): (&str, &str),
    all: &Listed<T>,
    one: impl Fn(&T) -> Markup,
) -> Markup {
    let count = all.some.len() + all.more;
    html! {
        @if !all.some.is_empty() {
            details open[all.some.len() <= 5] {
                summary { (sign) " " (number(count)) " " (if count == 1 { singular } else { plural }) }
                ul .changes { @for item in &all.some { li { (one(item)) } } }
                @if all.more > 0 { p .quiet { "and " (number(all.more)) " more" } }
            }
        }
    }
}

fn node(of: &TrialNode) -> Markup {
    html! { @if of.is_job { "job " } (dataset(&of.name)) }
}

fn rules(all: &[RuleCount]) -> Markup {
    html! {
        h3 { "Rules" }
        div .wide role="region" aria-label="What each rule does" tabindex="0" {
            table .rules {
                caption .unseen { "What each rule does to these events" }
                thead {
                    tr {
                        th scope="col" { "Rule" }
                        th scope="col" .number { "Applied" }
                        th scope="col" .number { "Changed" }
                        th scope="col" .number { "Dropped" }
                        th scope="col" .number { "Failed" }
                    }
                }
                tbody {
                    @for rule in all {
                        tr {
                            th scope="row" {
                                (shown(&rule.rule, REASON))
                                @if let Some(reason) = &rule.reason { p .reason.bad { (shown(reason, REASON)) } }
                            }
                            td .number { (rule.applied) }
                            td .number { (rule.changed) }
                            td .number { (rule.dropped) }
                            td .number { (rule.failed) }
                        }
                    }
                }
            }
        }
    }
}

fn shown_example(site: &Site, example: &TrialExample) -> Markup {
    html! {
        article .example {
            h4 {
                a href=(site.path(&format!("/events/{}", example.id))) { (example.kind) }
                " " (dataset(&example.name))
            }
            @if let Some(outcome) = &example.outcome { p { (shown(outcome, REASON)) } }
            (differences(&example.differences))
            @if example.more > 0 { p .quiet { "and " (number(example.more)) " more places" } }
        }
    }
}

/// What differs in an example: the same at several places once, with all its places.
fn differences(all: &[TrialDifference]) -> Markup {
    html! {
        @for same in grouped(all, |it| (&it.before, &it.after)) {
            @if let Some(difference) = same.first() {
                div .where { (places(same.iter().map(|it| it.pointer.as_str()))) }
                (values(difference.before.as_deref(), difference.after.as_deref(), VALUE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_at_several_places_of_an_example_is_shown_once_with_its_places() {
        let at = |at: usize| TrialDifference {
            pointer: format!("/inputs/{at}/name"),
            before: Some("\"a\"".to_owned()),
            after: Some("\"b\"".to_owned()),
        };
        let text = differences(&[at(0), at(1), at(2)]).into_string();
        assert_eq!(text.matches("<ins>").count(), 1, "{text}");
        assert!(text.contains("<summary>+2 more places</summary>"), "{text}");
    }
}
