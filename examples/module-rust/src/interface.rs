//! The interface between lineage-proxy and a WebAssembly module, version 1. It is the same for every module: do not
//! change it. All `unsafe` code of the module is here.

use std::cell::OnceCell;

use serde_json::Value;

use crate::{Settings, transform as decide};

/// What happens to an event.
#[allow(dead_code, reason = "a module may use only some")]
pub enum Verdict {
    /// It stays byte for byte, whatever was done to the value.
    Unchanged,
    /// It is replaced by the value.
    Changed,
    /// It is dropped.
    Drop,
    /// The module fails. The reason is logged, so it must not quote the event.
    Error(String),
}

thread_local! {
    // An instance serves one event, and has one thread.
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

/// The version of the interface.
#[unsafe(no_mangle)]
pub extern "C" fn lineage_proxy_abi() -> i32 {
    1
}

/// Allocates `len` bytes. They are never freed: the instance ends with the event.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(len: usize) -> *mut u8 {
    Vec::<u8>::with_capacity(len).leak().as_mut_ptr()
}

/// Receives the settings.
#[unsafe(no_mangle)]
pub extern "C" fn configure(ptr: *const u8, len: usize) -> u64 {
    // SAFETY: see `read`.
    let bytes = unsafe { read(ptr, len) };
    match serde_json::from_slice::<Option<Settings>>(bytes) {
        Ok(settings) => {
            SETTINGS.with(|cell| cell.set(settings.unwrap_or_default()).ok());
            answer(vec![b'='])
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// Receives an event.
#[unsafe(no_mangle)]
pub extern "C" fn transform(ptr: *const u8, len: usize) -> u64 {
    // SAFETY: see `read`.
    let bytes = unsafe { read(ptr, len) };
    let Ok(mut event) = serde_json::from_slice::<Value>(bytes) else {
        return fail("the event is not JSON");
    };
    let verdict = SETTINGS.with(|cell| decide(&mut event, cell.get_or_init(Settings::default)));
    match verdict {
        Verdict::Unchanged => answer(vec![b'=']),
        Verdict::Drop => answer(vec![b'-']),
        Verdict::Error(reason) => fail(&reason),
        Verdict::Changed => {
            let mut out = Vec::with_capacity(len + len / 8 + 1);
            out.push(b'+');
            match serde_json::to_writer(&mut out, &event) {
                Ok(()) => answer(out),
                Err(_) => fail("the event cannot be written"),
            }
        }
    }
}

/// # Safety
///
/// `ptr` came from `alloc(len)`, and the host has written `len` bytes there.
unsafe fn read<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: the caller's promise is just what this needs; nothing writes there again, and nothing frees it.
    unsafe { std::slice::from_raw_parts(ptr, len) }
}

fn fail(reason: &str) -> u64 {
    answer([b"!", reason.as_bytes()].concat())
}

/// Address (high) and length (low) of bytes that stay until the instance ends.
fn answer(bytes: Vec<u8>) -> u64 {
    let bytes = bytes.leak();
    ((bytes.as_ptr() as u64) << 32) | bytes.len() as u64
}
