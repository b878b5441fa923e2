"""Makes the golden loom of a release: a loom with everything that the format of the day can hold.

    python tests/golden/logs/golden_loom.py tests/golden/logs/4.1.0

A golden loom is made once, when its version is released, and never again: this program refuses a folder that is there.
Beside it come `events/<version>.<session>.json` for each of its sessions, and the new lines of `SHA256SUMS`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from zaxy.clock import parse_time
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom

PAYLOADS: tuple[dict[str, Any], ...] = (
    {"title": "\u00c7\u00e9 \u65e5\u672c \U0001f389 ship", "n": 1.0, "f": 1e-07, "g": 1e22, "minus": -0.0, "h": 5e-324},
    {"text": 'a\u2028b\u2029c\x7fd\te\nf\\g"h/\u0001', "most": 2**53 - 1, "least": 1 - 2**53, "zero": 0},
    {"nested": {"list": [[], {}, [None, True, False], {"": ""}], "\U0001f389": 1, "\ufb33": 2, "z": 3}, "empty": {}},
    {"content": "happened before", "occurred_at": "2023-05-08T13:56:00.5+02:00"},
    {"note": f"call with token ghp_{'a1B2c3' * 6}", "password": "not kept"},
    {"deep": json.loads("[" * 60 + "]" * 60), "long": "x" * 5_000},
)


class _SetClock:
    """Says what it was last told."""

    def __init__(self) -> None:
        self.moment = parse_time("2026-11-21T08:42:05.903462Z")

    def now(self) -> int:
        self.moment += 1_500_000
        return self.moment


def make(folder: Path) -> None:
    """Write the loom."""
    clock = _SetClock()
    loom = Eventloom(folder, clock=clock)
    loom.ensure_identity()
    first = loom.append("work", "goal.created", "ann", PAYLOADS[0])
    for payload in PAYLOADS[1:]:
        loom.append("work", "note.taken", "Zo\u00eb \u00dcnal", payload)
    log = loom.log("work")
    log.append("goal.completed", "bob", {"title": "ship"}, parent_event_id=first.id, caused_by=[first.id, "elsewhere"])
    log.append("transcript.turn", "user", {"content": "said once"}, key="chat:turn-1")
    log.append("transcript.turn", "user", {"content": "said once"}, key="chat:turn-1")
    log.rotate()
    log.append_many([Draft("task.created", "ann", {"title": f"part {number}"}) for number in range(3)])
    clock.moment -= 3_600_000_000
    log.append("note.taken", "ann", {"text": "after the clock went back"})
    log.close()
    with log.path.open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000015_0123456789abcdef","type":"note.ta')
    log.append("note.taken", "ann", {"text": "after a torn tail"})
    log.rotate()
    ended = {"targets": [first.citation], "invalid_at": "2027-01-01T00:00:00Z", "reason": "bought one"}
    loom.append("t-3.Notes_", "memory.invalidated", "user", ended)
    loom.append("t-3.Notes_", "user.preference_changed", "bob", {"key": "theme", "value": "dark", "user": "bob"})
    loom.close()
    for disposable in (".zaxy", "projections"):
        shutil.rmtree(folder / disposable, ignore_errors=True)


def main() -> int:
    """Make the loom in the folder that the command line names."""
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        print("name a folder that does not exist yet", file=sys.stderr)
        return 2
    make(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
