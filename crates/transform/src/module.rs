//! Modules: transforms that are compiled to WebAssembly, from any language.
//!
//! A module is interpreted (crate `wasmi`), so that one file serves every processor, no native code is loaded, and none
//! of it is trusted. Each event gets its own instance, so nothing is kept between events and a trap affects one event
//! only. Work is bounded by fuel, memory by a limit. A module has access to nothing: one that imports anything is
//! rejected. Calls into an instance are in `instance.rs`. Called by `action/code.rs`.
//!
//! # The interface, version 1
//!
//! | export | type | what it is |
//! |---|---|---|
//! | `memory` | memory | where everything below is passed |
//! | `lineage_proxy_abi` | `() -> i32`, or a global `i32` | the version of this interface: 1 |
//! | `alloc` | `(len: i32) -> i32` | the address of `len` bytes to write to; they are never freed |
//! | `transform` | `(ptr: i32, len: i32) -> i64` | gets the event, JSON in UTF-8, at `ptr`; returns the answer |
//! | `configure` | `(ptr: i32, len: i32) -> i64` | optional; gets the value of `with:`, JSON, before the event |
//!
//! An answer is an address (high 32 bits) and a length (low 32 bits). Its first byte is the verdict:
//!
//! | first byte | the rest |
//! |---|---|
//! | `=` | the event is unchanged. `configure` answers this when the value is valid |
//! | `+` | the new event: JSON in UTF-8 |
//! | `-` | the event is dropped |
//! | `!` | the reason for an error, UTF-8. At most 200 characters are logged; it must not quote the event |
//!
//! A start function is run; an export `_initialize` is not called.

mod instance;
#[cfg(test)]
mod tests;

use std::fmt;

use openlineage::Event;
use wasmi::{CompilationMode, Config, Engine, ExternType, ValType};

use crate::plugin::{Transform, TransformError, TransformOutput};
use instance::ModuleOutput;

/// The version of the interface.
const ABI: i32 = 1;
/// The deepest nesting of calls; `wasmi` keeps their frames on its own stack, not on the thread's.
const CALLS: usize = 1000;
/// The size of that stack, in bytes.
const STACK: usize = 1 << 20;

/// The limits of a module for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleLimits {
    /// Work: about one unit for each instruction, and more for moving much memory at once.
    pub fuel: u64,
    /// Memory, in bytes.
    pub memory: usize,
    /// The size of an answer, in bytes.
    pub answer: usize,
}

/// A module that implements the interface.
pub struct Module {
    module: wasmi::Module,
    config: Option<String>,
    limits: ModuleLimits,
}

impl Default for ModuleLimits {
    /// Fuel for 0.2 to 0.5 s, where a module that parses and writes an event of 200 KB takes 0.04 s
    /// (`benches/engines.rs`).
    fn default() -> Self {
        ModuleLimits {
            fuel: 500_000_000,
            memory: 64 << 20,
            answer: 8 << 20,
        }
    }
}

impl Module {
    /// Loads a module (bytes of a `.wasm` file) and configures it once with `config`, the JSON text of the value of
    /// `with:` (`null` without one), so that a module that cannot work is found before the first event.
    ///
    /// Errors describe what is wrong with the module, for its author.
    pub fn load(bytes: &[u8], config: &str, limits: ModuleLimits) -> Result<Module, String> {
        let module = wasmi::Module::new(&engine(), bytes)
            .map_err(|error| format!("invalid WebAssembly module: {error}"))?;
        imports(&module)?;
        let configurable = exports(&module)?;
        let loaded = Module {
            module,
            config: configurable.then(|| config.to_owned()),
            limits,
        };
        loaded.instance()?;
        Ok(loaded)
    }

    fn instance(&self) -> Result<instance::Instance, String> {
        let mut instance = instance::Instance::new(&self.module, self.limits)?;
        if let Some(config) = &self.config {
            match instance.call("configure", config)? {
                ModuleOutput::Same => {}
                ModuleOutput::Error(reason) => return Err(format!("configure: {reason}")),
                ModuleOutput::Event(_) | ModuleOutput::Drop => {
                    return Err("configure has to answer = or !".to_owned());
                }
            }
        }
        Ok(instance)
    }
}

impl Transform for Module {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        let answer = self
            .instance()
            .and_then(|mut instance| instance.call("transform", event.text()));
        match answer.map_err(TransformError)? {
            ModuleOutput::Same => Ok(TransformOutput::Unchanged),
            ModuleOutput::Event(text) if text == event.text() => Ok(TransformOutput::Unchanged),
            ModuleOutput::Event(text) => Ok(TransformOutput::Changed(text)),
            ModuleOutput::Drop => Ok(TransformOutput::Drop),
            ModuleOutput::Error(reason) => Err(TransformError(reason)),
        }
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn engine() -> Engine {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // All code is validated when it is loaded, and compiled for the interpreter when it is first called.
        .compilation_mode(CompilationMode::LazyTranslation)
        .ignore_custom_sections(true)
        .wasm_multi_memory(false)
        .set_max_recursion_depth(CALLS)
        .set_max_stack_height(STACK);
    Engine::new(&config)
}

/// A module cannot have imports.
fn imports(module: &wasmi::Module) -> Result<(), String> {
    let wanted: Vec<String> = module
        .imports()
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let advice = if wanted.iter().any(|name| name == "env.abort") {
        "AssemblyScript: build with `--use abort=`"
    } else if wanted.iter().any(|name| name.starts_with("wasi")) {
        "build for wasm32-unknown-unknown, without WASI"
    } else {
        "build without imports"
    };
    let names = wanted.join(", ");
    Err(format!(
        "the module wants imports, and there are none: {names} ({advice})"
    ))
}

/// Checks the types of the exports. Returns whether there is a `configure`.
fn exports(module: &wasmi::Module) -> Result<bool, String> {
    use ValType::{I32, I64};
    match module.get_export("memory") {
        Some(ExternType::Memory(_)) => {}
        _ => return Err("the module does not export its memory as `memory`".to_owned()),
    }
    let function = |name: &str, params: &[ValType], result: ValType, required: bool| {
        let is = |ty: &wasmi::FuncType| ty.params() == params && ty.results() == [result];
        match module.get_export(name) {
            Some(ExternType::Func(ty)) if is(&ty) => Ok(true),
            Some(_) => Err(format!("the export {name} is not of the interface's type")),
            None if required => Err(format!("the module does not export {name}")),
            None => Ok(false),
        }
    };
    function("alloc", &[I32], I32, true)?;
    function("transform", &[I32, I32], I64, true)?;
    match module.get_export("lineage_proxy_abi") {
        Some(ExternType::Global(global)) if global.content() == I32 => {}
        _ => {
            function("lineage_proxy_abi", &[], I32, true)?;
        }
    }
    function("configure", &[I32, I32], I64, false)
}
