"""The embedded graph's file: who may open it, what readers see, and what a killed writer leaves."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import ladybug
import pytest

from zaxy.errors import BusyError, ProjectionError
from zaxy.files.gate import Gate
from zaxy.ids import EventRef
from zaxy.projections.graph import ladybug_entities, ladybug_handle
from zaxy.projections.graph.ladybug_schema import FORMAT_VERSION
from zaxy.projections.graph.ladybug_store import LadybugGraph
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.protocols import Ending, GraphCounts
from zaxy.testing.graph import plain_tokens
from zaxy.testing.projections import SECOND, fact, feed, link, make_event, make_meaning, mention, positions_after
from zaxy.vocabulary.model import VOID, Invalidation, Meaning


def told(first: int, last: int, session: str = "one") -> list[Meaning]:
    ann = mention("person", "Ann")
    meanings = []
    for seq in range(first, last + 1):
        goal = fact("goal", f"win {seq}", "open")
        meanings.append(make_meaning(make_event(session, seq), goal, ann, relations=[link(ann, "OWNS", goal)]))
    return meanings


def opened(path: Path, *, read_only: bool = False) -> LadybugGraph:
    return LadybugGraph(path, analyze=plain_tokens, read_only=read_only)


PREAMBLE = """
    import sys
    from pathlib import Path
    from zaxy.projections.graph.ladybug_store import LadybugGraph
    from zaxy.testing.graph import plain_tokens
    path = Path(sys.argv[1])
"""


def command(code: str, path: Path) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(PREAMBLE) + textwrap.dedent(code), str(path)]


def in_another_process(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(code, path), capture_output=True, text=True, check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "projections" / "embedded.kuzu"


def test_content_and_cursor_survive_closing(path: Path) -> None:
    meanings = told(1, 5)
    with contextlib.closing(opened(path)) as graph:
        feed(graph, meanings)
    assert not Path(f"{path}.wal").exists()
    with contextlib.closing(opened(path)) as graph:
        assert dict(graph.cursor()) == positions_after(meanings)
        assert graph.counts() == GraphCounts(6, 6, 5)


def test_endings_are_told_alike_when_there_are_few_and_when_there_are_too_many_to_be_kept_at_hand(path: Path) -> None:
    def ending(seq: int) -> Meaning:
        return make_meaning(make_event("two", seq), ends=[Invalidation("one", seq, VOID, lifted=seq % 2 == 0)])

    def expected(seq: int) -> list[Ending]:
        return [Ending(EventRef("two", seq), VOID, seq * SECOND, lifted=seq % 2 == 0)]

    with contextlib.closing(opened(path)) as graph:
        feed(graph, [ending(seq) for seq in range(1, 401)])
        with contextlib.closing(opened(path, read_only=True)) as reader:
            assert [reader.endings(EventRef("one", seq)) for seq in (1, 400, 401)] == [expected(1), expected(400), []]
            feed(graph, [ending(seq) for seq in range(401, 601)])
            assert reader.refresh()
            for seq in (1, 400, 401, 600, 1):
                assert reader.endings(EventRef("one", seq)) == expected(seq)
            assert reader.endings(EventRef("one", 601)) == []


def test_a_second_writer_is_refused_in_this_process_also_by_another_name(path: Path, tmp_path: Path) -> None:
    with contextlib.closing(opened(path)):
        (tmp_path / "link").symlink_to(path)
        for name in (path, tmp_path / "link"):
            with pytest.raises(BusyError, match="open for writing already"):
                opened(name)
    opened(path).close()


def test_a_second_writer_in_another_process_is_refused_even_after_a_reader_here_was_closed(path: Path) -> None:
    with contextlib.closing(opened(path)):
        opened(path, read_only=True).close()
        done = in_another_process("LadybugGraph(path, analyze=plain_tokens)", path)
        assert "open for writing already" in done.stderr


def test_a_reader_in_another_process_sees_what_is_committed_before_any_checkpoint(path: Path) -> None:
    with contextlib.closing(opened(path)) as graph:
        feed(graph, told(1, 3))
        assert Path(f"{path}.wal").exists()
        done = in_another_process("print(LadybugGraph(path, analyze=plain_tokens, read_only=True).counts())", path)
        assert done.stdout.strip() == str(GraphCounts(4, 4, 3)), done.stderr


def test_a_reader_sees_new_commits_when_it_is_refreshed(path: Path) -> None:
    with contextlib.closing(opened(path)) as graph:
        feed(graph, told(1, 3))
        with contextlib.closing(opened(path, read_only=True)) as reader:
            assert not reader.refresh()
            feed(graph, told(4, 5))
            assert reader.counts().relations == 3
            assert reader.refresh()
            assert reader.counts().relations == 5
            assert not graph.refresh()


def test_a_reader_never_answers_from_a_file_that_was_rewritten_under_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_handle, "CHECKPOINT_BYTES", 1)
    with contextlib.closing(opened(path)) as graph:
        feed(graph, told(1, 50))
        with contextlib.closing(opened(path, read_only=True)) as reader:
            for first in range(51, 101, 10):
                feed(graph, told(first, first + 9))
                assert reader.counts() == graph.counts()
                assert reader.find("goal", 3) == graph.find("goal", 3)
                assert reader.statements(f"goal:win {first}") == graph.statements(f"goal:win {first}")


def test_a_reader_sees_a_reset_and_a_dropped_session(path: Path) -> None:
    with contextlib.closing(opened(path)) as graph, contextlib.closing(opened(path, read_only=True)) as reader:
        feed(graph, told(1, 3) + told(1, 2, "two"))
        graph.drop(["one"])
        assert reader.counts() == GraphCounts(3, 3, 2)
        graph.reset()
        assert reader.counts() == GraphCounts(0, 0, 0)
        assert dict(reader.cursor()) == {}


def test_a_commit_stands_when_a_reader_keeps_the_checkpoint_from_happening(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_handle, "CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(ladybug_handle, "_CHECKPOINT_GATE_SECONDS", 0.001)
    with contextlib.closing(opened(path)) as graph:
        reader = Gate(Path(f"{path}.gate"))
        with reader.shared(timeout_seconds=0):
            feed(graph, told(1, 3))
            assert Path(f"{path}.wal").exists()
        feed(graph, told(4, 4))
        assert not Path(f"{path}.wal").exists()
        assert graph.counts() == GraphCounts(5, 5, 4)
    reader.close()


def test_a_reader_cannot_write(path: Path) -> None:
    opened(path).close()
    attempts: list[Callable[[LadybugGraph], None]] = [
        lambda graph: feed(graph, told(1, 1)),
        lambda graph: graph.drop(["one"]),
        lambda graph: graph.reset(),
    ]
    with contextlib.closing(opened(path, read_only=True)) as reader:
        for attempt in attempts:
            with pytest.raises(ProjectionError, match="reading only"):
                attempt(reader)


def test_a_reader_says_when_there_is_no_graph_yet_or_no_longer(path: Path) -> None:
    with pytest.raises(ProjectionError, match="no graph"):
        opened(path, read_only=True)
    opened(path).close()
    with contextlib.closing(opened(path, read_only=True)) as reader:
        path.rename(path.with_name("aside"))
        for _ in range(2):
            with pytest.raises(ProjectionError, match="removed"):
                reader.counts()
        path.with_name("aside").rename(path)
        assert reader.counts() == GraphCounts(0, 0, 0)


def test_a_closed_graph_says_so(path: Path) -> None:
    graph = opened(path)
    graph.close()
    with pytest.raises(ProjectionError, match="closed"):
        graph.counts()


def write_foreign(path: Path) -> None:
    database = ladybug.Database(str(path), buffer_pool_size=64 * 1024 * 1024)
    connection = ladybug.Connection(database)
    connection.execute("CREATE NODE TABLE Entity(id STRING PRIMARY KEY)")
    connection.execute("CREATE (:Entity {id: 'theirs'})")
    connection.close()
    database.close()


def write_version(path: Path, version: int) -> None:
    opened(path).close()
    database = ladybug.Database(str(path), buffer_pool_size=64 * 1024 * 1024)
    connection = ladybug.Connection(database)
    connection.execute("MATCH (m:Meta) SET m.version = $version", {"version": version})
    connection.close()
    database.close()


def write_older(path: Path) -> None:
    write_version(path, FORMAT_VERSION - 1)


def write_newer(path: Path) -> None:
    write_version(path, FORMAT_VERSION + 1)


def write_sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id)")


def write_half(path: Path) -> None:
    opened(path).close()
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("write", [write_foreign, write_older, write_newer, write_sqlite, write_half])
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_was(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    write(path)
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(ProjectionError) as caught:
            opened(path, read_only=read_only)
        assert "set the file aside" in str(caught.value)
    assert path.read_bytes() == before
    assert not Path(f"{path}.wal").exists()


def test_an_empty_file_is_taken_for_a_graph_that_was_about_to_be_made(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with contextlib.closing(opened(path)) as graph:
        assert graph.counts() == GraphCounts(0, 0, 0)


def test_a_batch_that_fails_halfway_leaves_nothing_behind(path: Path) -> None:
    def analyze(text: str) -> list[str]:
        if "boom" in text:
            raise ValueError("boom")
        return plain_tokens(text)

    with contextlib.closing(LadybugGraph(path, analyze=analyze)) as graph:
        feed(graph, told(1, 2))
        bad = [*told(3, 3), make_meaning(make_event("two", 1), fact("goal", "boom"))]
        with pytest.raises(ValueError, match="boom"):
            feed(graph, bad)
        assert dict(graph.cursor()) == positions_after(told(1, 2))
        assert graph.counts() == GraphCounts(3, 3, 2)
        feed(graph, told(3, 3))
        assert graph.counts() == GraphCounts(4, 4, 3)


KILLED_WRITER = """
    from zaxy.testing.projections import SECOND, fact, feed, make_event, make_meaning
    from zaxy.projections.graph import ladybug_handle
    ladybug_handle.CHECKPOINT_BYTES = 200_000  # so that a kill may come before, in or after one
    graph = LadybugGraph(path, analyze=plain_tokens)
    start = graph.cursor()["one"].seq + 1 if graph.cursor() else 1
    for seq in range(start, start + 100_000, 10):
        feed(graph, [make_meaning(make_event("one", n), fact("goal", f"win {n}")) for n in range(seq, seq + 10)])
        print(seq + 9, flush=True)
"""


def test_a_killed_writer_loses_nothing_committed_and_its_cursor_fits_its_content(path: Path) -> None:
    for count in (3, 17, 31):
        with subprocess.Popen(command(KILLED_WRITER, path), stdout=subprocess.PIPE, text=True) as writer:
            try:
                assert writer.stdout is not None
                committed = [int(writer.stdout.readline()) for _ in range(count)][-1]
            finally:
                writer.send_signal(signal.SIGKILL)
        with contextlib.closing(opened(path)) as graph:
            reached = graph.cursor()["one"].seq
            assert reached >= committed
            assert graph.counts() == GraphCounts(reached, reached, 0)
            assert graph.frequency("goal") == reached
            assert [entity.name for entity in graph.find("goal", 1)] == [f"win {reached}"]


def test_a_changed_bit_in_the_file_is_noticed_and_a_copy_is_not_taken_for_one(path: Path) -> None:
    with contextlib.closing(opened(path)) as graph:
        feed(graph, told(1, 5))
    os.utime(path, ns=(1, 1))
    for read_only in (True, False):
        opened(path, read_only=read_only).close()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for read_only in (True, False):
        with pytest.raises(ProjectionError, match="not what was written"):
            opened(path, read_only=read_only)


def test_a_writer_that_is_killed_between_a_checkpoint_and_its_sum_leaves_a_graph_that_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(opened(path)) as graph:
        feed(graph, told(1, 5))
    monkeypatch.setattr(ladybug_handle, "CHECKPOINT_BYTES", 1)
    pid = os.fork()
    if pid == 0:
        feed(opened(path), told(6, 9))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not Path(f"{path}.wal").exists()
    with contextlib.closing(opened(path, read_only=True)) as reader:
        assert reader.cursor()["one"].seq == 9
    opened(path).close()
    assert Path(f"{path}.sum").exists()


def notes(first: int, last: int) -> list[Meaning]:
    """Notes whose text is their name, as of any event type that the vocabulary does not know: 20 of 1,000 words."""
    made = []
    for seq in range(first, last + 1):
        words = random.Random(seq).sample(range(1_000), 20)
        said = fact("note", " ".join(f"word{number:04}" for number in words), "")
        made.append(make_meaning(make_event("one", seq), said))
    return made


def test_notes_of_many_common_words_are_taken_in_with_a_small_pool_and_found_latest_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_entities, "COMMON_ENTITIES", 1_000)
    memory = MemoryGraph(plain_tokens)
    with contextlib.closing(LadybugGraph(path, analyze=plain_tokens, buffer_pool_size=32 * 1024 * 1024)) as graph:
        for first in (1, 1_001):
            feed(graph, notes(first, first + 999))
            feed(memory, notes(first, first + 999))
        assert graph.counts() == memory.counts() == GraphCounts(2_000, 2_000, 0)
        for token in ("note", "word0007", "word0999", "word1000"):  # one that all of them hold, and rarer ones
            for limit in (1, 50, 100, 2_000):
                assert graph.ranked(token, limit) == memory.ranked(token, limit)
            assert graph.frequency(token) == memory.frequency(token)
