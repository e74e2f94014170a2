// The interface between lineage-proxy and a WebAssembly module, version 1. It is the same for every module: do not
// change it. A module is built with the runtime `stub`, which never frees: an instance serves one event and ends.

import { configured, transformed } from "./index";

/** The version of the interface. */
export function lineage_proxy_abi(): i32 {
  return 1;
}

/** Allocates `len` bytes. */
export function alloc(len: i32): usize {
  return heap.alloc(len);
}

/** Receives the settings: the value of `with:` as JSON text. */
export function configure(ptr: usize, len: i32): u64 {
  return answer(configured(String.UTF8.decodeUnsafe(ptr, len)));
}

/** Receives an event as JSON text. */
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
