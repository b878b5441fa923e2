"""A watcher records each whole line of a transcript once, whatever happens to the file or to itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from capture_memory import MemorySink

from zaxy.errors import BusyError
from zaxy.services.capture import watch_place, watching
from zaxy.services.capture.importers.codex import ingest_codex
from zaxy.services.capture.watch_place import WatcherStatus, WatchPlace
from zaxy.services.capture.watching import CLIENTS, Position, Scope, Watcher

HOUR = 3_600.0


def said(number: int, cwd: str = "/app", session: str = "s1") -> str:
    told = {"type": "user", "uuid": f"u{number}", "sessionId": session, "cwd": cwd}
    time = f"2026-01-01T10:{number // 60 % 60:02d}:{number % 60:02d}Z"
    return json.dumps({**told, "timestamp": time, "message": {"role": "user", "content": f"words {number}"}}) + "\n"


def codex(number: int, text: str) -> str:
    if not number:
        return (
            json.dumps(
                {"timestamp": "2026-01-01T10:00:00Z", "type": "session_meta", "payload": {"id": "c1", "cwd": "/app"}}
            )
            + "\n"
        )
    content = [{"type": "input_text", "text": text}]
    payload = {"type": "message", "role": "user", "content": content}
    return json.dumps({"timestamp": "2026-01-01T10:00:01Z", "type": "response_item", "payload": payload}) + "\n"


class Watched:
    """A folder with transcripts, and watchers over it that share one sink."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sink = MemorySink()
        self.positions: dict[str, Position] = {}

    def watcher(self, **scope: Any) -> Watcher:
        return Watcher(Scope((self.folder,), **scope), dict.fromkeys(CLIENTS, self.sink), self.positions)

    def write(self, name: str, text: str, mode: str = "a") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as stream:
            stream.write(text)
        return path

    def said(self) -> list[str]:
        return [draft.payload["content"] for draft in self.sink.all("transcript.turn")]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    (tmp_path / "transcripts").mkdir()
    return Watched(tmp_path / "transcripts")


def test_lines_are_recorded_as_they_come_each_once(watched: Watched) -> None:
    watcher = watched.watcher()
    assert watcher.look(0).lines == 0
    watched.write("p/a.jsonl", said(1) + said(2))
    assert watcher.look(HOUR).recorded.added == 2
    watched.write("p/a.jsonl", said(3))
    watched.write("rollout.jsonl", codex(0, "") + codex(1, "hello"))
    assert watcher.look(HOUR + 1).recorded.added == 1, "a file that grew lately is looked at between scans"
    assert watcher.look(2 * HOUR).recorded.added == 2
    assert watched.said() == ["words 1", "words 2", "words 3", "hello"]
    assert watcher.look(3 * HOUR).lines == 0


def test_a_line_waits_until_it_is_whole(watched: Watched) -> None:
    watcher, line = watched.watcher(), said(1)
    watched.write("a.jsonl", said(0) + line[:20])
    watcher.look(0)
    assert watched.said() == ["words 0"]
    watched.write("a.jsonl", line[20:])
    watcher.look(1)
    assert watched.said() == ["words 0", "words 1"]


def test_the_next_watcher_goes_on_where_the_last_one_was(watched: Watched) -> None:
    watched.write("a.jsonl", said(1))
    watched.write("b.jsonl", said(9, session="s2"))
    watched.watcher().look(0)
    calls = len(watched.sink.calls)
    watched.watcher().look(0)
    assert len(watched.sink.calls) == calls, "files that did not grow are not read again"
    watched.write("a.jsonl", said(2))
    assert watched.watcher().look(0).recorded.added == 1
    assert watched.said() == ["words 1", "words 2", "words 9"]


def test_equal_words_stay_two_turns_when_the_watcher_changes_between_them(watched: Watched) -> None:
    watched.write("rollout.jsonl", codex(0, "") + codex(1, "ok"))
    watched.watcher().look(0)
    watched.write("rollout.jsonl", codex(1, "ok"))
    watched.watcher().look(0)
    assert watched.said() == ["ok", "ok"]
    assert ingest_codex(watched.folder, watched.sink).recorded.added == 0


def test_a_result_is_recorded_whose_call_an_earlier_watcher_read(watched: Watched) -> None:
    def block(uuid: str, role: str, told: dict[str, Any]) -> str:
        record = {"type": role, "uuid": uuid, "sessionId": "s1", "cwd": "/app"}
        return json.dumps({**record, "message": {"role": role, "content": [told]}}) + "\n"

    use = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "make"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    watched.write("a.jsonl", block("u1", "assistant", use))
    watched.watcher().look(0)
    watched.write("a.jsonl", block("u2", "user", result))
    watched.watcher().look(0)
    (command,) = watched.sink.all("command.completed")
    assert (command.payload["command"], command.payload["outcome"]) == ("make", "done")


def test_a_file_that_was_replaced_or_cut_is_read_from_its_start(watched: Watched) -> None:
    watcher = watched.watcher()
    watched.write("a.jsonl", said(1) + said(2))
    watcher.look(0)
    watched.write("a.jsonl", said(3), mode="w")
    watcher.look(1)
    watched.write("new.tmp", said(4) + said(5) + said(6))
    os.replace(watched.folder / "new.tmp", watched.folder / "a.jsonl")
    watcher.look(2)
    assert watched.said() == [f"words {number}" for number in range(1, 7)]
    (watched.folder / "a.jsonl").unlink()
    assert watcher.look(HOUR).problem == ""


def test_a_file_that_was_written_anew_in_its_place_is_read_from_its_start(watched: Watched) -> None:
    watcher = watched.watcher()
    path = watched.write("a.jsonl", said(1))
    watcher.look(0)
    for second, numbers in enumerate(((2,), (3, 4, 5)), start=1):
        watched.write("a.jsonl", "".join(map(said, numbers)), mode="w")
        os.utime(path, (path.stat().st_mtime + second,) * 2)
        watcher.look(second)
    assert watched.said() == [f"words {number}" for number in range(1, 6)]


def test_what_the_log_does_not_take_is_tried_again_at_the_next_look(watched: Watched) -> None:
    class Closed(MemorySink):
        is_closed = True

        def record(self, session_id: str, drafts: Any) -> Any:
            if self.is_closed:
                raise BusyError("another process holds the log")
            return super().record(session_id, drafts)

    sink = Closed()
    watcher = Watcher(Scope((watched.folder,)), dict.fromkeys(CLIENTS, sink), watched.positions)
    watched.write("a.jsonl", said(1) + said(2))
    assert "another process" in watcher.look(0).problem
    assert watched.positions == {}
    sink.is_closed = False
    assert watcher.look(HOUR).recorded.added == 2


def test_only_sessions_of_the_project_are_followed(watched: Watched) -> None:
    watched.write(
        "a.jsonl", json.dumps({"type": "summary", "summary": "x", "leafUuid": "l"}) + "\n" + said(1, "/app/src")
    )
    watched.write("b.jsonl", said(2, "/application"))
    watched.write("c.jsonl", json.dumps({"type": "progress"}) + "\n")
    watcher = watched.watcher(project=Path("/app"))
    watcher.look(0)
    assert watched.said() == ["words 1"]
    watched.write("c.jsonl", said(3))
    watcher.look(HOUR)
    assert watched.said() == ["words 1", "words 3"]


def test_a_session_that_begins_with_a_very_long_line_is_followed(watched: Watched) -> None:
    picture = {"type": "progress", "data": "x" * 3_000_000}
    watched.write("a.jsonl", json.dumps(picture) + "\n" + said(1))
    watched.watcher(project=Path("/app")).look(0)
    assert watched.said() == ["words 1"]


def test_what_happened_during_a_pause_is_left(watched: Watched) -> None:
    start = 1_767_261_600_000_000  # 2026-01-01T10:00:00Z
    watched.write("a.jsonl", said(1) + said(5) + said(9))
    watched.watcher(pauses=((start + 3_000_000, start + 8_000_000),)).look(0)
    assert watched.said() == ["words 1", "words 9"]


def test_what_tells_no_time_is_left_while_capture_is_paused(watched: Watched) -> None:
    untimed = {**json.loads(said(1)), "timestamp": None}
    watched.write("a.jsonl", json.dumps(untimed) + "\n" + said(2))
    watched.watcher(pauses=((1_780_000_000_000_000, 2**62),)).look(0)
    assert watched.said() == ["words 2"]


def test_a_large_file_is_read_in_parts_and_bad_lines_do_not_stop_it(watched: Watched) -> None:
    filler = json.dumps({"type": "progress", "data": "x" * 100_000}) + "\n"
    watched.write("a.jsonl", said(1) + "no json\n\n" + filler * 60 + said(2))
    watcher = watched.watcher()
    first = watcher.look(0)
    assert first.more
    assert first.waiting_bytes > 0
    while watcher.look(0.1).more:
        pass
    assert watched.said() == ["words 1", "words 2"]


def test_a_look_ends_before_a_long_history_is_read_so_that_a_watcher_can_be_asked_to_end(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_MOST_LINES", 2)
    for number in range(5):
        watched.write(f"{number}.jsonl", said(number))
    watcher = watched.watcher()
    assert (watcher.look(0).more, len(watched.said())) == (True, 2)
    while watcher.look(0).more:
        pass
    assert len(watched.said()) == 5


def test_a_transcript_that_is_long_over_is_not_kept_in_memory(watched: Watched) -> None:
    path = watched.write("a.jsonl", said(1))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    watcher = watched.watcher()
    watcher.look(0)
    assert watched.said() == ["words 1"]
    assert not watcher.is_hot


def test_one_watcher_at_a_time_and_its_status_is_known(tmp_path: Path) -> None:
    place = WatchPlace(tmp_path / "capture")
    assert place.status() == WatcherStatus()
    assert place.status().is_alive is None
    assert not place.stop()
    with place.alone():
        assert (place.status().is_running, place.status().pid) == (True, os.getpid())
        with pytest.raises(BusyError, match=str(os.getpid())), WatchPlace(tmp_path / "capture").alone():
            pass
        place.tell(WatcherStatus(pid=os.getpid(), folders=("/a",), lines=3))
    assert (place.status().lines, place.status().is_alive) == (3, False)
    place.tell(WatcherStatus(pid=1, was_stopped=True))
    assert place.status().is_alive is None


def test_to_stop_a_watcher_ends_no_process_that_is_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_place, "_STOP_SECONDS", 0.1)
    place = WatchPlace(tmp_path)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for pid in (stranger.pid, 0, -1):
            with place.alone():
                place.tell(WatcherStatus(pid=pid))
                with pytest.raises(BusyError, match="did not end"):
                    place.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_notes_that_cannot_be_read_cost_nothing_but_time(tmp_path: Path) -> None:
    place = WatchPlace(tmp_path)
    place.keep({"/a": Position(1, 2)})
    assert place.positions() == {"/a": Position(1, 2)}
    (tmp_path / "watched.json").write_text('{"/a": [1, "x"], "/b": 3, "/c": [4, 5]}')
    assert place.positions() == {"/c": Position(4, 5)}
    (tmp_path / "watched.json").write_bytes(b"\xff")
    (tmp_path / "watcher.json").write_text('{"pid": 3, "folders": ["/x"], "odd": 1}')
    assert place.positions() == {}
    assert place.status().folders == ("/x",)
