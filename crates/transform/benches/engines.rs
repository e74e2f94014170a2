//! One real transform by each engine: the namespace of every dataset through a table, and no logical plan.
//!
//! `cargo bench -p transform --bench engines`. `floor` is the same written by hand. The start of an engine is what a
//! cold start pays for each rule that uses one. `bounds` is what the work that the default limits allow takes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark ends at the first error"
)]

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use openlineage::{Edits, Event, Level, Role, names};
use serde_json::json;
use transform::{
    Module, ModuleLimits, Script, ScriptLimits, Transform, TransformError, TransformOutput,
};

const SIZES: [usize; 3] = [2_000, 20_000, 200_000];

const SCRIPT: &str = r#"
rename_datasets(event, #{ "s3a://lake": "s3://lake", "jdbc:x": "postgres://db:5432" }, |id, table| {
    if id.namespace in table {
        id.namespace = table[id.namespace];
    }
    id
});
remove_at(event, "/run/facets/spark.logicalPlan");
"#;

const BENCH_MODULE: &[u8] = include_bytes!("../tests/modules/bench_module.wasm");
const RUST_EXAMPLE: &[u8] = include_bytes!("../tests/modules/team_owner.wasm");
const ASSEMBLYSCRIPT_EXAMPLE: &[u8] = include_bytes!("../tests/modules/job_environment.wasm");

fn main() {
    // All engines have to do the same before their speed means anything.
    for size in SIZES {
        let event = event(size);
        let value = |applied: Result<TransformOutput, TransformError>| match applied.unwrap() {
            TransformOutput::Changed(text) => {
                serde_json::from_str::<serde_json::Value>(&text).unwrap()
            }
            TransformOutput::Unchanged | TransformOutput::Drop => serde_json::Value::Null,
        };
        let floor = value(by_hand(&event, &table()));
        assert!(value(script().apply(&event)) == floor, "script, {size}");
        assert!(value(module().apply(&event)) == floor, "module, {size}");
    }
    divan::main();
}

fn table() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("s3a://lake", "s3://lake"),
        ("jdbc:x", "postgres://db:5432"),
    ])
}

fn script() -> Script {
    Script::compile(SCRIPT, ScriptLimits::default()).unwrap()
}

fn module() -> Module {
    let table = serde_json::to_string(&table()).unwrap();
    Module::load(BENCH_MODULE, &table, ModuleLimits::default()).unwrap()
}

/// Of about `size` bytes: half of it column lineage, a third the logical plan, as Spark has it.
fn event(size: usize) -> Event {
    let tables = (size / 2_000).max(1);
    let dataset = |n: usize| {
        let field = |c: usize| {
            let input = json!({"namespace": "s3a://lake", "name": format!("raw/table_{n}"), "field": format!("c{c}"), "transformations": []});
            (format!("column_{c}"), json!({"inputFields": [input]}))
        };
        let fields: serde_json::Map<_, _> = (0..5).map(field).collect();
        json!({"namespace": "s3a://lake", "name": format!("clean/table_{n}"), "facets": {
            "symlinks": {"_producer": "urn:p", "_schemaURL": "urn:s", "identifiers": [{"namespace": "jdbc:x", "name": format!("t{n}"), "type": "TABLE"}]},
            "columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields},
        }})
    };
    let plan: Vec<_> = (0..size / 300)
        .map(|n| json!({"class": "org.apache.spark.Project", "id": n, "output": [[1, 2.5, null]]}))
        .collect();
    let value = json!({
        "eventTime": "2026-01-01T00:00:00Z", "eventType": "COMPLETE", "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "019a2b5c-0000-7000-8000-000000000000", "facets": {
            "spark.logicalPlan": {"_producer": "urn:p", "_schemaURL": "urn:s", "plan": plan}}},
        "job": {"namespace": "n", "name": "j"},
        "inputs": [{"namespace": "jdbc:x", "name": "t"}],
        "outputs": (0..tables).map(dataset).collect::<Vec<_>>(),
    });
    Event::read(value.to_string().as_bytes(), Level::Strict)
        .unwrap()
        .event
}

fn by_hand(event: &Event, table: &BTreeMap<&str, &str>) -> Result<TransformOutput, TransformError> {
    let root = event.json();
    let mut edits = Edits::new(event.text());
    for name in names(root) {
        let namespace = name.namespace.string();
        if name.role == Role::Dataset
            && let Some(new) = namespace.and_then(|old| table.get(&*old).copied())
        {
            edits.replace_string(name.namespace, new);
        }
    }
    if let Some(facets) = root.at(&["run", "facets"]) {
        edits.remove_members(facets, |name| name == "spark.logicalPlan");
    }
    Ok(TransformOutput::Changed(edits.apply()))
}

#[divan::bench(args = SIZES)]
fn floor(bencher: Bencher<'_, '_>, size: usize) {
    let (event, table) = (event(size), table());
    bencher.bench(|| by_hand(black_box(&event), &table));
}

#[divan::bench(args = SIZES)]
fn script_applied(bencher: Bencher<'_, '_>, size: usize) {
    let (event, script) = (event(size), script());
    bencher.bench(|| script.apply(black_box(&event)));
}

#[divan::bench(args = SIZES)]
fn module_applied(bencher: Bencher<'_, '_>, size: usize) {
    let (event, module) = (event(size), module());
    bencher.bench(|| module.apply(black_box(&event)));
}

mod start {
    use super::*;

    #[divan::bench]
    fn script() -> Script {
        super::script()
    }

    #[divan::bench]
    fn module_rust() -> Module {
        Module::load(RUST_EXAMPLE, "null", ModuleLimits::default()).unwrap()
    }

    #[divan::bench]
    fn module_assemblyscript() -> Module {
        Module::load(ASSEMBLYSCRIPT_EXAMPLE, "\"prod\"", ModuleLimits::default()).unwrap()
    }
}

/// What the limits allow, used up.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod bounds {
    use super::*;

    const SCRIPTS: [&str; 4] = [
        "loop { }",
        "let x = 0; loop { x += 1; if x % 7 == 3 { x += 2; } }",
        "let x = \"\"; loop { x = `${event.job.name}-${1 + 2}`; }",
        "let a = []; a.pad(19000, 1); loop { a.len(); }",
    ];

    #[divan::bench(args = SCRIPTS)]
    fn script(bencher: Bencher<'_, '_>, text: &str) {
        let script = Script::compile(text, ScriptLimits::default()).unwrap();
        let event = event(2_000);
        bencher.bench(|| script.apply(&event).unwrap_err());
    }

    const CODE: [&str; 3] = [
        "(loop (br 0)) i64.const 0",
        "(local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.load (i32.const 8)))) (br 0)) i64.const 0",
        "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536)) (br 0)) i64.const 0",
    ];

    #[divan::bench(args = CODE)]
    fn module(bencher: Bencher<'_, '_>, code: &str) {
        let bytes = wat::parse_str(format!(
            r#"(module (memory (export "memory") 1)
            (func (export "lineage_proxy_abi") (result i32) i32.const 1)
            (func (export "alloc") (param i32) (result i32) i32.const 0)
            (func (export "transform") (param i32 i32) (result i64) {code}))"#
        ));
        let module = Module::load(&bytes.unwrap(), "null", ModuleLimits::default()).unwrap();
        let event = event(2_000);
        bencher.bench(|| module.apply(&event).unwrap_err());
    }
}
