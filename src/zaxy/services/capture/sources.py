"""What a log says of source files now, and what it has to be told when they change.

A source file is known by pieces: the passages of a document, the symbols of a module. When the file changes, pieces
that are new are recorded, and those that are not so any more are ended by an event that cites them. Nothing is
overwritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zaxy.clock import format_time, parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft, Event
from zaxy.ids import check_session_id, parse_citation
from zaxy.services.capture.document_files import named
from zaxy.services.capture.intake import Ingested, Parsed, Report, deliver
from zaxy.services.capture.sink import Progress, Sink

INVALIDATED: Final = "memory.invalidated"
_MAX_TARGETS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Naming:
    """Which members of a payload name what.

    Attributes:
        source: The member with the path of the source file.
        piece: The member that tells the pieces of that file apart.
    """

    source: str
    piece: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is so of a source file.

    Attributes:
        event_type: Such as ``code.symbol.indexed``.
        name: What it is called within the file.
        digest: Of what it says, hexadecimal; the payload has it as ``sha256`` or ``digest``.
        payload: What is recorded of it.
        key: Its idempotency key.
    """

    event_type: str
    name: str
    digest: str
    payload: Mapping[str, Any]
    key: str

    @property
    def place(self) -> tuple[str, str, str]:
        """What makes it the same as another one."""
        return self.event_type, self.name, self.digest


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of bringing a log up to what sources are now.

    Attributes:
        intake: What was recorded, endings included, and what could not be read.
        changed: How many sources are new or have changed.
        unchanged: How many are as the log has them.
        gone: How many the log had and are there no more.
    """

    intake: Ingested
    changed: int
    unchanged: int
    gone: int


@dataclass(slots=True)
class _Source:
    """What the log says of a source.

    Attributes:
        current: What is so now: the place of a piece, by citation.
        ended: The number of the event that ended a piece last, by the piece's place.
        latest: The latest moment that the log has of it.
    """

    current: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    ended: dict[tuple[str, str, str], int] = field(default_factory=dict)
    latest: int = 0


class HeldSources:
    """What one log holds of source files: a fold over its events.

    Args:
        events: The log's events in order, opened.
        naming: How the payloads of an event type name source and piece; other types are passed over.
    """

    def __init__(self, events: Iterable[Event], naming: Mapping[str, Naming]) -> None:
        self._sources: dict[str, _Source] = {}
        self._names: dict[str, str] = {}
        for event in events:
            if event.event_type == INVALIDATED:
                self._end(event)
            elif event.event_type in naming:
                self._hold(event, naming[event.event_type])

    def __bool__(self) -> bool:
        """Return whether the log says anything of any source now."""
        return any(known.current for known in self._sources.values())

    def under(self, name: str) -> list[str]:
        """Return which sources the log says something of now, sorted: this one and those within it."""
        held = (source for source, known in self._sources.items() if known.current)
        return sorted(source for source in held if source == name or source.startswith(f"{name}/"))

    def of(self, source: str) -> list[tuple[str, str, str]]:
        """Return what the log says of a source now: event type, name and digest of each piece, in order."""
        return list(self._sources.get(source, _Source()).current.values())

    def changes(self, source: str, pieces: Sequence[Piece], *, actor: str, moments: tuple[int, int]) -> Iterator[Draft]:
        """Yield what to record so that the log says of a source what is so now; nothing where it does.

        The endings come first. Whatever a killed process leaves of all that is taken from there by the next one.

        Args:
            source: Its name: repository and path.
            pieces: All that is so of it.
            actor: Who says so.
            moments: When it was changed and what "now" is, microseconds since 1970 UTC. Now counts where the log
                has something later of the source than the other one.
        """
        wanted = {piece.place: piece for piece in pieces}
        known = self._sources.get(source, _Source())
        gone = [citation for citation, place in known.current.items() if wanted.pop(place, None) is None]
        changed, now = moments
        occurred_at = format_time(changed if known.latest < changed <= now else now)
        for start in range(0, len(gone), _MAX_TARGETS):
            targets = gone[start : start + _MAX_TARGETS]
            reason = f"{source} has changed" if pieces else f"{source} holds nothing any more"
            digest = hashlib.sha256("\n".join(targets).encode()).hexdigest()
            payload = {"targets": targets, "invalid_at": occurred_at, "reason": reason}
            yield Draft(INVALIDATED, actor, payload, f"ended:{digest[:32]}")
        for place, piece in wanted.items():
            again = f":{known.ended[place]}" if place in known.ended else ""  # it was so once, ended, and is so again
            yield Draft(piece.event_type, actor, {**piece.payload, "occurred_at": occurred_at}, f"{piece.key}{again}")

    def _hold(self, event: Event, naming: Naming) -> None:
        told = event.payload
        path, repository = told.get(naming.source), told.get("repository", "")
        name, digest = told.get(naming.piece), told.get("sha256", told.get("digest"))
        if not isinstance(path, str) or not isinstance(digest, str) or name is None:
            return  # another program's, or sealed and forgotten
        source = f"{repository}/{path}" if repository else path
        known = self._sources.setdefault(source, _Source())
        known.current[event.citation] = (event.event_type, str(name), digest)
        known.latest = max(known.latest, event.occurred_moment)
        self._names[event.citation] = source

    def _end(self, event: Event) -> None:
        targets = event.payload.get("targets")
        for target in targets if isinstance(targets, list) else ():
            try:
                cited = str(parse_citation(target))
                moment = parse_time(event.payload.get("invalid_at", event.occurred_at))
            except InvalidInputError:
                continue
            known = self._sources[self._names[cited]] if cited in self._names else _Source()
            place = known.current.pop(cited, None)
            if place is not None:
                known.ended[place] = event.seq
                known.latest = max(known.latest, moment)


@dataclass(frozen=True, slots=True)
class SourceLog:
    """Where it is recorded what is so of sources.

    Attributes:
        sink: Takes the drafts.
        held: What the log holds of sources.
        session_id: The log.
        now: Microseconds since 1970 UTC.
    """

    sink: Sink
    held: HeldSources
    session_id: str
    now: int


Read = Callable[[Path], tuple[Sequence[Piece], int] | None]
"""Gives all that is so of a source and when that was last changed, microseconds; None where the log knows it so."""


def refresh(
    sources: Mapping[str, Path | None],
    read: Read,
    log: SourceLog,
    *,
    actor: str,
    report: Report,
    progress: Progress | None = None,
) -> Refreshed:
    """Bring a log up to what sources are now.

    A source that cannot be read is a finding and stays as it is known. Running it again, or two of it at once, adds
    nothing, and what a killed one left is finished by the next.

    Args:
        sources: By their names; those without a path are gone.
        read: Reads one of them. OSError and ValueError say why it cannot be; one that was not found is gone.
        log: Where it is recorded.
        actor: Who says so.
        report: Takes findings.
        progress: Told how many sources are done, of how many.
    """
    counts = {"changed": 0, "unchanged": 0, "gone": 0}

    def parsed() -> Iterator[Parsed]:
        for done, (name, path) in enumerate(sources.items(), start=1):
            found: tuple[Sequence[Piece], int] | None = ((), log.now)
            kind = "gone" if path is None else "changed"
            try:
                found = read(path) if path is not None else found
            except FileNotFoundError:
                kind = "gone"
            except OSError as error:
                report.find(name, 0, f"cannot be read: {error.strerror}")
                continue
            except ValueError as error:
                report.find(name, 0, str(error))
                continue
            finally:
                if progress is not None:
                    progress(done, len(sources))
            report.sources += kind == "changed"
            pieces, changed = found or ((), log.now)
            drafts = [*log.held.changes(name, pieces, actor=actor, moments=(changed, log.now))] if found else []
            counts[kind if drafts or kind == "gone" else "unchanged"] += 1
            yield from ((log.session_id, draft) for draft in drafts)

    check_session_id(log.session_id)
    return Refreshed(deliver(parsed(), log.sink, report), **counts)


def source_name(path: Path, repository: Path | None) -> str:
    """Return how a file or folder is called: those of the sources within a folder begin with it and ``/``.

    Args:
        path: Which, absolute.
        repository: The top folder of the repository that it is in.
    """
    return named(path, repository).identity.removesuffix("/.").rstrip("/")
