//! Modules, well made and hostile. The well made are those of `examples/`, built by `examples/build.sh`.

use openlineage::{Event, Level};
use serde_json::{Value, json};

use super::*;

const RUST: &[u8] = include_bytes!("../../tests/modules/team_owner.wasm");
const ASSEMBLYSCRIPT: &[u8] = include_bytes!("../../tests/modules/job_environment.wasm");

fn event(job: &str, rest: &str) -> Event {
    let text = format!(
        r#"{{ "eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run":{{"runId":"019a2b5c-0000-7000-8000-000000000000","facets":{{"parent":{{"_producer":"urn:p","_schemaURL":"urn:s","run":{{"runId":"019a2b5c-0000-7000-8000-000000000000"}},"job":{{"name":"p","namespace":"old"}}}}}}}},
        "job":{{"namespace":"old","name":"{job}"}}{rest}}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn load(bytes: &[u8], config: &Value) -> Result<Module, String> {
    // Little fuel, so that what loops for ever ends soon in a debug build too.
    let limits = ModuleLimits {
        fuel: 20_000_000,
        ..ModuleLimits::default()
    };
    Module::load(bytes, &config.to_string(), limits)
}

/// A module with these functions, a memory of one page, and an `alloc` that always returns 1024.
fn wat(body: &str) -> Vec<u8> {
    let common = [
        ("memory", r#"(memory (export "memory") 1)"#),
        (
            "lineage_proxy_abi",
            r#"(func (export "lineage_proxy_abi") (result i32) i32.const 1)"#,
        ),
        (
            "alloc",
            r#"(func (export "alloc") (param i32) (result i32) i32.const 1024)"#,
        ),
        (
            "transform",
            r#"(func (export "transform") (param i32 i32) (result i64) i64.const 1)"#,
        ),
    ];
    // What the body exports itself, or names after `;; no`, is left out.
    let rest: String = common
        .iter()
        .filter(|(name, _)| {
            !body.contains(&format!("\"{name}\"")) && !body.contains(&format!(";; no {name}"))
        })
        .map(|(_, text)| *text)
        .collect();
    wat::parse_str(format!("(module {body}\n{rest})")).unwrap()
}

/// The body of a `transform`.
fn transforming(code: &str) -> Vec<u8> {
    wat(&format!(
        r#"(func (export "transform") (param i32 i32) (result i64) {code})"#
    ))
}

/// A `transform` that answers the bytes of `text`, at address 0.
fn answering(text: &str, length: usize) -> Vec<u8> {
    wat(&format!(
        r#"(data (i32.const 0) "{text}") (func (export "transform") (param i32 i32) (result i64) i64.const {length})"#
    ))
}

fn refused(bytes: &[u8]) -> String {
    load(bytes, &Value::Null).unwrap_err()
}

fn failed(bytes: &[u8]) -> String {
    let limits = ModuleLimits {
        fuel: 1_000_000,
        memory: 1 << 20,
        answer: 1 << 16,
    };
    let module = Module::load(bytes, "null", limits).unwrap();
    let failure = module.apply(&event("j", "")).unwrap_err();
    // A failure harms no later event.
    assert_eq!(module.apply(&event("j", "")).unwrap_err(), failure);
    failure.0
}

#[test]
fn the_rust_example_makes_owners_and_keeps_numbers() {
    let module = load(RUST, &json!({"teams": {"sales": "team:sales"}})).unwrap();
    let rest = r#","x":[12345678901234567890123,1e+21,-0.0,1.0]"#;
    let TransformOutput::Changed(text) = module.apply(&event("sales__load", rest)).unwrap() else {
        panic!("no owner");
    };
    let changed = event("", "").rewritten(text).unwrap();
    assert!(
        changed
            .text()
            .contains(r#""owners":[{"name":"team:sales","type":"OWNER"}]"#)
    );
    assert!(
        changed.text().contains(&rest.to_owned()),
        "{}",
        changed.text()
    );
    assert_eq!(
        module.apply(&event("load", rest)),
        Ok(TransformOutput::Unchanged)
    );
}

#[test]
fn the_assemblyscript_example_replaces_namespaces_and_nothing_else() {
    let module = load(ASSEMBLYSCRIPT, &json!("prod")).unwrap();
    let before = event(
        "j",
        r#", "x" : "é\u0061", "inputs":[{"namespace":"old","name":"t"}]"#,
    );
    let expected = before
        .text()
        .replacen(r#""namespace":"old""#, r#""namespace":"prod""#, 2);
    assert_eq!(
        module.apply(&before),
        Ok(TransformOutput::Changed(expected))
    );
    let scratch = before.text().replace(
        r#""namespace":"old","name":"j""#,
        r#""namespace":"scratch-1","name":"j""#,
    );
    let scratch = before.rewritten(scratch).unwrap();
    assert_eq!(module.apply(&scratch), Ok(TransformOutput::Drop));
    let same = load(ASSEMBLYSCRIPT, &json!("old")).unwrap();
    assert_eq!(same.apply(&before), Ok(TransformOutput::Unchanged));
}

#[test]
fn a_module_that_refuses_its_settings_is_not_loaded() {
    assert!(
        refused(ASSEMBLYSCRIPT).starts_with("configure: under `with:` has to stand the namespace")
    );
    assert!(
        load(RUST, &json!({"team": 1}))
            .unwrap_err()
            .starts_with("configure: unknown field")
    );
    assert!(load(RUST, &Value::Null).is_ok());
}

#[test]
fn all_verdicts_are_understood() {
    let verdict = |text: &str, length| {
        load(&answering(text, length), &Value::Null)
            .unwrap()
            .apply(&event("j", ""))
    };
    assert_eq!(verdict("=", 1), Ok(TransformOutput::Unchanged));
    assert_eq!(verdict("-", 1), Ok(TransformOutput::Drop));
    assert_eq!(
        verdict("+{}", 3),
        Ok(TransformOutput::Changed("{}".to_owned()))
    );
    assert_eq!(
        verdict("!no idea", 8),
        Err(TransformError("no idea".to_owned()))
    );
    assert_eq!(verdict("!", 60_000).unwrap_err().0.chars().count(), 200);
}

#[test]
fn what_comes_out_is_not_believed() {
    let answers = [
        (transforming("i64.const 0"), "the answer is empty"),
        (
            transforming("i64.const 0x0000ffff_00000010"),
            "the answer is outside of the memory",
        ),
        (
            transforming("i64.const 0x7fffffff_00000001"),
            "the answer is outside of the memory",
        ),
        (
            transforming("i64.const -1"),
            "the answer is larger than 65536 bytes",
        ),
        (
            transforming("i64.const 0xffffffff_00000010"),
            "the answer is outside of the memory",
        ),
        (answering("?", 1), "the answer begins with none of = + - !"),
        (answering("+\\ff\\fe", 3), "the answer is not UTF-8"),
        (
            wat(r#"(func (export "alloc") (param i32) (result i32) i32.const -8)"#),
            "alloc gave an address outside of the memory",
        ),
    ];
    for (bytes, reason) in answers {
        assert_eq!(failed(&bytes), reason);
    }
    assert_eq!(failed(&answering("!\\ff\\fe", 3)), "\u{fffd}\u{fffd}");
}

#[test]
fn a_hostile_module_comes_to_an_end() {
    let ends = [
        (
            transforming("(loop (br 0)) i64.const 0"),
            "the module used up its fuel",
        ),
        (
            transforming("unreachable"),
            "the module trapped: wasm `unreachable` instruction executed",
        ),
        (
            transforming("(loop (drop (memory.grow (i32.const 1))) (br 0)) i64.const 0"),
            "the module used up its fuel",
        ),
        (
            transforming(
                "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) i64.const 0",
            ),
            "the module trapped: wasm `unreachable` instruction executed",
        ),
        (
            transforming(
                "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536)) (br 0)) i64.const 0",
            ),
            "the module used up its fuel",
        ),
        (
            wat(
                r#"(func $f (export "transform") (param i32 i32) (result i64) (call $f (i32.const 0) (i32.const 0)))"#,
            ),
            "the module trapped: call stack exhausted",
        ),
        (
            transforming("(i64.extend_i32_u (i32.div_u (i32.const 1) (i32.const 0)))"),
            "the module trapped: integer divide by zero",
        ),
        (
            transforming("(i64.load (i32.const 70000))"),
            "the module trapped: out of bounds memory access",
        ),
        (
            wat(r#"(func (export "alloc") (param i32) (result i32) (loop (br 0)) i32.const 0)"#),
            "the module used up its fuel",
        ),
    ];
    for (bytes, reason) in ends {
        assert_eq!(failed(&bytes), reason);
    }
}

#[test]
fn a_module_that_does_not_fit_is_refused_when_it_is_loaded() {
    let cases = [
        (b"rubbish".to_vec(), "invalid WebAssembly module"),
        (
            b"\0asm\x01\0\0\0".to_vec(),
            "the module does not export its memory",
        ),
        (
            wat(";; no memory\n"),
            "the module does not export its memory",
        ),
        (wat(";; no alloc\n"), "the module does not export alloc"),
        (
            wat(";; no transform\n"),
            "the module does not export transform",
        ),
        (
            wat(";; no lineage_proxy_abi\n"),
            "the module does not export lineage_proxy_abi",
        ),
        (
            wat(r#"(func (export "alloc") (param i64) (result i32) i32.const 0)"#),
            "the export alloc is not of the interface's type",
        ),
        (
            wat(r#"(global (export "transform") i32 (i32.const 0))"#),
            "the export transform is not of the interface's type",
        ),
        (
            wat(r#"(func (export "configure"))"#),
            "the export configure is not of the interface's type",
        ),
        (
            wat(r#"(func (export "lineage_proxy_abi") (result i32) i32.const 2)"#),
            "the module is made for version 2",
        ),
        (
            wat(r#"(global (export "lineage_proxy_abi") i32 (i32.const 7))"#),
            "the module is made for version 7",
        ),
        (
            wat(r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#),
            "the module wants imports, and there are none: env.abort (AssemblyScript: build with `--use abort=`)",
        ),
        (
            wat(r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#),
            "the module wants imports, and there are none: wasi_snapshot_preview1.fd_write (build for wasm32-unknown-unknown",
        ),
        (
            wat(r#"(memory (export "memory") 2000)"#),
            "the module failed: failed to instantiate memory: a resource limiter denied",
        ),
        (
            wat(r#"(table 4000000 funcref)"#),
            "the module failed: failed to instantiate table: a resource limiter denied",
        ),
        (
            wat("(func $s (loop (br 0))) (start $s)"),
            "the module used up its fuel",
        ),
        (
            wat("(func $s unreachable) (start $s)"),
            "the module trapped",
        ),
        (
            wat(r#"(func (export "configure") (param i32 i32) (result i64) i64.const 0)"#),
            "the answer is empty",
        ),
        (
            wat(
                r#"(data (i32.const 0) "-") (func (export "configure") (param i32 i32) (result i64) i64.const 1)"#,
            ),
            "configure has to answer = or !",
        ),
    ];
    for (bytes, reason) in cases {
        let error = refused(&bytes);
        assert!(error.starts_with(reason), "{error}, not {reason}");
    }
}

#[test]
fn a_global_can_tell_the_version() {
    let module = wat(r#"(global (export "lineage_proxy_abi") i32 (i32.const 1))"#);
    assert!(load(&module, &Value::Null).is_ok());
}

#[test]
fn nothing_is_kept_from_one_event_to_the_next() {
    // Answers `=` the first time, and `-` ever after.
    let counting = wat(
        r#"(global $n (mut i32) (i32.const 0)) (data (i32.const 0) "=-")
        (func (export "transform") (param i32 i32) (result i64)
          (local $at i64)
          (local.set $at (i64.shl (i64.extend_i32_u (global.get $n)) (i64.const 32)))
          (global.set $n (i32.const 1))
          (i64.or (local.get $at) (i64.const 1)))"#,
    );
    let module = load(&counting, &Value::Null).unwrap();
    for _ in 0..3 {
        assert_eq!(
            module.apply(&event("j", "")),
            Ok(TransformOutput::Unchanged)
        );
    }
}

#[test]
fn one_module_serves_many_threads_and_gives_each_the_same() {
    let module = load(RUST, &json!({"teams": {"sales": "team:sales"}})).unwrap();
    let event = event("sales.load", "");
    let first = module.apply(&event).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(module.apply(&event).as_ref(), Ok(&first));
                }
            });
        }
    });
    assert!(matches!(first, TransformOutput::Changed(_)));
}
