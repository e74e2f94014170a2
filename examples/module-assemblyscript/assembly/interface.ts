// The interface of lineage-proxy to WebAssembly modules, version 1. The same for every module: nothing here has to be
// changed. A module is built with the runtime `stub`, which never frees: an instance serves one event and ends.

import { configured, transformed } from "./index";

/** The version of the interface. */
export function lineage_proxy_abi(): i32 {
  return 1;
}

/** Room for `len` bytes. */
export function alloc(len: i32): usize {
  return heap.alloc(len);
}

/** Takes the settings: the JSON text of what stands under `with:`. */
export function configure(ptr: usize, len: i32): u64 {
  return answer(configured(String.UTF8.decodeUnsafe(ptr, len)));
}

/** Takes an event, JSON text. */
export function transform(ptr: usize, len: i32): u64 {
  return answer(transformed(String.UTF8.decodeUnsafe(ptr, len)));
}

/** Address (high) and length (low) of the text in UTF-8. */
function answer(text: string): u64 {
  const length = String.UTF8.byteLength(text);
  const address = heap.alloc(length);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, address);
  return ((address as u64) << 32) | (length as u64);
}
