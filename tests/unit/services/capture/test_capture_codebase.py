"""Indexing a codebase again and again: what is new is recorded, what is not so any more is ended, nothing twice."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from zaxy.errors import NotFoundError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.services.capture.code.codebase import index_codebase
from zaxy.services.capture.code.pieces import NAMING
from zaxy.services.capture.sink import Recorded
from zaxy.services.capture.sources import HeldSources, Refreshed, SourceLog

NOW = 1_800_000_000_000_000
OLD = 1_700_000_000_000_000
SESSION = "codebase"


class _KilledError(Exception):
    """Stands for the end of a process."""


class _Sink:
    """A loom that a process stops writing to after so many drafts, one a call so that it may stop anywhere."""

    def __init__(self, loom: Eventloom, last: int = 1_000_000) -> None:
        self._loom = loom
        self._left = last

    def record(self, session_id: str, drafts: Sequence[Draft]) -> Recorded:
        added = 0
        for draft in drafts:
            if self._left == 0:
                raise _KilledError
            self._left -= 1
            added += self._loom.commit(session_id, [draft])[0].added
        return Recorded(added, len(drafts) - added)


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    return Eventloom(tmp_path / "loom", state_path=tmp_path / "state")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with two modules, a manifest, a report that git ignores, and a folder that it ignores."""
    folder = tmp_path / "shop"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    put(
        folder,
        {
            ".gitignore": "build/\ncoverage.xml\n",
            "src/shop/__init__.py": "",
            "src/shop/parser.py": TEXT,
            "src/shop/clock.py": "def now():\n    return 1\n",
            "build/made.py": "def made(): pass\n",
            "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["click>=8"]\n',
            "coverage.xml": COBERTURA,
            "notes.md": "# Notes",
        },
    )
    return folder


TEXT = "from shop.clock import now\n\ndef parse():\n    return now()\n\n\ndef check():\n    pass\n"
COBERTURA = """<?xml version="1.0"?><coverage><sources><source>src</source></sources><packages><package><classes>
<class filename="shop/clock.py"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class>
</classes></package></packages></coverage>"""


def put(folder: Path, files: Mapping[str, str | bytes], moment: int = OLD) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, ns=(moment * 1_000, moment * 1_000))


def held(loom: Eventloom) -> HeldSources:
    return HeldSources(loom.log(SESSION).replay() if loom.stat(SESSION) else (), NAMING)


def index(loom: Eventloom, folder: Path, last: int = 1_000_000) -> Refreshed:
    return index_codebase(folder, SourceLog(_Sink(loom, last), held(loom), SESSION, NOW))


def events(loom: Eventloom) -> list[Event]:
    return list(loom.log(SESSION).replay()) if loom.stat(SESSION) else []


def current(loom: Eventloom) -> dict[str, list[str]]:
    """Return the names of the pieces that hold now, by source."""
    known = held(loom)
    return {name: [place[1] for place in known.of(name)] for name in (*known.under("shop"),)}


PARSER = "shop/src/shop/parser.py"


def test_a_codebase_becomes_files_symbols_dependencies_and_coverage(loom: Eventloom, shop: Path) -> None:
    done = index(loom, shop)
    assert (done.changed, done.unchanged, done.gone) == (5, 0, 0)
    assert Counter(event.event_type for event in events(loom)) == {
        "code.file.indexed": 3,
        "code.symbol.indexed": 3,
        "code.dependencies.indexed": 1,
        "code.coverage.indexed": 1,
    }
    parse = next(event.payload for event in events(loom) if event.payload.get("symbol") == "parse")
    assert parse["calls"] == ["shop.clock.now"]
    assert (parse["path"], parse["repository"], parse["line_from"], parse["line_to"]) == (
        "src/shop/parser.py",
        "shop",
        3,
        4,
    )
    assert parse["occurred_at"] == "2023-11-14T22:13:20.000000Z"
    covered = next(event.payload for event in events(loom) if event.event_type == "code.coverage.indexed")
    assert (covered["path"], covered["percent"], covered["missing"]) == ("src/shop/clock.py", 50.0, "2")


def test_an_unchanged_codebase_adds_nothing_even_when_its_files_are_touched(loom: Eventloom, shop: Path) -> None:
    index(loom, shop)
    os.utime(shop / "src/shop/parser.py")
    done = index(loom, shop)
    assert (done.changed, done.unchanged, done.gone, done.intake.recorded.added) == (0, 5, 0, 0)


def test_of_a_changed_file_what_changed_is_ended_and_recorded_anew_and_the_rest_stays(
    loom: Eventloom, shop: Path
) -> None:
    index(loom, shop)
    before = {event.payload.get("symbol", event.event_type): event for event in events(loom)}
    put(shop, {"src/shop/parser.py": (shop / "src/shop/parser.py").read_text() + "    more()\n"}, OLD + 5_000_000)
    done = index(loom, shop)
    new = events(loom)[len(before) + 2 :]
    assert (done.changed, done.unchanged) == (1, 4)
    assert [event.event_type for event in new] == ["memory.invalidated", "code.symbol.indexed", "code.file.indexed"]
    assert before["check"].citation in new[0].payload["targets"]
    assert before["parse"].citation not in new[0].payload["targets"]
    assert len(new[0].payload["targets"]) == 2
    assert new[0].payload["invalid_at"] == new[1].payload["occurred_at"] == "2023-11-14T22:13:25.000000Z"
    assert current(loom)[PARSER] == ["parse", "check", "1"]


def test_what_is_gone_is_ended_now_and_what_lies_outside_of_the_folder_is_left(loom: Eventloom, shop: Path) -> None:
    index(loom, shop)
    (shop / "src/shop/clock.py").unlink()
    (shop / "pyproject.toml").unlink()
    done = index(loom, shop / "src")
    assert (done.unchanged, done.gone) == (2, 1)
    assert set(current(loom)) == {
        "shop/src/shop/__init__.py",
        PARSER,
        "shop/pyproject.toml",
        "shop/coverage.xml",
    }
    assert events(loom)[-1].payload["invalid_at"] == "2027-01-15T08:00:00.000000Z"


def test_what_comes_back_is_recorded_again_and_then_no_more(loom: Eventloom, shop: Path) -> None:
    text = (shop / "src/shop/parser.py").read_text()
    for content in (text, "def other(): pass\n", text, "def other(): pass\n", text):
        put(shop, {"src/shop/parser.py": content})
        assert index(loom, shop).changed >= 1
        assert index(loom, shop).intake.recorded.added == 0
    assert current(loom)[PARSER] == ["parse", "check", "1"]


def test_a_version_with_an_older_time_than_the_one_before_it_holds_from_now_on(loom: Eventloom, shop: Path) -> None:
    index(loom, shop)
    put(shop, {"src/shop/clock.py": "def then(): pass\n"}, OLD - 1)
    index(loom, shop)
    assert {event.payload["occurred_at"] for event in events(loom)[-2:]} == {"2027-01-15T08:00:00.000000Z"}


@pytest.mark.parametrize("last", range(6))
def test_a_killed_index_is_finished_by_the_next_one(loom: Eventloom, shop: Path, last: int) -> None:
    index(loom, shop)
    put(shop, {"src/shop/parser.py": "def one(): pass\ndef two(): pass\ndef three(): pass\n"})
    before = len(events(loom))
    if last < 5:
        with pytest.raises(_KilledError):
            index(loom, shop, last)
    index(loom, shop)
    assert current(loom)[PARSER] == ["one", "two", "three", "1"]
    assert len(events(loom)) == before + 5
    assert index(loom, shop).intake.recorded.added == 0


def test_two_indexes_of_one_state_record_it_once(loom: Eventloom, shop: Path) -> None:
    first, second = held(loom), held(loom)
    one = index_codebase(shop, SourceLog(_Sink(loom), first, SESSION, NOW))
    other = index_codebase(shop, SourceLog(_Sink(loom), second, SESSION, NOW))
    assert (one.intake.recorded, other.intake.recorded) == (Recorded(8, 0), Recorded(0, 8))


def test_two_indexes_of_two_states_leave_what_the_next_one_sees(loom: Eventloom, shop: Path) -> None:
    stale = held(loom)
    index(loom, shop)
    put(shop, {"src/shop/clock.py": "def then(): pass\n"}, OLD + 1)
    index_codebase(shop, SourceLog(_Sink(loom), stale, SESSION, NOW))
    assert current(loom)["shop/src/shop/clock.py"] == ["now", "1", "then", "1"]
    index(loom, shop)
    assert current(loom)["shop/src/shop/clock.py"] == ["then", "1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"def caf\xe9(): pass\n", "not UTF-8"),
        (b"x = 1\0", "binary"),
        (b"# " + b"x" * 1024 * 1024, "only files under"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding_and_stays_as_it_is_known(
    loom: Eventloom, shop: Path, content: bytes, reason: str
) -> None:
    index(loom, shop)
    before = current(loom)
    put(shop, {"src/shop/parser.py": content})
    done = index(loom, shop)
    assert (done.intake.recorded.added, current(loom)) == (0, before)
    assert [reason in one.reason for one in done.intake.findings] == [True]


def test_a_broken_manifest_and_a_broken_report_are_findings_and_stay_as_they_are_known(
    loom: Eventloom, shop: Path
) -> None:
    index(loom, shop)
    put(shop, {"pyproject.toml": "[project\n", "coverage.xml": "<coverage>"})
    done = index(loom, shop)
    assert (done.changed, done.gone, done.intake.finding_count) == (0, 0, 2)
    assert {"shop/pyproject.toml", "shop/coverage.xml"} <= set(current(loom))


def test_an_emptied_module_has_no_symbols(loom: Eventloom, shop: Path) -> None:
    index(loom, shop)
    put(shop, {"src/shop/parser.py": "\n"})
    index(loom, shop)
    assert current(loom)[PARSER] == ["1"]


def test_a_minified_file_is_left_out(loom: Eventloom, shop: Path) -> None:
    put(shop, {"web/app.min.js": "function f(){g()};" * 2_000})
    done = index(loom, shop)
    assert done.intake.ignored == {"minified or generated file": 1}
    assert "shop/web/app.min.js" not in current(loom)


def test_an_emptied_folder_is_a_finding_and_what_was_indexed_stays(loom: Eventloom, shop: Path, tmp_path: Path) -> None:
    index(loom, shop)
    before = current(loom)
    shop.rename(tmp_path / "moved")
    shop.mkdir()
    done = index(loom, shop)
    assert (done.intake.recorded.added, done.intake.finding_count, current(loom)) == (0, 1, before)


def test_a_folder_that_is_not_there_is_refused(loom: Eventloom, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        index(loom, tmp_path / "nothing")


def test_outside_of_a_repository_the_gitignore_files_of_the_folder_count(loom: Eventloom, tmp_path: Path) -> None:
    put(
        tmp_path / "plain",
        {
            ".gitignore": "*.gen.py\n/out/\n",
            "a.py": "def a(): pass\n",
            "a.gen.py": "",
            "out/b.py": "",
            "in/out/c.py": "def c(): pass\n",
            "in/.gitignore": "!kept.gen.py\nleft.py\n",
            "in/kept.gen.py": "def kept(): pass\n",
            "in/left.py": "",
            "node_modules/x.js": "",
        },
    )
    index(loom, tmp_path / "plain")
    paths = {event.payload["path"] for event in events(loom)}
    assert paths == {str(tmp_path / "plain" / name) for name in ("a.py", "in/kept.gen.py", "in/out/c.py")}


def test_one_file_may_be_indexed_alone(loom: Eventloom, shop: Path) -> None:
    assert index(loom, shop / "src/shop/clock.py").changed == 1
    assert set(current(loom)) == {"shop/src/shop/clock.py"}


def test_a_secret_in_a_signature_is_not_recorded_and_does_not_change_at_each_run(loom: Eventloom, shop: Path) -> None:
    secret = "ghp_" + "a1B2" * 9
    put(shop, {"src/shop/parser.py": f'def connect(token="{secret}"): pass\n'})
    index(loom, shop)
    assert secret not in (loom.path / f"{SESSION}.jsonl").read_text()
    assert index(loom, shop).intake.recorded.added == 0


def test_a_gitignore_that_was_made_to_take_long_is_not_waited_for(loom: Eventloom, tmp_path: Path) -> None:
    hostile = "*" * 2_000 + "b\n" + "*a" * 500 + "b\n***.gen.py\n"
    put(tmp_path / "plain", {".gitignore": hostile, f"{'a' * 200}.py": "def a(): pass\n", "x.gen.py": ""})
    index(loom, tmp_path / "plain")
    assert {event.payload["path"] for event in events(loom)} == {str(tmp_path / "plain" / f"{'a' * 200}.py")}
