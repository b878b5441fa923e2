"""Who is not on this machine learns of no path on it, whatever goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaxy.errors import BusyError, LogDamagedError, NotFoundError, RateLimitedError, WriteFailedError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.concealing import Concealer
from zaxy.interfaces.calls.runner import CallRunner

NOTE = {"event_type": "note.made", "actor": "ann", "payload": {"content": "the piano is tuned"}, "session_id": "work"}


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("/srv/memory/.eventloom/work.jsonl cannot be written: disk full", "work.jsonl cannot be written: disk full"),
        ("another process has held /srv/x/locks/work.lock for 3 s", "another process has held work.lock for 3 s"),
        ("'/home/ann/loom/' is not a folder", "'loom' is not a folder"),
        ("/srv/my loom/work.jsonl: it (/srv/my loom) is full", "work.jsonl: it (my loom) is full"),
        ("set LOOM=/srv/a/b, then try again", "set LOOM=b, then try again"),
        ("there is no event at eventloom://work/events/3#0123", "there is no event at eventloom://work/events/3#0123"),
        ("see https://memory.example/a/b and either/or, 1/2", "see https://memory.example/a/b and either/or, 1/2"),
    ],
)
def test_a_path_is_shown_by_the_name_of_its_file(told: str, shown: str) -> None:
    concealed = Concealer([Path("/srv/my loom")]).conceal(NotFoundError(told, remedy=told))
    assert (type(concealed), concealed.message, concealed.remedy) == (NotFoundError, shown, shown)


@pytest.mark.parametrize(
    "error",
    [
        LogDamagedError("/a/b is damaged", session_id="work", seq=3, remedy="look at /a/b"),
        RateLimitedError("/a/b", retry_after_seconds=7),
        BusyError("/a/b"),
        WriteFailedError("/a/b"),
    ],
)
def test_an_error_keeps_its_class_and_what_else_it_tells(error: ZaxyError) -> None:
    concealed = Concealer([]).conceal(error)
    assert type(concealed) is type(error)
    assert "/a" not in str(concealed)
    kept = {name: value for name, value in vars(error).items() if name not in ("message", "remedy")}
    assert kept.items() <= vars(concealed).items()
    assert "/a/b" in error.message


async def test_a_write_that_fails_tells_its_path_on_this_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("EMBEDDING_PROVIDER", "none")
    async with MemoryFabric(tmp_path / "a loom", session_id="work") as memory:
        (tmp_path / "a loom" / "work.jsonl").mkdir(parents=True)
        runner = CallRunner(memory)
        for identity in ("local", "ann"):
            with pytest.raises(ZaxyError, match=r"work\.jsonl") as raised:
                await runner.run("memory_append", NOTE, Caller(identity))
            assert (str(tmp_path) in str(raised.value)) is (identity == "local")
