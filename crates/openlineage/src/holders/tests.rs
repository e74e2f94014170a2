use super::*;

fn seen(text: &str) -> Vec<String> {
    let mut seen = Vec::new();
    holders(Json::parse(text).unwrap(), &mut |holder, path| {
        for set in holder.facet_sets() {
            for facet in set.members() {
                let name = facet.key.string().unwrap();
                let forwarded = if holder.forwarded { "forwarded " } else { "" };
                seen.push(format!(
                    "{forwarded}{:?} {}/{}/{name}",
                    set.kind,
                    path.pointer(),
                    set.key
                ));
            }
        }
    });
    seen
}

#[test]
fn facets_of_every_holder_are_seen_at_any_depth() {
    let text = r#"{"run":{"facets":{"parent":{"run":{"facets":{"a":{},"parent":{"job":{"facets":{"b":{}}}}}},
        "job":{"facets":{"c":{}}},"root":{"run":{"facets":{"d":{}}},"job":{"facets":{"e":{}}}}},
        "parentRun":{"job":{"facets":{"f":{}}}},
        "jobDependencies":{"upstream":[{"job":{"facets":{"g":{}}}}],"downstream":[7,{"run":{"facets":{"h":{}}}}]},
        "custom":{"run":{"facets":{"no":{}}}}}},
        "job":{"facets":{"i":{},"parent":{"job":{"facets":{"no":{}}}}}},
        "inputs":[{"facets":{"j":{}},"inputFacets":{"k":{}},"outputFacets":{"l":{}}}],"dataset":{"facets":{"m":{}},"inputFacets":{"no":{}}}}"#;
    let all = seen(text);
    let expected = [
        "forwarded Run /run/facets/parent/run/facets/a",
        "forwarded Job /run/facets/parent/run/facets/parent/job/facets/b",
        "forwarded Job /run/facets/parent/job/facets/c",
        "forwarded Run /run/facets/parent/root/run/facets/d",
        "forwarded Job /run/facets/parent/root/job/facets/e",
        "forwarded Job /run/facets/parentRun/job/facets/f",
        "forwarded Job /run/facets/jobDependencies/upstream/0/job/facets/g",
        "forwarded Run /run/facets/jobDependencies/downstream/1/run/facets/h",
        "Job /job/facets/i",
        "Dataset /inputs/0/facets/j",
        "Input /inputs/0/inputFacets/k",
        "Output /inputs/0/outputFacets/l",
        "Dataset /dataset/facets/m",
        "Run /run/facets/custom",
    ];
    for facet in expected {
        assert!(all.iter().any(|seen| seen == facet), "{facet}: {all:?}");
    }
    assert!(!all.iter().any(|seen| seen.ends_with("/no")), "{all:?}");
}

#[test]
fn every_key_that_stands_there_twice_is_walked() {
    let text = r#"{"run":{"facets":{"parent":{"job":{"facets":{"a":{}},"facets":{"b":{}}},"job":{"facets":{"c":{}}}},
        "parent":{"run":{"facets":{"d":{}}}}},"facets":{"e":{}}},"run":{"facets":{"f":{}}}}"#;
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(
            seen(text)
                .iter()
                .filter(|seen| seen.ends_with(&format!("/{name}")))
                .count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn a_text_of_any_depth_does_not_end_the_stack() {
    let levels = 5_000;
    let text = format!(
        "{{\"run\":{}1{}}}",
        r#"{"facets":{"parent":{"run":"#.repeat(levels),
        "}}}".repeat(levels)
    );
    assert!(seen(&text).len() < 100);
}

#[test]
fn ids_of_runs_are_found_wherever_a_run_stands() {
    let text = r#"{"run":{"runId":"1","facets":{"parent":{"run":{"runId":"2","facets":{"parent":{"run":{"runId":"3"}}}},"root":{"run":{"runId":"4"}}},
        "jobDependencies":{"upstream":[{"run":{"runId":"5"}}]},"custom":{"run":{"runId":"no"}}}}}"#;
    let mut ids: Vec<&str> = run_ids(Json::parse(text).unwrap())
        .iter()
        .map(|id| id.text())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"5\""]);
}
