"""What a hook costs a client: ``python -m benchmarks.hooks [--rounds 20] [--events 2000] [--json FILE]``.

Whole processes, as a client starts them, from the fork to the end. Each round starts a bare interpreter too, so that a
slow moment of the machine shows: rely on the ratios. A hook is to take 120 ms at most; one that answers with a checkout
800 ms by itself and 150 ms where a server runs. The figures are of an idle machine or they say nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

_ZAXY: Final = (sys.executable, "-m", "zaxy")
_TARGETS_MS: Final = {"SessionStart, cold": 800, "SessionStart, server": 150}
_TARGET_MS: Final = 120
_SESSION: Final = "bench"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = _Bench(Path(name), asked.rounds).measure(asked.events)
    print(f"{'hook':<24}{'median ms':>10}{'worst ms':>10}{'bare ms':>9}{'target':>8}")
    for row, (middle, worst, bare) in found.items():
        print(f"{row:<24}{middle:>10.0f}{worst:>10.0f}{bare:>9.0f}{_TARGETS_MS.get(row, _TARGET_MS):>8}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


class _Bench:
    """A loom, a transcript that grows, and hooks that are called."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._rounds = rounds
        self._transcript = folder / f"{_SESSION}.jsonl"
        self._number = 0
        state = {"XDG_STATE_HOME": str(folder / "state"), "EMBEDDING_PROVIDER": "none", "HOME": str(folder)}
        self._environment = {**os.environ, **state}
        (folder / ".env.local").write_text("EVENTLOOM_PATH=.eventloom\n", encoding="utf-8")

    def measure(self, events: int) -> dict[str, tuple[float, float, float]]:
        """Return median, worst and the bare interpreter's median, in milliseconds, by row."""
        self._fill(events)
        rows: dict[str, Callable[[], dict[str, Any]]] = {
            "UserPromptSubmit": lambda: {"prompt": f"What about part {self._number}?"},
            "PreToolUse": self._call,
            "PostToolUse": lambda: {**self._call(), "tool_response": {"stdout": "ok\n" * 50, "stderr": ""}},
            "Stop": lambda: {"last_assistant_message": f"Part {self._number} is done."},
            "SubagentStop": lambda: {"agent_id": f"a{self._number}", "last_assistant_message": "One module."},
            "PreCompact": lambda: {"trigger": "auto"},
            "SessionEnd": lambda: {"reason": "exit"},
        }
        found = {event: self._timed(event, told) for event, told in rows.items()}
        found["SessionStart, cold"] = self._timed("SessionStart", lambda: {"source": "compact"})
        with self._server():
            found["SessionStart, server"] = self._timed("SessionStart", lambda: {"source": "compact"})
        return found

    def _fill(self, events: int) -> None:
        turns = self._folder / "turns.jsonl"
        with turns.open("w", encoding="utf-8") as file:
            for number in range(events):
                text = f"Part {number} of the parser waits for the lighthouse keeper's word number {number % 97}."
                file.write(
                    json.dumps({"speaker": "ann", "text": text, "id": number, "session": f"s{number % 20}"}) + "\n"
                )
        self._run([*_ZAXY, "ingest", "jsonl", str(turns)], b"")

    def _call(self) -> dict[str, Any]:
        return {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": f"toolu_{self._number}"}

    def _timed(self, event: str, told: Callable[[], dict[str, Any]]) -> tuple[float, float, float]:
        took, bare = [], []
        for _ in range(self._rounds):
            self._number += 1
            self._grow()
            usual = {"session_id": _SESSION, "transcript_path": str(self._transcript), "cwd": str(self._folder)}
            data = json.dumps({**usual, "hook_event_name": event, **told()}).encode()
            bare.append(self._run([sys.executable, "-c", "pass"], b""))
            took.append(self._run([*_ZAXY, "hook", "claude-code"], data))
        return median(took), max(took), median(bare)

    def _grow(self) -> None:
        """Let the transcript grow by a line, as it does between two hooks."""
        block = {"role": "assistant", "content": [{"type": "text", "text": f"I look at part {self._number}."}]}
        record = {"type": "assistant", "uuid": f"u{self._number}", "sessionId": _SESSION, "message": block}
        with self._transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _run(self, command: list[str], data: bytes) -> float:
        began = time.perf_counter()
        subprocess.run(
            command, input=data, cwd=self._folder, env=self._environment, stdout=subprocess.DEVNULL, check=True
        )
        return (time.perf_counter() - began) * 1_000

    @contextlib.contextmanager
    def _server(self) -> Iterator[None]:
        command = [*_ZAXY, "serve", "--transport", "http", "--port", "0"]
        process = subprocess.Popen(command, cwd=self._folder, env=self._environment, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            process.stderr.readline()  # it says so once it serves
            yield
        finally:
            process.terminate()
            process.communicate()


if __name__ == "__main__":
    main()
