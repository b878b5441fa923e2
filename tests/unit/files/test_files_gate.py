"""The gate between readers of a file and what rewrites it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zaxy.errors import BusyError
from zaxy.files.gate import Gate


def test_readers_share_the_gate_and_keep_the_rewriter_out(tmp_path: Path) -> None:
    first, second, rewriter = (Gate(tmp_path / "gate") for _ in range(3))
    with (
        first.shared(timeout_seconds=0),
        second.shared(timeout_seconds=0),
        pytest.raises(BusyError),
        rewriter.alone(timeout_seconds=0.001),
    ):
        pass
    with rewriter.alone(timeout_seconds=0), pytest.raises(BusyError), first.shared(timeout_seconds=0):
        pass
    with first.shared(timeout_seconds=0):
        pass
    for gate in (first, second, rewriter):
        gate.close()
        gate.close()


def test_the_gate_opens_where_no_side_file_can_be_made(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "missing" / "gate")
    with gate.shared(timeout_seconds=0):
        assert os.listdir(tmp_path) == []
    gate.close()
