// The other pages: what was changed, the sessions, and how far all of it can be trusted.

const MOST_CHANGES = 100, MOST_SESSIONS = 2_000;
const LEVELS = [["chain", "every record has the hash it was sealed with, and each session is one chain"],
  ["checkpoint", "a signed tree over all sessions holds these events"],
  ["pinned head", "the newest checkpoint and the last acknowledged events are also kept outside of the memory"],
  ["witness", "somebody else knows the newest checkpoint"]];
let changesShown = MOST_CHANGES;

const page = (id, title, ...children) => $(id).replaceChildren(el("div", { class: "page" }, el("h2", {}, title), ...children));

async function correctionsView() {
  const changed = rows.filter((row) => row.change && row.change !== "reviewed").sort((one, other) => other.recorded - one.recorded);
  const shown = changed.slice(0, changesShown), more = el("button", { type: "button" }, "Show more");
  const found = await Promise.all(shown.map(change));
  more.addEventListener("click", () => { changesShown += MOST_CHANGES; correctionsView(); });
  page("corrections", "Changes",
    soft(changed.length ? `${counted(changed.length, "change")}, the newest first. What was said before stays in the log.`
      : "Nothing was corrected, taken back or ended here yet."),
    ...found, ...(changed.length > shown.length ? [more] : []));
}

async function change(row) {
  const detail = await detailOf(row).catch(() => null), changed = detail && await changeOf(row, detail);
  const said = aboutLink(row) || short(detail?.text ?? row.summary, 300);
  return el("article", { class: `change${isOver(row) ? " past" : ""}` },
    para(el("strong", {}, row.change), ` by ${row.actor}, ${timeText(row.recorded)}  `, eventLink(row, "event"),
      isOver(row) ? "  (no longer in force)" : "", ...(row.reason ? [el("br"), row.reason] : [])),
    changed ?? para(said));
}

function sessionsView() {
  const found = new Map(), reports = new Map(about.report?.sessions.map((one) => [one.session_id, one]));
  for (const row of rows) {
    const one = found.get(row.session) ?? { name: row.session, count: 0, first: Infinity, last: -Infinity };
    found.set(row.session, one);
    one.count++;
    one.first = Math.min(one.first, row.occurred);
    one.last = Math.max(one.last, row.occurred);
  }
  const standing = (name) => {
    const report = reports.get(name), damage = report?.broken_reason ?? about.damaged[name];
    if (damage || report?.ok === false) return el("span", { class: "bad" }, damage ?? "damaged");
    return report ? `${report.level} up to ${report.covered_to.toLocaleString("en")}` : "not checked yet";
  };
  const sorted = [...found.values()].sort((one, other) => other.last - one.last).slice(0, MOST_SESSIONS);
  page("sessions", "Sessions", soft(counted(found.size, "session")), table(["Session", "Events", "First", "Last", "Integrity"],
    sorted.map((one) => [sessionLink(one.name), one.count, timeText(one.first), timeText(one.last), standing(one.name)])));
}

function trustView() {
  const report = about.report;
  if (!report) return page("trust", "Trust", soft("The logs are being checked …"));
  const reached = LEVELS.findIndex(([name]) => name === report.level), checkpoint = report.checkpoint;
  const warning = LIVE ? "What a page says is only as good as who serves it: "
    : "This page tells what the check said when it was written, and a page can be changed: ";
  return page("trust", report.ok ? "No change was found" : "Something is not as it was sealed",
    el("p", { class: report.ok ? "good" : "bad" },
      `${counted(report.total_events, "event")} checked at ${timeText(about.at)} UTC, level: ${report.level}`),
    ...report.findings.map((one) => alarm(`${one.session_id} ${one.message}`)), ...report.notes.map((one) => note(one)),
    ...part("What the check rests on", [
      table(["", "Level", "What it says"], LEVELS.map(([name, told], at) => [report.ok && at <= reached ? "✓" : "–", name, told])),
      para(`Not seen at this level: ${report.blind_spots}.`)]),
    ...part("Checkpoint", checkpoint ? [facts([
      ["Events", counted(checkpoint.size, "event")],
      ["Signed", at16(checkpoint.signed_at)],
      ["By", code(checkpoint.signed_by ?? "no key that counts here")],
      ["Root", code(checkpoint.root)],
      ["Cosigned by", checkpoint.cosigned_by.join(", ")]])] : []),
    ...part("Check it yourself", [para(warning, ...copyable("zaxy log verify")), facts([
      ["Memory", about.path],
      ["Its id", about.loom ?? "none yet"],
      ["Written", LIVE ? "" : `${at16(about.written)} UTC by zaxy ${about.zaxy}`],
      ["Left out", about.left_out ? counted(about.left_out, "older event") : ""],
      ["Sealed", about.sealed_shown ? "events are shown opened" : "events are shown closed"]])]));
}

function drawVerdict() {
  const report = about.report, verdict = $("verdict");
  verdict.textContent = !report ? "checking …" : report.ok ? `✓ checked: ${report.level}` : "✗ damaged";
  verdict.className = !report ? "soft" : report.ok ? "good" : "bad";
  verdict.setAttribute("aria-label", `Integrity: ${!report ? "being checked" : report.ok ? `fine, level ${report.level}` : "damaged"}`);
}
