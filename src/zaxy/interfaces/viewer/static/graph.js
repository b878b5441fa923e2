// The graph of things: what was so at a moment in the world, as far as the log knew at another.

const MOST_THINGS = 300, MOST_AROUND = 14, MOST_MENTIONS = 20;
const graph = { world: [], known: [], key: null, stale: true };

// The sliders go from one change to the next; their ends mean now.
function momentsOfGraph() {
  const world = new Set(), known = new Set();
  const seen = ({ row }) => { world.add(row.occurred); known.add(row.recorded); };
  for (const thing of things.values()) [thing.facts, ...[...thing.links.values()].map((link) => link.facts)].flat().forEach(seen);
  for (const { moment, known: since } of [...endings.values()].flat()) {
    if (moment > VOID && moment < FOREVER) world.add(moment);
    known.add(since);
  }
  Object.assign(graph, { world: [...world].sort((a, b) => a - b), known: [...known].sort((a, b) => a - b), stale: false });
  for (const [id, moments] of [["as-of", graph.world], ["known-at", graph.known]]) {
    const slider = $(id), atEnd = slider.value === slider.max || !slider.dataset.ready;
    slider.max = moments.length;
    if (atEnd) slider.value = moments.length;
    slider.dataset.ready = "yes";
  }
}

function chosenMoment(id, moments, last) {
  const moment = moments[Number($(id).value)], told = moment === undefined ? "now" : timeText(moment);
  $(`${id}-shown`).textContent = told;
  $(id).setAttribute("aria-valuetext", told);
  return moment ?? last;
}

function graphView() {
  if (graph.stale) momentsOfGraph();
  const world = chosenMoment("as-of", graph.world, now()), known = chosenMoment("known-at", graph.known, FOREVER);
  const wanted = $("find").value.toLowerCase().split(/\s+/).filter(Boolean), found = [];
  for (const thing of things.values()) {
    if (!wanted.every((word) => `${thing.type} ${thing.name}`.toLowerCase().includes(word))) continue;
    const span = holding(thing.facts, world, known), links = linksAt(thing, world, known).length;
    const said = [...thing.facts, ...thing.mentions].filter(({ row }) => row.occurred <= world && row.recorded <= known);
    if (!said.length || (!span && !links && !wanted.length && thing.facts.length)) continue;
    found.push({ thing, span, links, latest: Math.max(...said.map(({ row }) => row.occurred)) });
  }
  found.sort((one, other) => !!other.span - !!one.span || other.links - one.links || other.latest - one.latest);
  const shown = found.slice(0, MOST_THINGS), chosen = things.get(graph.key) ?? shown[0]?.thing;
  $("things-count").textContent = counted(found.length, "thing") + (found.length > shown.length ? `, ${MOST_THINGS} shown` : "");
  $("things").replaceChildren(...shown.map((one) => el("li", {}, thingButton(one, chosen))));
  showThing(chosen, world, known);
}

function thingButton({ thing, span }, chosen) {
  const past = span || !thing.facts.length ? null : "past", told = [thing.type, span?.fact.status].filter(Boolean).join(" · ");
  return el("button", { type: "button", "aria-current": thing === chosen, "data-key": thing.key, class: past },
    el("span", {}, thing.name), el("span", { class: "soft" }, told));
}

// The relations of a thing that hold, each with what is at its other end.
function linksAt(thing, world, known) {
  return [...thing.links.values()].map((link) => ({ link, span: holding(link.facts, world, known),
    other: link.source === thing ? link.target : link.source })).filter(({ span }) => span);
}

function showThing(thing, world, known) {
  if (!thing) return $("thing").replaceChildren(soft("Nothing is stated here yet."));
  const span = holding(thing.facts, world, known), links = linksAt(thing, world, known);
  const state = span ? span.fact.status || "so" : thing.facts.length ? "not so at this moment" : "only mentioned";
  return $("thing").replaceChildren(
    el("h2", {}, thing.name), soft(`${thing.type} · ${state}`),
    ...(links.length ? [drawing(thing, links.slice(0, MOST_AROUND))] : []),
    ...part("Relations at this moment", links.map(({ link, other, span: since }) => para(
      link.source === thing ? `${relationText(link)} → ` : `← ${relationText(link)} `,
      el("a", { href: thingAddress(other.key) }, other.name),
      el("span", { class: "soft" }, ` ${other.type}, since ${dayText(since.from)} `), eventLink(since.fact.row, "event")))),
    ...part("What was so", spansOf(thing.facts, known).map(({ fact, from, until }) => el("p",
      { class: from <= world && world < until ? null : "past" },
      `${timeText(from)} – ${until === FOREVER ? "now" : timeText(until)}  `, el("strong", {}, `${fact.status} `), eventLink(fact.row)))),
    ...part("Mentioned in", thing.mentions.slice(0, MOST_MENTIONS).map(({ row }) => para(`${timeText(row.occurred)}  `, eventLink(row)))),
  );
}

const relationText = (link) => link.relation.toLowerCase().replaceAll("_", " ");

function drawing(center, links) {
  const width = 640, height = 380, x = width / 2, y = height / 2, lines = [], nodes = [];
  links.forEach(({ link, other }, at) => {
    const angle = (2 * Math.PI * at) / links.length - Math.PI / 2, toX = x + Math.cos(angle) * 240, toY = y + Math.sin(angle) * 140;
    lines.push(svg("line", { x1: x, y1: y, x2: toX, y2: toY }),
      svg("text", { x: x + (toX - x) * 0.55, y: y + (toY - y) * 0.55 - 4, class: "link" }, relationText(link)));
    nodes.push(svg("g", { "data-key": other.key }, svg("title", {}, `${other.type} ${other.name}`), svg("circle", { cx: toX, cy: toY, r: 7 }),
      svg("text", { x: toX, y: toY + (toY < y ? -13 : 23) }, short(other.name, 24))));
  });
  const own = svg("g", { class: "center" }, svg("circle", { cx: x, cy: y, r: 9 }), svg("text", { x, y: y + 26 }, short(center.name, 32)));
  return svg("svg", { id: "web", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...lines, ...nodes, own);
}

function startGraph() {
  for (const id of ["as-of", "known-at", "find"]) $(id).addEventListener("input", graphView);
  $("moments").addEventListener("submit", (event) => event.preventDefault());
  $("graph").addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (key !== undefined) location.hash = thingAddress(key);
  });
}
