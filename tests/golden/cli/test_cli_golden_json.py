"""The JSON of every command has the shape that programs rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_golden import COMMANDS, HERE, answers


def test_every_command_answers_with_the_same_json_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, answer in answers():
        assert answer == (HERE / f"{name}.json").read_text(encoding="utf-8"), name


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in HERE.glob("*.json")} == set(COMMANDS)
