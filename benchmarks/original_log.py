"""Runs inside the venv of zaxy-memory 3.2.0: ``original_log.py write|read LOG [EVENTS.json]``.

Prints what that program says of the log and what is in it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Append events where asked to, then print the verdict on the log and its events as one JSON object."""
    log = importlib.import_module("zaxy.event").EventLog(Path(sys.argv[2]))
    if sys.argv[1] == "write":
        for event in json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")):
            log.append(event["event_type"], event["actor"], event["payload"])
    report, replayed = log.verify(), log.replay()
    events = [
        {"seq": one.seq, "type": one.type, "actor": one.actor, "payload": one.payload, "hash": one.hash}
        for one in replayed.events
    ]
    print(json.dumps({"ok": report.ok, "total": report.total_events, "why": report.broken_reason, "events": events}))


if __name__ == "__main__":
    main()
