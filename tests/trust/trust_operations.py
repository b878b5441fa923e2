"""What is broken off at each of its system calls: the operations, and what must hold afterwards beside the logs.

A new operation is one line in `OPERATIONS`: its name, what prepares a folder for it, what it does, and, where the state
of the logs does not say all, what must hold afterwards.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trust_breaking import SESSION, Operation, log_path, loom_at

from zaxy.config import Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.setup import initialize

_LONG_CHANGE_FILE_BYTES: Final = 4 * 1024 * 1024 + 1


# ---- what is there before


def nothing(root: Path) -> Path:
    """There is nothing yet."""
    return root


def no_loom(root: Path) -> EventLog:
    """There is no loom yet."""
    return EventLog(log_path(root))


def three_events(root: Path) -> EventLog:
    """A log with three events, not open."""
    with EventLog(log_path(root)) as log:
        for number in range(3):
            log.append("note.taken", "before", {"n": number}, key=f"before:{number}")
    return EventLog(log_path(root))


def open_log(root: Path) -> EventLog:
    """A log that its writer has open."""
    log = three_events(root)
    log.append("note.taken", "before", {"n": 3})
    return log


def torn_tail(root: Path) -> EventLog:
    """A log whose last line is an unfinished write."""
    log = three_events(root)
    with log_path(root).open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000004_')
    return log


def no_newline(root: Path) -> EventLog:
    """A log whose last record lacks only its newline, as other programs leave it."""
    log = three_events(root)
    log_path(root).write_bytes(log_path(root).read_bytes()[:-1])
    shutil.rmtree(log_path(root).parent / ".zaxy")
    return log


def no_caches(root: Path) -> EventLog:
    """A log without side index, change file and lock file."""
    log = three_events(root)
    shutil.rmtree(log_path(root).parent / ".zaxy")
    return log


def long_change_file(root: Path) -> EventLog:
    """A log whose next append starts the change file anew."""
    log = three_events(root)
    with log.layout.changes.open("ab") as file:
        file.truncate(_LONG_CHANGE_FILE_BYTES)
    return log


def half_rotated(root: Path) -> EventLog:
    """A log with a closed segment and no active file, as a crash in a rotation leaves it."""
    log = three_events(root)
    closed = log.rotate()
    log.close()
    assert closed
    log_path(root).unlink()
    return EventLog(log_path(root))


def marked_damaged(root: Path) -> EventLog:
    """A sound log that was found damaged before it was restored: the next append checks all of it."""
    log = three_events(root)
    log.layout.damage_mark.parent.mkdir()
    log.layout.damage_mark.touch()
    return log


def with_key(root: Path) -> Eventloom:
    """A loom that has a key, with events in two sessions that no checkpoint holds."""
    loom = loom_at(root)
    loom.ensure_key()
    for session_id in (SESSION, "play"):
        loom.commit(session_id, [Draft("note.taken", "before", {"n": number}) for number in range(3)])
    loom.close()
    return loom_at(root)


def with_checkpoint(root: Path) -> Eventloom:
    """A loom with a checkpoint, and events since."""
    loom = with_key(root)
    loom.checkpoint()
    for session_id in (SESSION, "new"):
        loom.append(session_id, "note.taken", "before", {"n": 3})
    loom.close()
    return loom_at(root)


# ---- what is done: each returns the events that its caller gets back


def append(log: EventLog) -> list[Event]:
    """Append one event."""
    return [log.append("note.taken", "ann", {"text": "x" * 50}, key="ann:1")]


def append_many(log: EventLog) -> list[Event]:
    """Append a batch."""
    return log.append_many([Draft("note.taken", "ann", {"n": number}, f"ann:{number}") for number in range(3)])


def rotate(log: EventLog) -> list[Event]:
    """Close the active file."""
    assert log.rotate()
    return []


def init(root: Path) -> list[Event]:
    """Make a loom as ``zaxy init`` does."""
    settings = Settings(eventloom_path=root / "loom", session_id=SESSION, state_path=root / "state")
    initialize(loom_at(root), settings, root)
    return []


def append_noted(loom: Eventloom) -> list[Event]:
    """Append one event to a loom that notes outside of it what was acknowledged."""
    return [loom.append(SESSION, "note.taken", "ann", {"n": 1})]


def checkpoint(loom: Eventloom) -> list[Event]:
    """Sign what is new."""
    assert loom.checkpoint().new_events
    return []


def rotate_key(loom: Eventloom) -> list[Event]:
    """Put another signing key in force."""
    return [loom.rotate_key(SESSION).event]


# ---- what must hold afterwards, beside the logs


def made_once(root: Path) -> None:
    """The loom has one id, and making it again completes it."""
    known = loom_at(root).identity()
    init(root)
    loom = loom_at(root)
    assert known in (None, loom.identity())
    genesis = [event.payload for event in loom.log(SESSION).replay() if event.event_type == "session.genesis"]
    assert [payload["loom_id"] for payload in genesis] == [loom.identity()]
    assert (root / ".env.local").read_text(encoding="utf-8").count("EVENTLOOM_THREAD=work\n") == 1
    signed(root)


def signed(root: Path) -> None:
    """The loom is what was signed, before and after another checkpoint; that one covers all of it."""
    loom = loom_at(root)
    report = loom.verify(ask_witnesses=False)
    assert report.ok, report.findings
    loom.checkpoint()
    report = loom.verify(ask_witnesses=False)
    assert report.ok, report.findings
    assert report.checkpointed_events == report.total_events


def one_key_in_force(root: Path) -> None:
    """Rotating again ends a rotation that broke off, and the loom is what was signed."""
    loom_at(root).rotate_key(SESSION)
    signed(root)


OPERATIONS: Final[Mapping[str, tuple[Operation, ...]]] = {
    "appends": (
        Operation("the first append", no_loom, append),
        Operation("a later append", three_events, append),
        Operation("an append to an open log", open_log, append),
        Operation("the first batch", no_loom, append_many),
        Operation("a later batch", three_events, append_many),
        Operation("an append that renews the change file", long_change_file, append),
        Operation("an append that is noted outside", with_key, append_noted),
    ),
    "rotations": (
        Operation("a rotation", three_events, rotate),
        Operation("a rotation of an open log", open_log, rotate),
        Operation("a rotation of a torn log", torn_tail, rotate),
        Operation("an append after half a rotation", half_rotated, append),
    ),
    "repairs": (
        Operation("a repair of a torn tail", torn_tail, append),
        Operation("a repair of a missing newline", no_newline, append),
        Operation("an append without caches", no_caches, append),
        Operation("an append to a restored log", marked_damaged, append),
    ),
    "init": (Operation("init", nothing, init, made_once, has_steps=True),),
    "signing": (
        Operation("the first checkpoint", with_key, checkpoint, signed),
        Operation("a later checkpoint", with_checkpoint, checkpoint, signed),
        Operation("a rotation of the key", with_checkpoint, rotate_key, one_key_in_force, has_steps=True),
    ),
}
