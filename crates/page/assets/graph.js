// What a drawing holds, as src/lineage/drawing.rs describes it: its nodes and lines, their words, and what is near what.
// It is served with drawing.js and lineage.js, which come after it: together they are the body of a function of a `graph`, the element
// that a drawing is in (src/assets.rs). Two drawings that are compared are given in the page, and move together.
const { root, byId, focused, isChord, isTyped, listen, on, parse, renew, replace, shortTime } = window.page;
const { drawing: given } = graph.dataset;
const KINDS = ["job", "dataset", "parent", "more"];

const amount = (count) => count.toLocaleString("en");
const counted = (count, word) => `${amount(count)} ${word}${count === 1 ? "" : "s"}`;
const ran = ({ at }) => (at ? ` ${shortTime(new Date(at * 1000))}` : "");

function sentence(node) {
  const { kind, name, count, state } = node;
  if (kind === 3) return `${amount(count)} more`;
  const jobs = kind === 2 ? `, ${counted(count, "job")}` : "", last = state?.[0] ? `, ${state[0]}${ran(node)}` : "";
  return `${["Job", "Dataset", "Parent"][kind]} ${name}${jobs}, ${node.before.length} before, ${node.after.length} after${last}`;
}

// The letters of a name that are left out and shown, in turn, until it fits: the last part stays whole if it can, or else its ends,
// for those tell most.
function pieces(name, fits) {
  const letters = [...name], all = letters.length, MOST = 80; // more never fit
  const text = (from, to) => letters.slice(from, to).join("");
  if (fits(name)) return ["", name];
  let last = 0;
  for (let at = Math.max(1, all - MOST); at < all; at++) {
    if (!"./".includes(letters[at - 1])) continue;
    last = at;
    if (fits(`…${text(at)}`)) return [text(0, at), text(at)];
  }
  for (let count = Math.min(MOST, all - last - 1); count > 1; count--) {
    const begin = last + (count >> 1), end = all - ((count + 1) >> 1);
    const cut = [text(0, last), text(last, begin), text(begin, end), text(end)];
    if (fits(`…${cut[1]}…${cut[3]}`)) return cut;
  }
  return [text(0, -1), text(-1)];
}

// What is only in one of two graphs, and what has another name in the other, by its ink and its dashes.
const MARKS = [[], ["state-gone", [7, 5]], ["state-new", []], ["state-renamed", [9, 3, 2, 3]]];

function read(drawing) {
  const { namespaces, states, width, opened } = drawing;
  const nodes = drawing.nodes.map(([kind, namespace, name, x, y, height, state, at, count, isCut], number) => (
    { number, kind, namespace: namespaces[namespace], name, x, y, width, height, worst: state, state: state && states[state], at, count, isCut, before: [], after: [] }));
  for (const [number, fields, lit, hidden] of opened) Object.assign(nodes[number], { fields, lit, hidden });
  for (const [number, href] of drawing.more) Object.assign(nodes[number], { href });
  const lines = drawing.lines.map(([from, to, kind, path]) => {
    nodes[from].after.push(to);
    nodes[to].before.push(from);
    const isBack = kind & 1, tip = isBack ? "l8-4m-8 4l8 4" : "l-8-4m8 4l-8 4";
    const [mark, dash = kind & 2 ? [1, 4] : isBack ? [6, 4] : []] = MARKS[kind >> 2];
    return { from, to, path: new Path2D(path + tip), mark, dash };
  });
  const columns = drawing.columns.map(([path, isIndirect, isLit]) => ({ path: new Path2D(path), isLit, dash: isIndirect ? [2, 4] : [] }));
  return { ...drawing, nodes, lines, columns, all: new Path2D(drawing.lines.map((line) => line[3]).join("")) };
}

// All that leads to a node, all to which it leads, and the lines between.
function around({ nodes, lines }, number) {
  const lit = new Set(), litLines = new Set();
  for (const side of nodes[number] ? ["before", "after"] : []) {
    const seen = new Set([number]);
    for (const at of seen) nodes[at][side].forEach((next) => seen.add(next));
    for (const line of lines) if (seen.has(line.from) && seen.has(line.to)) litLines.add(line);
    seen.forEach((at) => lit.add(at));
  }
  return { lit, litLines };
}

// The node to which an arrow leads: back to where it came from, or the nearest.
function next({ nodes }, node, side, isDown, came) {
  const some = side ? node[side].map((at) => nodes[at]) : nodes.filter((it) => it.x === node.x && (isDown ? it.y > node.y : it.y < node.y));
  const away = (it) => (side && it.number === came ? -1 : Math.abs(it.y - node.y));
  return some.sort((one, other) => away(one) - away(other))[0];
}
