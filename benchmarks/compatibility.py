"""Logs of zaxy-memory 3.2.0 and ours, each read and continued by the other: ``python -m benchmarks.compatibility``.

Prints a table and returns 1 when the two programs do not agree on a log.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.original import prepared_python
from benchmarks.report import aligned
from zaxy import EventLog
from zaxy.errors import ZaxyError
from zaxy.eventloom.event import RESERVED_PREFIX

_DRIVER: Final = Path(__file__).with_name("original_log.py")
_SECRETS: Final = {
    "password": "correct horse",
    "note": "the key is AKIAABCDEFGHIJKLMNOP and it must not be kept",
    "list": [{"api_key": "x"}, "sk-" + "a1B2" * 8],
}
_ODD: Final[Mapping[str, Any]] = {
    "text": 'Kraków 日本 🎉 <&> "q" \\ tab\t newline\n  separators \u2028\u2029 \x7f \x01',
    "numbers": [1.0, 0.1, 1e-7, -0.0, 1e22, 1e16, 1e15, 2**53 - 1, -1, 1.5e300],
    "nothing": None,
    "truth": [True, False],
    "é b": {"z": {"a": []}, "": {}},
}
_THEIRS: Final[Mapping[str, Any]] = {**_ODD, "large": [12345678901234567890, 2**63, -(2**70)]}
"""Only the other program writes integers that do not fit a float; both have to read them."""

_VOCABULARY: Final[Mapping[str, Mapping[str, Any]]] = {
    "goal.created": {"title": "Ship the parser"},
    "goal.completed": {"title": "Ship the parser"},
    "task.proposed": {"title": "Write tests", "assignee": "bob"},
    "task.completed": {"title": "Write tests"},
    "decision.made": {"summary": "Use one log a session"},
    "issue.diagnosed": {"summary": "The index was stale", "cause": "a missing refresh"},
    "verification.recorded": {"summary": "all tests pass", "passed": True},
    "handoff.created": {"summary": "the parser is half done", "to": "cy"},
    "context.policy": {"rule": "never deploy on Fridays"},
    "user.preference_changed": {"key": "editor", "value": "vi"},
    "transcript.turn": {"speaker": "ann", "content": "We moved to Graz.", "occurred_at": "2023-05-08T13:56:00Z"},
    "message.received": {"content": "hello"},
    "tool.call.completed": {"tool": "read_file", "input": {"path": "a.py"}, "output": "ok"},
    "command.completed": {"command": "make test", "exit_code": 0},
    "file.edit.applied": {"path": "src/a.py", "summary": "rename"},
    "document.indexed": {"path": "docs/a.md", "content": "# Title"},
    "session.genesis": {"root": "."},
    "session.ended": {"reason": "done"},
    "memory.invalidated": {"reason": "wrong", "citations": []},
    "anything.else-9.with_odd_parts": {"free": "form"},
    "note.odd": _ODD,
    "note.secret": _SECRETS,
}


@dataclass(frozen=True, slots=True)
class Content:
    """What one program says of a log: whether it is sound, and what is in it."""

    ok: bool
    total: int
    why: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table."""

    what: str
    here: Content
    there: Content
    wanted: int

    @property
    def agrees(self) -> bool:
        """Whether both find the log sound, complete and with the same events."""
        return (
            self.here.ok
            and self.there.ok
            and self.here.total == self.there.total == self.wanted
            and self.here.events == self.there.events
        )

    def cells(self) -> list[str]:
        """Return the line."""
        return [self.what, _verdict(self.here), _verdict(self.there), "yes" if self.agrees else self._difference()]

    def _difference(self) -> str:
        for number, (here, there) in enumerate(zip(self.here.events, self.there.events, strict=False), 1):
            if here != there:
                return f"NO: event {number} differs"
        return f"NO: {self.wanted} events wanted"


def _verdict(content: Content) -> str:
    return f"sound, {content.total} events" if content.ok else f"{content.total} events, then: {content.why[:60]}"


def _event(seq: int, event_type: str, actor: str, payload: Mapping[str, Any], digest: str) -> str:
    said = {name: value for name, value in payload.items() if name != f"{RESERVED_PREFIX}security"}
    return json.dumps([seq, event_type, actor, said, digest.removeprefix("sha256:")], sort_keys=True)


def read_here(path: Path) -> Content:
    """Return what ours says of a log."""
    with EventLog(path) as log:
        report = log.verify()
        try:
            events = [_event(one.seq, one.event_type, one.actor, one.payload, one.hash) for one in log.replay()]
        except ZaxyError as error:
            return Content(False, report.total_events, str(error), ())
    return Content(report.ok, report.total_events, report.broken_reason or "", tuple(events))


def write_here(path: Path, items: Sequence[Mapping[str, Any]]) -> None:
    """Append with ours: some events one by one with a key, the rest as a batch."""
    with EventLog(path) as log:
        half = len(items) // 2
        for item in items[:half]:
            key = f"check:{path.stat().st_size}"  # the file grows with every event
            log.append(item["event_type"], item["actor"], item["payload"], key=key)
        log.append_many(items[half:])


class Original:
    """The other program, as a process an action.

    Args:
        python: Its interpreter.
        folder: For the events that it is given.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def read(self, path: Path) -> Content:
        """Return what it says of a log."""
        return self._run("read", path)

    def write(self, path: Path, items: Sequence[Mapping[str, Any]]) -> None:
        """Append with it."""
        events = self._folder / "events.json"
        events.write_text(json.dumps(list(items)), encoding="utf-8")
        content = self._run("write", path, events)
        if not content.ok:
            print(f"the original says after writing to {path.name}: {content.why}", file=sys.stderr)

    def _run(self, *arguments: str | Path) -> Content:
        ran = subprocess.run([self._python, _DRIVER, *arguments], capture_output=True, check=False, cwd=self._folder)
        if ran.returncode:
            complaint = ran.stderr.decode("utf-8", "replace").strip().splitlines()
            return Content(False, 0, complaint[-1] if complaint else "it failed", ())
        told = json.loads(ran.stdout)
        events = tuple(
            _event(one["seq"], one["type"], one["actor"], one["payload"], one["hash"]) for one in told["events"]
        )
        return Content(told["ok"], told["total"], told["why"] or "", events)


def vocabulary() -> list[dict[str, Any]]:
    """Return an event of every type that means something to ours, odd values and secrets among them."""
    return [{"event_type": name, "actor": "ann é", "payload": dict(said)} for name, said in _VOCABULARY.items()]


def checks(original: Original, folder: Path) -> list[Check]:
    """Write, read and continue logs with both programs."""
    items = vocabulary()
    plain = [{"event_type": "note.large", "actor": "bob", "payload": _THEIRS}]
    plain += [item for item in items if "_" not in item["event_type"] and "-" not in item["event_type"]]
    old_style = [{"event_type": "note", "actor": "bob", "payload": _THEIRS}, *items]
    scenarios: list[tuple[str, str, Callable[[Path, Sequence[Mapping[str, Any]]], None], list[dict[str, Any]]]] = [
        ("ours", "a log of ours, the whole vocabulary", write_here, items),
        ("theirs", "a log of theirs", original.write, plain),
        ("legacy", "a log of theirs in the legacy envelope", original.write, old_style),
        ("mixed", "a log of theirs that turns to the legacy envelope", original.write, items),
    ]
    found: list[Check] = []
    for name, what, write, events in scenarios:
        path, total = folder / f"{name}.jsonl", 0
        path.touch()
        continued = ("", write, events), (", continued by ours", write_here, items)
        further = (", by theirs", original.write, plain), (", by ours again", write_here, items)
        for step, writer, added in (*continued, *further):
            writer(path, added)
            total += len(added)
            found.append(
                Check(what + step if not step else f"… {step[2:]}", read_here(path), original.read(path), total)
            )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print what both programs say of each other's logs; return 1 if they do not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compatibility", description=__doc__.partition(":")[0])
    parser.add_argument("--original-python", type=Path, help="its interpreter; without it a venv is made in ~/.cache")
    asked = parser.parse_args(arguments)
    python = asked.original_python or prepared_python()
    with tempfile.TemporaryDirectory(prefix="zaxy-compatibility-") as name:
        found = checks(Original(python.absolute(), Path(name)), Path(name))
    print(aligned([["", "Zaxy", "zaxy-memory 3.2.0", "agree"], *(check.cells() for check in found)]))
    return 0 if all(check.agrees for check in found) else 1


if __name__ == "__main__":
    sys.exit(main())
