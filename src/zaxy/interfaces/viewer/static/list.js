// The list of events: only the lines that are in sight exist. With its filters, its search and its timeline.

const LINE = 54, BINS = 96, DAY = 86_400_000_000, MOST_CHOICES = 1_000;
const list = { shown: [], at: 0, search: 0, words: [], first: 0, last: 0 };

function passes(row) {
  const { session, type, own, first, last } = list;
  return (!session || row.session === session) && (type ? row.type === type : own || !row.own) &&
    row.occurred >= first && row.occurred < last;
}

function readChoices() {
  const from = Date.parse($("from").value), to = Date.parse($("to").value);
  list.first = Number.isNaN(from) ? -Infinity : from * 1000;
  list.last = Number.isNaN(to) ? Infinity : to * 1000 + DAY;
  Object.assign(list, { session: $("by-session").value, type: $("by-type").value, own: $("own").checked });
  list.words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
}

// Every word has to be in the event. Blocks are unpacked once; a newer search ends an older one.
async function filterList() {
  const turn = ++list.search, chosen = rows[list.shown[list.at]];
  readChoices();
  let found = order.filter((number) => passes(rows[number]));
  if (list.words.length) {
    const hits = new Set(), chunks = Math.ceil(rows.length / about.chunk);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const first = await chunkWords(chunk);
      if (turn !== list.search) return;
      for (let at = first; at < Math.min(first + about.chunk, rows.length); at++) {
        if (list.words.every((word) => words[at].includes(word))) hits.add(at);
      }
      if (chunk % 5 === 4) $("count").textContent = `Searching … ${Math.round((100 * chunk) / chunks)} %`;
    }
    found = found.filter((number) => hits.has(number));
  }
  list.shown = found;
  list.at = Math.max(0, chosen ? found.indexOf(chosen.number) : 0);
  const all = counted(rows.length, "event"), some = found.length.toLocaleString("en");
  $("count").textContent = `${found.length === rows.length ? all : `${some} of ${all}`} · times in UTC`;
  $("rows").style.height = `${found.length * LINE}px`;
  drawTimeline();
  drawList();
}

function drawList() {
  const box = $("list"), first = Math.max(0, Math.floor(box.scrollTop / LINE) - 4);
  const last = Math.min(list.shown.length, Math.ceil((box.scrollTop + box.clientHeight) / LINE) + 4);
  const lines = [];
  for (let at = first; at < last; at++) lines.push(line(rows[list.shown[at]], at));
  $("rows").replaceChildren(...lines);
  if (list.at >= first && list.at < last) box.setAttribute("aria-activedescendant", `event-${list.shown[list.at]}`);
  else box.removeAttribute("aria-activedescendant");
}

function line(row, at) {
  const chosen = at === list.at;
  const item = el("div", { class: `item${isOver(row) ? " over" : ""}`, role: "option", id: `event-${row.number}`,
    "data-at": at, "aria-selected": chosen, "aria-setsize": list.shown.length, "aria-posinset": at + 1 },
  el("p", {}, ...marked(snippet(row))),
  el("p", { class: "soft" }, [timeText(row.occurred), row.actor, row.type, stateOf(row), ...labels(row)].filter(Boolean).join(" · ")));
  item.style.top = `${at * LINE}px`;
  return item;
}

const stateOf = (row) => row.told?.find(([, , fact, status]) => fact && status)?.[3];

function labels(row) {
  const told = [row.change && row.change !== "invalidated" ? row.change : "", row.state, row.taint].filter(Boolean);
  if (isOver(row)) told.push("no longer so");
  return [...new Set(told)];
}

// What is shown of a hit: its summary, or what is around the first word that stands elsewhere in its text.
function snippet(row) {
  const summary = row.summary.toLowerCase(), missing = list.words.find((word) => !summary.includes(word));
  const text = missing === undefined ? "" : (words[row.number] ?? ""), head = text.split("\n", 3).join("\n").length;
  const at = text ? text.indexOf(missing, head) : -1;
  return at < 0 ? row.summary : `… ${text.slice(Math.max(0, at - 50), at + 160).replace(/\s+/g, " ")}`;
}

function marked(text) {
  const parts = [], lower = text.toLowerCase();
  let from = 0;
  while (lower.length === text.length && from < text.length) {
    const hits = list.words.map((word) => [lower.indexOf(word, from), word.length]).filter(([at]) => at >= 0);
    if (!hits.length) break;
    const [at, length] = hits.reduce((one, other) => (other[0] < one[0] ? other : one));
    parts.push(text.slice(from, at), el("mark", {}, text.slice(at, at + length)));
    from = at + length;
  }
  return [...parts, text.slice(from)];
}

function choose(at, quietly) {
  if (!list.shown.length) return;
  list.at = Math.max(0, Math.min(list.shown.length - 1, at));
  const box = $("list"), top = list.at * LINE;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + LINE > box.scrollTop + box.clientHeight) box.scrollTop = top + LINE - box.clientHeight;
  drawList();
  const row = rows[list.shown[list.at]];
  clearTimeout(list.naming);
  list.naming = setTimeout(() => history.replaceState(null, "", addressOf(row)), 300);  // browsers let that be done so often only
  if (!quietly) showEvent(row);
}

// ---- the timeline

function drawTimeline() {
  const box = $("timeline"), all = order.filter((number) => list.own || !rows[number].own);
  const last = all.length ? rows[all[0]].occurred + 1 : 1, first = all.length ? rows[all.at(-1)].occurred : 0;
  const bins = new Array(BINS).fill(0), wide = (last - first) / BINS || 1;
  const at = (moment) => Math.max(0, Math.min(BINS, (moment - first) / wide));
  for (const number of list.shown) bins[Math.min(BINS - 1, Math.floor(at(rows[number].occurred)))]++;
  const most = Math.max(1, ...bins), high = (count) => Math.max(1.5, (38 * count) / most);
  Object.assign(list, { begins: first, wide });
  box.setAttribute("viewBox", `0 0 ${BINS} 40`);
  box.setAttribute("preserveAspectRatio", "none");
  const rect = (kind, x, width, height) => svg("rect", { class: kind, x, y: 40 - height, width, height });
  const picked = list.first > first || list.last < last;
  box.replaceChildren(...(picked ? [rect("picked", at(list.first), Math.max(0.5, at(list.last) - at(list.first)), 40)] : []),
    ...bins.flatMap((count, bin) => (count ? [rect("bar", bin + 0.1, 0.8, high(count))] : [])));
}

function startTimeline() {
  let from = null;
  const momentAt = (event) => {
    const box = $("timeline").getBoundingClientRect();
    return list.begins + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * BINS * list.wide;
  };
  $("timeline").addEventListener("pointerdown", (event) => {
    from = momentAt(event);
    event.target.setPointerCapture(event.pointerId);
  });
  $("timeline").addEventListener("pointerup", (event) => {
    if (from === null) return;
    const ends = [from, momentAt(event)].sort((a, b) => a - b);
    from = null;
    if (ends[1] - ends[0] < list.wide) [ends[0], ends[1]] = [ends[0] - list.wide, ends[1] + list.wide];
    $("from").value = dayText(ends[0]);
    $("to").value = dayText(ends[1]);
    filterList();
  });
}

// ---- keys and choices

function fillChoices() {
  const count = (member) => {
    const counts = new Map();
    for (const row of rows) counts.set(row[member], (counts.get(row[member]) ?? 0) + 1);
    return [...counts].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
  };
  for (const [id, every, member] of [["by-session", "all sessions", "session"], ["by-type", "all types", "type"]]) {
    const kept = $(id).value;
    $(id).replaceChildren(el("option", { value: "" }, every),
      ...count(member).slice(0, MOST_CHOICES).map(([value, times]) => el("option", { value }, `${value} (${times})`)));
    $(id).value = kept;
  }
}

function startList() {
  const box = $("list"), page = () => Math.max(1, Math.floor(box.clientHeight / LINE) - 1);
  const keys = { ArrowDown: () => list.at + 1, ArrowUp: () => list.at - 1, PageDown: () => list.at + page(),
    PageUp: () => list.at - page(), Home: () => 0, End: () => list.shown.length - 1 };
  box.addEventListener("scroll", () => requestAnimationFrame(drawList), { passive: true });
  new ResizeObserver(drawList).observe(box);
  box.addEventListener("click", (event) => {
    const item = event.target.closest(".item");
    if (item) choose(Number(item.dataset.at));
  });
  box.addEventListener("keydown", (event) => {
    if (keys[event.key]) choose(keys[event.key]());
    else if (event.key === "Enter") $("event").focus();
    else return;
    event.preventDefault();
  });
  let waiting = 0;
  $("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filterList, 120); });
  for (const id of ["by-session", "by-type", "own", "from", "to"]) $(id).addEventListener("change", filterList);
  $("filters").addEventListener("submit", (event) => { event.preventDefault(); filterList(); });
  $("filters").addEventListener("reset", () => setTimeout(filterList));
  startTimeline();
}
