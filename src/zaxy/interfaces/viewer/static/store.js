"use strict";
// What is known of the memory: its events as rows, by number, and what they say of each other.

const VOID = -(2 ** 62);     // ends before all time: as if never said
const FOREVER = 2 ** 62;     // no end is known
const LIVE = document.documentElement.dataset.live === "true";

const rows = [];             // every event, by its number
const numbers = new Map();   // place of an event -> its number
const endings = new Map();   // place of an event -> what ended it, or took that back
const corrections = new Map();  // place of an event -> what corrected it
const things = new Map();    // key -> a thing that events speak of
const words = [];            // the words of each event, in lower case, once they were unpacked
let order = [];              // numbers, what happened last in front
let about = {};              // what is told of the whole memory

const place = (session, seq) => `${session}\n${seq}`;
const rowAt = (session, seq) => rows[numbers.get(place(session, seq))];

function earlier(one, other) {
  return one.occurred - other.occurred || one.recorded - other.recorded ||
    (one.session < other.session ? -1 : one.session > other.session ? 1 : one.seq - other.seq);
}

function thingOf(key, name, recorded = Infinity) {
  let thing = things.get(key);
  if (!thing) {
    thing = { key, type: key.slice(0, key.indexOf(":")), name: key.slice(key.indexOf(":") + 1), named: Infinity,
      facts: [], mentions: [], links: new Map() };
    things.set(key, thing);
  }
  if (recorded < thing.named) Object.assign(thing, { name, named: recorded });  // as it was written first
  return thing;
}

function takeRow(row, number) {
  row.number = number;
  row.place = place(row.session, row.seq);
  rows[number] = row;
  numbers.set(row.place, number);
  for (const [key, name, fact, status, ended, trust] of row.told ?? []) {
    const thing = thingOf(key, name, row.recorded);
    (fact ? thing.facts : thing.mentions).push({ row, status, ended, trust });
  }
  for (const [source, relation, target, ended] of row.related ?? []) {
    const one = thingOf(source), other = thingOf(target), name = `${source}\n${relation}\n${target}`;
    let link = one.links.get(name);
    if (!link) {
      link = { source: one, relation, target: other, facts: [] };
      one.links.set(name, link);
      other.links.set(name, link);
    }
    link.facts.push({ row, status: "", ended, trust: 0 });
  }
  if (row.about && row.change.startsWith("correct")) {
    const target = place(...row.about);
    if (!corrections.has(target)) corrections.set(target, []);
    corrections.get(target).push(row);
  }
  for (const [session, seq, moment, known, lifted] of row.ended ?? []) {
    const target = place(session, seq);
    if (!endings.has(target)) endings.set(target, []);
    endings.get(target).push({ by: row, moment, known, lifted });
  }
}

function takeRows(taken, from) {
  taken.forEach((row, at) => takeRow(row, from + at));
  details.delete(Math.floor(from / about.chunk));
  spans.clear();
}

function sortRows() {
  order = rows.map((_, number) => number).sort((one, other) => earlier(rows[other], rows[one]));
}

// ---- where rows and details come from: the blocks of this file, or the server

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (one) => one.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const wholePage = document.readyState === "loading"
  ? new Promise((done) => document.addEventListener("DOMContentLoaded", done)) : Promise.resolve();

const details = new Map();   // number of a block -> its events in full, or the promise of them

function chunkDetails(chunk) {
  if (!details.has(chunk)) {
    const loading = LIVE ? liveDetails(chunk) : wholePage.then(() => unpack(`details-${chunk}`));
    details.set(chunk, loading.catch((error) => { details.delete(chunk); throw error; }));
  }
  return details.get(chunk);
}

async function detailOf(row) {
  return (await chunkDetails(Math.floor(row.number / about.chunk)))[row.number % about.chunk];
}

async function chunkWords(chunk) {
  const first = chunk * about.chunk;
  if (words[Math.min(first + about.chunk, rows.length) - 1] === undefined) {
    (await chunkDetails(chunk)).forEach((detail, at) => {
      const row = rows[first + at];
      words[first + at] = `${row.type}\n${row.actor}\n${row.session}\n${detail?.text ?? ""}`.toLowerCase();
    });
    if (!LIVE) details.delete(chunk);
  }
  return first;
}

// ---- what is so

function endsAt(row, known) {
  const marks = (endings.get(row.place) ?? []).filter((mark) => mark.known <= known);
  if (!marks.length) return FOREVER;
  const counts = new Map();
  for (const mark of marks) counts.set(mark.moment, (counts.get(mark.moment) ?? 0) + (mark.lifted ? -1 : 1));
  return Math.min(FOREVER, ...[...counts].filter(([, count]) => count > 0).map(([moment]) => moment));
}

// What spoke for a memory when a correction of it was recorded.
function priorOf(row) {
  const before = (corrections.get(place(...row.about)) ?? []).filter((one) => one.change === "corrected" &&
    one.recorded < row.recorded && endsAt(one, row.recorded - 1) > VOID);
  return before.sort((one, other) => other.recorded - one.recorded)[0] ?? rowAt(...row.about);
}

const isOver = (row) => endsAt(row, FOREVER) <= now();
const now = () => (LIVE ? Date.now() * 1000 : about.at);
const spans = new Map();     // facts -> the spans in which each of them holds, as known at one moment
let spansKnown = FOREVER;

// When which statement holds: the latest word of the most trusted source, until the next one or until it was ended.
function spansOf(facts, known) {
  if (known !== spansKnown) { spans.clear(); spansKnown = known; }
  if (spans.has(facts)) return spans.get(facts);
  const heard = facts.filter((fact) => fact.row.recorded <= known).sort((one, other) => earlier(one.row, other.row));
  const decisive = [];
  for (const fact of heard) {
    if (decisive.length && fact.trust < decisive.at(-1).fact.trust) continue;
    const until = endsAt(fact.row, known);
    if (until > VOID) decisive.push({ fact, from: fact.row.occurred, until });
  }
  const found = decisive.map((one, at) => ({ ...one, until: Math.min(one.until, decisive[at + 1]?.from ?? FOREVER) }))
    .filter((one) => !one.fact.ended && one.from < one.until);
  spans.set(facts, found);
  return found;
}

const holding = (facts, world, known) => spansOf(facts, known).find((span) => span.from <= world && world < span.until);
