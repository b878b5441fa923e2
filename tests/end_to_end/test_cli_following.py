"""``zaxy memory log --follow`` as a process: what others record while it runs, and how it ends."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import ZAXY, environment

from fault_processes import Say, start
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom

FOLLOW = (*ZAXY, "memory", "log", "--follow")


@pytest.fixture
def loom(tmp_path: Path) -> Iterator[Eventloom]:
    with contextlib.closing(Eventloom(tmp_path / ".eventloom")) as found:
        record(found, "first")
        yield found


def record(loom: Eventloom, text: str) -> None:
    loom.commit("default", [Draft("note.made", "ann", {"content": text})])


@contextlib.contextmanager
def following(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*FOLLOW, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "nothing was said"
    return process.stdout.readline().decode()


@pytest.mark.slow
def test_events_of_another_process_come_as_lines_and_an_interrupt_is_a_good_end(
    loom: Eventloom, tmp_path: Path
) -> None:
    with following(tmp_path, "--json") as process:
        assert json.loads(line(process))["summary"] == "first"
        for text in ("second", "third"):
            record(loom, text)
            assert json.loads(line(process))["summary"] == text
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, b"", b"")


@pytest.mark.slow
def test_it_ends_when_nobody_reads_it_any_more_though_nothing_is_recorded(loom: Eventloom, tmp_path: Path) -> None:
    with following(tmp_path) as process:
        assert "note.made by ann" in line(process)
        assert "first" in line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 141


@pytest.mark.slow
def test_it_ends_at_once_where_standard_output_was_closed(loom: Eventloom, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *FOLLOW], cwd=tmp_path, check=False, env=environment(), timeout=60
    )
    assert done.returncode == 141


@pytest.mark.slow
def test_what_is_recorded_without_standard_streams_is_whole(tmp_path: Path) -> None:
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *ZAXY, "remember", "We ship on Friday"]
    assert subprocess.run(words, cwd=tmp_path, check=False, env=environment()).returncode == 0
    with contextlib.closing(Eventloom(tmp_path / ".eventloom")) as loom:
        assert [event.payload["content"] for event in loom.log("default").replay()] == ["We ship on Friday"]
        assert loom.log("default").verify().ok


@pytest.mark.slow
def test_a_writer_that_is_killed_ends_nothing_and_its_acknowledged_event_is_shown(
    loom: Eventloom, tmp_path: Path
) -> None:
    def write(say: Say) -> None:
        with contextlib.closing(Eventloom(loom.path)) as other:
            record(other, "before the end")
            say("recorded")
            signal.pause()

    with following(tmp_path, "--json") as process:
        assert json.loads(line(process))["summary"] == "first"
        writer = start(write)
        writer.hear("recorded")
        writer.kill()
        assert json.loads(line(process))["summary"] == "before the end"
        record(loom, "after it")
        assert json.loads(line(process))["summary"] == "after it"
