// The script of every screen. Screens work without it. What other scripts use of it is in window.page.
const { root } = document.documentElement.dataset;
const byId = (id) => document.getElementById(id);
const focused = () => document.activeElement;
const isChord = (event) => event.ctrlKey || event.metaKey || event.altKey;
const on = (target, kinds, does, options) => kinds.split(" ").forEach((kind) => target.addEventListener(kind, does, options));

// Times are written in UTC by the server; readers want them as their clock shows them.
const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const minutes = new Intl.DateTimeFormat(undefined, hour);
const clock = new Intl.DateTimeFormat(undefined, { ...hour, second: "2-digit", fractionalSecondDigits: 3 });
const isToday = (at) => at.toDateString() === new Date().toDateString();

function localTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.textContent = (isToday(at) ? "" : `${day.format(at)} `) + clock.format(at);
    time.title = at;
  }
}

// Parts of a screen that come later are markup of our server. It is parsed apart, by the one policy that the page allows.
const rows = window.trustedTypes?.createPolicy("rows", { createHTML: (markup) => markup });
const parse = (markup) => new DOMParser().parseFromString(rows ? rows.createHTML(markup) : markup, "text/html").body;

const TYPED = "input, select, textarea";
// Whether somebody types into a part.
const isTyped = (part) => focused().matches(TYPED) && part.contains(focused());

// Shows a part anew, unless somebody types into it or selects its text. The focus of the keyboard stays on what is the same in it.
function renew(part, next) {
  const selection = getSelection();
  if (!isTyped(part) && (selection.isCollapsed || !selection.containsNode(part, true))) replace(part, next);
}

function replace(part, next) {
  const was = focused(), isAt = part.contains(was);
  const same = (it) => it.type === was.type && it.name === was.name && (was.name || it.textContent === was.textContent);
  part.replaceChildren(...next.childNodes);
  localTimes(part);
  if (isAt) [...part.querySelectorAll(was.localName)].find(same)?.focus({ preventScroll: true });
}

// Tells what is new while the tab is looked at: browsers open six connections to a site, and each other tab would take one.
function listen(told, say = () => {}) {
  let source, timer;
  const close = () => {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  };
  const open = () => {
    if (document.hidden || source) return;
    source = new EventSource(`${root}/news`);
    source.onopen = () => say("live");
    source.onmessage = ({ data }) => told(JSON.parse(data));
    source.onerror = () => {
      say("not connected");
      if (source.readyState < EventSource.CLOSED) return;
      close();
      timer = setTimeout(open, 10_000);
    };
  };
  on(document, "visibilitychange", () => (document.hidden ? close() : open()));
  on(window, "pagehide", close);
  on(window, "pageshow", open);
  open();
}

window.page = { root, byId, focused, isChord, isTyped, listen, on, parse, renew, replace, shortTime: (at) => (isToday(at) ? minutes : day).format(at) };

// "f" or "/" goes to the box that finds events.
on(document, "keydown", (event) => {
  if (event.target.matches(TYPED) || isChord(event) || !"f/".includes(event.key)) return;
  event.preventDefault();
  byId("find").focus();
  byId("find").select();
});

// Parts of what is under way are shown anew, as long as the answer says that it is.
async function follow(parts) {
  while (parts.dataset.again) {
    await new Promise((done) => setTimeout(done, 2_000));
    if (document.hidden) continue;
    const answer = await fetch("?part=all", { headers: { accept: "text/html" }, redirect: "error" }).catch(() => null);
    if (!answer?.ok) continue;
    const next = parse(await answer.text()).firstChild;
    [...parts.children].forEach((part, at) => renew(part, next.children[at]));
    byId("dead").replaceWith(next.querySelector("#dead"));
    parts.dataset.again = next.dataset.again ?? "";
  }
}

// A list that is looked at is kept up to date, and never moves under the reader.
function followNews(news) {
  const newer = byId("newer"), live = () => byId("live");
  let pending, isReading, isStale, isLater;
  const known = (list) => new Set([...list.querySelectorAll(".when a")].map((link) => link.pathname));

  function show(next) {
    const old = known(live());
    for (const row of next.querySelectorAll("tbody tr")) row.classList.toggle("new", old.size && !old.has(row.querySelector(".when a")?.pathname));
    localTimes(next);
    live().replaceWith(next);
    pending = undefined;
    newer.hidden = true;
  }

  // The numbers above the list may change under the reader.
  function offer(next) {
    const count = known(next).difference(known(live())).size, tally = live().querySelector(".tally");
    tally?.replaceWith(next.querySelector(".tally").cloneNode(true));
    if (!count) return;
    pending = next;
    newer.textContent = `${count} new`;
    newer.hidden = false;
    byId("said").textContent = `${count} new events`;
  }

  const say = (text) => (news.textContent = news.dataset.state = text);
  async function update() {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale) {
      isStale = false;
      const answer = await fetch(news.dataset.part, { headers: { accept: "text/html" }, redirect: "error" }).catch(() => say("not connected"));
      const next = answer.ok && parse(await answer.text()).firstChild;
      const isBusy = scrollY > 8 || live().contains(focused()) || !getSelection().isCollapsed;
      if (next) (isBusy ? offer : show)(next);
      await new Promise((done) => setTimeout(done, 500));
    }
    isReading = false;
  }

  on(newer, "click", () => {
    show(pending);
    scrollTo(0, 0);
  });
  news.hidden = false;
  listen(({ newest }) => {
    if (isLater || `${newest}` !== live().dataset.newest) update();
    isLater = true;
  }, say);
}

localTimes(document);
const news = byId("news"), parts = byId("parts");
if (news) followNews(news);
if (parts) follow(parts);
