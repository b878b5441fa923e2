// The same page from a running server: it asks for what is new every few seconds while it can be seen.

const POLL_MILLISECONDS = 4_000;
const live = { told: null, generation: null, asking: false, tokens: {} };

async function ask(path) {
  const answer = await fetch(path, { headers: live.tokens, cache: "no-store" });
  if (answer.ok) return answer.json();
  const told = (await answer.json().catch(() => ({}))).error?.message ?? `the server answered ${answer.status}`;
  throw Object.assign(new Error(told), { refused: answer.status === 401 || answer.status === 403 });
}

const liveDetails = (chunk) => ask(`dashboard/details?from=${chunk * about.chunk}&generation=${live.generation}`);

async function poll() {
  if (live.asking || document.hidden) return;
  live.asking = true;
  let complete = true;
  try {
    const told = await ask(`dashboard/now?from=${rows.length}&generation=${live.generation ?? 0}`);
    if (live.generation !== null && told.generation !== live.generation) return location.reload();
    live.told = told;
    live.generation = told.generation;
    about = told.about;
    takeRows(told.rows, rows.length);
    complete = told.is_complete && rows.length === about.count;
    tell(complete ? "" : `Reading the memory: ${counted(rows.length, "event")} so far`);
    if (told.rows.length) rowsChanged();
    drawVerdict();
    if (["now", "trust", "sessions"].includes(view)) draw();
  } catch (error) {
    if (error.refused) askForTokens(error.message);
    else tell(`The server does not answer: ${error.message}`);
  } finally {
    live.asking = false;
  }
  if (!complete) setTimeout(poll);
}

// For a server with credentials: they are kept by this page alone, as long as it is open.
function askForTokens(why) {
  if ($("tokens")) return;
  const fields = [["authorization", "Bearer token"], ["x-zaxy-admin-token", "Admin token"]].map(([name, told]) =>
    para(el("label", {}, `${told} `, el("input", { type: "password", name, autocomplete: "off" }))));
  const form = el("form", { id: "tokens", class: "page" }, el("h2", {}, "This server wants to know who asks"), soft(why), ...fields,
    el("button", { type: "submit" }, "Show the memory"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    live.tokens = Object.fromEntries([...new FormData(form)].filter(([, given]) => given)
      .map(([name, given]) => [name, name === "authorization" ? `Bearer ${given}` : given]));
    form.remove();
    poll();
  });
  $("main").prepend(form);
}

function nowView() {
  const told = live.told;
  if (!told) return page("now", "Now", soft("Asking the server …"));
  const state = (one) => one.reason ?? (one.state === "missing" ? "not built yet, read from the log" : one.state);
  const time = (seconds) => (seconds === null ? "over 10 s" : seconds < 1 ? `≤ ${seconds * 1000} ms` : `≤ ${seconds} s`);
  return page("now", "Now",
    ...Object.entries(about.damaged).map(([name, why]) => alarm(`${name}: ${why}`)),
    ...part("Waiting for a review", !told.waiting ? [soft("This is known once the stores are filled.")]
      : told.waiting.length ? told.waiting.map(proposal) : [soft("Nothing waits.")]),
    ...part("What comes in", [table(["From", "Events", "Last recorded"], captureLines()),
      ...told.capture.map((one) => (one.state === "ok" ? soft : alarm)(`${one.name}: ${one.message}`))]),
    ...part("How far the stores are", [table(["Store", "State", "Events behind", "Bytes behind"],
      told.projections.map((one) => [one.name, state(one), one.lag_events, one.lag_bytes]))]),
    ...part("How long it takes, since this server runs", told.latencies.length ? [table(["What", "Times", "Half of them", "95 of 100"],
      told.latencies.map((one) => [one.name, one.count, time(one.p50), time(one.p95)]))] : [soft("Nothing was asked yet.")]));
}

function proposal(one) {
  const line = (text) => (text.startsWith("-") ? el("del", {}, text.slice(1)) : text.startsWith("+") ? el("ins", {}, text.slice(1)) : text);
  return el("article", { class: "change" },
    para(el("strong", {}, one.kind), ` proposed by ${one.actor}, ${at16(one.recorded_at)}: ${one.reason}`), soft(one.gate_reason),
    el("div", { class: "said" }, ...one.diff.flatMap((text) => [line(text), "\n"])),
    para(...copyable(`zaxy memory review --accept ${one.citation} --reason '...'`)));
}

function captureLines() {
  const found = new Map();
  for (const { via = "elsewhere", recorded } of rows) {
    const one = found.get(via) ?? { count: 0, last: 0 };
    found.set(via, { count: one.count + 1, last: Math.max(one.last, recorded) });
  }
  return [...found].sort(([, one], [, other]) => other.last - one.last).map(([via, one]) => [via, one.count, timeText(one.last)]);
}
