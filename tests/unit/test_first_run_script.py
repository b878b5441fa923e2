"""The script that plays a new user: it types what the README shows, and fails when a step or the answer does."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from program_scripts import load_script

ROOT = Path(__file__).parents[2]
README = "# A program\n\n```sh\npip install .\n```\n\n```sh\n# first\nzaxy init\nzaxy recall x\n```\n"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("first_run")


def programs(folder: Path, body: str) -> Path:
    """Make a folder with a ``zaxy`` that does this."""
    (folder / "bin").mkdir()
    path = folder / "bin" / "zaxy"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return folder / "bin"


def walked(script: ModuleType, folder: Path, body: str) -> float:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    seconds = script.walk(README, programs(folder, body), folder, environment)
    assert isinstance(seconds, float)
    return seconds


def test_the_readme_shows_how_to_install_and_what_to_type_first(script: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script.commands(readme, "pip install")[0].startswith("pip install")
    steps = script.commands(readme, "zaxy init")
    assert steps[0] == "zaxy init"
    assert any(step.startswith("zaxy recall") for step in steps)
    assert script.commands(README, "zaxy init") == ["zaxy init", "zaxy recall x"]
    with pytest.raises(SystemExit, match="no step"):
        script.commands(README, "make")


def test_an_answer_that_cites_its_source_ends_the_clock(script: ModuleType, tmp_path: Path) -> None:
    assert walked(script, tmp_path, "echo eventloom://default/events/1") > 0


def test_a_step_that_fails_and_an_answer_without_a_source_are_failures(script: ModuleType, tmp_path: Path) -> None:
    for number, (body, told) in enumerate((("exit 3", "exit code 3"), ("echo nothing", "cited"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(SystemExit, match=told):
            walked(script, folder, body)
