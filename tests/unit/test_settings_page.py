"""docs/settings.md tells of every setting what its class tells."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from program_scripts import load_script
from zaxy.config import setting_names, unknown_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("settings_page")


def test_the_page_is_current(script: ModuleType) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert page == script.written(page), "run: python scripts/settings_page.py"


def test_a_page_that_is_not_current_is_found(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "settings.md"
    page.write_text(script.PAGE.read_text(encoding="utf-8").replace("| 120 |", "| 121 |"), encoding="utf-8")
    monkeypatch.setattr(script, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["settings_page.py", "--check"])
    assert script.main() == 1
    monkeypatch.setattr(sys, "argv", ["settings_page.py"])
    assert script.main() == 0
    assert "| 120 |" in page.read_text(encoding="utf-8")


def test_every_setting_that_a_class_names_stands_in_a_table_once(script: ModuleType) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", page, re.MULTILINE)
    assert len(listed) == len(set(listed)) > 50
    assert {name.removesuffix("_FILE") for name in setting_names()} == set(listed)


def test_every_setting_that_the_code_reads_is_named_by_a_class() -> None:
    reading = re.compile(r"(?:get|number|flag|choice|secret|address|parts|pairs|share|_token|_header|_names|_word)\(")
    read = {
        name
        for path in (ROOT / "src" / "zaxy").glob("*.py")
        if path.name == "config.py" or path.name.endswith("_settings.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if reading.search(line)
        for name in re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', line)
    }
    assert len(read) > 40
    assert read - {"NO_COLOR"} <= setting_names()


def test_a_variable_that_looks_like_a_setting_and_is_none_is_told() -> None:
    told = {"ZAXY_ENV": "development", "ZAXY_LEVEL": "x", "EVENTLOOM_PAHT": "y", "HOME": "/", "ZAXY_EMPTY": ""}
    assert unknown_settings(told) == ("EVENTLOOM_PAHT", "ZAXY_LEVEL")
    assert unknown_settings({"MCP_ADMIN_TOKEN_FILE": "x", "MCP_OF_ANOTHER": "y"}) == ()
