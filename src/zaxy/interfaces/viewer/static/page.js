// Making parts of the page. Text goes in as text: nothing that was recorded is ever taken for markup.

const SVG = "http://www.w3.org/2000/svg";
const LONGEST_DIFF = 4_000_000;

const $ = (id) => document.getElementById(id);
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const at16 = (time) => time.slice(0, 16).replace("T", " ");

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}
const el = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) => filled(document.createElementNS(SVG, name), attributes, children);
const para = (...children) => el("p", {}, ...children);
const soft = (...children) => el("p", { class: "soft" }, ...children);
const note = (...children) => el("p", { class: "note" }, ...children);
const alarm = (...children) => el("p", { class: "note bad" }, ...children);
const code = (text) => el("code", {}, text);

function timeText(moment) {
  const at = new Date(moment / 1000);
  return Number.isNaN(at.getTime()) ? "at no known time" : at16(at.toISOString());
}
const dayText = (moment) => timeText(moment).slice(0, 10);
const part = (title, children) => (children.length ? [el("h3", {}, title), ...children] : []);

function facts(pairs) {
  const told = pairs.map(([name, value]) => [name, [value].flat().filter((one) => one || one === 0)]);
  return el("dl", {}, ...told.filter(([, value]) => value.length).flatMap(([name, value]) => [
    el("dt", {}, name), el("dd", {}, ...value)]));
}

function table(heads, lines) {
  const numeric = (at) => (typeof lines[0]?.[at] === "number" ? "number" : null);
  const shown = (value) => (typeof value === "number" ? value.toLocaleString("en") : value);
  const head = heads.map((name, at) => el("th", { scope: "col", class: numeric(at) }, name));
  const body = lines.map((line) => el("tr", {}, ...line.map((one, at) => el("td", { class: numeric(at) }, shown(one)))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
}

function copyable(text) {
  const shown = code(text), button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${text}` }, "copy");
  button.addEventListener("click", () => (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
    () => { button.textContent = "copied"; },
    () => getSelection().selectAllChildren(shown)));  // where a page may not copy by itself
  return [shown, button];
}

const addressOf = (row) => `#/event/${encodeURIComponent(row.session)}/${row.seq}`;
const thingAddress = (key) => `#/graph/${encodeURIComponent(key)}`;
const sessionLink = (name) => el("a", { href: `#/events/${encodeURIComponent(name)}` }, name);
const eventLink = (row, told) => el("a", { href: addressOf(row) }, told ?? short(row.summary, 90));

// What was changed in a text, word by word: the longest common part stays, as far as that can be found out in time.
function diff(before, after) {
  const old = before.split(/(\s+)/), fresh = after.split(/(\s+)/), parts = [];
  let head = 0, tail = 0;
  while (head < old.length && head < fresh.length && old[head] === fresh[head]) head++;
  while (tail < Math.min(old.length, fresh.length) - head && old.at(-1 - tail) === fresh.at(-1 - tail)) tail++;
  const add = (kind, word) => (parts.at(-1)?.[0] === kind ? (parts.at(-1)[1] += word) : parts.push([kind, word]));
  old.slice(0, head).forEach((word) => add("same", word));
  between(old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail), add);
  old.slice(old.length - tail).forEach((word) => add("same", word));
  return el("div", { class: "said" }, ...parts.map(([kind, text]) => (kind === "same" ? text : el(kind, {}, text))));
}

function between(one, other, add) {
  const wide = other.length + 1, small = one.length * other.length <= LONGEST_DIFF;
  const best = new Uint32Array(small ? (one.length + 1) * wide : 0), at = (a, b) => best[a * wide + b] ?? 0;
  for (let a = small ? one.length - 1 : -1; a >= 0; a--) for (let b = other.length - 1; b >= 0; b--) {
    best[a * wide + b] = one[a] === other[b] ? at(a + 1, b + 1) + 1 : Math.max(at(a + 1, b), at(a, b + 1));
  }
  let a = 0, b = 0;
  while (a < one.length || b < other.length) {
    if (small && a < one.length && b < other.length && one[a] === other[b]) { add("same", one[a++]); b++; }
    else if (a < one.length && (b === other.length || at(a + 1, b) >= at(a, b + 1))) add("del", one[a++]);
    else add("ins", other[b++]);
  }
}
