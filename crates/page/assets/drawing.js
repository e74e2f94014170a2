// Draws: lines on a canvas, and above it nodes as links, where they are large enough to be read. And how it is moved.
// Texts of events come in as text, and places by the CSSOM.
const NEAR = 0.33; // below this scale names cannot be read: all is drawn on the canvas
const FAR = 0.48; // below these only names are written, in large letters
const MIDDLE = 0.68;
const MOST_LINKS = 250; // more make each frame slow
const MOST_NEW = 40; // nor are more made in one
const MARGIN = 24;
const spoken = byId("spoken");
const make = (parent, tag, className = "", text = "") => parent.appendChild(Object.assign(document.createElement(tag), { className, textContent: text }));
const canvas = make(graph, "canvas"), world = make(graph, "div", "world"), context = canvas.getContext("2d");
// A canvas knows no variables of a style sheet: hidden elements have their colours.
const inks = {};
const colour = (name) => getComputedStyle((inks[name] ??= make(graph, "i", `ink ink-${name} ${name}`))).color;

let drawing = { nodes: [], lines: [] }, view = { x: 0, y: 0, scale: 1 }, whole = 1, width, height, high = 0;
let current, before, lit, litLines, frame, size;
const shown = new Map();

// Takes an answer in. The drawing only grows: what is below it moves seldom.
function take(answer) {
  drawing = read(answer);
  shown.forEach((box) => box.remove());
  shown.clear();
  current = drawing.focus ?? 0;
  graph.parentElement.hidden = !drawing.nodes.length;
  high = Math.max(high, drawing.size[1] + 2 * MARGIN);
  graph.style.setProperty("--high", `${high}px`);
  measure();
  light(drawing.focus);
}

// Lights all that leads to a node, and all to which it leads. Near the chosen node that is everything, and nothing stands out.
function light(number) {
  ({ lit, litLines } = around(drawing, number));
  if (lit.size === drawing.nodes.length) lit.clear(), litLines.clear();
  shown.forEach((box, at) => box.classList.toggle("lit", lit.has(at)));
  redraw();
}

// ---- A frame

function redraw() {
  if (lit) frame ||= requestAnimationFrame(draw);
  if (given) dispatchEvent(new CustomEvent("moved", { detail: view }));
}
const inView = (box) => ["x", "y"].every((at) => {
  const [room, extent] = at === "x" ? [width, box.width] : [height, box.height], from = box[at] * view.scale + view[at];
  return from < room + 60 && from + extent * view.scale > -60;
});

function draw() {
  frame = 0;
  const dots = devicePixelRatio, { x, y, scale } = view, visible = drawing.nodes.filter(inView);
  const isNear = scale >= NEAR && visible.length <= MOST_LINKS;
  place(isNear ? visible : []);
  context.reset();
  context.setTransform(dots * scale, 0, 0, dots * scale, dots * x, dots * y);
  ink("line", 1.2, 0.6);
  isNear ? drawing.lines.forEach(stroke) : context.stroke(drawing.all);
  for (const line of drawing.lines) if (line.mark) ink(line.mark, 2, 1.2), stroke(line);
  ink("lit", 1.8, 1.1);
  litLines.forEach(stroke);
  bars(visible.filter((node) => !shown.has(node.number)));
  for (const edge of drawing.columns) {
    ink(edge.isLit ? "lit" : "faint", edge.isLit ? 2 : 1.3, 0.8);
    stroke(edge);
  }
}

// A pen in a colour, so wide as things are drawn and on the screen at least.
function ink(name, wide, least) {
  context.strokeStyle = colour(name);
  context.lineWidth = Math.max(wide, least / view.scale);
}

function stroke({ path, dash }) {
  context.setLineDash(dash);
  context.stroke(path);
}

// What has no link is a bar. What failed is drawn last, and neither that nor the chosen one is too small to be seen.
function bars(some) {
  const chosen = drawing.nodes[graph.contains(focused()) ? current : drawing.focus];
  const name = (node) => (node === chosen ? "lit" : node.worst > 1 ? node.state[2] : KINDS[node.kind]);
  for (const [ink, nodes] of Map.groupBy(some.sort((one, other) => one.worst - other.worst), name)) {
    const least = ink === "lit" || ink === "state-failed" ? 5 / view.scale : 0;
    context.fillStyle = colour(ink);
    for (const { kind, x, y, width, height } of nodes) {
      const high = Math.max(height, least);
      context.beginPath();
      context.roundRect(x, y, Math.max(width, 2 * least), high, kind === 1 ? 3 : high / 2);
      context.fill();
    }
  }
}

// ---- Links

// Puts links where nodes are in sight, and takes away those that are not, but for the one with the focus.
function place(visible) {
  const { x, y, scale } = view, letters = scale < FAR ? 24 : scale < MIDDLE ? 19 : 14, wanted = new Set(visible);
  let left = MOST_NEW;
  world.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  world.dataset.letters = letters;
  for (const [number, box] of shown) {
    if (wanted.has(drawing.nodes[number]) || box.contains(focused())) {
      if (size !== letters) write(drawing.nodes[number], box, letters);
    } else {
      box.remove();
      shown.delete(number);
    }
  }
  size = letters;
  for (const node of visible) if (!shown.has(node.number) && left-- > 0) show(node);
  if (left < 0) redraw();
}

function show(node) {
  const { number, kind, name, namespace, state, count, fields, hidden } = node, isChosen = number === drawing.focus;
  const box = make(world, "div", `node ${KINDS[kind]} ${state ? state[2] : ""} ${lit.has(number) ? "lit" : ""} ${isChosen ? "chosen" : ""}`);
  const anchor = (className, text, href, ariaLabel) => Object.assign(make(box, "a", className, text), { tabIndex: -1 }, href ? { href } : { role: "group" }, { ariaLabel });
  Object.assign(box.style, { left: `${node.x}px`, top: `${node.y}px`, width: `${node.width}px`, height: `${node.height}px` });
  const head = anchor("head", kind === 3 ? `+ ${amount(count)} more` : "", link(node), sentence(node));
  head.dataset.node = number;
  if (isChosen) head.ariaCurrent = "true";
  shown.set(number, box);
  if (kind === 3) return box;
  head.title = `${name}\n${namespace}`;
  make(head, "bdi", "name");
  write(node, box, size);
  const below = make(head, "span", "below", state ? "" : ["no run seen", namespace, counted(count, "job")][kind]);
  if (state) make(below, "span", "ran", `${state[1]} ${state[0]}`).after(given ? ` ${namespace}` : ran(node));
  if (kind === 1 && count && !node.isCut && !/[?&]all=/.test(location.search)) {
    anchor("toggle", `${count} ${fields ? "▾" : "▸"}`, toggled(node), `${fields ? "close" : "open"} the ${counted(count, "column")} of ${name}`);
  }
  fields?.forEach((field, at) => anchor(node.lit.includes(at) ? "field lit" : "field", field, address(node, (query) => query.set("column", field)), null));
  if (hidden) make(box, "span", "field quiet", `+ ${amount(hidden)} more`);
  return box;
}

// Writes the name of a node as large as the scale asks for. What does not fit is in the markup, but not shown.
function write(node, box, letters) {
  const words = box.querySelector(".name");
  if (!words) return;
  words.textContent = "";
  context.font = `550 ${letters}px ${getComputedStyle(graph).fontFamily}`;
  const room = node.width - (letters > 19 ? 22 : node.kind === 1 ? 27 : 38);
  pieces(node.name, (text) => context.measureText(text).width <= room).forEach((text, at) => make(words, "span", at % 2 ? "" : "out", text));
}

// ---- Moving

const measure = () => {
  ({ clientWidth: width, clientHeight: height } = graph);
  Object.assign(canvas, { width: width * devicePixelRatio, height: height * devicePixelRatio });
};

function move(x, y) {
  view = { ...view, x: view.x + x, y: view.y + y };
  redraw();
}

// Shows all, or as much around the chosen node as can be read.
function fit(isAll) {
  const [wide, high] = drawing.size, node = !isAll && drawing.nodes[drawing.focus];
  whole = Math.min(1, (width - 2 * MARGIN) / (wide || 1), (height - 2 * MARGIN) / (high || 1));
  const scale = node ? Math.max(0.78, whole) : whole;
  const along = (size, room, at, extent) => !node || size * scale + 2 * MARGIN <= room ? (room - size * scale) / 2
    : Math.max(room - MARGIN - size * scale, Math.min(MARGIN, room / 2 - (node[at] + node[extent] / 2) * scale));
  view = { scale, x: along(wide, width, "x", "width"), y: along(high, height, "y", "height") };
  redraw();
}

function zoom(factor, x = width / 2, y = height / 2) {
  const scale = Math.min(2.5, Math.max(Math.min(0.1, whole), view.scale * factor)), by = 1 - scale / view.scale;
  view.scale = scale;
  move((x - view.x) * by, (y - view.y) * by);
}

// Gives a node the focus of the keyboard, in sight and readable.
function focus(number) {
  const node = drawing.nodes[number], margin = 40;
  if (!node) return;
  current = number;
  if (view.scale < NEAR) zoom(MIDDLE / view.scale);
  const { scale } = view, into = (at, extent, room) => {
    const from = node[at] * scale + view[at];
    return Math.min(Math.max(from, margin), Math.max(margin, room - margin - extent * scale)) - from;
  };
  move(into("x", node.width, width), into("y", Math.min(node.height, 60), height));
  (shown.get(number) ?? show(node)).firstChild.focus({ preventScroll: true });
  light(number);
  spoken.textContent = sentence(node);
}

function walk(arrow) {
  const side = { ArrowLeft: "before", ArrowRight: "after" }[arrow], found = next(drawing, drawing.nodes[current], side, arrow === "ArrowDown", before);
  if (!found) return void (spoken.textContent = side ? `Nothing ${side} it` : "The end of the column");
  if (side) before = current;
  focus(found.number);
}

const COMMANDS = { "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => fit(true) };
on(graph, "keydown", (event) => {
  if (isChord(event)) return;
  if (COMMANDS[event.key]) COMMANDS[event.key]();
  else if (!event.key.startsWith("Arrow")) return;
  else if (event.target === graph) focus(current);
  else walk(event.key);
  event.preventDefault();
});
const numbered = (target) => target.closest(".node")?.firstChild.dataset.node;
on(graph, "focusin", ({ target }) => (current = +(numbered(target) ?? current)));
on(graph, "pointerover", ({ target }) => !down.size && target.closest(".head") && light(+numbered(target)));
on(graph, "pointerleave", () => lit && light(drawing.focus));
on(graph.parentElement, "click", (event) => {
  COMMANDS[event.target.closest("[data-zoom]")?.dataset.zoom]?.();
  // A click of the keyboard has no detail, and is none at the end of a drag.
  if (moved > 4 && event.detail && graph.contains(event.target)) event.preventDefault();
});
on(graph, "dragstart", (event) => event.preventDefault());
on(graph, "wheel", (event) => {
  event.preventDefault();
  const speed = (event.deltaMode ? 0.03 : 0.0018) * (event.ctrlKey ? 5 : 1), { left, top } = graph.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * speed), event.clientX - left, event.clientY - top);
}, { passive: false });

// One finger or the mouse moves, two zoom. Which are down, and how far the last ones have moved.
const down = new Map();
let moved = 0;
on(graph, "pointerdown", (event) => {
  if (!down.size) moved = 0;
  if (!event.button) down.set(event.pointerId, event);
});
on(graph, "pointermove", (event) => {
  const last = down.get(event.pointerId);
  if (!last) return;
  // It was let go where nobody saw it, as outside of the window.
  if (!event.buttons) return void down.delete(event.pointerId);
  down.set(event.pointerId, event);
  const x = event.clientX - last.clientX, y = event.clientY - last.clientY, other = [...down.values()].find((it) => it.pointerId !== event.pointerId);
  moved += Math.abs(x) + Math.abs(y);
  if (moved > 4) graph.setPointerCapture(event.pointerId);
  if (other) {
    const { left, top } = graph.getBoundingClientRect(), apart = (it) => Math.hypot(it.clientX - other.clientX, it.clientY - other.clientY) || 1;
    zoom(apart(event) / apart(last), (event.clientX + other.clientX) / 2 - left, (event.clientY + other.clientY) / 2 - top);
  }
  move(x / down.size, y / down.size);
});
on(graph, "pointerup pointercancel", (event) => down.delete(event.pointerId));

new ResizeObserver(() => (measure(), redraw())).observe(graph);
on(matchMedia("(prefers-color-scheme: dark)"), "change", redraw);
if (given) on(window, "moved", ({ detail }) => detail !== view && ((view = detail), redraw()));
