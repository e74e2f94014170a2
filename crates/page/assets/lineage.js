// What is drawn: addresses, what they ask for, and news. The server has placed everything. Without these scripts the table tells the same.
const stale = byId("stale"), undrawn = byId("undrawn");
let wanted, asking, timer;

// ---- Addresses: the whole state of the screen is in them

// An address without its place on the page.
const bare = (url) => new URL(url, location).href.replace(/#.*/s, "");

function address(node, change) {
  const query = new URLSearchParams(given ? "" : location.search);
  ["job", "dataset", "column", "from"].forEach((name) => query.delete(name));
  query.set(node.kind === 1 ? "dataset" : "job", node.name);
  query.set("namespace", node.namespace);
  change?.(query);
  return `${root}/lineage?${query}`;
}

// Further nodes are listed on the page of what they lead to, as the server says.
const link = (node) => (node.kind > 2 ? node.href : node.isCut ? "" : address(node));

function toggled(node) {
  const query = new URLSearchParams(location.search), name = `${node.namespace}/${node.name}`;
  const open = (query.get("open") ?? "").split("\n").filter((it) => it && it !== name);
  query.set("open", (node.fields ? open : [...open, name]).join("\n"));
  return `?${query}`;
}

// Asks for a drawing: null if there is none, undefined if something else was asked for meanwhile.
async function ask(url) {
  asking?.abort();
  const mine = (asking = new AbortController()), part = new URL(bare(url));
  part.searchParams.set("part", "drawing");
  const answer = await fetch(part, { signal: mine.signal }).then((it) => it.json()).catch(() => null);
  if (mine === asking) return answer?.drawing ? answer : null;
}

// ---- What is shown

const key = (node) => `${node.kind % 2}\n${node.namespace}\n${node.name}`;

// Shows what an address asks for; what was asked for last wins. The node that is chosen keeps its place on the screen, if it has one.
// The focus of the keyboard stays on a control, or in the drawing.
async function go(url, isNew, isControl) {
  wanted = bare(url);
  graph.ariaBusy = "true";
  const answer = await ask(url), isHere = wanted === bare(location), isFirst = !lit, { nodes } = drawing;
  if (answer === undefined) return;
  if (!answer && !(isFirst && isHere)) return isHere ? location.reload() : location.assign(url);
  graph.ariaBusy = null;
  undrawn.hidden = Boolean(answer);
  if (!answer) return graph.parentElement.classList.remove("awaited");
  const isAtLink = !isControl && !isFirst && focused().matches("a");
  if (isNew && !isHere) history.pushState(null, "", url);
  document.title = answer.title;
  before = undefined;
  take(answer.drawing);
  stale.hidden = true;
  const chosen = drawing.nodes[drawing.focus], old = chosen && nodes.find((node) => key(node) === key(chosen));
  if (old) move((old.x - chosen.x) * view.scale, (old.y - chosen.y) * view.scale);
  else fit();
  // The first drawing comes to a page that has all else.
  if (isNew || !isFirst) for (const [part, next] of parts(answer)) if (isControl || !isTyped(part)) replace(part, next);
  if (isAtLink) focus(current);
  else spoken.textContent = chosen ? sentence(chosen) : "";
}

const parts = (answer) => Object.entries(answer.parts).map(([id, markup]) => [byId(id), parse(markup)]);

// Links and the form choose what is drawn, without loading the page again. What is not drawn is another page.
on(document, "click", (event) => {
  const anchor = event.target.closest("a[href]");
  // A place on this page is for the browser.
  if (event.defaultPrevented || !anchor || anchor.getAttribute("href").startsWith("#") || event.shiftKey || isChord(event)) return;
  if (anchor.origin + anchor.pathname !== location.origin + location.pathname || !/[?&](job|dataset|all)=/.test(anchor.search)) return;
  event.preventDefault();
  go(anchor.href, true);
});
on(document, "submit", (event) => {
  if (!event.target.matches("[data-draws]")) return;
  event.preventDefault();
  go(`?${new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value))}`, true, focused().form === event.target);
});
on(document, "change", ({ target }) => target.form?.matches("[data-draws]") && target.form.requestSubmit());

// ---- News: states change in place. A lineage that has changed otherwise is shown when the reader says so.

async function refresh() {
  timer = undefined;
  if (graph.ariaBusy || !lit) return;
  const answer = await ask(location);
  if (!answer) return;
  if (answer.drawing.shape !== drawing.shape) return void (stale.hidden = false);
  // Nothing moves under the reader: the view, and what has the focus of the keyboard, stay.
  const box = focused().closest(".node"), held = box && [...box.children].indexOf(focused()), at = current;
  take(answer.drawing);
  parts(answer).forEach((it) => renew(...it));
  if (!box) return;
  (shown.get(at) ?? show(drawing.nodes[at])).children[held]?.focus({ preventScroll: true });
  light(at);
}

if (given) {
  take(JSON.parse(given));
  fit();
} else {
  on(window, "popstate", () => bare(location) !== wanted && go(location));
  on(stale, "click", () => go(location));
  go(location).then(() => listen(() => (timer ??= setTimeout(refresh, 2_000))));
}
