"""Two servers, commands and hooks on one loom at the same time: eight write, eight read, and servers are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cli_process import zaxy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SERVED = ("stdio", "rest", "mcp")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the program, which lies beside the package and not in it."""
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.many_clients")


def times(number: int) -> Any:
    """Return what lets a writer go on so many times."""
    return lambda done: done < number


def complaints(folder: Path) -> str:
    """Return what the servers said besides where they are."""
    said = (folder / "stdio.log").read_text() + (folder / "server.log").read_text()
    return "".join(line for line in said.splitlines() if not line.startswith("Serving at http://"))


async def test_eight_writers_and_eight_readers_lose_nothing_and_miss_nothing(program: Any, tmp_path: Path) -> None:
    crowd = program.Crowd()
    async with program.open_ways(tmp_path) as ways:
        await crowd.meet(ways.writers(), ways.readers(), lambda way: times(8 if way.name in SERVED else 2))
    assert crowd.failed == []
    assert crowd.missed == []
    assert len(crowd.acknowledged) == 4 * 8 + 4 * 2
    assert crowd.looks == 8 * len(crowd.acknowledged)
    kept = program.kept_in(tmp_path, crowd)
    assert kept == program.Kept(len(crowd.acknowledged), lost=(), twice=(), unsound=(), cut=())
    assert complaints(tmp_path) == ""


async def test_servers_that_are_killed_among_many_clients_leave_nothing_to_repair(program: Any, tmp_path: Path) -> None:
    crowd = program.Crowd()

    async def kill(count: int, server: str) -> None:
        await crowd.reached(count)
        os.kill(int((tmp_path / server).read_text()), signal.SIGKILL)

    async with program.open_ways(tmp_path) as ways:
        killing = [asyncio.create_task(kill(15, "server.pid")), asyncio.create_task(kill(40, "stdio.pid"))]
        await crowd.meet(ways.writers(), ways.readers(), lambda way: times(sys.maxsize if way.name in SERVED else 2))
        await asyncio.gather(*killing)
    assert {name for name, _ in crowd.failed} == {*SERVED}  # and no command failed, before or after
    assert crowd.missed == []
    assert complaints(tmp_path) == ""

    place = {"XDG_STATE_HOME": str(tmp_path / "state"), "EMBEDDING_PROVIDER": "none"}
    status = zaxy(tmp_path, "status", "--json", **place)
    assert (status.returncode, status.stderr, json.loads(status.stdout)["warnings"]) == (0, "", [])
    cut = [path for path in (tmp_path / ".eventloom" / "quarantine").glob("**/*") if path.is_file()]
    held = b"".join(path.read_bytes() for path in cut)
    assert not any(note.word.encode() in held for note, _ in crowd.acknowledged)
    before = program.kept_in(tmp_path, crowd)
    assert (before.lost, before.twice, before.unsound) == ((), (), ())

    told = dict(crowd.acknowledged)
    unknown = [note for note in crowd.sent if note not in told]
    assert unknown
    async with program.open_ways(tmp_path) as ways, ways.stdio.joined() as stdio, ways.mcp.joined() as mcp:
        for note in (*unknown, *list(told)[:3]):
            again = await stdio.append(note)
            assert again == await mcp.append(note) == told.setdefault(note, again)
        async with ways.rest.joined() as rest, ways.command.joined() as command:
            for start in range(0, len(told), 20):
                some = dict([*told.items()][start : start + 20])
                for caller in (stdio, mcp, rest):
                    assert {*some.values()} <= await caller.find([note.word for note in some])
            assert {*some.values()} <= await command.find([note.word for note in some])
    after = program.kept_in(tmp_path, crowd)
    assert (after.events, after.lost, after.twice, after.unsound) == (len(crowd.sent), (), (), ())
    assert complaints(tmp_path) == ""


def test_an_event_that_is_lost_or_twice_or_never_found_is_told(program: Any, tmp_path: Path) -> None:
    crowd = program.Crowd()

    class Careless:
        """Says that everything is recorded and finds nothing."""

        async def append(self, note: Any) -> str:
            return f"eventloom://{note.session_id}/events/1"

        async def find(self, words: Any) -> set[str]:
            return set()

    class Broken(Careless):
        """Records nothing."""

        async def append(self, note: Any) -> str:
            raise OSError("broken")

    shared = import_module("benchmarks.many_clients_ways").Shared
    ways = (shared("careless", Careless()), shared("broken", Broken()))
    asyncio.run(crowd.meet(ways, ways, lambda _: times(3)))
    assert len(crowd.missed) == 6
    assert crowd.failed == [("broken", "_write: OSError: broken")]
    loom = tmp_path / ".eventloom"
    with program.Memory(program.Settings(eventloom_path=loom, state_path=tmp_path / "state" / "zaxy")) as memory:
        for session_id in ("s0", "s1"):
            memory.loom.log(session_id).append("note.made", "ann", {"content": "one"}, key="crowd:one")
        memory.loom.append("s2", "note.made", "ann", {"content": "two"})
    (loom / "s2.jsonl").write_bytes((loom / "s2.jsonl").read_bytes().replace(b"two", b"owt"))
    kept = program.kept_in(tmp_path, crowd)
    assert (kept.events, len(kept.lost), kept.twice) == (2, 3, ("crowd:one",))
    assert [finding[:3] for finding in kept.unsound] == ["s2:"]
    rows = {row.key: row.met for row in program.rows_of(crowd, kept) if row.met is not None}
    assert rows == {"kept": False, "looks": False, "failed": False, "sound": False}


def test_the_program_tells_what_became_of_the_calls(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["--seconds", "0", "--folder", str(tmp_path)]) == 0
    assert "8 acknowledged, 8 in the logs" in capsys.readouterr().out
    assert [*tmp_path.iterdir()] == []
