"""What a crash may leave at the end of a log: one rule, for those who repair it and for those who read it.

A record is acknowledged after its line is synced. One write may hold many lines, and a power loss in it may lose any of
its pages: they read as zeros, which JSON never holds. So what is torn is a last line without its newline, or all from
the first line with lost pages to the end: had anything behind it been synced, its pages would be there. What the side
index or a checkpoint knows was acknowledged, and is never taken for torn; any other bad line was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from zaxy.eventloom.index import SideIndex
from zaxy.eventloom.scan import MAX_LINE_BYTES, Line

CheckpointedSeq = Callable[[], int]
"""Gives the last sequence number of this log that a checkpoint holds, 0 for none."""

_LONGEST_TORN_BYTES: Final = 1024 * 1024 * 1024
"""No write is that long: what looks torn and is longer is damage."""


def acknowledged_end(index: SideIndex, size: int) -> int:
    """Return up to where a file of this size was acknowledged: where the last line begins that an index knows of.

    An entry is written after its record was synced, so what stands there was acknowledged, whatever it looks like now.

    Returns:
        That offset, or the file's end when the line lay behind it; -1 when the index knows none.
    """
    for position in reversed(range(len(index))):  # the index is not synced: a power loss may leave zeros at its end
        entry = index.entry(index.identity.first_seq + position)
        if entry is not None:
            return min(entry.offset, size)
    return -1


def was_acknowledged(index: SideIndex, seq: int, offset: int, end: int) -> bool:
    """Return whether the side index proves that an event was acknowledged at this place.

    Readers look before they read the line: by the time the index knows of a write that goes on meanwhile, it is whole.

    Args:
        index: Of the file. One that knows the event in another place is of another file, and proves nothing.
        seq: The event.
        offset: Where its line begins.
        end: What `acknowledged_end` said.
    """
    if seq - index.identity.first_seq >= len(index):
        return False
    entry = index.entry(seq)
    return offset <= end if entry is None else offset == entry.offset


class BadLine(NamedTuple):
    """The first bad line of a log.

    Attributes:
        line: The line; its content is not sound.
        seq: Number of the event that should stand there.
        acknowledged: What `was_acknowledged` said.
        size: Size of its file.
    """

    line: Line
    seq: int
    acknowledged: bool
    size: int


def holds_lost_page(data: bytes) -> bool:
    """Return whether bytes hold what a power loss leaves of a page that was never written.

    One zero inside a line is not taken for that: a single changed bit or byte may have made it.
    """
    return data.startswith(b"\x00") or b"\x00\x00" in data


def is_torn(bad: BadLine, acknowledged_seq: CheckpointedSeq | None = None) -> bool:
    """Return whether a bad line begins a torn tail, which reaches to the end of its file.

    Args:
        bad: The line.
        acknowledged_seq: Asked last, and only if all else speaks for a torn tail.

    Returns:
        True: nothing from this line on was ever acknowledged. False: it is damage.
    """
    line = bad.line
    ends_early = not line.complete and len(line.data) <= MAX_LINE_BYTES
    looks_torn = ends_early or holds_lost_page(line.data)
    if bad.acknowledged or not looks_torn or bad.size - line.offset > _LONGEST_TORN_BYTES:
        return False
    return acknowledged_seq is None or bad.seq > acknowledged_seq()
