"""Compaction projections of version 3: JSON files that name events which stand for others.

They are derived and come from anywhere, so one is taken only if the log confirms the hash of every event that it cites;
else it is left out, with the reason. Its own texts are never used: an event's words are read from the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import IntegrityError, InvalidInputError, ZaxyError
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import CITED_HASH_DIGITS, EventRef, parse_citation

_PATTERNS: Final = ("*.compaction.json", "projections/*.compaction.json")
_LARGEST_BYTES: Final = 32 * 1024 * 1024
_MOST_CITATIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Artefact:
    """A compaction projection.

    Attributes:
        path: Its file.
        records: The events that stand for others; none where it is not taken.
        sources: What they stand for.
        reason: Why it is not taken, None where it is.
    """

    path: Path
    records: tuple[EventRef, ...] = ()
    sources: frozenset[EventRef] = frozenset()
    reason: str | None = None


def find_artefacts(loom: Eventloom, named: Sequence[Path] = ()) -> Iterator[Artefact]:
    """Yield the artefacts in a loom and those that are named, each once, checked against the log as it is now.

    Args:
        loom: The loom.
        named: Files elsewhere.
    """
    found = [path for pattern in _PATTERNS for path in sorted(loom.path.glob(pattern))]
    for path in dict.fromkeys(path.absolute() for path in (*found, *named)):
        try:
            yield _read(loom, path)
        except OSError as error:
            yield Artefact(path, reason=f"it cannot be read: {error.strerror}")
        except ZaxyError as error:
            yield Artefact(path, reason=error.message)


def _read(loom: Eventloom, path: Path) -> Artefact:
    if path.exists() and not path.is_file():  # opening a pipe would wait for who writes to it
        raise InvalidInputError("it is not a file")
    with path.open("rb") as file:
        raw = file.read(_LARGEST_BYTES + 1)
    try:
        told: Any = orjson.loads(raw) if len(raw) <= _LARGEST_BYTES else None
        records = [each["event_ref"] for each in told["records"]]
        sources = {text for each in told["records"] for text in (*each["citations"], *each["identities"])}
        cited = {*records, *sources, *told["source_identities"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError("it has not the form of a compaction projection") from error
    if not records or len(cited) > _MOST_CITATIONS:
        raise InvalidInputError(f"it has {len(records):,} records and cites {len(cited):,} events")
    refs = _confirmed(loom, cited)
    return Artefact(path, tuple(refs[text] for text in records), frozenset(refs[text] for text in sources))


def _confirmed(loom: Eventloom, cited: Iterable[Any]) -> dict[str, EventRef]:
    """Return the event of each citation.

    Raises:
        ZaxyError: One is none, has no hash, or names an event that the log does not hold or that has another hash.
    """
    refs: dict[str, EventRef] = {}
    for text in cited:
        citation = parse_citation(text)
        if len(citation.hash_prefix) < CITED_HASH_DIGITS:
            raise IntegrityError(f"it cites {citation} without a hash, which nothing can confirm")
        refs[text] = loom.resolve(citation).ref
    return refs
