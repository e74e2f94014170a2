//! Laws of code that is not ours: any text as a script, any bytes as a module. Work is bounded, nothing panics, what
//! comes out is an event or a reason, and the reason does not quote the event.

use std::sync::LazyLock;

use openlineage::{Event, Level};
use transform::{
    Module, ModuleLimits, Script, ScriptLimits, Transform, TransformError, TransformOutput,
};

/// A word of the event that no script has.
const CANARY: &str = "qX7canary7Xq";

static EVENT: LazyLock<Event> = LazyLock::new(|| {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","eventType":"START","producer":"urn:p","schemaURL":"urn:s",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{"namespace":"{CANARY}","name":"{CANARY}"}},
        "inputs":[{{"namespace":"{CANARY}","name":"n","x":[1,1.50,1180591620717411303424,null,true]}}]}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
});

/// Any text as a script.
pub(crate) fn script(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let limits = ScriptLimits {
        operations: 2_000,
        calls: 8,
        text: 4_096,
        items: 500,
    };
    match Script::compile(text, limits) {
        Err(error) => assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty()),
        // What is thrown is the script's to say.
        Ok(script) => answered(script.apply(&EVENT), text.contains("throw")),
    }
}

/// Any bytes as a module.
pub(crate) fn module(bytes: &[u8]) {
    let limits = ModuleLimits {
        fuel: 50_000,
        memory: 1 << 20,
        answer: 1 << 16,
    };
    let read;
    let bytes = match std::str::from_utf8(bytes) {
        // In words too, which the fuzzer can spell.
        Ok(text) if text.trim_start().starts_with('(') => match wat::parse_str(text) {
            Ok(module) => {
                read = module;
                &read
            }
            Err(_) => return,
        },
        Ok(_) | Err(_) => bytes,
    };
    match Module::load(bytes, "{\"a\":1}", limits) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok(module) => answered(module.apply(&EVENT), true),
    }
}

fn answered(answer: Result<TransformOutput, TransformError>, may_quote: bool) {
    match answer {
        Ok(TransformOutput::Unchanged | TransformOutput::Drop) => {}
        Ok(TransformOutput::Changed(text)) => drop(EVENT.rewritten(text)),
        Err(TransformError(reason)) => {
            assert!(!reason.is_empty());
            assert!(may_quote || !reason.contains(CANARY), "{reason}");
        }
    }
}
