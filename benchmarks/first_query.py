"""The first question of a new process: ``python -m benchmarks.first_query LOOM QUESTION``; prints what it cost."""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def _ask(loom: str, question: str) -> int:
    from zaxy import MemoryFabric

    async with MemoryFabric(eventloom_path=loom) as memory:
        return len(await memory.query(question))


def main() -> None:
    """Ask, and print the seconds from the first import to the answer, and how many hits there were."""
    start = time.perf_counter()
    hits = asyncio.run(_ask(sys.argv[1], sys.argv[2]))
    print(json.dumps({"seconds": time.perf_counter() - start, "hits": hits}))


if __name__ == "__main__":
    main()
