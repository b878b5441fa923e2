"""Reading one log file in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zaxy.errors import LogDamagedError, NotALogError
from zaxy.interfaces.cli.failure import show_error
from zaxy.interfaces.cli.options import Outcome
from zaxy.interfaces.cli.render import event_line
from zaxy.interfaces.cli.text import say, say_json, warn

if TYPE_CHECKING:
    from zaxy.eventloom.event import Event
    from zaxy.eventloom.log import EventLog
    from zaxy.eventloom.vault.opening import Opener
    from zaxy.eventloom.verification import IntegrityReport


@click.command()
@click.argument("path", type=click.Path(), metavar="PATH")
@click.option("--from-seq", type=click.IntRange(min=1), default=1, metavar="N", help="First event.  [default: 1]")
@click.option("--to-seq", type=click.IntRange(min=1), metavar="M", help="Last event.  [default: the end]")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def replay(path: str, *, from_seq: int, to_seq: int | None, as_json: bool) -> Outcome:
    """Check a log and print its events in order.

    PATH is one log file, also a closed segment in the archive. Without a range the whole log is checked; with one, only
    the events in it are.

    \b
    Example:
      zaxy replay .eventloom/default.jsonl
      zaxy replay .eventloom/default.jsonl --from-seq 2 --to-seq 3 --json
    """
    log = _open(path)
    report = log.verify() if from_seq == 1 and to_seq is None else None
    reading = _Reading(log, from_seq, to_seq)
    if as_json:
        events = list(reading.events())
        integrity = _integrity(report, reading.damage)
        say_json(
            {
                "from_seq": from_seq,
                "to_seq": to_seq,
                "integrity": integrity,
                "events": events,
                "warnings": _notes(report),
            }
        )
        return 3 if integrity["ok"] is False else None
    return _show(reading, report)


def _open(path: str) -> EventLog:
    from zaxy.eventloom.log import EventLog

    if path.strip() and Path(path).is_dir():
        raise NotALogError(f"{path} is a folder, not a log", remedy="name one .jsonl file in it")
    log = EventLog(path)
    log.reader.require()
    return log


@dataclass(slots=True)
class _Reading:
    """One pass over a log; remembers the damage that ended it."""

    log: EventLog
    from_seq: int
    to_seq: int | None
    damage: LogDamagedError | None = None
    _opener: Opener | None = None

    def events(self) -> Iterator[Event]:
        """Yield the events, sealed ones opened where that can be done."""
        from zaxy.vocabulary.payloads import CIPHER_KEY

        try:
            for event in self.log.replay(self.from_seq, self.to_seq):
                yield self._opened(event) if CIPHER_KEY in event.payload else event
        except LogDamagedError as error:
            self.damage = error

    def _opened(self, event: Event) -> Event:
        if self._opener is None:
            self._opener = _opener(self.log)
        return self._opener.open(event)


def _opener(log: EventLog) -> Opener:
    """Return what opens the sealed events of a log: with the keys of the loom that its file lies in."""
    from zaxy.config import load_settings
    from zaxy.eventloom.loom import Eventloom
    from zaxy.eventloom.vault.opening import Opener

    folder = log.layout.folder
    return Opener.of(load_settings(eventloom_path=folder), Eventloom(folder))


def _integrity(report: IntegrityReport | None, damage: LogDamagedError | None) -> dict[str, Any]:
    """Return what is known of the log's integrity; ``ok`` is null when only a sound window of it was read."""
    if report is not None:
        return {
            "ok": report.ok,
            "total_events": report.total_events,
            "broken_at_seq": report.broken_at_seq,
            "broken_reason": report.broken_reason,
        }
    return {
        "ok": None if damage is None else False,
        "total_events": None,
        "broken_at_seq": None if damage is None else damage.seq,
        "broken_reason": None if damage is None else getattr(damage.__cause__, "message", damage.message),
    }


def _notes(report: IntegrityReport | None) -> list[str]:
    return [finding.message for finding in report.findings] if report is not None and report.ok else []


def _show(reading: _Reading, report: IntegrityReport | None) -> Outcome:
    events = reading.events()
    first = next(events, None)  # what is no log at all fails here, before anything is printed
    if report is None:
        say("Integrity: not checked outside the window")
    else:
        say(f"Integrity: {'OK' if report.ok else 'FAILED'}")
        say(f"Total events: {report.total_events}")
    say(f"Replay window: {reading.from_seq}..{reading.to_seq or 'HEAD'}")
    warn(_notes(report))
    if first is not None:
        for event in chain([first], events):
            say(event_line(event))
    found = _integrity(report, reading.damage)
    if found["ok"] is not False:
        return None
    say(f"Broken at seq: {found['broken_at_seq']}")
    say(f"Reason: {found['broken_reason']}")
    show_error(reading.damage or _damage(reading.log, found))
    return 3


def _damage(log: EventLog, found: dict[str, Any]) -> LogDamagedError:
    return LogDamagedError(
        f"the log {log.path} is damaged at event {found['broken_at_seq']}: {found['broken_reason']}",
        session_id=log.session_id,
        seq=found["broken_at_seq"],
        remedy="restore the file from a backup, then run: zaxy status",
    )
