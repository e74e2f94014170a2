// Finds values in a JSON text. The text is known to be valid JSON, so only the ends of values are searched for.

/** A value: from `start` to before `end`. */
export class Cursor {
  constructor(
    public text: string,
    public start: i32,
    public end: i32,
  ) {}

  /** The last member of that name; null if there is none, or if this is not an object. */
  member(name: string): Cursor | null {
    const text = this.text;
    let at = space(text, this.start);
    if (text.charCodeAt(at) != 0x7b) return null; // {
    let found: Cursor | null = null;
    at = space(text, at + 1);
    while (text.charCodeAt(at) == 0x22) {
      // a quote
      const keyEnd = valueEnd(text, at);
      const key = text.substring(at + 1, keyEnd - 1);
      const start = space(text, space(text, keyEnd) + 1); // past the colon
      const end = valueEnd(text, start);
      if (key == name) found = new Cursor(text, start, end);
      at = space(text, end);
      if (text.charCodeAt(at) != 0x2c) break; // a comma
      at = space(text, at + 1);
    }
    return found;
  }
}

function space(text: string, at: i32): i32 {
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code != 0x20 && code != 0x09 && code != 0x0a && code != 0x0d) break;
    at++;
  }
  return at;
}

/** The end of the value that starts at `at`. */
function valueEnd(text: string, at: i32): i32 {
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code == 0x22) {
      at = stringEnd(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (code == 0x7b || code == 0x5b) {
      depth++;
    } else if (code == 0x7d || code == 0x5d) {
      if (depth == 0) return at;
      depth--;
      if (depth == 0) return at + 1;
    } else if (depth == 0 && (code == 0x2c || code <= 0x20)) {
      return at;
    }
    at++;
  }
  return at;
}

function stringEnd(text: string, at: i32): i32 {
  at++;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code == 0x5c) {
      at += 2;
      continue;
    }
    at++;
    if (code == 0x22) break;
  }
  return at;
}
