"""The text of a packet within its room: blocks in a fixed order, each filled as far as its share goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from zaxy.services.recall.checkout_text import heading, quote_label, shortened
from zaxy.services.recall.provenance import place_of
from zaxy.services.recall.results import Hit

_FEWEST_SHARES: Final = 2
_MOST_SHARES: Final = 16
_SHORTEST_QUOTE: Final = 160
_LONGEST_QUOTE: Final = 4_000
_LEAST_WORTH_QUOTING: Final = 60

ItemT = TypeVar("ItemT")


class Page:
    """Counts characters. Whoever puts something on a page asks it for room first.

    Args:
        room: Most characters of the whole text.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = 0

    @property
    def left(self) -> int:
        """Characters that are still free."""
        return self.room - self.used

    def take(self, characters: int) -> bool:
        """Reserve characters; return whether they were free."""
        if characters > self.left:
            return False
        self.used += characters
        return True


class Block:
    """A title and lines below it; a block without lines is not shown.

    Args:
        page: Whose room it uses.
        title: Its first line.
    """

    def __init__(self, page: Page, title: str) -> None:
        self._page = page
        self._title = title
        self._is_open = False
        self.lines: list[str] = []

    def open(self) -> bool:
        """Show the title whether or not there will be lines below it; return whether it fitted."""
        self._is_open = self._is_open or self._page.take(len(self._title) + 1)
        return self._is_open

    def add(self, line: str, *, within: int | None = None) -> bool:
        """Put a line below the others; return whether it fitted.

        Args:
            line: Without its line break.
            within: Most characters that the whole block may use; None: all that the page has.
        """
        cost = len(line) + 1 + (0 if self._is_open else len(self._title) + 1)
        if within is not None and self._size() + cost > within:
            return False
        if not self._page.take(cost):
            return False
        self._is_open = True
        self.lines.append(line)
        return True

    def fill(
        self, items: Sequence[ItemT], render: Callable[[ItemT], str], *, within: int | None = None
    ) -> tuple[list[ItemT], list[ItemT]]:
        """Add a line for each item that fits; return those that did, and those that did not."""
        kept: list[ItemT] = []
        left: list[ItemT] = []
        for item in items:
            (kept if self.add(render(item), within=within) else left).append(item)
        return kept, left

    def _size(self) -> int:
        return sum(len(line) + 1 for line in self.lines) + (len(self._title) + 1 if self._is_open else 0)

    def text(self) -> list[str]:
        """Return the block's lines with its title, nothing for an empty one."""
        return [self._title, *self.lines] if self._is_open else []


@dataclass(slots=True)
class _Stretch:
    """Events of one session and day, quoted under one heading."""

    session_id: str
    rank: int
    lines: dict[tuple[int, int], str] = field(default_factory=dict)
    times: dict[int, str] = field(default_factory=dict)
    sources: dict[int, str] = field(default_factory=dict)

    def heading(self, hit: Hit | None = None) -> str:
        """Return the heading, with one more event under it where one is given."""
        times = self.times if hit is None else {**self.times, hit.seq: hit.occurred_at}
        sources = self.sources if hit is None else {**self.sources, **_source_of(hit)}
        return heading(self.session_id, times, tuple(times.values()), sources)


def _source_of(hit: Hit) -> dict[int, str]:
    source = hit.metadata.get("source")
    return {hit.seq: str(source)} if source else {}


class EvidenceBlock:
    """Quotations, grouped so that one heading cites a stretch of events: best stretch first, in order inside.

    Args:
        page: Whose room it uses.
        title: Its first line.
        stems: What long texts are shortened around.
        events: How many events there are to quote: where there are few, more of each is shown.
    """

    def __init__(self, page: Page, title: str, stems: Collection[str], events: int) -> None:
        self._page = page
        self._title = title
        self._stems = stems
        self._stretches: dict[tuple[str, str], _Stretch] = {}
        share = page.room // max(_FEWEST_SHARES, min(_MOST_SHARES, events))
        self._limit = max(_SHORTEST_QUOTE, min(_LONGEST_QUOTE, share))

    def add(self, hit: Hit, rank: int, *, shorten: bool = False) -> bool:
        """Quote an event; return whether it fitted.

        Args:
            hit: The event; not one that was added before.
            rank: How wanted it is, 0 the most: stretches are ordered by their most wanted event.
            shorten: Whether it may be cut down to the room that is left.
        """
        if self._page.left < _LEAST_WORTH_QUOTING:
            return False
        key = (hit.session_id, hit.occurred_at[:10])
        stretch = self._stretches.get(key) or _Stretch(hit.session_id, rank)
        before = len(stretch.heading()) + 1 if stretch.lines else 0
        over = len(stretch.heading(hit)) + 1 - before + (0 if self._stretches else len(self._title) + 1)
        label = quote_label(hit)
        free = self._page.left - over - len(label) - 1
        limit = min(self._limit, max(free, _LEAST_WORTH_QUOTING)) if shorten else self._limit
        line = f"{label}{shortened(hit.content, limit, self._stems)}"
        if not self._page.take(over + len(line) + 1):
            return False
        stretch.lines[place_of(hit).seq, hit.seq], stretch.times[hit.seq] = line, hit.occurred_at
        stretch.sources |= _source_of(hit)
        stretch.rank = min(rank, stretch.rank)
        self._stretches[key] = stretch
        return True

    def text(self) -> list[str]:
        """Return the block's lines with its title, nothing for an empty one."""
        lines = [self._title] if self._stretches else []
        for stretch in sorted(self._stretches.values(), key=lambda stretch: stretch.rank):
            lines += [stretch.heading(), *(line for _, line in sorted(stretch.lines.items()))]
        return lines
