"""Candidates with what stands around them, as columns: what a question is scored on, all at once.

Needs numpy, which is imported when the first question is asked: a command that only writes never loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zaxy.ids import EventRef
from zaxy.projections.columns import Columns, factorized
from zaxy.projections.protocols import ForwardReader, Range
from zaxy.projections.selection import Mark, Names, Selection

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RADIUS: Final = 8
"""How many sequence numbers on either side of a candidate are its context."""

_SEQ_BITS: Final = 40
_LAST_SEQ: Final = (1 << _SEQ_BITS) - 1


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
        counter: Counts other terms in the same rows.
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
    counter: Callable[[Sequence[str]], npt.NDArray[np.float32]]


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
    columns = index.read(ranges)
    chosen, stretch = _inside(columns, ranges)
    rows = columns.rows[chosen]
    sessions, session = factorized(columns.session[chosen], columns.sessions)
    speakers, speaker = factorized(rows["speaker"], columns.names)
    return Passages(
        sessions=sessions,
        session=session,
        seq=rows["seq"].astype(np.int64),
        occurred=rows["occurred"].astype(np.int64),
        speakers=speakers,
        speaker=speaker,
        flags=rows["flags"].astype(np.int64),
        length=rows["length"].astype(np.float32),
        first_person=(rows["first_person"] / np.maximum(rows["words"], 1)).astype(np.float32),
        capitals=rows["capitals"].astype(np.float32),
        counts=_rows_of(columns.counts(terms), chosen),
        stretch=stretch,
        admitted=_admitted(columns, rows, columns.session[chosen], index.endings(ranges), selection),
        counter=lambda more: _rows_of(columns.counts(more), chosen),
    )


def admitted(index: ForwardReader, refs: Iterable[EventRef], selection: Selection) -> set[EventRef]:
    """Return which of these events an answer may hold; one that has no row, such as housekeeping, is none of them."""
    passages = read_passages(index, refs, (), selection, radius=0)
    places = zip(passages.session[passages.admitted].tolist(), passages.seq[passages.admitted].tolist(), strict=True)
    return {EventRef(passages.sessions[session], seq) for session, seq in places}


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


def _inside(columns: Columns, ranges: Sequence[Range]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return which rows lie in the ranges, by session and seq, and the number of the range that each is from.

    Args:
        columns: The rows, in any order.
        ranges: In order; they do not overlap.
    """
    import numpy as np

    rank = {name: place for place, name in enumerate(dict.fromkeys(name for name, _, _ in ranges))}
    starts = np.array([rank[name] << _SEQ_BITS | first for name, first, _ in ranges], np.int64)
    ends = np.array([rank[name] << _SEQ_BITS | min(last, _LAST_SEQ) for name, _, last in ranges], np.int64)
    ranks = np.array([rank[name] for name in columns.sessions], np.int64)
    places = ranks[columns.session] << _SEQ_BITS | columns.rows["seq"]
    chosen = np.argsort(places, kind="stable")  # rows of one layer come in order, and almost all are inside
    ordered = places[chosen]
    first, behind = np.searchsorted(ordered, starts), np.searchsorted(ordered, ends, side="right")
    sizes = behind - first
    inside = np.arange(sizes.sum()) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
    return chosen[inside], np.repeat(np.arange(len(ranges), dtype=np.int32), sizes)


def _rows_of(columns: npt.NDArray[np.float32], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return some rows; each column stays in one piece."""
    import numpy as np

    return np.take(columns.T, chosen, axis=1).T


def _admitted(
    columns: Columns,
    rows: npt.NDArray[np.void],
    session: npt.NDArray[np.int64],
    endings: Mapping[EventRef, list[Mark]],
    selection: Selection,
) -> npt.NDArray[np.bool_]:
    """Return what `Selection.admits` and `Selection.keeps` say of some rows of the columns, a filter at a time."""
    import numpy as np

    occurred, recorded = rows["occurred"], rows["recorded"]
    admitted: npt.NDArray[np.bool_] = (occurred <= selection.latest_world) & (recorded <= selection.knowledge_moment)
    if selection.occurred_from is not None:
        admitted &= occurred >= selection.occurred_from
    for numbers, names, wanted in (
        (session, columns.sessions, selection.sessions),
        (rows["event_type"], columns.names, selection.event_types),
        (rows["actor"], columns.names, selection.actors),
    ):
        if wanted is not None:
            admitted &= _among(numbers, names, wanted)
    ended = [ref for ref, marks in endings.items() if not selection.keeps(marks)]
    if ended:
        places: dict[str, list[int]] = {}
        for number, name in enumerate(columns.sessions):  # a name stands there once a layer
            places.setdefault(name, []).append(number << _SEQ_BITS)
        gone = [place | ref.seq for ref in ended for place in places.get(ref.session_id, ())]
        admitted &= ~np.isin(session << _SEQ_BITS | rows["seq"], np.array(gone, np.int64))
    return admitted


def _among(numbers: npt.NDArray[np.integer], names: Sequence[str], wanted: Names) -> npt.NDArray[np.bool_]:
    """Return which entries of a column name something that is wanted."""
    import numpy as np

    used, inverse = np.unique(numbers, return_inverse=True)
    among: npt.NDArray[np.bool_] = np.array([names[number] in wanted for number in used.tolist()], np.bool_)
    return among[inverse]
