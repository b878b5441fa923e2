"""What the tests of governance share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from governed_memory import GovernedMemory


@pytest.fixture
def governed(tmp_path: Path) -> Iterator[GovernedMemory]:
    """An empty memory whose time is told by the test."""
    made = GovernedMemory(tmp_path)
    yield made
    made.memory.close()
