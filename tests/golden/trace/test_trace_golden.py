"""The trace of a loom has the shape that programs rely on."""

from __future__ import annotations

from pathlib import Path

from trace_golden import GOLDEN, document


def test_the_trace_of_everything_is_the_same_as_before(tmp_path: Path) -> None:
    assert document(tmp_path) == GOLDEN.read_text(encoding="utf-8")
