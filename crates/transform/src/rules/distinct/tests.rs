//! Two datasets of one event under rules that take something off their names.

use super::*;
use openlineage::Level;
use proptest::prelude::*;

use crate::action::Strip;

fn id(name: &str) -> Identity {
    Identity {
        namespace: "s3://b".to_owned(),
        name: name.to_owned(),
    }
}

fn stripped(inputs: &[&str], outputs: &[&str], strip: Strip) -> (Vec<String>, Vec<String>, usize) {
    let list = |names: &[&str]| {
        let items = names
            .iter()
            .map(|name| format!(r#"{{"namespace":"s3://b","name":{name:?}}}"#));
        items.collect::<Vec<_>>().join(",")
    };
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{{"namespace":"n","name":"j"}},"inputs":[{}],"outputs":[{}]}}"#,
        list(inputs),
        list(outputs)
    );
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let renamed = rewrite_distinct(
        &event,
        |name| Some(id(&strip.dataset(name))),
        |name| {
            let distinct_forms = strip.distinct_forms(name);
            Uniqueness {
                distinct: id(&distinct_forms.apart),
                kin: Some(distinct_forms.kin),
                directed: true,
                part: distinct_forms.part,
            }
        },
    );
    let text = renamed.text.unwrap_or(text);
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let of = |list: &str| {
        let items = event.json().get(list).map(|list| list.items());
        let names = items
            .unwrap_or_default()
            .into_iter()
            .filter_map(Identity::of);
        names.map(|name| name.name).collect::<Vec<_>>()
    };
    (of("inputs"), of("outputs"), renamed.left.len())
}

fn all(inputs: &[&str], outputs: &[&str]) -> (Vec<String>, Vec<String>, usize) {
    stripped(inputs, outputs, Strip::all())
}

fn expected(inputs: &[&str], outputs: &[&str], left: usize) -> (Vec<String>, Vec<String>, usize) {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    (owned(inputs), owned(outputs), left)
}

const UUIDS: [&str; 2] = [
    "5f0c1d2e-1111-4222-8333-9a9a9a9a9a01",
    "5f0c1d2e-1111-4222-8333-9a9a9a9a9a02",
];

#[test]
fn partitions_and_days_of_one_table_become_one_entry() {
    assert_eq!(
        all(&["w/t/dt=1/x=2", "w/t/dt=2", "w/t"], &[]),
        expected(&["w/t"], &[], 0)
    );
    assert_eq!(
        all(&["in/2024/05/01", "in/2024/05/02"], &[]),
        expected(&["in"], &[], 0)
    );
    assert_eq!(
        all(&["t__dbt_tmp", "T", "t"], &[]),
        expected(&["t", "T", "t"], &[], 0)
    );
}

#[test]
fn what_only_a_uuid_or_a_date_tells_apart_keeps_it_and_is_reported() {
    let [one, two] = UUIDS.map(|uuid| format!("out/{uuid}/a"));
    assert_eq!(all(&[], &[&one, &two]), expected(&[], &[&one, &two], 2));
    assert_eq!(
        all(&["t_20240501", "t_20240502", "u_20240502"], &[]),
        expected(&["t_20240501", "t_20240502", "u"], &[], 2)
    );
    let dates = Strip {
        partitions: false,
        ..Strip::all()
    };
    let days = ["in/2024/05/01", "in/2024/05/02"];
    assert_eq!(stripped(&days, &[], dates), expected(&days, &[], 2));
}

#[test]
fn no_input_becomes_an_output_but_by_a_partition() {
    assert_eq!(
        all(&["t__dbt_tmp"], &["t"]),
        expected(&["t__dbt_tmp"], &["t"], 1)
    );
    assert_eq!(
        all(&["in/2024/05/01"], &["in/2024/05/02"]),
        expected(&["in/2024/05/01"], &["in/2024/05/02"], 2)
    );
    assert_eq!(all(&["t/dt=1"], &["t/dt=2"]), expected(&["t"], &["t"], 0));
    // Read and written anyway.
    assert_eq!(
        all(&["t__dbt_tmp", "t"], &["t"]),
        expected(&["t", "t"], &["t"], 0)
    );
}

#[test]
fn what_is_reported_has_no_secret_of_the_namespace() {
    let of = |name: &str| format!(r#"{{"namespace":"s3://AKIA:hunter2@b","name":"{name}"}}"#);
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{{"namespace":"n","name":"j"}},"inputs":[{},{}]}}"#,
        of("t_20240501"),
        of("t_20240502")
    );
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let named = |name: &Identity, text: String| Identity {
        namespace: name.namespace.clone(),
        name: text,
    };
    let renamed = rewrite_distinct(
        &event,
        |name| Some(named(name, Strip::all().dataset(name))),
        Uniqueness::as_it_is,
    );
    assert_eq!(renamed.left.len(), 2);
    for left in renamed.left {
        assert!(
            !left.namespace.contains("hunter2") && left.reason.starts_with("t_2024"),
            "{left:?}"
        );
    }
}

#[test]
fn one_that_keeps_its_name_meets_no_third() {
    let inputs = ["t_20240501", "t_20240502", "t_20240501_20240101__dbt_tmp"];
    let (names, _, _) = all(&inputs, &[]);
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 3, "{names:?}");
}

proptest! {
    #[test]
    fn two_that_are_not_kin_stay_two_and_the_order_does_not_matter(
        inputs in proptest::collection::vec(name(), 0..5),
        outputs in proptest::collection::vec(name(), 0..4),
        flags in any::<[bool; 4]>(),
    ) {
        let [partitions, dates, uuids, temporary] = flags;
        let strip = Strip { partitions, dates, uuids, temporary };
        fn refs(names: &[String]) -> Vec<&str> {
            names.iter().map(String::as_str).collect()
        }
        let (inputs, outputs) = (refs(&inputs), refs(&outputs));
        let kin = |names: &[&str]| names.iter().map(|name| strip.distinct_forms(&id(name)).kin).collect::<HashSet<_>>();
        let (ins, outs, _) = stripped(&inputs, &outputs, strip);
        let all: Vec<&str> = inputs.iter().chain(&outputs).copied().collect();
        let names: HashSet<&String> = ins.iter().chain(&outs).collect();
        prop_assert!(names.len() >= kin(&all).len(), "{:?}", names);
        // No edge from a dataset to itself that was not there, or is one of partitions.
        let apart = |name: &str| strip.distinct_forms(&id(name)).apart;
        let looped = |name: &String| ins.contains(name) && outs.contains(name);
        for name in names.iter().filter(|name| looped(name)) {
            let was = |list: &[&str]| list.iter().filter(|was| strip.dataset(&id(was)) == **name || apart(was) == **name)
                .map(|was| apart(was)).collect::<HashSet<_>>();
            let (ins, outs) = (was(&inputs), was(&outputs));
            prop_assert!(!ins.is_disjoint(&outs) || ins == outs, "{}", name);
        }
        // The same whatever comes first, and twice is once.
        let (mut backward_in, mut backward_out) = (inputs.clone(), outputs.clone());
        backward_in.reverse();
        backward_out.reverse();
        let (other_ins, other_outs, _) = stripped(&backward_in, &backward_out, strip);
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!((set(&ins), set(&outs)), (set(&other_ins), set(&other_outs)));
        let (again_in, again_out, _) = stripped(&refs(&ins), &refs(&outs), strip);
        prop_assert_eq!((again_in, again_out), (ins, outs));
    }
}

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "(_20240501|_20240502|/2024-05-01|/2024-05-02|/dt=1|/dt=2|__dbt_tmp|__DBT_TMP|/x|/_temporary/0)",
        "(/|_)(5f0c1d2e-1111-4222-8333-9a9a9a9a9a01|5f0c1d2e-1111-4222-8333-9a9a9a9a9a02)",
    ];
    proptest::collection::vec(part, 0..3).prop_map(|parts| format!("t{}", parts.concat()))
}
