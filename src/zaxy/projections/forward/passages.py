"""Candidates with what stands around them, as columns: what a question is scored on, all at once.

Needs numpy, which is imported when the first question is asked: a command that only writes never loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zaxy.ids import EventRef
from zaxy.projections.forward.features import COUNT_BITS, FIGURES_DTYPE, MOST_COUNTED, digest_of
from zaxy.projections.protocols import ForwardReader, ForwardRow, Range
from zaxy.projections.selection import Names, Selection, knowledge_slices

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RADIUS: Final = 8
"""How many sequence numbers on either side of a candidate are its context."""

_SEQ_BITS: Final = 40


@dataclass(frozen=True, slots=True)
class Passages:
    """Rows of the forward index as columns: entry ``i`` of each column belongs to one event.

    Rows are ordered by session and seq, n of them.

    Attributes:
        sessions: The sessions that ``session`` counts in, ordered.
        session: int32[n]: which session.
        seq: int64[n]: the place there.
        occurred: int64[n]: when it happened in the world (microseconds).
        speakers: The speakers that ``speaker`` counts in, ordered.
        speaker: int32[n]: who said it.
        flags: int64[n]: bits of `zaxy.projections.forward.features`.
        length: float32[n]: how many terms the event has.
        first_person: float32[n]: the share of its words that are of the first person; 0 without words.
        capitals: float32[n]: how many of its words are capitalized without beginning a sentence.
        counts: float32[n, terms]: how often each asked term stands in it, at most 255.
        stretch: int32[n]: rows with the same number are neighbours, in order.
        admitted: bool[n]: whether an answer may hold the event.
    """

    sessions: tuple[str, ...]
    session: npt.NDArray[np.int32]
    seq: npt.NDArray[np.int64]
    occurred: npt.NDArray[np.int64]
    speakers: tuple[str, ...]
    speaker: npt.NDArray[np.int32]
    flags: npt.NDArray[np.int64]
    length: npt.NDArray[np.float32]
    first_person: npt.NDArray[np.float32]
    capitals: npt.NDArray[np.float32]
    counts: npt.NDArray[np.float32]
    stretch: npt.NDArray[np.int32]
    admitted: npt.NDArray[np.bool_]


def read_passages(
    index: ForwardReader, refs: Iterable[EventRef], terms: Sequence[str], selection: Selection, *, radius: int = RADIUS
) -> Passages:
    """Return candidates and their context as columns.

    Context is read whether or not it is admitted; a candidate that has no row, such as housekeeping, is left out.

    Args:
        index: What holds the rows.
        refs: The candidates, in any order.
        terms: The analyzed terms that are counted.
        selection: Decides what is admitted.
        radius: How many sequence numbers on either side are context.
    """
    import numpy as np

    ranges = windows(refs, radius)
    rows = index.rows(ranges)
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(ForwardRow._fields)
    of = dict(zip(ForwardRow._fields, columns, strict=True))
    sessions, session = _factorized(of["session_id"])
    speakers, speaker = _factorized(of["speaker"])
    seq = np.array(of["seq"], np.int64)
    figures = np.frombuffer(b"".join(of["figures"]), FIGURES_DTYPE)
    return Passages(
        sessions=sessions,
        session=session,
        seq=seq,
        occurred=figures["occurred"].astype(np.int64),
        speakers=speakers,
        speaker=speaker,
        flags=figures["flags"].astype(np.int64),
        length=figures["length"].astype(np.float32),
        first_person=(figures["first_person"] / np.maximum(figures["words"], 1)).astype(np.float32),
        capitals=figures["capitals"].astype(np.float32),
        counts=_counts(of["terms"], terms),
        stretch=_stretches(ranges, sessions, session, seq),
        admitted=_admitted(of, figures, index.endings(ranges), selection),
    )


def windows(refs: Iterable[EventRef], radius: int) -> list[Range]:
    """Return what lies within ``radius`` of these events, as ranges in order that neither overlap nor touch."""
    found: list[Range] = []
    for session_id, seq in sorted({(ref.session_id, ref.seq) for ref in refs}):
        first, last = max(1, seq - radius), seq + radius
        if found and found[-1][0] == session_id and first <= found[-1][2] + 1:
            found[-1] = (session_id, found[-1][1], last)
        else:
            found.append((session_id, first, last))
    return found


def _factorized(names: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    import numpy as np

    distinct = tuple(sorted(set(names)))
    number = {name: place for place, name in enumerate(distinct)}
    return distinct, np.array([number[name] for name in names], np.int32)


def _counts(blobs: Sequence[bytes], terms: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return how often each term stands in each row: one pass over the terms of all rows for each asked term."""
    import numpy as np

    entries = np.frombuffer(b"".join(blobs), "<u8")
    ends = np.cumsum([len(blob) // entries.itemsize for blob in blobs], dtype=np.int64)
    counts = np.zeros((len(blobs), len(terms)), np.float32)
    digests = entries >> np.uint64(COUNT_BITS)
    for column, term in enumerate(terms):
        places = np.flatnonzero(digests == np.uint64(digest_of(term)))
        counts[np.searchsorted(ends, places, side="right"), column] = entries[places] & np.uint64(MOST_COUNTED)
    return counts


def _stretches(
    ranges: Sequence[Range], sessions: Sequence[str], session: npt.NDArray[np.int32], seq: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Return the number of the range that each row is from."""
    import numpy as np

    number = {name: place for place, name in enumerate(sessions)}
    starts = [number[name] << _SEQ_BITS | first for name, first, _ in ranges if name in number]
    places = session.astype(np.int64) << _SEQ_BITS | seq
    return (np.searchsorted(np.array(starts, np.int64), places, side="right") - 1).astype(np.int32)


def _admitted(
    of: Mapping[str, Sequence[Any]],
    figures: npt.NDArray[np.void],
    endings: Mapping[EventRef, list[tuple[int, int]]],
    selection: Selection,
) -> npt.NDArray[np.bool_]:
    """Return what `Selection.admits` and `Selection.sees` say of each row, a filter at a time."""
    occurred, recorded = figures["occurred"], figures["recorded"]
    admitted: npt.NDArray[np.bool_] = (occurred <= selection.latest_world) & (recorded <= selection.knowledge_moment)
    if selection.occurred_from is not None:
        admitted &= occurred >= selection.occurred_from
    for member, chosen in (
        ("session_id", selection.sessions),
        ("event_type", selection.event_types),
        ("actor", selection.actors),
    ):
        if chosen is not None:
            admitted &= _chosen(of[member], chosen)
    if endings:
        for place, ref in enumerate(map(EventRef, of["session_id"], of["seq"])):
            if ref in endings:
                admitted[place] &= selection.sees(knowledge_slices(int(recorded[place]), endings[ref]))
    return admitted


def _chosen(names: Sequence[str], chosen: Names) -> npt.NDArray[np.bool_]:
    import numpy as np

    among = {name for name in set(names) if name in chosen}
    return np.array([name in among for name in names], np.bool_)
