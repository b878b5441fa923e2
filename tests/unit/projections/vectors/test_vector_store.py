"""The stored vectors: nearest ones, ranges, erasures, and what a crash may leave."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from zaxy.errors import InvalidInputError, ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.protocols import Position
from zaxy.projections.selection import Names
from zaxy.projections.vectors import scoring
from zaxy.projections.vectors.scoring import Floats
from zaxy.projections.vectors.store import Filed, VectorStore, digest_of

DIMENSION = 40


def unit(count: int, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    lengths: Floats = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def opened(folder: Path, version: str = "model:1") -> VectorStore:
    store = VectorStore(folder, version)
    store.begin()
    return store


def put(store: VectorStore, session_id: str, seqs: Iterable[int], vectors: Floats) -> None:
    """Store a vector for each of these events, each under a text of its own."""
    refs = [EventRef(session_id, seq) for seq in seqs]
    filed = [Filed(ref, digest_of(f"{ref}")) for ref in refs]
    fresh = {one.digest: vector for one, vector in zip(filed, vectors, strict=True)}
    store.apply(filed, fresh, {session_id: Position(refs[-1].seq, "h", 1)})


def found(store: VectorStore, query: Floats, limit: int = 10, sessions: str | None = None) -> list[tuple[str, int]]:
    candidates = store.search(query, Names.of(sessions), limit)
    return [(candidate.ref.session_id, candidate.ref.seq) for candidate in candidates]


def as_sqlite_writes(key: int) -> bytes:
    """Return a large integer key as a variable-length integer: eight bytes of seven bits, one of eight."""
    assert key >= 2**56
    return bytes(0x80 | key >> 8 + 7 * place & 0x7F for place in range(7, -1, -1)) + bytes([key & 0xFF])


def content(store: VectorStore) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(store.folder.iterdir()))


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the library for small integers."""
    monkeypatch.setattr(scoring, "has_kernel", lambda: False)


def check_nearest(folder: Path) -> None:
    store, vectors = opened(folder), unit(600)
    put(store, "a", range(1, 401), vectors[:400])
    put(store, "b", range(5, 205), vectors[400:])
    refs = [("a", seq) for seq in range(1, 401)] + [("b", seq) for seq in range(5, 205)]
    for query in unit(20, seed=1):
        cosines = vectors @ query
        best = store.search(query, None, 600)
        assert len(best) == 600
        scores = {(one.ref.session_id, one.ref.seq): one.score for one in best}
        assert max(abs(scores[ref] - cosine) for ref, cosine in zip(refs, cosines, strict=True)) < 0.015
        assert [one.score for one in best] == sorted(scores.values(), reverse=True)
        assert found(store, query, 7) == [(one.ref.session_id, one.ref.seq) for one in best[:7]]
        only = [(one.ref.session_id, one.ref.seq) for one in best if one.ref.session_id == "b"]
        assert found(store, query, 9, "b") == found(store, query, 9, "b*") == only[:9]


def test_the_nearest_vectors_are_found_with_their_cosines(tmp_path: Path) -> None:
    check_nearest(tmp_path)


@pytest.mark.usefixtures("no_kernel")
def test_the_nearest_vectors_are_found_without_the_library_for_small_integers(tmp_path: Path) -> None:
    check_nearest(tmp_path)


@pytest.mark.parametrize("with_erased", [False, True])
def test_many_vectors_are_searched_by_their_codes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_erased: bool
) -> None:
    store, vectors = opened(tmp_path), unit(3_000)
    put(store, "a", range(1, 2_001), vectors[:2_000])
    put(store, "b", range(1, 1_001), vectors[2_000:])
    if with_erased:
        store.drop(["a"])
    queries = unit(20, seed=1)
    exact = [[found(store, query, 10, name) for name in (None, "b")] for query in queries]
    monkeypatch.setattr("zaxy.projections.vectors.view.exact_rows", lambda: 500)
    monkeypatch.setattr(scoring, "RESCORED_ROWS", 900)
    again = [[found(store, query, 10, name) for name in (None, "b")] for query in queries]
    kept = [
        len({*one} & {*two})
        for first, second in zip(exact, again, strict=True)
        for one, two in zip(first, second, strict=True)
    ]
    assert sum(kept) >= 0.95 * 10 * len(kept)
    assert again != [[[], []]] * len(queries)


def test_codes_and_their_blocks_stay_right_while_the_store_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaxy.projections.vectors.view.exact_rows", lambda: 0)
    monkeypatch.setattr("zaxy.projections.vectors.view._BLOCK_ROWS", 64)
    store, vectors = opened(tmp_path), unit(300)
    for start in range(0, 300, 50):
        put(store, "a", range(start + 1, start + 51), vectors[start : start + 50])
        for seq in (1, start + 1, start + 50):
            assert found(store, vectors[seq - 1], 1) == [("a", seq)]


def test_equal_vectors_come_in_the_order_of_session_and_seq(tmp_path: Path) -> None:
    store, vector = opened(tmp_path), unit(1)
    for session_id in ("z", "b", "a"):
        put(store, session_id, [3, 7], np.repeat(vector, 2, axis=0))
    expected = [("a", 3), ("a", 7), ("b", 3), ("b", 7), ("z", 3), ("z", 7)]
    for limit in range(7):
        assert found(store, vector[0], limit) == expected[:limit]


def test_a_text_that_has_a_vector_is_not_embedded_again(tmp_path: Path) -> None:
    store, vectors = opened(tmp_path), unit(2)
    store.apply([Filed(EventRef("a", 1), 11)], {11: vectors[0]}, {"a": Position(1, "h", 1)})
    assert store.known([11, 12]) == {11}
    filed = [Filed(EventRef("a", 2), 11), Filed(EventRef("a", 3), 12), Filed(EventRef("a", 4), 12)]
    store.apply(filed, {12: vectors[1]}, {"a": Position(4, "h", 1)})
    assert found(store, vectors[0], 2) == [("a", 1), ("a", 2)]
    assert found(store, vectors[1], 2) == [("a", 3), ("a", 4)]
    with pytest.raises(ProjectionError):
        store.apply([Filed(EventRef("a", 5), 99)], {}, {"a": Position(5, "h", 1)})
    assert store.cursor()["a"].seq == 4


def test_ranges_give_the_vectors_of_their_events_in_order(tmp_path: Path) -> None:
    store, vectors = opened(tmp_path), unit(40)
    put(store, "a", range(1, 11), vectors[:10])
    put(store, "b", range(1, 11), vectors[10:20])
    put(store, "a", range(12, 32), vectors[20:])
    refs, rows = store.vectors([("b", 9, 99), ("none", 1, 5), ("a", 9, 13), ("a", 31, 2**62)])
    assert [(ref.session_id, ref.seq) for ref in refs] == [
        *(("b", 9), ("b", 10), ("a", 9), ("a", 10), ("a", 12), ("a", 13), ("a", 31)),
    ]
    assert rows.dtype == np.float32
    assert np.abs(rows - vectors[[18, 19, 8, 9, 20, 21, 39]]).max() < 0.01
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert store.vectors([])[1].shape == (0, DIMENSION)


def test_cosines_are_those_of_a_search_and_not_a_number_where_there_is_no_vector(tmp_path: Path) -> None:
    store, vectors = opened(tmp_path), unit(20)
    put(store, "b", range(1, 11), vectors[:10])
    put(store, "a", range(3, 13), vectors[10:])
    query = unit(1, seed=1)[0]
    scores = {(one.ref.session_id, one.ref.seq): one.score for one in store.search(query, None, 99)}
    asked = [("a", 3), ("b", 1), ("a", 2), ("none", 3), ("b", 10), ("a", 12), ("a", 13)]
    names = ("b", "none", "a")
    session = np.array([names.index(name) for name, _ in asked], np.int32)
    cosines = store.cosines(query, names, session, np.array([seq for _, seq in asked], np.int64))
    for ref, cosine in zip(asked, cosines, strict=True):
        assert np.isnan(cosine) if ref not in scores else cosine == pytest.approx(scores[ref])
    assert np.isnan(cosines).sum() == 3


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    for store in (VectorStore(tmp_path, "never made"), opened(tmp_path)):
        assert found(store, unit(1)[0]) == []
        assert store.vectors([("a", 1, 9)])[0] == []
        assert (store.count(), dict(store.cursor()), store.known([1])) == (0, {}, set())


def test_what_one_opening_commits_another_one_sees(tmp_path: Path) -> None:
    writer, reader, vectors = opened(tmp_path), VectorStore(tmp_path, "model:1"), unit(300)
    for start in range(0, 300, 10):
        put(writer, f"s{start}", range(1, 11), vectors[start : start + 10])
        assert found(reader, vectors[start + 9], 1) == [(f"s{start}", 10)]
        assert reader.count() == start + 10


def test_an_event_that_is_forgotten_is_not_found_and_not_in_the_files(tmp_path: Path) -> None:
    store, reader, vectors = opened(tmp_path), VectorStore(tmp_path, "model:1"), unit(5)
    put(store, "a", range(1, 6), vectors)
    row = scoring.quantized(vectors[2:3])[0].tobytes()
    digest = as_sqlite_writes(digest_of(str(EventRef("a", 3))))
    assert row in content(store)
    assert digest in content(store)
    assert found(reader, vectors[2], 1) == [("a", 3)]
    store.forget([EventRef("a", 3)])
    store.forget([EventRef("none", 3)])
    assert row not in content(store)
    assert digest not in content(store)
    assert len(found(reader, vectors[2])) == len(found(store, vectors[2])) == 4
    assert ("a", 3) not in found(reader, vectors[2])
    assert [ref.seq for ref in reader.vectors([("a", 1, 9)])[0]] == [1, 2, 4, 5]
    assert (reader.count(), reader.cursor()["a"].seq) == (4, 5)


def test_a_session_that_is_dropped_is_gone_and_can_come_again(tmp_path: Path) -> None:
    store, reader, vectors = opened(tmp_path), VectorStore(tmp_path, "model:1"), unit(6)
    put(store, "a", range(1, 4), vectors[:3])
    put(store, "b", range(1, 4), vectors[3:])
    put(store, "a", range(4, 7), vectors[3:])
    assert reader.count() == 9
    row = scoring.quantized(vectors[1:2])[0].tobytes()
    store.drop(["a", "never"])
    assert row not in content(store)
    assert found(reader, vectors[3]) == found(store, vectors[3])
    assert {name for name, _ in found(reader, vectors[3])} == {"b"}
    assert set(store.cursor()) == {"b"}
    put(store, "a", range(1, 3), vectors[:2])
    assert found(reader, vectors[1], 1) == [("a", 2)]
    assert reader.count() == 5


def test_an_erasure_that_was_cut_short_is_not_seen_and_is_ended_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, vectors = opened(tmp_path), unit(6)
    put(store, "a", range(1, 4), vectors[:3])
    put(store, "b", range(1, 4), vectors[3:])
    with monkeypatch.context() as patched:
        patched.setattr(store, "_erase_pending", lambda: None)  # as a process that is killed there
        store.forget([EventRef("a", 2)])
        store.drop(["b"])
    rows = [scoring.quantized(vectors[place : place + 1])[0].tobytes() for place in (1, 4)]
    assert all(row in content(store) for row in rows)
    for reader in (store, VectorStore(tmp_path, "model:1")):
        assert sorted(found(reader, vectors[1])) == [("a", 1), ("a", 3)]
        assert reader.count() == 2
    again = opened(tmp_path)
    assert not any(row in content(again) for row in rows)
    assert sorted(found(again, vectors[1])) == [("a", 1), ("a", 3)]


def test_rows_behind_the_committed_ones_do_not_count_and_are_written_over(tmp_path: Path) -> None:
    store, vectors = opened(tmp_path), unit(4)
    put(store, "a", [1, 2], vectors[:2])
    for name, width in (("rows.i8", DIMENSION), ("codes.b1", 8), ("entries.bin", 12)):
        with (store.folder / name).open("ab") as stream:
            stream.write(b"\x01" * (5 * width + 3))
    again = opened(tmp_path)
    assert found(again, vectors[0]) == [("a", 1), ("a", 2)]
    put(again, "a", [3, 4], vectors[2:])
    assert again.count() == 4
    assert all(found(again, vectors[seq - 1], 1) == [("a", seq)] for seq in range(1, 5))


def test_files_that_are_shorter_than_what_was_committed_are_an_error(tmp_path: Path) -> None:
    store = opened(tmp_path)
    put(store, "a", [1, 2, 3], unit(3))
    for name in ("rows.i8", "entries.bin"):
        whole = (store.folder / name).read_bytes()
        (store.folder / name).write_bytes(whole[:-1])
        with pytest.raises(ProjectionError, match=name):
            found(VectorStore(tmp_path, "model:1"), unit(1)[0])
        (store.folder / name).write_bytes(whole)


def test_a_map_that_is_damaged_or_of_another_model_is_an_error(tmp_path: Path) -> None:
    store = opened(tmp_path)
    put(store, "a", [1], unit(1))
    path = store.folder / "map.sqlite"
    other = VectorStore(tmp_path, "model:2")
    other.folder.mkdir()
    (other.folder / "map.sqlite").write_bytes(path.read_bytes())
    for broken in (other, VectorStore(tmp_path, "model:1")):
        with pytest.raises(ProjectionError):
            broken.begin()
        path.write_bytes(b"not a database, but long enough to look at" * 100)


def test_another_dimension_is_refused_with_both(tmp_path: Path) -> None:
    store = opened(tmp_path)
    put(store, "a", [1], unit(1))
    with pytest.raises(InvalidInputError, match=r"7.*40"):
        store.search(np.ones(7, np.float32), None, 3)
    with pytest.raises(InvalidInputError, match=r"7.*40"):
        store.apply([Filed(EventRef("a", 2), 5)], {5: np.ones(7, np.float32)}, {"a": Position(2, "h", 1)})
    assert store.count() == 1


def test_an_event_is_not_taken_in_twice(tmp_path: Path) -> None:
    store = opened(tmp_path)
    put(store, "a", [1, 2], unit(2))
    with pytest.raises(ProjectionError, match="already"):
        put(store, "a", [2], unit(1))
    assert store.count() == 2


def test_a_store_that_is_reset_is_empty_for_every_reader(tmp_path: Path) -> None:
    store, reader, vectors = opened(tmp_path), VectorStore(tmp_path, "model:1"), unit(3)
    put(store, "a", [1, 2], vectors[:2])
    assert reader.count() == 2
    store.reset()
    assert (reader.count(), list(tmp_path.iterdir())) == (0, [])
    store.begin()
    put(store, "b", [1, 2, 3], vectors)
    assert found(reader, vectors[0], 1) == [("b", 1)]
    assert reader.count() == 3


def test_it_answers_like_a_plain_list_whatever_is_done_to_it(tmp_path: Path, chance: random.Random) -> None:
    store, reader = opened(tmp_path), VectorStore(tmp_path, "model:1")
    pool, held, ends = unit(50, seed=chance.randrange(1_000)), dict[tuple[str, int], int](), dict[str, int]()
    for _ in range(40):
        name = chance.choice("abcd")
        if chance.random() < 0.7:
            count, start = chance.randrange(1, 6), ends.get(name, 0) + 1
            chosen = [chance.randrange(50) for _ in range(count)]
            put(store, name, range(start, start + count), pool[chosen])
            held.update({(name, start + place): row for place, row in enumerate(chosen)})
            ends[name] = start + count - 1
        elif chance.random() < 0.5:
            store.drop([name])
            held = {ref: row for ref, row in held.items() if ref[0] != name}
            ends.pop(name, None)
        elif held:
            ref = chance.choice(sorted(held))
            store.forget([EventRef(*ref)])
            del held[ref]
        query = pool[chance.randrange(50)]
        order = sorted(held, key=lambda ref: (-round(float(pool[held[ref]] @ query), 1), ref))
        answer = found(reader, query, 1_000)
        assert sorted(answer) == sorted(order)
        cosines = [float(pool[held[ref]] @ query) for ref in answer]
        assert all(first >= second - 0.03 for first, second in itertools.pairwise(cosines))
        assert reader.count() == len(held)
        assert set(found(reader, query, 1_000, name)) == {ref for ref in held if ref[0] == name}
