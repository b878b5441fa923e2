"""What viewer and dashboard have to do in a browser: prints each check, and ends with 1 if one does not hold."""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser_commands import environment_in, zaxy
from chromium import Browser, FailedError, Tab, running
from demo_looms import be_hostile, change_at_random, fill, memory_in, tell_the_story

from viewer_pages import HOSTILE
from zaxy.clock import FOREVER
from zaxy.memory import Memory
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import Position
from zaxy.projections.selection import Selection

FIRST_VIEW_MILLISECONDS = 2_000
LARGE = 50_000
VIEWS = ("events", "corrections", "graph", "sessions", "trust")


def page_of(folder: Path, tell: Callable[[Memory], object]) -> str:
    """Make a loom, write its page, and return the address of that."""
    with memory_in(folder) as memory:
        tell(memory)
    done = zaxy(folder, "viewer", ".eventloom", "--output", "memory.html")
    print(f"  {done.stdout.strip()}: {(folder / 'memory.html').stat().st_size:,} bytes")
    return (folder / "memory.html").as_uri()


def hold(what: str, is_so: object, told: object = "") -> None:
    """Print a check that holds; fail on one that does not."""
    if not is_so:
        raise FailedError(f"{what} {told}")
    print(f"  ok: {what}")


def go(tab: Tab, address: str) -> None:
    """Follow a link inside of the page."""
    tab.run(f"location.hash = {json.dumps(address)}")
    tab.run("new Promise((done) => setTimeout(done))")


# ---- the checks


def the_story_is_told(browser: Browser, folder: Path, pictures: Path | None) -> None:
    """Search, filters, events with their proof, changes with their diff, the slider, keys, and what a reader hears."""
    folder = folder / "weather-station"
    folder.mkdir()
    tab = Tab(browser)
    tab.open(page_of(folder, tell_the_story))
    elsewhere = [url for url in tab.asked() if not url.startswith(("file:", "data:", "about:", "blob:"))]
    hold("the page asks for nothing but itself", not elsewhere, elsewhere)
    hold("the newest event is shown first", "sodium-ion" in tab.text("#rows .item") and "sodium-ion" in tab.text("h2"))
    hold("the trust level is told", "pinned head" in tab.text("#verdict"), tab.text("#verdict"))
    events_are_found(tab)
    the_list_obeys_keys(tab)
    an_event_is_told_and_proved(tab, folder)
    a_change_is_a_diff(tab)
    the_slider_moves_time(tab)
    each_page_is_heard(tab)
    if pictures is not None:
        take_pictures(tab, pictures)
    it_can_be_read(tab)
    hold("nothing went wrong in the page", tab.complaints() == [], tab.complaints())


ALL_SHOWN = "!list.words.length && list.shown.length === rows.filter((row) => !row.own).length"
SESSIONS_SHOWN = "[...new Set(list.shown.map((at) => rows[at].session))].sort().join()"


def events_are_found(tab: Tab) -> None:
    """Words, a session and a date narrow the list; clearing them brings it back."""
    tab.type("search", "roof july")
    tab.wait("$('count').textContent.startsWith('1 of')")
    hold("a search finds the one event with both words", "PETG" in tab.text("#rows .item"), tab.text("#rows"))
    marked = tab.run("[...document.querySelectorAll('#rows mark')].map((one) => one.textContent.toLowerCase()).sort()")
    hold("what was searched for is marked", marked == ["july", "roof"], marked)
    tab.type("search", "PETG zzz")
    tab.wait("$('count').textContent.startsWith('0 of')")
    tab.type("search", "")
    tab.wait(ALL_SHOWN)
    tab.run("$('by-session').value = 'radio', $('by-session').dispatchEvent(new Event('change'))")
    hold("a session narrows the list", tab.run(SESSIONS_SHOWN) == "radio")
    tab.run("$('clear').click()")
    tab.wait(ALL_SHOWN)
    tab.run("$('to').value = '2026-03-03', $('to').dispatchEvent(new Event('change'))")
    hold("a date narrows the list", tab.run(SESSIONS_SHOWN) == "battery,kickoff", tab.run(SESSIONS_SHOWN))
    tab.run("$('clear').click()")
    tab.wait(ALL_SHOWN)


def the_list_obeys_keys(tab: Tab) -> None:
    """The list can be used without a mouse."""
    tab.run("$('list').focus()")
    tab.press("Home")
    tab.press("ArrowDown")
    tab.wait("$('event').innerText.includes('First frost')")
    chosen = "$('list').getAttribute('aria-activedescendant') === document.querySelector('[aria-selected=true]').id"
    hold("arrow keys go through the list", tab.run(chosen))
    for key, where in (("Enter", "event"), ("Escape", "list"), ("/", "search")):
        tab.press(key)
        hold(f"{key} goes to the {where}", tab.run("document.activeElement.id") == where)


def an_event_is_told_and_proved(tab: Tab, folder: Path) -> None:
    """An event says what became of it and what proves it, and the command that it names makes that proof."""
    go(tab, "#/event/battery/5")
    tab.wait("$('event').innerText.includes('12 Ah')")
    shown = tab.text("#event")
    hold("an event has its citation", "eventloom://battery/events/5#" in shown)
    hold("and says what corrected it", "Corrected:" in shown and "10 Ah" in shown, shown)
    hold("and what the check of it rests on", "a signed checkpoint; level: pinned head" in shown, shown)
    command = "zaxy log prove battery 5 --output event.proof"
    hold("and how to give the proof on", command in shown, shown)
    hold("which works", zaxy(folder, *command.split()[1:]).returncode == 0)


def a_change_is_a_diff(tab: Tab) -> None:
    """A correction shows what was said before and what is said now."""
    go(tab, "#/corrections")
    tab.wait("document.querySelectorAll('#corrections .change').length === 4")
    gone, added = tab.text("#corrections del"), tab.text("#corrections ins")
    hold("a change shows the words that went and those that came", (gone, added) == ("12", "10"), (gone, added))
    parts = "[...document.querySelector('#corrections .said').childNodes]"
    for without, told in (("INS", SAID), ("DEL", CORRECTED)):
        text = tab.run(f"{parts}.filter((one) => one.nodeName !== '{without}').map((one) => one.textContent).join('')")
        hold(f"without {without} it is the whole text", text == told, text)


def the_slider_moves_time(tab: Tab) -> None:
    """A thing shows how it stood at the moment that the slider names."""
    go(tab, "#/graph/" + "task%3Aprint the case")
    tab.wait("$('thing').innerText.includes('Print the case')")
    hold("a thing shows how it stands now", "task · done" in tab.text("#thing"), tab.text("#thing"))
    before = "graph.world.findLastIndex((one) => timeText(one) < '2026-03-09')"
    for moment, says in ((before, "task · open"), ("0", "not so")):
        tab.run(f"$('as-of').value = {moment}, $('as-of').dispatchEvent(new Event('input'))")
        hold(f"the slider shows how it stood then: {says}", says in tab.text("#thing"), tab.text("#thing"))
    tab.run("$('as-of').focus()")
    tab.press("End")
    told = tab.run("$('as-of').getAttribute('aria-valuetext')")
    hold("the slider is moved by keys", told == "now" and "task · done" in tab.text("#thing"), told)


def each_page_is_heard(tab: Tab) -> None:
    """One page at a time is there, and all that can be used has a name."""
    one = "[...document.querySelectorAll('main > section')].filter((one) => !one.hidden).map((one) => one.id).join()"
    for view in VIEWS:
        go(tab, f"#/{view}")
        hold(f"{view} is shown alone", tab.run(one) == view, tab.run(one))
        silent = [told for told in tab.roles() if told["role"] in USABLE and not told["name"]]
        hold("and nothing in it that can be used is without a name", silent == [], silent)
    go(tab, "#/events")
    heard = {(told["role"], told["name"]) for told in tab.roles()}
    for wanted in (("searchbox", "Search events"), ("listbox", "Events, the newest first"), ("navigation", "Views")):
        hold(f"a screen reader hears of {wanted[1]}", wanted in heard, heard)
    sizes = tab.run("[...document.querySelectorAll('[role=option]')].map((one) => one.getAttribute('aria-setsize'))")
    hold("each line says how many there are", set(sizes) == {str(tab.run("list.shown.length"))}, sizes)


def it_can_be_read(tab: Tab) -> None:
    """It follows its reader's choice of light and dark, with contrast enough, and fits a narrow screen."""
    back = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        seen.append(tab.run(back))
        hold(f"its text has contrast enough where it is {scheme}", tab.run(CONTRAST) >= 4.5, tab.run(CONTRAST))
    hold("it is light or dark as its reader prefers", len(set(seen)) == 2, seen)
    tab.run("$('theme').click()")
    hold("and the other one on request", tab.run(back) == seen[0])
    tab.size(390, 800)
    hold("nothing is cut off on a narrow screen", tab.run("document.documentElement.scrollWidth <= innerWidth"))


SAID = "The battery holds 12 Ah and lasts about four weeks without sun."
CORRECTED = "The battery holds 10 Ah and lasts about 31 days without sun, measured at -10 °C."
USABLE = frozenset({"button", "link", "textbox", "searchbox", "combobox", "slider", "checkbox", "listbox"})
CONTRAST = """(() => {
  const WEIGHTS = [0.2126, 0.7152, 0.0722];
  const channel = (value) => ((value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parts = (color) => color.match(/[\\d.]+/g).map(Number).map(channel);
  const light = (color) => parts(color).slice(0, 3).reduce((sum, one, at) => sum + one * WEIGHTS[at], 0);
  const back = light(getComputedStyle(document.body).backgroundColor);
  const front = ["body", ".soft", "a"].map((one) => light(getComputedStyle(document.querySelector(one)).color));
  return Math.min(...front.map((one) => (Math.max(one, back) + 0.05) / (Math.min(one, back) + 0.05)));
})()"""
"""The least contrast between texts and what is behind them, as WCAG 2 reckons it."""


def take_pictures(tab: Tab, folder: Path) -> None:
    """Make the screenshots of the documents."""
    folder.mkdir(exist_ok=True)
    go(tab, "#/event/battery/8")
    tab.wait("$('event').querySelector('ins')")
    for scheme, address in (("light", "#/event/battery/8"), ("dark", "#/graph/goal%3Aship the weather station")):
        go(tab, address)
        tab.prefer(scheme)
        tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        tab.picture(folder / f"viewer-{scheme}.png")


def hostile_payloads_stay_text(browser: Browser, folder: Path, _: Path | None) -> None:
    """Whatever was recorded, nothing of it runs, and nothing of it becomes an element."""
    tab = Tab(browser)
    tab.open(page_of(folder, be_hostile))
    count = tab.run("rows.length")
    tab.run("$('own').click()")
    for view in (*VIEWS, *(f"event/hostile/{seq}" for seq in range(1, count + 1))):
        go(tab, f"#/{view}")
    tab.run("(async () => { for (const row of rows) await showEvent(row); })()")
    for key in tab.run("[...things.keys()]"):
        tab.run(f"location.hash = '#/graph/' + encodeURIComponent({json.dumps(key)})")
        tab.run("new Promise((done) => setTimeout(done))")
    for text in HOSTILE:
        go(tab, "#/events")
        tab.type("search", text)
        tab.run("filterList()")
    hold("nothing ran", tab.run("window.hacked === undefined && ({}).a === undefined"))
    hold(
        "nothing became an element",
        tab.run("document.querySelectorAll('img, iframe, object, embed, b, svg[onload], [onerror]').length") == 0,
    )
    hold(
        "links lead nowhere else",
        tab.run("[...document.links].every((one) => one.getAttribute('href').startsWith('#'))"),
    )
    go(tab, "#/events")
    tab.type("search", "")
    tab.run("filterList()")
    said = tab.run("(async () => (await Promise.all(rows.map(detailOf))).map((one) => one.text))()")
    hold("and every text is there as it was said", all(any(text in one for one in said) for text in HOSTILE), said)
    hold("nothing went wrong in the page", tab.complaints() == [], tab.complaints())


def the_graph_is_that_of_the_stores(browser: Browser, folder: Path, _: Path | None) -> None:
    """What the page says was so, at any moment and as known at any moment, is what the graph's own rules say."""
    for seed in range(3):
        place = folder / str(seed)
        place.mkdir()
        address = page_of(place, lambda memory, seed=seed: change_at_random(memory, seed))  # type: ignore[misc]  # bound now
        with memory_in(place) as memory:
            graph = MemoryGraph(lambda text: text.lower().split())
            meanings = [
                memory.reader.meaning(raw) for name in memory.loom.sessions() for raw in memory.loom.log(name).replay()
            ]
            last = {name: memory.loom.log(name).head().seq for name in memory.loom.sessions()}
            graph.apply(meanings, {name: Position(seq, "", 0) for name, seq in last.items()})
        world = sorted(
            {moment for one in meanings for moment in (one.event.occurred_moment, one.event.recorded_moment)}
        )
        moments = [
            (moment + shift, known)
            for moment in world[:: max(1, len(world) // 12)]
            for shift in (-1, 0)
            for known in (FOREVER, world[-1], world[-40])
        ]
        expected = [_so_in(graph, *moment) for moment in moments]
        tab = Tab(browser)
        tab.open(address)
        found = tab.run(f"{json.dumps(moments)}.map(([world, known]) => ({WHAT_IS_SO})(world, known))")
        differ = [(at, one, other) for at, one, other in zip(moments, expected, found, strict=True) if one != other]
        hold(
            f"{len(moments)} pairs of moments agree on {sum(map(len, expected)):,} things and relations (seed {seed})",
            not differ and any(expected),
            differ[:1],
        )


WHAT_IS_SO = """(world, known) => {
  const found = {};
  const place = (span) => [span.fact.row.session, span.fact.row.seq, span.fact.status];
  for (const thing of things.values()) {
    const span = holding(thing.facts, world, known);
    if (span) found[thing.key] = place(span);
    for (const [name, link] of thing.links) {
      const since = holding(link.facts, world, known);
      if (since) found[name] = place(since);
    }
  }
  return found;
}"""


def _so_in(graph: MemoryGraph, world: int, known: int) -> dict[str, list[Any]]:
    selection, found = Selection(as_of=world, known_at=known), {}
    for key in graph.keys():  # noqa: SIM118 -- it is no mapping
        if key.partition(":")[0] in ("event", "proposal"):
            continue
        told = {key: graph.statements(key)}
        told |= {
            "\n".join((one.source, one.relation, one.target)): list(one.statements) for one in graph.relations(key)
        }
        for name, statements in told.items():
            now = current(statements, graph.endings, selection)
            if now is not None:
                found[name] = [now.ref.session_id, now.ref.seq, now.status]
    return found


def a_large_memory_is_quick(browser: Browser, folder: Path, _: Path | None) -> None:
    """50,000 events: how long until something is seen, until all is there, and until a search is done."""
    address = page_of(folder, lambda memory: fill(memory, LARGE))
    seen = []
    for _ in range(3):
        tab = Tab(browser)
        tab.open(address)
        told = tab.run(
            "[document.documentElement.dataset.firstView, document.documentElement.dataset.ready].map(Number)"
        )
        print(f"  first view after {told[0]:,} ms, all of it after {told[1]:,} ms")
        seen.append(told[0])
    hold(
        f"the first view of {LARGE:,} events takes less than {FIRST_VIEW_MILLISECONDS:,} ms",
        min(seen) < FIRST_VIEW_MILLISECONDS,
        seen,
    )
    hold("all of them are there", tab.run("rows.length") == LARGE and tab.run("order.length") == LARGE)
    hold("only the lines in sight exist", tab.run("document.querySelectorAll('.item').length") < 60)
    tab.run("window.began = performance.now()")
    tab.type("search", "zinc needle")
    tab.wait("$('count').textContent.startsWith('1 of')")
    print(f"  the first search of all texts took {tab.run('Math.round(performance.now() - window.began)'):,} ms")
    tab.run("window.began = performance.now()")
    tab.type("search", "alpaca parser 7-77")
    tab.wait("!$('count').textContent.startsWith('1 of') && !$('count').textContent.startsWith('Searching')")
    print(f"  the next one {tab.run('Math.round(performance.now() - window.began)'):,} ms")
    tab.type("search", "")
    tab.wait("!$('count').textContent.includes('of')")
    tab.run("$('list').focus()")
    tab.press("End")
    tab.wait(f"document.querySelector('[aria-posinset=\"{LARGE}\"]')")
    hold(
        "the oldest can be gone to",
        tab.run("document.querySelector('[aria-selected=true]').getAttribute('aria-posinset')") == str(LARGE),
    )
    go(tab, "#/graph")
    tab.run("window.began = performance.now()")
    tab.run("[0, 100, 200, 300, 400].forEach((at) => { $('as-of').value = at; graphView(); })")
    print(f"  five steps of the slider took {tab.run('Math.round(performance.now() - window.began)'):,} ms")
    hold("nothing went wrong in the page", tab.complaints() == [], tab.complaints())


def the_dashboard_keeps_itself_current(browser: Browser, folder: Path, _: Path | None) -> None:
    """What is recorded while somebody looks is shown, and what waits for a review."""
    with memory_in(folder) as memory:
        tell_the_story(memory)
    with dashboard(folder) as url:
        tab = Tab(browser)
        tab.open(url)
        tab.wait("rows.length > 20 && about.report")
        hold("the memory is shown", "sodium-ion" in tab.text("#rows .item"))
        hold("and checked", "pinned head" in tab.text("#verdict"))
        goal = '{"title": "Sell the first ten"}'
        assert (
            zaxy(
                folder, "append", "goal.created", "--actor", "Ann", "--payload", goal, "--eventloom-path", ".eventloom"
            ).returncode
            == 0
        )
        tab.wait("document.querySelector('#rows .item').innerText.includes('Sell the first ten')")
        hold("what is recorded by another process is shown", tab.run("rows.length"))
        go(tab, "#/now")
        tab.wait("$('now').innerText.includes('search')")
        shown = tab.text("#now")
        hold("it says how far the stores are and what comes in", "Events behind" in shown and "hook" in shown, shown)
        hold(
            "it asks its own server alone",
            all(one.startswith((url.rsplit("/", 1)[0], "data:", "about:")) for one in tab.asked()),
            tab.asked(),
        )
        hold("nothing went wrong in the page", tab.complaints() == [], tab.complaints())

    with dashboard(folder, MCP_ADMIN_TOKEN=TOKEN) as url:
        tab = Tab(browser)
        tab.open(url)
        tab.wait("$('tokens')")
        hold("who may not see the memory is shown nothing of it", tab.run("rows.length") == 0)
        tab.run(f"document.querySelector('#tokens [name=x-zaxy-admin-token]').value = {json.dumps(TOKEN)}")
        tab.run("document.querySelector('#tokens button').click()")
        tab.wait("rows.length > 20 && !$('tokens')")
        hold("with the token it is shown", "Sell the first ten" in tab.text("#rows .item"))


TOKEN = "a token of the tests, long enough"


@contextmanager
def dashboard(folder: Path, **settings: str) -> Iterator[str]:
    """Run ``zaxy dashboard`` over the loom of a folder, for a ``with`` block."""
    words = [sys.executable, "-m", "zaxy", "dashboard", "--port", "0", "--eventloom-path", ".eventloom"]
    with subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, text=True, env={**environment_in(folder), **settings}
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready, "the dashboard did not start"
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


CHECKS = (
    the_story_is_told,
    hostile_payloads_stay_text,
    the_graph_is_that_of_the_stores,
    the_dashboard_keeps_itself_current,
    a_large_memory_is_quick,
)


def main() -> int:
    """Run the checks; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chromium")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    failed = 0
    with running(given.chromium) as browser:
        print(browser.send("Browser.getVersion")["product"])
        for check in CHECKS:
            if given.only not in check.__name__:
                continue
            print(check.__name__.replace("_", " "))
            with tempfile.TemporaryDirectory() as folder:
                try:
                    check(browser, Path(folder), given.pictures)
                except FailedError as error:
                    print(f"  FAILED: {error}")
                    failed += 1
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
