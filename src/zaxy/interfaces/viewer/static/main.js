// Which page is shown, and how it begins.

const VIEWS = { events: () => {}, corrections: correctionsView, graph: graphView, sessions: sessionsView, trust: trustView,
  now: nowView };
let view = "events";

function tell(text) {
  if ($("status").textContent !== text) $("status").textContent = text;
}

function draw() {
  VIEWS[view]();
}

// #/events, #/events/SESSION, #/event/SESSION/SEQ, #/graph/KEY, and the names of the other pages
function route() {
  const decoded = (one) => { try { return decodeURIComponent(one); } catch { return one; } };
  const [name, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decoded);
  view = name === "event" || !(name in VIEWS) || (name === "now" && !LIVE) ? "events" : name;
  for (const one of Object.keys(VIEWS)) $(one).hidden = one !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "graph") graph.key = rest.length ? rest.join("/") : graph.key;
  if (name === "events" && rest.length) {
    $("by-session").value = rest[0];
    filterList();
  }
  if (name === "event") openEvent(rest[0], Number(rest[1]));
  draw();
}

function openEvent(session, seq) {
  const row = rowAt(session, seq);
  if (!row) return tell(`Event ${seq} of ${session} is not on this page.`);
  tell("");
  const at = list.shown.indexOf(row.number);
  if (at >= 0) choose(at, true);
  return showEvent(row);
}

function rowsChanged() {
  sortRows();
  graph.stale = true;
  fillChoices();
  filterList();
  if (view === "graph") graphView();
}

function startTheme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  $("theme").addEventListener("click", () => {
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });
}

function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, select, textarea")) {
      location.hash = "#/events";
      $("search").focus();
      event.preventDefault();
    } else if (event.key === "Escape" && $("event").contains(document.activeElement)) $("list").focus();
  });
}

function firstView() {
  sortRows();
  filterList();
  if (!location.hash.startsWith("#/event/") && list.shown.length) showEvent(rows[list.shown[0]]);
  document.documentElement.dataset.firstView = String(Math.round(performance.now()));
}

async function start() {
  startTheme();
  startKeys();
  startList();
  startGraph();
  addEventListener("hashchange", route);
  if (LIVE) {
    about = { chunk: 2000, damaged: {} };
    route();
    await poll();
    setInterval(poll, POLL_MILLISECONDS);
    document.addEventListener("visibilitychange", poll);
  } else {
    about = await unpack("overview");
    for (let chunk = 0; chunk * about.chunk < about.count; chunk++) {
      takeRows(await unpack(`rows-${chunk}`), chunk * about.chunk);
      if (chunk === 0) firstView();
    }
    rowsChanged();
    route();
  }
  $("place").textContent = (about.path ?? "").split("/").slice(-2).join("/");
  document.title = `Memory · ${$("place").textContent}`;
  drawVerdict();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start().catch((error) => tell(`This page could not be shown: ${error.message}`));
