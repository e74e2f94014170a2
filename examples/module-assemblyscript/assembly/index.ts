// One job namespace per environment: jobs of every tool, and their parent and root jobs, get the namespace that the
// rules file has under `with:`, as a JSON string (`with: prod.example.com`). Events of jobs whose namespace
// begins with `scratch` are dropped.
//
// There is no JSON library here: a namespace is replaced in the text, so every other byte stays.

import { Cursor } from "./json";

export { lineage_proxy_abi, alloc, configure, transform } from "./interface";

/** The namespace, as a JSON string with its quotes. */
let namespace: string = "";

/** Receives the settings. Returns `=`, or `!` and a reason. */
export function configured(settings: string): string {
  if (!settings.startsWith('"') || settings.length < 3) {
    return "!under `with:` has to stand the namespace, a string";
  }
  namespace = settings;
  return "=";
}

/** Receives an event. Returns `=` (unchanged), `-` (drop), `+` and the event, or `!` and a reason. */
export function transformed(event: string): string {
  const job = find(event, ["job", "namespace"]);
  if (job == null) return "=";
  if (event.substring(job.start, job.end).startsWith('"scratch')) return "-";
  const spans: Cursor[] = [job];
  const parent = find(event, ["run", "facets", "parent", "job", "namespace"]);
  if (parent != null) spans.push(parent);
  const root = find(event, ["run", "facets", "parent", "root", "job", "namespace"]);
  if (root != null) spans.push(root);
  spans.sort((a, b) => a.start - b.start);
  let out = "+";
  let done = 0;
  let changed = false;
  for (let i = 0; i < spans.length; i++) {
    const span = spans[i];
    if (event.substring(span.start, span.end) != namespace) changed = true;
    out += event.substring(done, span.start) + namespace;
    done = span.end;
  }
  return changed ? out + event.substring(done) : "=";
}

/** The value at that path of member names. */
function find(event: string, path: string[]): Cursor | null {
  let value: Cursor | null = new Cursor(event, 0, event.length);
  for (let i = 0; i < path.length; i++) {
    if (value == null) return null;
    value = value.member(path[i]);
  }
  return value;
}
