"""Sharing many cases out among processes, one for each core."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from fault_processes import Say, memory_folder, start

Work = Callable[[range, Path], Counter[str]]
"""Does some of the cases in a folder in memory, and counts what it found."""


def shared_out(cases: int, work: Work) -> Counter[str]:
    """Do cases 0 .. ``cases`` - 1 in processes of their own and return the sum of what they counted."""
    total: Counter[str] = Counter()
    children = [start(_one(share, work)) for share in _shares(cases, len(os.sched_getaffinity(0)))]
    ended = [child.finish() for child in children]  # all of them, before one that failed is told
    for code, lines in ended:
        assert code == 0, f"a process ended with {code}; what it found stands above"
        total += Counter(json.loads(lines[-1]))
    return total


def _one(share: range, work: Work) -> Callable[[Say], None]:
    def do(say: Say) -> None:
        logging.disable()  # a warning for each repair says nothing here
        with memory_folder() as folder:
            say(json.dumps(work(share, folder)))

    return do


def _shares(cases: int, processes: int) -> Iterator[range]:
    for number in range(processes):
        yield range(cases * number // processes, cases * (number + 1) // processes)
