"""Blocks of the forward index that were read lately, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from zaxy.projections.columns import Block

MOST_BYTES: Final = 32 * 1024 * 1024
"""What is told of nearly 100,000 short turns; one question looks at some 160 blocks of 5 KB each."""


class BlockCache:
    """Keeps blocks by place up to a size, those that were asked for last. Its owner serializes the calls.

    It knows nothing of changes: whoever changes the index, or sees that another did, clears it.

    Args:
        most_bytes: How much it may hold.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._bytes = 0

    def get(self, places: Sequence[int], fetch: Callable[[Sequence[int]], Mapping[int, Block]]) -> Mapping[int, Block]:
        """Return the blocks at these places; ``fetch`` gives those that are not held."""
        held, found, missing = self._blocks, dict[int, Block](), list[int]()
        for place in places:
            block = held.get(place)
            if block is None:
                missing.append(place)
            else:
                found[place] = block
                held.move_to_end(place)
        if missing:
            new = fetch(missing)
            found.update(new)
            held.update(new)
            self._bytes += sum(block.size for block in new.values())
        while self._bytes > self._most_bytes:
            self._bytes -= held.popitem(last=False)[1].size
        return found

    def clear(self) -> None:
        """Hold nothing any more."""
        self._blocks.clear()
        self._bytes = 0
