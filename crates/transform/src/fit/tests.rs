use super::*;
use openlineage::Level;
use proptest::prelude::*;

const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

/// An event with a facet of each size under each name, on the run and on one output.
fn event(run: &[(&str, usize)], output: &[(&str, usize)]) -> Event {
    let facets = |facets: &[(&str, usize)]| {
        let facet = |(name, size): &(&str, usize)| {
            format!(r#""{name}":{{{FACET},"pad":"{}"}}"#, "x".repeat(*size))
        };
        facets.iter().map(facet).collect::<Vec<_>>().join(",")
    };
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{{}}}}},"job":{{"namespace":"n","name":"j"}},
        "outputs":[{{"namespace":"s","name":"t","facets":{{{}}}}}]}}"#,
        facets(run),
        facets(output)
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn pointers(fitted: &FittedEvent) -> Vec<&str> {
    fitted.cut.iter().map(|cut| cut.pointer.as_str()).collect()
}

#[test]
fn the_order_of_cutting_spares_what_makes_the_graph() {
    let event = event(
        &[
            ("parent", 100),
            ("errorMessage", 900),
            ("spark.logicalPlan", 800),
            ("myDebug", 900),
        ],
        &[("columnLineage", 700), ("schema", 600), ("symlinks", 100)],
    );
    let size = event.text().len();
    let custom = fit(&event, size - 500).unwrap();
    assert_eq!(pointers(&custom), ["/run/facets/myDebug"]);
    let all = fit(&event, size - 2_700).unwrap();
    let order = [
        "/run/facets/myDebug",
        "/run/facets/spark.logicalPlan",
        "/run/facets/errorMessage",
    ];
    assert_eq!(
        pointers(&all),
        [&order[..], &["/outputs/0/facets/schema"]].concat()
    );
    assert!(all.event.text().contains("columnLineage"));
    assert!(all.event.text().contains(r#""lineageProxy_cut":{"#));
}

#[test]
fn what_cannot_fit_says_how_small_it_gets() {
    let event = event(&[("parent", 5_000)], &[("schema", 600)]);
    let FitError { smallest } = fit(&event, 2_000).unwrap_err();
    assert!(smallest > 5_000 && smallest < event.text().len());
}

#[test]
fn an_event_that_fits_is_not_touched() {
    let event = event(&[("myDebug", 10)], &[]);
    let fitted = fit(&event, event.text().len()).unwrap();
    assert_eq!((fitted.event, fitted.cut), (event, Vec::new()));
}

proptest! {
    #[test]
    fn the_budget_always_holds(
        run in proptest::collection::vec(0usize..3_000, 6),
        output in proptest::collection::vec(0usize..3_000, 4),
        limit in 300usize..20_000,
    ) {
        let names = ["a", "b~/c", "sql", "errorMessage", "tags", "parent"];
        let run: Vec<_> = names.into_iter().zip(run).collect();
        let output: Vec<_> = ["schema", "columnLineage", "symlinks", "x"].into_iter().zip(output).collect();
        let event = event(&run, &output);
        match fit(&event, limit) {
            Ok(fitted) => {
                prop_assert!(fitted.event.text().len() <= limit);
                prop_assert_eq!(fitted.cut.is_empty(), event.text().len() <= limit);
                prop_assert_eq!(fitted.event.run_id(), event.run_id());
            }
            Err(FitError { smallest }) => prop_assert!(smallest > limit),
        }
    }
}

/// Facets that may be cut, and how large the event would be with one of them put back.
fn with(event: &Event, cut: &str) -> usize {
    let parts: Vec<&str> = cut.split('/').skip(1).collect();
    let name = parts.last().unwrap().replace("~1", "/").replace("~0", "~");
    let facets = match parts[0] {
        "run" => event.json().at(&["run", "facets"]).unwrap(),
        _ => event.json().get("outputs").unwrap().items()[0]
            .get("facets")
            .unwrap(),
    };
    let facet = facets
        .members()
        .into_iter()
        .find(|member| member.is(&name))
        .unwrap();
    facet.key.text().len() + 1 + facet.value.text().len()
}

#[test]
fn a_facet_that_is_too_large_by_itself_takes_no_others_with_it() {
    let event = event(
        &[("myDebug", 300), ("documentation", 50)],
        &[("columnLineage", 90_000), ("schema", 900), ("tags", 80)],
    );
    let fitted = fit(&event, 30_000).unwrap();
    assert_eq!(pointers(&fitted), ["/outputs/0/facets/columnLineage"]);
    assert!(fitted.event.text().contains("\"schema\""));
}

#[test]
fn what_is_put_back_is_the_most_valuable_first() {
    // Room for the schema or for the debug facet, not for both.
    let event = event(
        &[("myDebug", 800)],
        &[("columnLineage", 90_000), ("schema", 900)],
    );
    let bare = fit(&event, 2_100).unwrap();
    assert_eq!(
        pointers(&bare),
        ["/run/facets/myDebug", "/outputs/0/facets/columnLineage"]
    );
}

#[test]
fn an_event_that_was_cut_before_has_one_note() {
    let before = event(&[("a", 3_000), ("b", 3_000)], &[]);
    let once = fit(&before, before.text().len() - 100).unwrap();
    let twice = fit(&once.event, once.event.text().len() - 2_000).unwrap();
    assert_eq!(
        twice.event.text().matches(r#""lineageProxy_cut""#).count(),
        1
    );
    assert_eq!(
        pointers(&twice),
        ["/run/facets/lineageProxy_cut", "/run/facets/b"]
    );
}

#[test]
fn an_event_without_a_run_is_cut_without_a_note() {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",
        "job":{{"namespace":"n","name":"j","facets":{{"a":{{{FACET},"pad":"{}"}},"b":{{{FACET}}}}}}}}}"#,
        "x".repeat(1_000)
    );
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let fitted = fit(&event, 600).unwrap();
    assert_eq!(pointers(&fitted), ["/job/facets/a"]);
    assert!(!fitted.event.text().contains("lineageProxy_cut"));
}

#[test]
fn a_thousand_facets_smaller_than_their_lines_in_the_note_still_go() {
    let names: Vec<String> = (0..3_000).map(|n| format!("f{n}")).collect();
    let run: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let event = event(&run, &[]);
    let fitted = fit(&event, 20_000).unwrap();
    assert!(fitted.event.text().len() <= 20_000);
}

proptest! {
    #[test]
    fn nothing_that_was_cut_would_still_fit(
        run in proptest::collection::vec(0usize..3_000, 6),
        output in proptest::collection::vec(0usize..3_000, 4),
        limit in 900usize..20_000,
    ) {
        let names = ["a", "b~/c", "sql", "errorMessage", "tags", "documentation"];
        let run: Vec<_> = names.into_iter().zip(run).collect();
        let output: Vec<_> = ["schema", "columnLineage", "symlinks", "x"].into_iter().zip(output).collect();
        let event = event(&run, &output);
        if let Ok(fitted) = fit(&event, limit) {
            let size = fitted.event.text().len();
            prop_assert!(size <= limit);
            // The one that was cut alone does not fit, since the event did not.
            for cut in fitted.cut.iter().filter(|_| fitted.cut.len() > 1) {
                // With its comma, and without its line in the note and the comma there.
                let pointer = openlineage::quote(&cut.pointer);
                let line = format!(r#"{{"pointer":{pointer},"bytes":{}}},"#, cut.bytes).len();
                let back = size + with(&event, &cut.pointer) + 1 - line;
                prop_assert!(back > limit, "{} of {size}: {limit}", cut.pointer);
            }
        }
    }
}
