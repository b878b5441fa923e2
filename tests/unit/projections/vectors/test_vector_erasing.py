"""Erasing from the vectors: of every model, of what was never committed, while somebody fills, and without a model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from forgettable_looms import correct, destroy, forget, memory_at, say_forgotten, tell
from zaxy.config import EmbeddingSettings
from zaxy.embedding.hashing import HashEmbedder
from zaxy.embedding.protocol import EmbeddingError
from zaxy.errors import ProjectionError
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.projections.protocols import Position
from zaxy.projections.vectors import filling
from zaxy.projections.vectors.erasing import erase_vectors
from zaxy.projections.vectors.scoring import quantized
from zaxy.projections.vectors.store import Filed, VectorStore, digest_of
from zaxy.services.recall.question import Filters

DIMENSION = 64


class Watched(HashEmbedder):
    """Tells which texts it embeds, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__(DIMENSION)
        self.texts: list[str] = []
        self.fails = False

    def embed(self, texts: Sequence[str]) -> Any:
        if self.fails:
            raise EmbeddingError("the model is down")
        self.texts += texts
        return super().embed(texts)


def vectors_in(root: Path) -> Path:
    return root / "loom" / "projections" / "vectors"


def watched(root: Path) -> tuple[Memory, Watched]:
    memory, embedder = memory_at(root), Watched()
    assert memory.vectors is not None
    memory.vectors.embedder = embedder
    return memory, embedder


def row_of(text: str) -> bytes:
    return quantized(HashEmbedder(DIMENSION).embed([text]))[0].tobytes()


def holding(folder: Path, row: bytes) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and row in path.read_bytes())


def secret(memory: Memory, text: str = "the secret llama") -> Event:
    return tell(memory, "note.taken", {"content": text}, forgettable=True)


def put(store: VectorStore, *texts: str) -> None:
    store.begin()
    filed = [Filed(EventRef("work", seq), digest_of(text)) for seq, text in enumerate(texts, start=1)]
    fresh = {digest_of(text): HashEmbedder(DIMENSION).embed([text])[0] for text in dict.fromkeys(texts)}
    store.apply(filed, fresh, {"work": Position(len(texts), "", 0)})


def test_a_forgotten_memory_leaves_the_vectors_and_the_others_stay(tmp_path: Path) -> None:
    memory, _ = watched(tmp_path)
    event = secret(memory)
    tell(memory, "note.taken", {"content": "an alpaca"})
    assert memory.embed() == 2
    assert holding(vectors_in(tmp_path), row_of("the secret llama")) == ["rows.i8"]
    forget(memory, event)
    assert holding(vectors_in(tmp_path), row_of("the secret llama")) == []
    assert holding(vectors_in(tmp_path), row_of("an alpaca")) == ["rows.i8"]
    assert memory.vectors is not None
    assert memory.vectors.store.count() == 1
    memory.close()


def test_what_a_killed_filler_wrote_and_did_not_commit_is_erased_too(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, "model:1")
    put(store, "an alpaca")
    row = row_of("the secret llama")
    with (store.folder / "rows.i8").open("ab") as stream:
        stream.write(row)
    erase_vectors(tmp_path, "model:1", [EventRef("work", 7)])
    assert holding(tmp_path, row) == []
    assert store.count() == 1


def test_the_vectors_of_models_that_are_not_in_use_go_whole(tmp_path: Path) -> None:
    for name in ("model:1", "model:2"):
        put(VectorStore(tmp_path, name), "the secret llama")
    used = VectorStore(tmp_path, "model:1")
    for name in ("set-aside-17", "gone-18"):
        left = tmp_path / f"{used.folder.name}.{name}"
        left.mkdir()
        (left / "rows.i8").write_bytes(row_of("the secret llama"))
    erase_vectors(tmp_path, "model:1", [EventRef("work", 1)])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [used.folder.name]
    assert holding(tmp_path, row_of("the secret llama")) == []
    put(VectorStore(tmp_path, "model:3"), "the secret llama")
    erase_vectors(tmp_path, None, [EventRef("work", 1)])
    assert list(tmp_path.iterdir()) == []
    erase_vectors(tmp_path / "none", None, [EventRef("work", 1)])


def test_vectors_that_cannot_be_used_go_whole(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, "model:1")
    put(store, "the secret llama")
    (store.folder / "map.sqlite").write_bytes(b"damaged" * 1_000)
    erase_vectors(tmp_path, "model:1", [EventRef("work", 1)])
    assert holding(tmp_path, row_of("the secret llama")) == []


def test_a_folder_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(VectorStore(tmp_path, "model:2"), "the secret llama")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("zaxy.projections.vectors.erasing.shutil.rmtree", refused)
        with pytest.raises(ProjectionError, match="Permission denied"):
            erase_vectors(tmp_path, "model:1", [EventRef("work", 1)])
    erase_vectors(tmp_path, "model:1", [EventRef("work", 1)])
    assert holding(tmp_path, row_of("the secret llama")) == []


def test_vectors_are_erased_while_the_model_is_down_or_none_is_chosen(tmp_path: Path) -> None:
    memory, embedder = watched(tmp_path)
    first, second = secret(memory), secret(memory, "another secret alpaca")
    assert memory.embed() == 2
    tell(memory, "note.taken", {"content": "later"})
    embedder.fails = True
    forget(memory, first)
    with pytest.raises(EmbeddingError):
        memory.embed()
    memory.close()
    assert holding(vectors_in(tmp_path), row_of("the secret llama")) == []
    assert holding(vectors_in(tmp_path), row_of("another secret alpaca")) == ["rows.i8"]
    with memory_at(tmp_path, embedding=EmbeddingSettings(enabled=False)) as without:
        forget(without, second)
    assert holding(vectors_in(tmp_path), row_of("another secret alpaca")) == []


def test_a_filler_that_reads_of_a_forgetting_erases_before_its_cursor_passes(tmp_path: Path) -> None:
    memory, embedder = watched(tmp_path)
    first, second = secret(memory), secret(memory, "another secret alpaca")
    assert memory.vectors is not None
    assert memory.vectors.fill() == 2
    third = secret(memory, "a third one about vicunas")
    say_forgotten(memory, first, [second, third])
    memory.opener._erasures = None  # the key of the third one is still there
    tell(memory, "note.taken", {"content": "later"})
    memory.vectors.fill()
    texts = ("the secret llama", "another secret alpaca", "a third one about vicunas")
    assert [holding(vectors_in(tmp_path), row_of(text)) for text in texts] == [[], [], []]
    assert "a third one about vicunas" not in embedder.texts
    assert memory.vectors.store.count() == 1
    destroy(memory, first, second, third)
    memory.close()


def test_a_long_filling_gives_way_to_an_erasure_and_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_COMMIT_TEXTS", 1)
    memory, embedder = watched(tmp_path)
    event = secret(memory)
    for number in range(30):
        tell(memory, "note.taken", {"content": f"alpaca {number}"})
    begun, erasing = threading.Event(), threading.Event()
    embed = embedder.embed

    def slowly(texts: Sequence[str]) -> Any:
        begun.set()
        assert erasing.wait(30)
        return embed(texts)

    monkeypatch.setattr(embedder, "embed", slowly)
    filled: list[int] = []
    thread = threading.Thread(target=lambda: filled.append(memory.embed()))
    thread.start()
    assert begun.wait(30)
    waiting = threading.Thread(target=lambda: erase_vectors(vectors_in(tmp_path), embedder.name, [event.ref]))
    waiting.start()
    while not filling.is_erasing_wanted(vectors_in(tmp_path)):
        waiting.join(0.001)
    erasing.set()
    waiting.join(30)
    assert not waiting.is_alive()
    assert holding(vectors_in(tmp_path), row_of("the secret llama")) == []
    thread.join(60)
    assert filled == [31]
    assert memory.vectors is not None
    assert memory.vectors.store.count() == 30
    memory.close()


def test_a_correction_has_the_vector_of_its_own_text_and_is_found_by_it(tmp_path: Path) -> None:
    memory, embedder = watched(tmp_path)
    said = tell(memory, "note.taken", {"content": "the llama lives in Cusco"})
    correction = correct(memory, said, "the alpaca grazes near Arequipa")
    memory.embed()
    assert embedder.texts == ["the llama lives in Cusco", "the alpaca grazes near Arequipa"]
    answer = memory.recall.query("alpaca Arequipa", Filters(lanes="vector"))
    assert [(hit.content, hit.citation) for hit in answer] == [("the alpaca grazes near Arequipa", correction.citation)]
    assert list(memory.recall.query("llama Cusco", Filters(lanes="vector"))) == []
    memory.close()


def test_many_old_versions_that_lie_nearer_do_not_crowd_out_the_new_one(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, "model:1")
    texts = [*["the llama lives in Cusco"] * 80, "the llama lives"]
    put(store, *texts)
    query = HashEmbedder(DIMENSION).embed_query("the llama lives in Cusco")
    asked: list[int] = []

    def admits(refs: Sequence[EventRef]) -> set[EventRef]:
        asked.append(len(refs))
        return {ref for ref in refs if ref.seq == len(texts)}

    assert [candidate.ref.seq for candidate in store.search(query, None, 10, admits)] == [len(texts)]
    assert asked == [10, 40, 81]
    assert len(store.search(query, None, 10)) == 10


def test_an_erasure_that_was_cut_off_behind_its_last_file_leaves_no_digest_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = VectorStore(tmp_path, "model:1")
    put(store, "the secret llama", "an alpaca")
    before = set(store.known([digest_of("the secret llama"), digest_of("an alpaca")]))
    assert len(before) == 2

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store._map, "finish", cut_off)
        with pytest.raises(KeyboardInterrupt):
            store.forget([EventRef("work", 1)])
    again = VectorStore(tmp_path, "model:1")
    again.begin()
    assert again.known(before) == {digest_of("an alpaca")}
