"""No name and no link makes the log write outside its loom, or read there.

A loom may come with a repository that somebody else made. So a name is checked before it becomes a path, and a link
inside a loom is not followed: what it leads to is not this loom's, and two names for one log would be two locks for it.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trust_processes import run_limited

from zaxy.config import Settings, load_settings
from zaxy.errors import InvalidInputError, UnavailableError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.ids import Citation, EventRef, check_session_id, parse_citation
from zaxy.memory import Memory
from zaxy.services.capture.intake import safe_session_id
from zaxy.services.recall.question import Filters

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(15)

UNSYNCED = WriterOptions(fsync=FsyncPolicy.OFF)
CANARY = "canary-7f3e"
VALID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

PIECES = (
    *("..", ".", "/", "\\", "\0", "\n", "\r", "\t", " ", "~", "$HOME", "%2e%2e%2f", ":", "*", "?", "|", "-", "_"),
    *("\u2024\u2024", "\uff0e\uff0e", "\uff0f", "\u2044", "\u2215", "\u29f8", "\u202e", "\u200b", "\u0430", "\u00e9"),
    *("e\u0301", "\ud800", "\udc80", "\U0001f389", "a", "work", "x" * 130, "y" * 300, "z" * 5_000, "outside", "CON"),
    *("archive", ".zaxy", "quarantine", "projections", "checkpoints", "loom.json", ".jsonl", "locks", "damaged"),
)
EXACT = (
    *("", ".", "..", "../outside/work", "../outside/work.jsonl", "./work", "work/", "/", "//", "a/../../outside/work"),
    *(".zaxy", ".zaxy/changes", "archive/work", "archive/../work", "quarantine/x", "projections/search", "loom.json"),
    *("..\\outside\\work", "work\0", "work\0/../../outside/work", "\ud800", "\udcff", "x" * 5_000, "\u00e9" * 200),
    *("000000000001-000000000002", "/dev/null", "/proc/self/mem", "~root", "\uff0e\uff0e/outside", "..%2foutside"),
)


def hostile_name(outside: Path, chance: random.Random) -> str:
    """Return a session id as somebody might send it."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice(EXACT)
    if kind < 0.3:
        return chance.choice((str(outside / "work"), f"{outside}/work.jsonl", f"../{outside.name}/work"))
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 5)))


def outside_of(folder: Path) -> Path:
    """Make a folder with a log of somebody else's and other files in it."""
    outside = folder / "outside"
    EventLog(outside / "work.jsonl", options=UNSYNCED).append("note.taken", "eve", {"text": CANARY})
    EventLog(outside / "sub" / "000000000001-000000000001.jsonl", options=UNSYNCED).append("note.taken", "eve")
    (outside / "notes.txt").write_text(CANARY)
    (outside / "empty").touch()
    return outside


def snapshot(folder: Path) -> dict[str, Any]:
    """Return everything below a folder: what kind of thing it is, what it holds and where it leads."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


class Watch:
    """Sees every file that this process opens or changes through Python. It cannot be taken off again.

    Args:
        inside: The folders that may be written to.
        outside: The folder that may not even be read.
    """

    _WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    _CHANGES = frozenset(
        {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod"}
    )

    def __init__(self, inside: tuple[Path, ...], outside: Path) -> None:
        self.seen: list[str] = []
        self.opened = 0
        self._inside = tuple(os.path.realpath(path) for path in inside)
        self._outside = os.path.realpath(outside)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            self.opened += 1
            self._judge(event, arguments[0], writes=bool(arguments[2] & self._WRITES))
        elif event in self._CHANGES:
            for path in arguments[:2]:
                if isinstance(path, str | bytes):
                    self._judge(event, path, writes=True)

    def _judge(self, event: str, path: str | bytes, *, writes: bool) -> None:
        real = os.path.realpath(os.fsdecode(path))
        within = any(real == folder or real.startswith(folder + os.sep) for folder in self._inside)
        if (writes and not within) or real == self._outside or real.startswith(self._outside + os.sep):
            self.seen.append(f"{event} {real!r}")


def operations(loom: Eventloom, memory: Memory, name: str) -> tuple[Callable[[], Any], ...]:
    """Return everything that takes the name of a session."""
    ref = EventRef(name, 1)
    mine = loom.append("mine", "note.taken", "ann")  # one that nothing ended yet: all that ended it would be read again
    return (
        lambda: loom.append(name, "note.taken", "ann", {"text": "said"}),
        lambda: loom.commit(name, [Draft("note.taken", "ann")]),
        lambda: loom.log(name).append("note.taken", "ann"),
        lambda: loom.log(name).append_many([Draft("note.taken", "ann")]),
        lambda: loom.log(name).rotate(),
        lambda: loom.log(name).verify(),
        lambda: list(loom.log(name).replay()),
        lambda: loom.log(name).head(),
        lambda: loom.log(name).tail(),
        lambda: loom.stat(name),
        lambda: loom.read(ref),
        lambda: loom.resolve(Citation(name, 1)),
        lambda: loom.resolve(parse_citation(f"eventloom://{name}/events/1")),
        lambda: memory.invalidation.invalidate(
            session_id="mine", actor="ann", citations=[f"eventloom://{name}/events/1"]
        ),
        lambda: memory.invalidation.invalidate(session_id=name, actor="ann", citations=[mine.citation]),
        lambda: load_settings(session_id=name, environment={}, folder=loom.path),
        lambda: loom.append("mine", "memory.invalidated", "ann", {"targets": [f"eventloom://{name}/events/1"]}),
    )


def test_no_session_id_leads_out_of_the_loom(
    tmp_path: Path, state_home: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    outside = outside_of(tmp_path)
    before = snapshot(outside)
    names = [*EXACT, *(hostile_name(outside, chance) for _ in range(scale.pick(sample=250, full=4_000)))]
    settings = Settings(eventloom_path=tmp_path / "loom", fsync="off")

    def attack() -> dict[str, Any]:
        accepted: set[str] = set()
        unexpected: list[str] = []
        with Memory(settings) as memory:
            memory.loom.append("mine", "note.taken", "ann", {"text": "mine"})
            watch = Watch((settings.eventloom_path, state_home), outside)
            for number, name in enumerate(names):
                for place, operation in enumerate(operations(memory.loom, memory, name)):
                    try:
                        answer = operation()
                    except ZaxyError:
                        continue
                    except Exception as error:  # whether there are others is what this test asks
                        unexpected.append(f"{place} {type(error).__name__}: {ascii(error)[:60]} for {ascii(name)[:60]}")
                        continue
                    if place == 0:
                        accepted.add(name)
                    is_stat = place == 9 and answer is not None and not VALID.fullmatch(name)
                    if CANARY in repr(answer) or is_stat:
                        unexpected.append(f"{place} read what lies outside for {ascii(name)[:60]}")
                if number % 100 == 0:
                    memory.loom.close()
            seen = list(watch.seen)
        return {"accepted": sorted(accepted), "unexpected": unexpected, "seen": seen, "opened": watch.opened}

    ended = run_limited(attack, cpu_seconds=scale.pick(sample=60, full=500), wall_seconds=900)
    assert ended.failure == ""
    told = ended.answer
    calls = len(names) * 17
    figure(
        f"{len(names):,} session ids in {calls:,} calls, {told['opened']:,} files opened: {len(told['seen'])} of them "
        f"outside the loom, {len(told['unexpected'])} calls that end in anything but a typed error"
    )
    assert told["seen"] == []
    assert snapshot(outside) == before
    assert set(told["accepted"]) == {name for name in names if VALID.fullmatch(name)}
    logs = {path.name for path in settings.eventloom_path.glob("*.jsonl")}
    assert logs <= {f"{name}.jsonl" for name in {*told["accepted"], "mine"}}
    assert told["unexpected"][:20] == []


def test_a_name_that_a_source_gives_becomes_one_that_may_name_a_log(figure: Figure, chance: random.Random) -> None:
    cases = 2_000
    for _ in range(cases):
        name = hostile_name(Path("/outside"), chance)
        assert check_session_id(safe_session_id(name))
    figure(f"{cases:,} hostile names in imported sessions: each becomes a valid session id")


COLLIDING = (
    *(
        "archive",
        "quarantine",
        "projections",
        "checkpoints",
        "loom",
        "loom.json",
        "changes",
        "locks",
        "damaged",
        "zaxy",
    ),
    *("work", "work.1", "work.1.idx", "work.jsonl", "work.torn", "Work", "-", "_", "000000000001-000000000002", "CON"),
    *("index", "seen", "search", "embedded.kuzu", "signing.key", "x" * 128, "work.lock", "history", "tree", "0"),
)


def exercised(loom: Eventloom, names: tuple[str, ...]) -> None:
    """Give every session events, a closed segment and a repaired tail."""
    for name in names:
        loom.append(name, "note.taken", "ann", {"text": f"first of {name}"})
    for name in names:
        loom.rotate(name)
        loom.append(name, "note.taken", "ann", {"text": f"second of {name}"})
    loom.close()
    for name in names:
        with (loom.path / f"{name}.jsonl").open("ab") as file:
            file.write(b'{"id":"evt_zaxy_')
    for name in names:
        loom.append(name, "note.taken", "ann", {"text": f"third of {name}"})


@pytest.mark.parametrize("place", ["loom", "quarantine/.zaxy", "000000000001-000000000002.jsonl"])
def test_sessions_named_like_the_parts_of_a_loom_disturb_nothing(place: str, tmp_path: Path, figure: Figure) -> None:
    settings = Settings(eventloom_path=tmp_path / "home" / place, fsync="off")
    types = ["note.taken", "log.rotated", "note.taken", "log.recovered", "note.taken"]
    with Memory(settings) as memory:
        identity = memory.loom.ensure_identity()
        exercised(memory.loom, COLLIDING)
        assert memory.catchup.catch_up()
        assert memory.loom.sessions() == sorted(COLLIDING)
        assert memory.loom.identity() == identity
        for name in COLLIDING:
            events = list(memory.loom.log(name).replay())
            assert [event.event_type for event in events] == types, name
            assert {event.session_id for event in events} == {name}
            assert [event.payload["text"] for event in events if "text" in event.payload] == [
                f"{word} of {name}" for word in ("first", "second", "third")
            ]
            assert memory.loom.log(name).verify().ok
        found = {hit.session_id for hit in memory.recall.query("first", Filters(), limit=1_000)}
        assert found == set(COLLIDING)
    assert {path.relative_to(tmp_path / "home").parts[: len(Path(place).parts)] for path in leaves(tmp_path)} == {
        Path(place).parts
    }
    figure(f"{len(COLLIDING)} session ids named like the parts of a loom, in a folder {place}: all logs whole")


def leaves(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())


# ---- links

LINKS = {
    "session": ("work.jsonl", "file"),
    "archive": ("archive", "folder"),
    "archive of the session": ("archive/work", "folder"),
    "quarantine": ("quarantine", "folder"),
    "housekeeping": (".zaxy", "folder"),
    "locks": (".zaxy/locks", "folder"),
    "lock": (".zaxy/locks/work.lock", "file"),
    "loom lock": (".zaxy/locks/loom", "file"),
    "indexes": (".zaxy/index", "folder"),
    "index": (".zaxy/index/work.1.idx", "file"),
    "changes": (".zaxy/changes", "file"),
    "damage marks": (".zaxy/damaged", "folder"),
    "damage mark": (".zaxy/damaged/work", "file"),
    "projections": ("projections", "folder"),
    "search": ("projections/search", "folder"),
    "search index": ("projections/search/index", "folder"),
    "search cursor": ("projections/search/cursor.jsonl", "file"),
    "search lock": ("projections/search.catch-up.lock", "file"),
    "graph": ("projections/embedded.kuzu", "file"),
    "graph log": ("projections/embedded.kuzu.wal", "file"),
    "forward index": ("projections/forward.sqlite", "file"),
    "forward journal": ("projections/forward.sqlite-journal", "file"),
    "forward sum": ("projections/forward.sqlite.sum", "file"),
    "graph lock": ("projections/embedded.kuzu.lock", "file"),
    "graph gate": ("projections/embedded.kuzu.gate", "file"),
    "checkpoints": ("checkpoints", "folder"),
    "checkpoint history": ("checkpoints/history.jsonl", "file"),
    "identity": ("loom.json", "file"),
}


def tear(loom: Eventloom) -> None:
    path = loom.path / "work.jsonl"
    loom.close()
    if path.is_file() and not path.is_symlink():
        with path.open("ab") as file:
            file.write(b'{"id":"evt_zaxy_')


def damage(loom: Eventloom) -> None:
    path = loom.path / "work.jsonl"
    loom.close()
    if path.is_file() and not path.is_symlink():
        path.write_bytes(path.read_bytes().replace(b"said", b"lied"))


def everything(memory: Memory) -> tuple[Callable[[], Any], ...]:
    """Return what a loom goes through in its life."""
    loom = memory.loom
    return (
        loom.ensure_identity,
        loom.ensure_key,
        lambda: loom.append("work", "note.taken", "ann", {"text": "said"}),
        lambda: memory.recall.query(f"said {CANARY}", Filters()),
        memory.catchup.catch_up,
        lambda: loom.rotate("work"),
        lambda: loom.append("work", "goal.created", "ann", {"title": "said"}),
        loom.checkpoint,
        lambda: tear(loom),
        lambda: loom.append("work", "note.taken", "ann", {"text": "said"}),
        memory.catchup.rebuild,
        lambda: damage(loom),
        lambda: list(loom.log("work").replay()),
        lambda: loom.append("work", "note.taken", "ann", {"text": "said"}),
        lambda: memory.recall.query(f"said {CANARY}", Filters()),
    )


def linked(folder: Path, link: str, *, to_something: bool) -> Path:
    """Make a loom in which one name is a link that leads out of it; return the folder that it leads to."""
    outside = outside_of(folder)
    name, kind = LINKS[link]
    path = folder / "loom" / name
    path.parent.mkdir(parents=True)
    if kind == "folder":
        path.symlink_to(outside if to_something else outside / "new")
    else:
        path.symlink_to(outside / ("empty" if to_something else "new"))
    return outside


@pytest.mark.parametrize("link", LINKS)
def test_a_link_that_leads_out_of_a_loom_is_never_written_through(link: str, tmp_path: Path, scale: Scale) -> None:
    likely = LINKS[link][1] == "folder" or link == "session"
    for to_something in (True, False) if scale.full else (likely,):
        folder = tmp_path / str(to_something)
        outside = linked(folder, link, to_something=to_something)
        before = snapshot(outside)
        with Memory(Settings(eventloom_path=folder / "loom", fsync="off")) as memory:
            for step in everything(memory):
                with suppress(ZaxyError):
                    step()
        assert snapshot(outside) == before


@pytest.mark.parametrize("kind", ["session", "closed segment", "archive of the session", "archive"])
def test_a_log_that_lies_behind_a_link_is_not_read(kind: str, tmp_path: Path) -> None:
    outside = outside_of(tmp_path)
    theirs = EventLog(outside / "work.jsonl", options=UNSYNCED)
    if kind != "session":
        theirs.rotate()
        theirs.path.unlink()
    loom = tmp_path / "loom"
    loom.mkdir()
    if kind == "session":
        (loom / "work.jsonl").symlink_to(outside / "work.jsonl")
    elif kind == "archive":
        (loom / "archive").symlink_to(outside / "archive")
    elif kind == "archive of the session":
        (loom / "archive").mkdir()
        (loom / "archive" / "work").symlink_to(outside / "archive" / "work")
    else:
        (loom / "archive" / "work").mkdir(parents=True)
        for segment in (outside / "archive" / "work").iterdir():
            (loom / "archive" / "work" / segment.name).symlink_to(segment)
    with Memory(Settings(eventloom_path=loom, fsync="off")) as memory:
        with pytest.raises(UnavailableError, match="is a link"):
            memory.recall.query(CANARY, Filters())
        with pytest.raises(UnavailableError, match="is a link"):
            memory.loom.read(EventRef("work", 1))
        with pytest.raises(ZaxyError):
            list(memory.loom.log("work").replay())
        assert not answers_ok(memory.loom)


def answers_ok(loom: Eventloom) -> bool:
    try:
        return loom.log("work").verify().ok
    except ZaxyError:
        return False


def test_a_loom_that_is_itself_reached_through_a_link_is_a_loom_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "loom").symlink_to(tmp_path / "disk")
    with Memory(Settings(eventloom_path=tmp_path / "loom", fsync="off")) as memory:
        memory.loom.append("work", "note.taken", "ann", {"text": "said"})
        assert memory.catchup.catch_up()
        memory.loom.rotate("work")
        assert len(memory.recall.query("said", Filters())) == 1
        assert memory.loom.log("work").verify().ok


def test_a_pipe_in_the_place_of_a_log_keeps_nobody_waiting(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path, options=UNSYNCED)
    os.mkfifo(tmp_path / "work.jsonl")
    assert loom.sessions() == []

    def ask() -> list[str]:
        told = []
        log = loom.log("work")
        for question in (log.verify, lambda: list(log.replay()), log.head, lambda: log.append("note.taken", "ann")):
            try:
                told.append(repr(question()))
            except ZaxyError as error:
                told.append(error.code)
        return told

    assert run_limited(ask, wall_seconds=5).failure == ""


@pytest.mark.parametrize("name", ["../outside/work", "/etc/passwd", "a\0b", "x" * 5_000, "\\udc80", "..", ".", ""])
def test_a_hostile_name_in_the_change_file_costs_no_answer(name: str, tmp_path: Path) -> None:
    outside = outside_of(tmp_path)
    with Memory(Settings(eventloom_path=tmp_path / "loom", fsync="off")) as memory:
        memory.loom.append("work", "note.taken", "ann", {"text": "first"})
        assert len(memory.recall.query("first", Filters())) == 1
        with (tmp_path / "loom" / ".zaxy" / "changes").open("ab") as changes:
            changes.write(name.encode() + b" 1\n")
        memory.loom.append("work", "note.taken", "ann", {"text": "second"})
        answer = memory.recall.query(f"second {CANARY}", Filters())
        assert [hit.seq for hit in answer] == [2]
    assert (outside / "notes.txt").read_text() == CANARY


def test_a_project_cannot_name_a_session_or_a_loom_outside_of_it(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(tmp_path)
    for path in ("../outside", str(tmp_path / "outside"), "link/outside", "a/../../outside", "~/outside\0"):
        (tmp_path / "project" / ".env.local").write_text(f"EVENTLOOM_PATH={path}\nEMBEDDED_GRAPH_PATH={path}\n")
        settings = load_settings(environment={}, folder=tmp_path / "project")
        for found in (settings.eventloom_path, settings.embedded_graph_path):
            assert found.resolve().is_relative_to(tmp_path / "project")
    (tmp_path / "project" / ".env.local").write_text("EVENTLOOM_THREAD=../outside\n")
    with pytest.raises(InvalidInputError):
        load_settings(environment={}, folder=tmp_path / "project")
