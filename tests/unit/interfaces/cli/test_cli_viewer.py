"""``zaxy viewer`` and ``zaxy dashboard``: what is written, what is refused, and the exit codes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from viewer_pages import parsed
from zaxy.interfaces.cli.viewer_commands import viewer

pytestmark = pytest.mark.usefixtures("folder")


def rows(path: Path) -> list[str]:
    return [row["summary"] for row in parsed(path.read_text(encoding="utf-8")).all("rows")]


def test_a_loom_becomes_one_file_that_only_its_owner_reads(folder: Path) -> None:
    record("Ship the parser")
    record("Plan the release", "--session-id", "plans")
    done = zaxy("viewer", ".eventloom", "--output", "memory.html")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"Wrote 2 events to {folder.resolve() / 'memory.html'}\n"
    assert sorted(rows(folder / "memory.html")) == ["Plan the release", "Ship the parser"]
    assert stat.S_IMODE(os.stat(folder / "memory.html").st_mode) == 0o600


def test_one_log_or_one_session_alone_can_be_shown(folder: Path) -> None:
    record("Ship the parser")
    record("Plan the release", "--session-id", "plans")
    assert zaxy("viewer", ".eventloom/plans.jsonl", "--output", "memory.html").exit_code == 0
    assert rows(folder / "memory.html") == ["Plan the release"]
    assert zaxy("viewer", "--session-id", "default", "--output", "memory.html").exit_code == 0
    assert rows(folder / "memory.html") == ["Ship the parser"]


def test_json_tells_what_was_written(folder: Path) -> None:
    for title in ("Ship the parser", "Plan the release"):
        record(title)
    told = answer("viewer", ".eventloom", "--output", "memory.html", "--limit", "1")
    assert told == {"output": str(folder.resolve() / "memory.html"), "events": 1, "left_out": 1, "damaged": {}}


def test_a_damaged_loom_is_shown_and_the_exit_code_says_so(folder: Path) -> None:
    for number in range(3):
        record(f"Goal {number}")
    log = folder / ".eventloom" / "default.jsonl"
    log.write_bytes(log.read_bytes().replace(b"Goal 1", b"Goal X"))
    done = zaxy("viewer", ".eventloom", "--output", "memory.html")
    assert done.exit_code == 3
    assert "up to its damage" in done.stderr
    assert rows(folder / "memory.html") == ["Goal 0"]


def test_a_path_and_an_option_that_name_one_loom_agree(folder: Path) -> None:
    record("Ship the parser")
    words = (".eventloom", "--eventloom-path", str(folder / ".eventloom"), "--output", "memory.html")
    assert zaxy("viewer", *words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nowhere", "--output", "memory.html"), 2, "there is no nowhere"),
        (("README.md", "--output", "memory.html"), 2, "not a log"),
        ((".eventloom", "--output", ".eventloom/default.jsonl"), 2, "lies in the loom"),
        ((".eventloom", "--output", "gone/memory.html"), 2, "there is no folder"),
        ((".eventloom", "--output", "memory.html", "--session-id", "wrok"), 2, "there is no session"),
        ((".eventloom", "--eventloom-path", "elsewhere", "--output", "memory.html"), 2, "both name a loom"),
        ((".eventloom", "--output", ""), 2, "is not a file"),
        (("docs", "--output", "memory.html"), 2, "there is no"),
    ],
)
def test_what_cannot_be_done_is_refused_and_writes_nothing(
    folder: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    record("Ship the parser")
    (folder / "README.md").write_text("# A project\n")
    before = (folder / ".eventloom" / "default.jsonl").read_bytes()
    done = zaxy("viewer", *words)
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr
    assert not (folder / "memory.html").exists()
    assert (folder / ".eventloom" / "default.jsonl").read_bytes() == before


def test_the_guide_names_every_option_of_the_viewer() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "viewer.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(--[a-z-]+)", guide, re.MULTILINE))
    shared = {"--eventloom-path", "--projection-backend"}
    options = {name for option in viewer.params for name in option.opts if name.startswith("--")}
    assert told == options - shared


def test_a_dashboard_of_no_memory_is_refused() -> None:
    done = zaxy("dashboard", "--port", "0")
    assert done.exit_code == 2
    assert "zaxy init" in done.stderr
