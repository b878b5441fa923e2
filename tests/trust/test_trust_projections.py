"""Projections hold nothing that the log does not: lost, stale or tampered with, they answer as ones built anew.

A digest stands for everything that a projection answers, in one order: which events are found by which words at which
moments, all entities, statements, relations and endings, and how far each session was taken in. Two projections of one
log have one digest, however they came about.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trust_histories import SESSIONS, WORD, History, JumpingClock, as_text
from trust_processes import run_limited

from fault_processes import Say, start
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.projections.graph.layered import LayeredGraph
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.protocols import Candidate, GraphReader, Position
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Selection
from zaxy.services.recall.question import Filters
from zaxy.testing.graph import plain_tokens
from zaxy.testing.projections import feed, positions_after
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.registry import extract

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(17)

UNSYNCED = WriterOptions(fsync=FsyncPolicy.OFF)
WORDS = (WORD, "turn", "goal", "preference", "theme", "1", "2", "ann", "bob", "absent")


def digest_of(parts: Iterable[object]) -> str:
    """Return one number for everything that is told, in the order in which it is told."""
    told = hashlib.sha256()
    for part in parts:
        told.update(repr(part).encode("utf-8", "surrogatepass") + b"\0")
    return told.hexdigest()


def selections(moments: Sequence[int]) -> list[Selection]:
    """Return the moments at which two projections are compared."""
    few = moments[:: max(1, len(moments) // 5)] or [0]
    asked = [Selection(now=few[-1]), Selection(now=few[-1], housekeeping=True)]
    return asked + [Selection(as_of=one, known_at=other) for one, other in zip(few, reversed(few), strict=True)]


def search_parts(
    search: Callable[[Sequence[str], Selection, int], list[Candidate]], moments: Sequence[int]
) -> Iterable[object]:
    """Tell which events an index finds, by each word and at several moments. Scores are not compared: see `rank`."""
    for selection in selections(moments):
        for word in WORDS:
            yield sorted(found.ref for found in search([word], selection, 1_000))


def rank(search: Callable[[Sequence[str], Selection, int], list[Candidate]]) -> list[tuple[EventRef, float]]:
    """Return what an index finds for all words, best first, scores to three digits."""
    found = search(list(WORDS), Selection(housekeeping=True), 1_000)
    return sorted((candidate.ref, round(candidate.score, 3)) for candidate in found)


def graph_parts(graph: GraphReader, refs: Sequence[EventRef]) -> Iterable[object]:
    """Tell everything that a graph holds."""
    yield graph.counts()
    entities = {entity.key: entity for word in WORDS for entity in graph.find(word, 1_000)}
    for word in WORDS:
        yield graph.frequency(word)
        yield graph.ranked(word, 1_000)
    for key in sorted(entities):
        yield entities[key], graph.statements(key), graph.relations(key)
    for ref in refs:
        yield ref, graph.stated_by(ref), graph.endings(ref)


def cursor_parts(cursor: Mapping[str, Position]) -> list[tuple[str, int, str]]:
    return sorted((name, position.seq, position.hash) for name, position in cursor.items())


# ---- in memory, many histories


def meanings_in(folder: Path, chance: random.Random, events: int) -> list[list[Meaning]]:
    """Write a random history into a log and return what its events mean, session by session."""
    clock = JumpingClock(chance)
    with_clock = Eventloom(folder, clock=clock, options=UNSYNCED)
    History(with_clock, clock, chance).grow(events)
    found = [
        [Meaning(event, extract(event)) for event in with_clock.log(name).replay()] for name in with_clock.sessions()
    ]
    with_clock.close()
    shutil.rmtree(folder)
    return found


def moments_of(events: Iterable[Event]) -> list[int]:
    return sorted({moment for event in events for moment in (event.recorded_moment, event.occurred_moment)})


def interleaved(sessions: Sequence[Sequence[Meaning]], chance: random.Random) -> list[Meaning]:
    """Return the events of all sessions in one order in which each session keeps its own."""
    left = [list(session) for session in sessions if session]
    order = []
    while left:
        session = chance.choice(left)
        order.append(session.pop(0))
        left = [session for session in left if session]
    return order


def apply_in_pieces(store: MemoryGraph | MemorySearch, order: Sequence[Meaning], chance: random.Random) -> None:
    """Feed a store in batches of any size; now and then a session is taken out and read anew, as after a divergence."""
    start = 0
    while start < len(order):
        part = order[start : start + chance.randint(1, 6)]
        store.apply(part, positions_after(part))
        start += len(part)
        if chance.random() < 0.2:
            gone = chance.choice(SESSIONS)
            again = [meaning for meaning in order[:start] if meaning.event.session_id == gone]
            store.drop([gone])
            feed(store, again, batch=chance.randint(1, 4))


def digest_in_memory(graph: GraphReader, search: MemorySearch | LayeredSearch, everything: Sequence[Meaning]) -> str:
    moments = moments_of(meaning.event for meaning in everything)
    refs = sorted(meaning.event.ref for meaning in everything)
    return digest_of(itertools.chain(graph_parts(graph, refs), search_parts(search.search, moments)))


def test_projections_fed_bit_by_bit_have_the_digest_of_those_built_at_once_in_random_histories(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=60, full=10_000)
    events, digests = 0, set()
    for number in range(cases):
        sessions = meanings_in(tmp_path / str(number), chance, chance.randint(3, 14))
        everything = list(itertools.chain(*sessions))
        events += len(everything)

        whole_graph, whole_search = MemoryGraph(plain_tokens), MemorySearch()
        feed(whole_graph, everything)
        feed(whole_search, everything)
        expected = digest_in_memory(whole_graph, whole_search, everything)

        graph, search = MemoryGraph(plain_tokens), MemorySearch()
        order = interleaved(sessions, chance)
        apply_in_pieces(graph, order, chance)
        apply_in_pieces(search, order, chance)
        assert digest_in_memory(graph, search, everything) == expected
        assert rank(search.search) == rank(whole_search.search)
        assert cursor_parts(graph.cursor()) == cursor_parts(search.cursor()) == cursor_parts(whole_graph.cursor())

        base, tail = MemoryGraph(plain_tokens), MemoryGraph(plain_tokens)
        for session in sessions:
            cut = chance.randint(0, len(session))
            feed(base, session[:cut])
            feed(
                tail, session[chance.randint(0, cut) :]
            )  # a base that moves on while it is read holds some of the tail
        refs = sorted(meaning.event.ref for meaning in everything)
        assert digest_of(graph_parts(LayeredGraph(base, tail), refs)) == digest_of(graph_parts(whole_graph, refs))

        if number % 4 == 0:
            gone = chance.choice(SESSIONS)
            left = [meaning for meaning in everything if meaning.event.session_id != gone]
            without_graph, without_search = MemoryGraph(plain_tokens), MemorySearch()
            for store, without in ((graph, without_graph), (search, without_search)):
                store.drop([gone])
                feed(without, left)
            assert digest_in_memory(graph, search, everything) == digest_in_memory(
                without_graph, without_search, everything
            )

        for store in (graph, search):
            store.reset()
            feed(store, everything)
        assert digest_in_memory(graph, search, everything) == expected
        digests.add(expected)
    figure(f"{cases:,} random histories of {events:,} events: bit by bit, in two layers and rebuilt, one digest each")
    assert len(digests) > cases * 0.95  # else the digest does not tell histories apart


# ---- on disk


def memory_in(folder: Path, clock: JumpingClock) -> Memory:
    """Open the loom in a folder as a new process would, without vectors."""
    without = EmbeddingSettings(enabled=False)
    return Memory(Settings(eventloom_path=folder / "loom", fsync="off", embedding=without), clock=clock)


def answers(memory: Memory, moments: Sequence[int]) -> Iterable[object]:
    """Tell everything that a memory answers from its projections."""
    few = moments[:: max(1, len(moments) // 4)]
    chance = random.Random(1)
    for question in (WORD, f"{WORD} 1", "goals of ann", "theme of bob", "turn 2"):
        for world, known in ((None, None), *zip(few, reversed(few), strict=True)):
            filters = Filters(
                as_of=None if world is None else as_text(world, chance),
                known_at=None if known is None else as_text(known, chance),
            )
            hits = memory.recall.query(question, filters, limit=1_000)
            yield sorted((hit.citation, hit.content, sorted(hit.metadata.items())) for hit in hits)
    names = memory.loom.sessions()
    refs = [EventRef(name, event.seq) for name in names for event in memory.loom.log(name).replay()]
    yield from memory.recall.ask_graph(lambda graph: list(graph_parts(graph, refs)))


def loom_moments(memory: Memory) -> list[int]:
    return moments_of(event for name in memory.loom.sessions() for event in memory.loom.log(name).replay())


def digest(memory: Memory) -> str:
    """Return one number for everything that a memory answers."""
    return digest_of(answers(memory, loom_moments(memory)))


def digest_of_a_copy(folder: Path, clock: JumpingClock) -> str:
    """Return the digest of a memory that has the same log and never had a projection."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("projections", ".zaxy"))
    with memory_in(copy, clock) as memory:
        found = digest(memory)
    shutil.rmtree(copy)
    return found


def test_stores_on_disk_fed_bit_by_bit_have_the_digest_of_rebuilt_ones_in_random_histories(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=2, full=30)  # beyond the 10,000 in memory
    steps = 0
    for number in range(cases):
        folder = tmp_path / str(number)
        clock = JumpingClock(chance)
        written = History(Eventloom(folder / "loom", clock=clock, options=UNSYNCED), clock, chance)
        for _ in range(chance.randint(2, 4)):
            written.grow(chance.randint(2, 6))
            with memory_in(folder, clock) as memory:
                if chance.random() < 0.5:
                    digest(memory)
                if chance.random() < 0.7:
                    assert memory.catchup.catch_up()
            steps += 1
        with memory_in(folder, clock) as memory:
            expected = digest(memory)
            assert digest_of_a_copy(folder, clock) == expected
            for _ in range(2):
                assert memory.catchup.rebuild() == len(written.told)
                assert digest(memory) == expected
                assert memory.catchup.tail_events() == 0
            assert memory.catchup.warnings() == []
        shutil.rmtree(folder)
    figure(f"{cases:,} random histories in all stores, {steps:,} steps: fed, anew, rebuilt twice, one digest")


# ---- lost, stale, tampered with

Damage = Callable[[Path, Path, random.Random], None]
STORES = ("search", "embedded.kuzu", "forward.sqlite")


def store_files(projections: Path) -> list[Path]:
    return sorted(path for path in projections.rglob("*") if path.is_file() and path.stat().st_size)


def lose_everything(projections: Path, older: Path, chance: random.Random) -> None:
    shutil.rmtree(projections)


def lose_one_store(projections: Path, older: Path, chance: random.Random) -> None:
    name = chance.choice(STORES)
    path = projections / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def lose_a_file(projections: Path, older: Path, chance: random.Random) -> None:
    chance.choice(store_files(projections)).unlink()


def cut_a_file(projections: Path, older: Path, chance: random.Random) -> None:
    path = chance.choice(store_files(projections))
    os.truncate(path, chance.randrange(path.stat().st_size))


def wipe_a_file(projections: Path, older: Path, chance: random.Random) -> None:
    path = chance.choice(store_files(projections))
    path.write_bytes(b"\0" * path.stat().st_size)


def put_garbage_into_a_file(projections: Path, older: Path, chance: random.Random) -> None:
    path = chance.choice(store_files(projections))
    path.write_bytes(chance.randbytes(path.stat().st_size))


def bring_everything_back_from_an_older_copy(projections: Path, older: Path, chance: random.Random) -> None:
    shutil.rmtree(projections)
    shutil.copytree(older, projections)


def bring_one_store_back_from_an_older_copy(projections: Path, older: Path, chance: random.Random) -> None:
    name = chance.choice(STORES)
    lose = projections / name
    if lose.is_dir():
        shutil.rmtree(lose)
        shutil.copytree(older / name, lose)
    else:
        shutil.copyfile(older / name, lose)


def bring_a_file_back_from_an_older_copy(projections: Path, older: Path, chance: random.Random) -> None:
    path = chance.choice(store_files(older))
    target = projections / path.relative_to(older)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def bring_a_commit_back(projections: Path, older: Path, chance: random.Random) -> None:
    """Bring back the file that says which commit of the search index counts."""
    shutil.copyfile(older / "search" / "index" / "meta.json", projections / "search" / "index" / "meta.json")


def claim_more_than_was_read(projections: Path, older: Path, chance: random.Random) -> None:
    """Bring the search index back, but leave the newer cursor beside it."""
    shutil.rmtree(projections / "search" / "index")
    shutil.copytree(older / "search" / "index", projections / "search" / "index")


def take_the_stores_of_another_loom(projections: Path, older: Path, chance: random.Random) -> None:
    shutil.rmtree(projections)
    shutil.copytree(older.with_name("other"), projections)


def flip_a_bit_of_the_search_index(projections: Path, older: Path, chance: random.Random) -> None:
    flip_a_bit(store_files(projections / "search"), chance)


def flip_a_bit_of_the_graph(projections: Path, older: Path, chance: random.Random) -> None:
    flip_a_bit([projections / "embedded.kuzu"], chance)


def flip_a_bit_of_the_forward_index(projections: Path, older: Path, chance: random.Random) -> None:
    flip_a_bit([projections / "forward.sqlite"], chance)


def flip_a_bit(paths: Sequence[Path], chance: random.Random) -> None:
    path = chance.choice(paths)
    data = bytearray(path.read_bytes())
    at = chance.choice([position for position, byte in enumerate(data) if byte])
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def change_words_in_the_graph(projections: Path, older: Path, chance: random.Random) -> None:
    path = projections / "embedded.kuzu"
    before = path.read_bytes()
    words = [pair for pair in ((b"done", b"open"), (b"open", b"done"), (b"theme", b"throw")) if pair[0] in before]
    path.write_bytes(before.replace(*chance.choice(words)))


DAMAGES: tuple[Damage, ...] = (
    lose_everything,
    lose_one_store,
    lose_a_file,
    cut_a_file,
    wipe_a_file,
    put_garbage_into_a_file,
    bring_everything_back_from_an_older_copy,
    bring_one_store_back_from_an_older_copy,
    bring_a_file_back_from_an_older_copy,
    bring_a_commit_back,
    claim_more_than_was_read,
    take_the_stores_of_another_loom,
    flip_a_bit_of_the_search_index,
    flip_a_bit_of_the_graph,
    flip_a_bit_of_the_forward_index,
    change_words_in_the_graph,
)


class Settled:
    """A loom whose stores hold all of its log, an older copy of them, and stores of another loom.

    Args:
        folder: Where.
        chance: Makes the histories.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.clock = JumpingClock(chance)
        written = History(Eventloom(folder / "home" / "loom", clock=self.clock, options=UNSYNCED), self.clock, chance)
        for events in (25, 25):
            written.grow(events)
            with memory_in(folder / "home", self.clock) as memory:
                assert memory.catchup.catch_up()
            if not (folder / "older").exists():
                shutil.copytree(folder / "home" / "loom" / "projections", folder / "older")
        History(Eventloom(folder / "away" / "loom", clock=self.clock, options=UNSYNCED), self.clock, chance).grow(30)
        with memory_in(folder / "away", self.clock) as memory:
            assert memory.catchup.catch_up()
        shutil.copytree(folder / "away" / "loom" / "projections", folder / "other")
        with memory_in(folder / "home", self.clock) as memory:
            self.digest = digest(memory)

    def damaged(self, damage: Damage, chance: random.Random) -> Path:
        """Return a copy of the loom whose stores are damaged."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / "home", copy)
        damage(copy / "loom" / "projections", self.folder / "older", chance)
        return copy


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Settled:
    return Settled(tmp_path_factory.mktemp("settled"), random.Random(17))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_stores_that_are_lost_stale_or_tampered_with_answer_as_rebuilt_ones(
    damage: Damage, settled: Settled, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=1, full=12) * (3 if damage.__name__.startswith("flip") else 1)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for _ in range(cases):
        folder = settled.damaged(damage, chance)

        def look(folder: Path = folder) -> dict[str, Any]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what the libraries print of a damaged file
            with memory_in(folder, settled.clock) as memory:
                told = memory.recall.query(WORD, Filters()).warnings
                before = digest(memory)
                caught_up = memory.catchup.catch_up()
                return {"told": len(told), "before": before, "caught up": caught_up, "after": digest(memory)}

        ended = run_limited(look, cpu_seconds=60)
        if ended.failure:
            outcomes[f"ended by {ended.failure.split(':')[0]}"] += 1
            wrong.append(ended.failure)
        elif {ended.answer["before"], ended.answer["after"]} != {settled.digest}:
            outcomes["other answers, told" if ended.answer["told"] else "other answers, not told"] += 1
            wrong.append("other answers")
        else:
            outcomes["set aside, same answers" if ended.answer["told"] else "same answers"] += 1
            assert ended.answer["caught up"]
    name = damage.__name__.replace("_", " ")
    figure(f"{name}, {cases} times: {', '.join(f'{outcome} {count}' for outcome, count in sorted(outcomes.items()))}")
    assert wrong == []


def test_a_rebuild_gives_the_same_digest_whatever_the_stores_were_before(
    settled: Settled, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    damages = [damage for damage in DAMAGES if not damage.__name__.startswith("flip")]
    chosen = damages * 4 if scale.full else chance.sample(damages, 2)
    for damage in chosen:
        folder = settled.damaged(damage, chance)

        def look(folder: Path = folder) -> list[str]:
            with memory_in(folder, settled.clock) as memory:
                found = []
                for _ in range(2):
                    memory.catchup.rebuild()
                    found.append(digest(memory))
                return found

        ended = run_limited(look, cpu_seconds=60)
        assert ended.failure == "", damage.__name__
        assert ended.answer == [settled.digest] * 2, damage.__name__
    figure(f"{len(chosen)} damaged sets of stores rebuilt twice: one digest, that of the log read anew")


def test_stores_that_another_process_writes_meanwhile_are_never_set_aside(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    rounds = scale.pick(sample=30, full=100)
    clock = JumpingClock(chance)
    history = History(Eventloom(tmp_path / "loom", clock=clock, options=UNSYNCED), clock, chance)
    history.grow(20)

    def write(say: Say) -> None:
        for number in range(rounds):
            history.grow(3)
            with memory_in(tmp_path, clock) as memory:
                memory.catchup.rebuild() if number % 5 == 4 else memory.catchup.catch_up()
                say("".join(memory.catchup.warnings()))

    def read(say: Say) -> None:
        while True:
            with memory_in(tmp_path, clock) as memory:
                for _ in range(3):
                    say("".join(memory.recall.query(WORD, Filters()).warnings))

    writer, reader = start(write), start(read)
    code, told = writer.finish()
    looked = reader.kill()
    assert (code, set(told), set(looked)) == (0, {""}, {""})
    assert list((tmp_path / "loom" / "projections").glob("*set-aside*")) == []
    figure(f"{rounds} commits and rebuilds while another process opens and asks, {len(looked)} times: none set aside")
