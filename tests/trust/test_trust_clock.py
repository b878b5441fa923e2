"""Whatever the clock does, events keep their order, and what was so and what was known is what was said.

A log's order is its sequence numbers. Wall time is data: when it goes back the log says so and goes on.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from trust_histories import EPOCH, HOUR, SECOND, WORD, YEAR, History, JumpingClock, Oracle, as_text, moment_of
from trust_lines import as_line, seal, v1_record
from trust_processes import run_limited

from zaxy.clock import FOREVER, format_time, parse_time
from zaxy.config import Settings
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.memory import Memory
from zaxy.projections.graph.layered import LayeredGraph
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.graph.timeline import current, history
from zaxy.projections.protocols import GraphReader
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Selection
from zaxy.services.recall.question import Filters
from zaxy.testing.graph import plain_tokens
from zaxy.testing.projections import feed
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.registry import extract

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(16)

UNSYNCED = WriterOptions(fsync=FsyncPolicy.OFF)
PROBES = 24


def history_in(folder: Path, chance: random.Random) -> History:
    clock = JumpingClock(chance)
    return History(Eventloom(folder, clock=clock, options=UNSYNCED), clock, chance)


def check_log(written: History) -> dict[str, list[Event]]:
    """Check that each session's log holds what was told, in that order; return its events."""
    events = {name: list(written.loom.log(name).replay()) for name in written.loom.sessions()}
    for name, found in events.items():
        told = [told for told in written.told if told.session == name]
        assert [event.seq for event in found] == list(range(1, len(found) + 1))
        assert [(event.seq, event.event_type) for event in found] == [(one.seq, one.event_type) for one in told]
        assert [event.recorded_moment for event in found] == [one.recorded for one in told]
        assert [event.occurred_moment for event in found] == [one.occurred for one in told]
        for before, notice in itertools.pairwise(found):
            if notice.event_type == "clock.regressed":
                assert notice.payload["previous"] == before.recorded_at
                assert notice.payload["now"] == notice.recorded_at
        assert written.loom.log(name).verify().ok
    return events


def check_answers(graph: GraphReader, search: MemorySearch, oracle: Oracle, chance: random.Random) -> int:
    """Ask for random pairs of moments what is so, was so and was known; return how many answers were compared."""
    moments = oracle.moments()
    terms = plain_tokens(WORD)
    compared = 0
    for _ in range(PROBES):
        world, known = chance.choice(moments), chance.choice((*moments, None))
        knowledge = FOREVER if known is None else known
        for selection in (Selection(as_of=world, known_at=known), Selection(now=world, known_at=known)):
            for key in oracle.entities():
                found = current(graph.statements(key), graph.endings, selection)
                wanted = oracle.so(key, world, knowledge)
                assert (found and (found.ref.session_id, found.ref.seq, found.status)) == (
                    wanted and (*wanted.place, wanted.status)
                ), (key, world, known)
                compared += 1
            refs = {(hit.ref.session_id, hit.ref.seq) for hit in search.search(terms, selection, 1_000)}
            assert refs == {
                told.place
                for told in oracle.told
                if told.is_memory
                and oracle.counts(told, world, knowledge)
                and (selection.as_of is None or told.occurred <= world)
            }, (world, known)
            compared += 1
    return compared


def check_intervals(graph: GraphReader, oracle: Oracle, known: int | None) -> int:
    """Check that the spans in which statements held do not overlap and hold what holds at every moment."""
    moments = oracle.moments()
    selection = Selection(known_at=known)
    for key in oracle.entities():
        spans = history(graph.statements(key), graph.endings, selection)
        assert all(span.valid_from < span.valid_to for span in spans)
        assert all(before.valid_to <= after.valid_from for before, after in itertools.pairwise(spans))
        for world in moments:
            held = [span.statement.ref for span in spans if span.valid_from <= world < span.valid_to]
            wanted = oracle.so(key, world, FOREVER if known is None else known)
            assert [(ref.session_id, ref.seq) for ref in held] == ([wanted.place] if wanted else []), (key, world)
    return len(moments) * len(oracle.entities())


def layers(meanings: Sequence[Sequence[Meaning]], chance: random.Random) -> tuple[GraphReader, MemorySearch]:
    """Return the graph as a base with a tail, cut anywhere, and the search index, both fed in any order of sessions."""
    base, tail, search = MemoryGraph(plain_tokens), MemoryGraph(plain_tokens), MemorySearch()
    order = list(meanings)
    chance.shuffle(order)
    for session in order:
        cut = chance.randint(0, len(session))
        feed(base, session[:cut], batch=chance.randint(1, 5))
        feed(tail, session[cut:])
        feed(search, session, batch=chance.randint(1, 5))
    return LayeredGraph(base, tail), search


def test_order_and_validity_are_right_in_random_histories_under_a_jumping_clock(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=150, full=10_000)
    events = regressed = compared = 0
    for number in range(cases):
        written = history_in(tmp_path / str(number), chance)
        written.grow(chance.randint(4, 14))
        found = check_log(written)
        meanings = [[Meaning(event, extract(event)) for event in session] for session in found.values()]
        graph, search = layers(meanings, chance)
        oracle = Oracle(written.told)
        compared += check_answers(graph, search, oracle, chance)
        compared += check_intervals(graph, oracle, chance.choice((None, *oracle.moments())))
        events += len(written.told)
        regressed += sum(told.event_type == "clock.regressed" for told in written.told)
        written.loom.close()
        shutil.rmtree(tmp_path / str(number))
    figure(
        f"{cases:,} random histories of {events:,} events, {regressed:,} times a clock went back: "
        f"{compared:,} answers as the oracle gives them"
    )
    assert regressed > cases // 2  # else the clock does not jump


def asked_text(moment: int | None, chance: random.Random) -> str | None:
    return None if moment is None else as_text(moment, chance)


def test_recall_from_the_stores_on_disk_gives_what_was_so_and_was_known_in_random_histories(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=2, full=50)
    compared = 0
    for number in range(cases):
        folder = tmp_path / str(number)
        clock = JumpingClock(chance)
        with Memory(Settings(eventloom_path=folder, fsync="off"), clock=clock) as memory:
            written = History(memory.loom, clock, chance)
            for _ in range(3):
                written.grow(chance.randint(3, 8))
                if chance.random() < 0.7:
                    assert memory.catchup.catch_up()
                check_log(written)
                compared += check_recall(memory, Oracle(written.told), clock, chance)
        shutil.rmtree(folder)
    figure(
        f"{cases:,} random histories in tantivy and LadybugDB: {compared:,} answers of recall as the oracle has them"
    )


def check_recall(memory: Memory, oracle: Oracle, clock: JumpingClock, chance: random.Random) -> int:
    moments = oracle.moments()
    probes = 8
    for _ in range(probes):
        world, known = chance.choice((*moments, None)), chance.choice((*moments, None))
        filters = Filters(as_of=asked_text(world, chance), known_at=asked_text(known, chance))
        answer = memory.recall.query(WORD, filters, limit=1_000)
        moment = clock.moment if world is None else world
        knowledge = FOREVER if known is None else known
        wanted = {
            told.place
            for told in oracle.told
            if told.is_memory
            and oracle.counts(told, moment, knowledge)
            and (world is None or told.occurred <= world)
            and (not told.about.startswith("preference:") or oracle.so(told.about, moment, knowledge) is told)
        }
        assert {(hit.session_id, hit.seq) for hit in answer} == wanted, filters
        for hit in answer:
            if "current" in hit.metadata:
                so = oracle.so(hit.metadata["entity"], moment, knowledge)
                assert hit.metadata["current"] == (so is not None and so.place == (hit.session_id, hit.seq))
                assert hit.metadata["status"] == (so.status if so else "ended")
    return probes


# ---- summer time, leap seconds, the process's own zone

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu")


@pytest.mark.parametrize("zone", ZONES)
def test_the_zone_of_the_process_and_its_summer_time_change_nothing(zone: str, tmp_path: Path) -> None:
    class Fixed:
        moment = 0

        def now(self) -> int:
            return self.moment

    moments = [
        start + step * HOUR // 2 for start in (moment_of("2026-03-29"), moment_of("2026-10-25")) for step in range(8)
    ]

    def record() -> list[list[str]]:
        os.environ["TZ"] = zone
        time.tzset()
        clock = Fixed()
        with EventLog(tmp_path / "work.jsonl", clock=clock, options=UNSYNCED) as log:
            for moment in moments:
                clock.moment = moment
                log.append("note.taken", "ann", {"occurred_at": "2026-10-25T02:30:00+01:00"})
            return [[event.event_type, event.recorded_at, str(event.occurred_moment)] for event in log.replay()]

    ended = run_limited(record)
    assert ended.failure == ""
    expected = [
        datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z") for moment in moments
    ]
    half_past_one = str(moment_of("2026-10-25 01:30"))
    assert ended.answer == [["note.taken", text, half_past_one] for text in expected]


def test_an_hour_that_summer_time_repeats_is_told_apart_by_its_offset() -> None:
    first, second = parse_time("2026-10-25T02:30:00+02:00"), parse_time("2026-10-25T02:30:00+01:00")
    assert second - first == HOUR
    assert format_time(first) == "2026-10-25T00:30:00.000000Z"


LEAP_SECONDS = (
    "2016-12-31T23:59:60Z",
    "2016-12-31T23:59:60.25Z",
    "2016-12-31T15:59:60-08:00",
    "2017-01-01T05:29:60+05:30",
)


@pytest.mark.parametrize("text", LEAP_SECONDS)
def test_a_leap_second_lies_between_the_seconds_around_it(text: str, tmp_path: Path) -> None:
    event = EventLog(tmp_path / "work.jsonl", options=UNSYNCED).append("note.taken", "ann", {"occurred_at": text})
    assert moment_of("2016-12-31 23:59:59") < event.occurred_moment <= moment_of("2017-01-01")
    assert event.occurred_at == text


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:59:61Z", "2016-12-31T12:00:60Z", "2016-12-31T23:59:60+01:00", "2016-12-31T23:60:60Z"]
)
def test_a_second_that_never_was_is_refused(text: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    with pytest.raises(InvalidInputError, match=r"^payload\.occurred_at"):
        log.append("note.taken", "ann", {"occurred_at": text})
    assert not log.path.exists()


def test_a_record_of_another_program_that_was_made_in_a_leap_second_is_known_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(as_line(seal(v1_record(1, {}, timestamp="2016-12-31T23:59:60.500000Z"), None)) + b"\n")
    event = EventLog(path).read(1)
    assert event is not None
    assert moment_of("2016-12-31 23:59:59") < event.recorded_moment <= moment_of("2017-01-01")


# ---- a whole process under another clock


def test_a_process_whose_clock_was_set_ten_years_forth_and_back_says_so_in_its_log(
    tmp_path: Path, figure: Figure
) -> None:
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
    if library is None:
        figure("libfaketime is not installed: the command line was not run under another clock")
        return
    for offset in ("+0d", "+3653d", "-3653d", "+0d"):
        command = [
            sys.executable,
            "-m",
            "zaxy",
            "append",
            "note.taken",
            "--actor",
            "ann",
            "--payload",
            '{"n":1}',
            "--json",
        ]
        faked = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        environment = {**os.environ, **faked, "EVENTLOOM_PATH": str(tmp_path / "loom")}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["event_type"] == "note.taken"
    log = EventLog(tmp_path / "loom" / "default.jsonl")
    events = list(log.replay())
    assert [event.event_type for event in events] == [*["note.taken"] * 2, "clock.regressed", *["note.taken"] * 2]
    years = [(EPOCH.year + event.recorded_moment // YEAR) for event in events]
    assert [year - years[0] for year in years] == [0, 10, -10, -10, 0]
    assert log.verify().ok
    figure(
        "the command line under libfaketime, +10 and -10 years: order kept, clock.regressed told, the chain verifies"
    )
