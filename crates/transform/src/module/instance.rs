//! One instance of a module, for one event: its input, its output and its limits.
//!
//! No output is trusted: addresses, lengths, verdicts and text are all checked.

use wasmi::errors::{ErrorKind, FuelError};
use wasmi::{Linker, Memory, Store, StoreLimits, StoreLimitsBuilder, TrapCode};

use super::{ABI, ModuleLimits};

/// The most characters of a module's reason that are kept.
const REASON: usize = 200;
/// The most elements of a table of functions. They take memory, so they are limited, too.
const TABLE: usize = 100_000;

/// An instance that is ready to be called.
pub(super) struct Instance {
    store: Store<StoreLimits>,
    instance: wasmi::Instance,
    memory: Memory,
    limits: ModuleLimits,
}

/// What a module answers.
pub(super) enum ModuleOutput {
    Same,
    Event(String),
    Drop,
    Error(String),
}

impl Instance {
    /// Instantiates `module`, runs its start function and checks its version.
    pub(super) fn new(module: &wasmi::Module, limits: ModuleLimits) -> Result<Self, String> {
        let bounds = StoreLimitsBuilder::new()
            .memory_size(limits.memory)
            .table_elements(TABLE)
            .instances(1)
            .memories(1)
            .tables(10)
            .build();
        let mut store = Store::new(module.engine(), bounds);
        store.limiter(|bounds| bounds);
        store.set_fuel(limits.fuel).map_err(describe)?;
        let instance = Linker::new(module.engine())
            .instantiate_and_start(&mut store, module)
            .map_err(describe)?;
        let memory = instance
            .get_memory(&store, "memory")
            .ok_or("the module does not export its memory as `memory`")?;
        let mut ready = Instance {
            store,
            instance,
            memory,
            limits,
        };
        match ready.version()? {
            ABI => Ok(ready),
            other => Err(format!(
                "the module is made for version {other} of the interface; this is version {ABI}"
            )),
        }
    }

    fn version(&mut self) -> Result<i32, String> {
        const NAME: &str = "lineage_proxy_abi";
        if let Some(global) = self.instance.get_global(&self.store, NAME) {
            return global
                .get(&self.store)
                .i32()
                .ok_or_else(|| format!("the export {NAME} is not an i32"));
        }
        let version = self
            .instance
            .get_typed_func::<(), i32>(&self.store, NAME)
            .map_err(describe)?;
        version.call(&mut self.store, ()).map_err(describe)
    }

    /// Calls `function` with `text`.
    pub(super) fn call(&mut self, function: &str, text: &str) -> Result<ModuleOutput, String> {
        let length = u32::try_from(text.len()).map_err(|_| "the event is too large")?;
        let alloc = self
            .instance
            .get_typed_func::<i32, i32>(&self.store, "alloc")
            .map_err(describe)?;
        let address = alloc
            .call(&mut self.store, length.cast_signed())
            .map_err(describe)?;
        self.memory
            .write(
                &mut self.store,
                address.cast_unsigned() as usize,
                text.as_bytes(),
            )
            .map_err(|_| "alloc gave an address outside of the memory")?;
        let function = self
            .instance
            .get_typed_func::<(i32, i32), i64>(&self.store, function)
            .map_err(describe)?;
        let packed = function
            .call(&mut self.store, (address, length.cast_signed()))
            .map_err(describe)?
            .cast_unsigned();
        self.answer((packed >> 32) as usize, (packed & 0xffff_ffff) as usize)
    }

    fn answer(&self, address: usize, length: usize) -> Result<ModuleOutput, String> {
        if length > self.limits.answer {
            return Err(format!(
                "the answer is larger than {} bytes",
                self.limits.answer
            ));
        }
        let bytes = address
            .checked_add(length)
            .and_then(|end| self.memory.data(&self.store).get(address..end))
            .ok_or("the answer is outside of the memory")?;
        let (verdict, rest) = bytes.split_first().ok_or("the answer is empty")?;
        match verdict {
            b'=' => Ok(ModuleOutput::Same),
            b'-' => Ok(ModuleOutput::Drop),
            b'+' => String::from_utf8(rest.to_vec())
                .map(ModuleOutput::Event)
                .map_err(|_| "the answer is not UTF-8".to_owned()),
            b'!' => Ok(ModuleOutput::Error(reason(rest))),
            _ => Err("the answer begins with none of = + - !".to_owned()),
        }
    }
}

fn reason(bytes: &[u8]) -> String {
    // No character takes more than four bytes.
    let some = bytes.get(..REASON * 4).unwrap_or(bytes);
    String::from_utf8_lossy(some).chars().take(REASON).collect()
}

/// Describes why a call did not return, without words of the module.
fn describe(error: wasmi::Error) -> String {
    match (error.as_trap_code(), error.kind()) {
        (Some(TrapCode::OutOfFuel), _) | (_, ErrorKind::Fuel(FuelError::OutOfFuel { .. })) => {
            "the module used up its fuel".to_owned()
        }
        (Some(code), _) => format!("the module trapped: {code}"),
        (None, _) => format!("the module failed: {error}"),
    }
}
