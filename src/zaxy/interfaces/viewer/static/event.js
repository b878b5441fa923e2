// One event: what it says, what became of it, where it comes from and what proves it.

let shownEvent = null;

async function showEvent(row) {
  shownEvent = row;
  const waiting = setTimeout(() => shownEvent === row && $("event").replaceChildren(soft("Unpacking …")), 150);
  let detail = null, changed = null;
  try {
    detail = await detailOf(row);
    changed = await changeOf(row, detail);
  } catch (error) {
    tell(`Event ${row.seq} of ${row.session} could not be shown: ${error.message}`);
  }
  clearTimeout(waiting);
  if (shownEvent !== row) return;
  $("event").scrollTop = 0;
  $("event").replaceChildren(...(detail ? eventParts(row, detail, changed) : [para("This event cannot be read.")]));
}

// How a correction, or a proposed one, changes what was said; null for other events and where that is not on the page.
async function changeOf(row, detail) {
  const prior = row.about && row.change.startsWith("correct") && priorOf(row), before = prior && await detailOf(prior);
  return before ? diff(before.text, detail.text) : null;
}

function eventParts(row, detail, changed) {
  const origin = detail.payload?.__zaxy_origin ?? {}, sources = [origin.derives_from ?? []].flat();
  const raw = detail.payload === null ? "The payload is too long for this page: see it with zaxy replay."
    : JSON.stringify(detail.payload, null, 2);
  return [
    el("h2", {}, short(row.summary, 120)),
    soft([row.type, `by ${row.actor}`, timeText(row.occurred), ...labels(row)].join(" · ")),
    ...(endings.get(row.place) ?? []).toSorted((one, other) => one.known - other.known).map(fate),
    ...(changed ? part("What was changed", [changed]) : [el("div", { class: "said" }, detail.text)]),
    ...(row.reason ? [note(`Why: ${row.reason}`)] : []),
    ...part("Where it stands", [facts([
      ["Citation", copyable(detail.citation)],
      ["Session", [sessionLink(row.session), `, event ${row.seq}`, ...beside(row)]],
      ["Happened", timeText(row.occurred)],
      ["Recorded", timeText(row.recorded)],
      ["Comes from", [origin.source, origin.via, origin.identity].filter(Boolean).join(" · ")],
      ["Made from", sources.flatMap((cited) => [citedLink(cited), el("br")])],
      ["Is about", aboutLink(row)],
      ["States", statedLinks(row)],
    ])]),
    ...part("Proof", [proof(row, detail)]),
    el("details", {}, el("summary", {}, "As it stands in the log"), el("pre", {}, raw)),
  ];
}

// What another event did to this one.
function fate({ by, moment, lifted }) {
  const what = by.change === "corrected" ? "Corrected" : moment === VOID ? "No longer counts" : `Not so since ${timeText(moment)}`;
  const told = [eventLink(by), el("span", { class: "soft" }, ` by ${by.actor}, ${timeText(by.recorded)}`)];
  return lifted ? note("What ended this was taken back: ", ...told) : alarm(`${what}: `, ...told);
}

function beside(row) {
  return [[row.seq - 1, "‹ before"], [row.seq + 1, "after ›"]].map(([seq, told]) => [rowAt(row.session, seq), told])
    .filter(([other]) => other).flatMap(([other, told]) => [" · ", eventLink(other, told)]);
}

function aboutLink(row) {
  const told = row.about ?? row.ended?.[0], other = told && rowAt(told[0], told[1]);
  return other ? eventLink(other) : told ? `event ${told[1]} of ${told[0]}` : "";
}

function citedLink(citation) {
  const told = /^eventloom:\/\/([^/]+)\/events\/(\d+)/.exec(citation), row = told && rowAt(told[1], Number(told[2]));
  return row ? eventLink(row) : String(citation);
}

function statedLinks(row) {
  return (row.told ?? []).filter(([, , fact]) => fact).slice(0, 30).flatMap(([key, name, , status]) => [
    el("a", { href: thingAddress(key) }, `${key.slice(0, key.indexOf(":"))} ${short(name, 80)}`), ` ${status}`, el("br")]);
}

function proof(row, detail) {
  const session = about.report?.sessions.find((one) => one.session_id === row.session), before = rowAt(row.session, row.seq - 1);
  const covered = session && row.seq <= session.covered_to && session.level !== "chain", checkpoint = covered && about.report.checkpoint;
  const broken = session && session.broken_at_seq !== null && row.seq >= session.broken_at_seq;
  const name = /^[\w.-]+$/.test(row.session) ? row.session : `'${row.session.replaceAll("'", "'\\''")}'`;
  return facts([
    ["Checked", !session ? "not yet" : broken ? "the log is damaged before or at this event"
      : covered ? `its hash, the chain to it, and a signed checkpoint; level: ${session.level}`
        : "its hash and the chain to it; no checkpoint vouches for it"],
    ["Hash", code(detail.hash)],
    ["Previous", detail.previous ? [before ? eventLink(before, "event before: ") : "", code(detail.previous)] : "the first of its session"],
    ["Checkpoint", checkpoint && [`${counted(checkpoint.size, "event")}, signed ${at16(checkpoint.signed_at)}, root `,
      code(checkpoint.root)]],
    ["Give it on", copyable(`zaxy log prove ${name} ${row.seq} --output event.proof`)],
  ]);
}
