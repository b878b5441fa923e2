"""Stores that cannot be used: set aside, said so and rebuilt, while every answer stays right."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import ladybug
import pytest
import tantivy
from projection_looms import ask, asked, digest, fill, log_path, memory_at, note, tell

from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import InvalidInputError, MissingDependencyError, ProjectionError
from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory
from zaxy.projections.backends import GraphBackend, check_graph_backend
from zaxy.projections.search.analysis import analyzer
from zaxy.services.recall.question import Filters

SESSIONS = {"a": 12, "b": 9}


def projections(folder: Path) -> Path:
    return folder / "loom" / "projections"


def damage_meta(folder: Path) -> None:
    (projections(folder) / "search" / "index" / "meta.json").write_bytes(b"garbage, and longer than it was" * 9)


def remove_segments(folder: Path) -> None:
    for path in (projections(folder) / "search" / "index").iterdir():
        if path.suffix in (".store", ".term", ".idx", ".fast"):
            path.unlink()
    meta = projections(folder) / "search" / "index" / "meta.json"
    os.utime(meta, ns=(1, 1))


def foreign_cursor(folder: Path) -> None:
    (projections(folder) / "search" / "cursor.jsonl").write_bytes(b"hello\n")
    os.utime(projections(folder) / "search" / "index" / "meta.json", ns=(1, 1))


def foreign_index(folder: Path) -> None:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("title", stored=True)
    shutil.rmtree(projections(folder) / "search" / "index")
    (projections(folder) / "search" / "index").mkdir()
    tantivy.Index(builder.build(), path=str(projections(folder) / "search" / "index"))


def file_for_folder(folder: Path) -> None:
    shutil.rmtree(projections(folder) / "search")
    (projections(folder) / "search").write_bytes(b"a file")


def damage_graph(folder: Path) -> None:
    (projections(folder) / "embedded.kuzu").write_bytes(b"garbage" * 5_000)


def foreign_graph(folder: Path) -> None:
    path = projections(folder) / "embedded.kuzu"
    path.unlink()
    database = ladybug.Database(str(path), buffer_pool_size=2**26)
    connection = ladybug.Connection(database)
    connection.execute("CREATE NODE TABLE Theirs(id STRING PRIMARY KEY)")
    connection.close()
    database.close()


def empty_graph(folder: Path) -> None:
    (projections(folder) / "embedded.kuzu").write_bytes(b"")


def damage_forward(folder: Path) -> None:
    (projections(folder) / "forward.sqlite").write_bytes(b"garbage" * 5_000)


def wipe_rows_of_forward(folder: Path) -> None:
    """Leave the first page, which says whether the file was changed, and wipe all others."""
    path = projections(folder) / "forward.sqlite"
    data = path.read_bytes()
    page = int.from_bytes(data[16:18], "big")
    path.write_bytes(data[:page] + b"\xff" * (len(data) - page))


def foreign_forward(folder: Path) -> None:
    path = projections(folder) / "forward.sqlite"
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (id TEXT)")


def empty_forward(folder: Path) -> None:
    (projections(folder) / "forward.sqlite").write_bytes(b"")


def remove_forward(folder: Path) -> None:
    (projections(folder) / "forward.sqlite").unlink()


def remove_all(folder: Path) -> None:
    shutil.rmtree(projections(folder))


DAMAGES = (
    damage_meta,
    remove_segments,
    foreign_cursor,
    foreign_index,
    file_for_folder,
    damage_graph,
    foreign_graph,
    empty_graph,
    damage_forward,
    wipe_rows_of_forward,
    foreign_forward,
    empty_forward,
    remove_forward,
)


@pytest.mark.parametrize("first", ["query", "catch-up"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_store_that_a_new_process_cannot_use_is_set_aside_and_rebuilt(
    damage: Callable[[Path], None], first: str, tmp_path: Path
) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        expected = digest(memory)
    damage(tmp_path)
    with memory_at(tmp_path) as memory:
        if first == "query":
            assert digest(memory) == expected
        assert memory.catchup.catch_up()
        assert digest(memory) == expected
        assert memory.catchup.tail_events() == 0
    with memory_at(tmp_path) as memory:
        assert digest(memory) == expected
        assert memory.catchup.warnings() == []


@pytest.mark.parametrize(
    "damage",
    [damage_meta, foreign_cursor, foreign_index, damage_graph, foreign_graph, damage_forward, foreign_forward],
)
def test_setting_a_store_aside_is_told_once_and_keeps_its_bytes(damage: Callable[[Path], None], tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
    damage(tmp_path)
    with memory_at(tmp_path) as memory:
        warnings = ask(memory, "parser").warnings
        assert len([warning for warning in warnings if "set aside" in warning and "rebuilt" in warning]) == 1
        assert ask(memory, "parser").warnings == ()
    assert [path for path in projections(tmp_path).iterdir() if ".set-aside-" in path.name]


@pytest.mark.parametrize(
    "damage",
    [
        damage_meta,
        remove_segments,
        foreign_cursor,
        damage_graph,
        damage_forward,
        wipe_rows_of_forward,
        foreign_forward,
        empty_forward,
        remove_forward,
        remove_all,
    ],
)
def test_a_store_that_is_damaged_or_removed_while_it_is_open_costs_no_answer(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        expected = digest(memory)
        damage(tmp_path)
        assert digest(memory) == expected
        note(memory, "b", "llama")
        assert len(asked(memory, "llama")) == 1
        assert memory.catchup.catch_up()
        assert len(asked(memory, "llama")) == 1
        assert len(asked(memory, "parser")) > 5


def test_a_forward_index_whose_damage_shows_only_in_the_middle_of_an_answer_costs_no_answer(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        expected = asked(memory, "parser")
        assert len(expected) > 5
    with memory_at(tmp_path) as memory:
        memory.catchup.lag()  # opens the stores and reads none of their rows
        wipe_rows_of_forward(tmp_path)
        assert asked(memory, "parser") == expected
        assert memory.catchup.catch_up()
        assert asked(memory, "parser") == expected
    assert [path for path in projections(tmp_path).iterdir() if path.name.startswith("forward.sqlite.set-aside-")]


def test_a_store_that_another_process_set_aside_and_rebuilt_costs_no_answer(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as mine, memory_at(tmp_path) as theirs:
        theirs.catchup.catch_up()
        expected = digest(mine)
        damage_meta(tmp_path)
        damage_graph(tmp_path)
        damage_forward(tmp_path)
        assert theirs.catchup.catch_up()
        assert digest(mine) == expected
        assert digest(theirs) == expected


def test_the_stems_of_another_language_are_not_mixed_with_those_in_the_store(tmp_path: Path) -> None:
    with memory_at(tmp_path) as english:
        tell(english, "a", "die Häuser der Städte")
        english.catchup.catch_up()
        assert not asked(english, "Haus")
    without = EmbeddingSettings(enabled=False)
    settings = Settings(eventloom_path=tmp_path / "loom", fsync="off", search_language="german", embedding=without)
    with Memory(settings) as german:
        assert asked(german, "Haus") == {("a", 1)}
        german.catchup.catch_up()
        assert asked(german, "Haus") == {("a", 1)}


READ = """
import os, sys, tempfile
from pathlib import Path
from zaxy.config import EmbeddingSettings, Settings
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

WITHOUT = EmbeddingSettings(enabled=False)

def ask(loom):
    with Memory(Settings(eventloom_path=loom, embedding=WITHOUT)) as memory:
        for _ in range(2):
            answer = memory.recall.query("llama", Filters(), limit=100)
            packet = memory.checkouts.checkout("llama goal", Filters())
            yield f"{len(answer)} {len(packet.facts)} {' '.join(answer.lanes)}"
        memory.projections.status()
        memory.inspection.status(verify=True)
        memory.settle()

with tempfile.TemporaryDirectory() as folder:
    with Memory(Settings(eventloom_path=Path(folder), embedding=WITHOUT)) as memory:
        memory.loom.append("warm", "goal.created", "ann", {"title": "Import what is imported late"})
        memory.catchup.catch_up()
    list(ask(Path(folder)))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(*ask(Path(sys.argv[1])), sep=chr(10))
"""


def ask_without_writing(loom: Path) -> list[str]:
    """Ask a loom in a process that may read it and change nothing of it."""
    modes = {Path(folder): 0o555 for folder, _, _ in os.walk(loom)}
    modes |= {Path(folder) / name: 0o444 for folder, _, names in os.walk(loom) for name in names}
    for path, mode in modes.items():
        path.chmod(mode)
    try:
        command = [sys.executable, "-c", READ, str(loom)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        for path in modes:
            path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def make_llamas(folder: Path, *, caught_up: bool) -> None:
    with memory_at(folder) as memory:
        tell(memory, "a", "llama one")
        memory.loom.append("a", "goal.created", "ann", {"title": "Feed the llama"})
        if caught_up:
            memory.catchup.catch_up()
        tell(memory, "a", "llama two")


@pytest.mark.parametrize("caught_up", [True, False])
def test_a_loom_that_may_only_be_read_is_answered_from(caught_up: bool, open_folder: Path) -> None:
    make_llamas(open_folder, caught_up=caught_up)
    assert ask_without_writing(open_folder / "loom") == ["3 1 lexical graph related"] * 2


@pytest.mark.parametrize("change", ["log deleted", "log cut", "search damaged", "graph damaged", "forward damaged"])
def test_a_loom_that_may_only_be_read_is_answered_from_its_log_where_a_store_does_not_fit(
    change: str, open_folder: Path
) -> None:
    make_llamas(open_folder, caught_up=True)
    with memory_at(open_folder) as memory:
        tell(memory, "b", "llama three")
        memory.catchup.catch_up()
    if change == "log deleted":
        log_path(open_folder, "b").unlink()
    elif change == "log cut":
        log_path(open_folder, "b").write_bytes(b"")
    elif change == "search damaged":
        damage_meta(open_folder)
    elif change == "graph damaged":
        damage_graph(open_folder)
    else:
        damage_forward(open_folder)
    count = 3 if change.startswith("log") else 4
    assert ask_without_writing(open_folder / "loom") == [f"{count} 1 lexical graph related"] * 2


def test_a_graph_back_end_that_is_not_here_is_refused() -> None:
    assert check_graph_backend("embedded") == "embedded"
    with pytest.raises(MissingDependencyError, match="neo4j"):
        check_graph_backend("neo4j")
    with pytest.raises(InvalidInputError, match="sqlite"):
        check_graph_backend("sqlite")


def test_what_is_named_as_the_graph_by_mistake_is_neither_moved_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("code")
    (tmp_path / "notes.txt").write_text("notes")
    for name in ("src", "notes.txt"):
        settings = Settings(eventloom_path=tmp_path / name.upper(), graph_path=tmp_path / name)
        with Memory(settings) as memory:
            memory.loom.append("work", "note.taken", "ann", {"text": "The parser is ready."})
            with pytest.raises(ProjectionError):
                memory.rebuild()
            answer = memory.recall.query("parser", Filters())
        assert [hit.seq for hit in answer] == [1]
        assert any("nor set aside (it is no graph, and lies outside of the loom)" in told for told in answer.warnings)
    assert (tmp_path / "src" / "code.py").read_text() == "code"
    assert (tmp_path / "notes.txt").read_text() == "notes"
    (tmp_path / "notes.txt").write_bytes(b"LBUG, and damaged behind that")
    assert GraphBackend(tmp_path / "notes.txt", analyzer("english"), is_elsewhere=True).set_aside() is not None
