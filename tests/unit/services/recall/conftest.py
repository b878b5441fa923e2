"""Every test of recall runs on the log's tail alone and on stores that took everything in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from recall_memory import RecallMemory


@pytest.fixture(params=["tail", "stores"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecallMemory]:
    """A memory with nothing in it."""
    made = RecallMemory(tmp_path, caught_up=request.param == "stores")
    yield made
    made.memory.close()
