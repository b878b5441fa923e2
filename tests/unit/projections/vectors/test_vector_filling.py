"""Vectors that follow the log: what gets one, what is taken again, what a failing model changes (nothing)."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fault_processes import Say, memory_folder, run, start
from zaxy.embedding.hashing import HashEmbedder
from zaxy.embedding.protocol import EmbeddingError
from zaxy.errors import BusyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import as_draft
from zaxy.eventloom.loom import Eventloom
from zaxy.files.lock import try_lock, unlock
from zaxy.ids import EventRef
from zaxy.projections.vectors import erasing, filling
from zaxy.projections.vectors.background import BackgroundFilling
from zaxy.projections.vectors.filling import VectorFiller
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.registry import extract


class Counting(HashEmbedder):
    """Counts the texts that it embeds, and fails while it is told to."""

    def __init__(self, dimension: int = 64) -> None:
        super().__init__(dimension)
        self.texts: list[str] = []
        self.fails = False
        self.before: Callable[[], None] = lambda: None

    def embed(self, texts: Sequence[str]) -> Any:
        self.before()
        if self.fails:
            raise EmbeddingError("the model is down")
        self.texts += texts
        return super().embed(texts)


def turn(text: str, speaker: str = "ann") -> Draft:
    return as_draft({"event_type": "transcript.turn", "actor": speaker, "payload": {"content": text}})


def filler_of(folder: Path, embedder: HashEmbedder | None = None) -> VectorFiller:
    place = folder / "projections" / "vectors"
    return VectorFiller(Eventloom(folder), place, embedder or Counting(), lambda event: Meaning(event, extract(event)))


def say(filler: VectorFiller, session_id: str, *texts: str) -> None:
    filler._loom.commit(session_id, [turn(text) for text in texts])


def nearest(filler: VectorFiller, text: str, limit: int = 1) -> list[tuple[str, int]]:
    found = filler.store.search(filler.embedder.embed_query(text), None, limit)
    return [(candidate.ref.session_id, candidate.ref.seq) for candidate in found]


def test_every_memory_with_text_gets_a_vector_and_the_rest_is_passed_over(tmp_path: Path) -> None:
    filler = filler_of(tmp_path)
    say(filler, "a", "the parser reads tokens", "lunch at noon")
    filler._loom.append("a", "memory.checkout", "zaxy", {"query": "what now?"})
    filler._loom.append("b", "goal.created", "bob", {"title": "ship the printer"})
    told: list[int] = []
    assert filler.coverage().waiting == 4
    assert filler.fill(lambda done, total: told.append(done)) == 3
    assert told[-1] == 3
    coverage = filler.coverage()
    assert (coverage.embedded, coverage.waiting, coverage.model, coverage.dimension) == (3, 0, "hash:64:1", 64)
    assert nearest(filler, "ann: the parser reads tokens") == [("a", 1)]
    assert nearest(filler, "ship the printer") == [("b", 1)]
    assert filler.fill() == 0


def test_what_comes_later_is_filled_in_and_equal_texts_are_embedded_once(tmp_path: Path) -> None:
    model = Counting()
    filler = filler_of(tmp_path, model)
    say(filler, "a", *["yes"] * 5, "no", *["yes"] * 5)
    assert filler.fill() == 11
    say(filler, "b", "no", "perhaps", "yes")
    assert filler.fill() == 3
    assert sorted(model.texts) == ["ann: no", "ann: perhaps", "ann: yes"]
    assert nearest(filler, "ann: no", 2) == [("a", 6), ("b", 1)]


def test_a_model_that_fails_leaves_what_was_committed_and_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_COMMIT_TEXTS", 10)
    model = Counting()
    filler = filler_of(tmp_path, model)
    say(filler, "a", *[f"text {number}" for number in range(35)])

    def fail_later() -> None:
        model.fails = len(model.texts) >= 20

    model.before = fail_later
    with pytest.raises(EmbeddingError):
        filler.fill()
    assert (filler.coverage().embedded, filler.coverage().waiting) == (20, 15)
    model.before, model.fails = lambda: None, False
    assert filler.fill() == 15
    assert len(model.texts) == len(set(model.texts)) == 35


def test_a_session_whose_log_is_gone_or_another_one_is_taken_out(tmp_path: Path) -> None:
    filler = filler_of(tmp_path)
    say(filler, "a", "llama one", "llama two")
    say(filler, "b", "alpaca one", "alpaca two")
    filler.fill()
    filler._loom.close()
    for path in [tmp_path / "a.jsonl", tmp_path / "b.jsonl", *(tmp_path / ".zaxy").rglob("[ab].*")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(tmp_path / ".zaxy", ignore_errors=True)
    later = filler_of(tmp_path)
    say(later, "b", "vicuna one", "vicuna two", "vicuna three")
    assert later.fill() == 3
    assert set(later.store.cursor()) == {"b"}
    assert sorted(nearest(later, "llama alpaca vicuna", 99)) == [("b", 1), ("b", 2), ("b", 3)]
    assert nearest(later, "ann: vicuna three") == [("b", 3)]


def test_another_model_starts_anew_and_the_old_vectors_go_when_it_is_done(tmp_path: Path) -> None:
    first = filler_of(tmp_path, Counting(64))
    say(first, "a", *[f"text {number}" for number in range(5)])
    first.fill()
    second_model = Counting(32)
    second_model.fails = True
    second = filler_of(tmp_path, second_model)
    with pytest.raises(EmbeddingError):
        second.fill()
    assert first.store.folder.exists()
    second_model.fails = False
    assert second.fill() == 5
    assert second.store.head().dimension == 32
    assert [path for path in second.store.folder.parent.iterdir() if path.is_dir()] == [second.store.folder]


def test_an_event_that_is_forgotten_is_out_of_every_models_vectors_and_stays_out(tmp_path: Path) -> None:
    filler, old = filler_of(tmp_path), filler_of(tmp_path, Counting(32))
    say(filler, "a", "secret llama", "alpaca")
    filler.fill()
    old.store.begin()
    filler.forget([EventRef("a", 1)])
    assert not old.store.folder.exists()
    filler.fill()
    assert nearest(filler, "ann: secret llama", 9) == [("a", 2)]


def test_a_store_that_cannot_be_used_is_set_aside_and_filled_again(tmp_path: Path) -> None:
    filler = filler_of(tmp_path)
    say(filler, "a", "llama", "alpaca")
    filler.fill()
    (filler.store.folder / "map.sqlite").write_bytes(b"damaged" * 1_000)
    again = filler_of(tmp_path)
    assert again.fill() == 2
    assert nearest(again, "ann: llama") == [("a", 1)]
    assert list(again.store.folder.parent.glob("*.set-aside-*"))


def test_from_scratch_embeds_everything_again(tmp_path: Path) -> None:
    model = Counting()
    filler = filler_of(tmp_path, model)
    say(filler, "a", "llama", "alpaca")
    assert (filler.fill_all(), filler.fill_all(), filler.fill_all(from_scratch=True)) == (2, 0, 2)
    assert len(model.texts) == 4
    assert filler.coverage().embedded == 2


def test_a_damaged_log_is_filled_in_up_to_the_damage(tmp_path: Path) -> None:
    filler = filler_of(tmp_path)
    say(filler, "a", "llama", "alpaca", "vicuna")
    filler._loom.close()
    path = tmp_path / "a.jsonl"
    path.write_bytes(path.read_bytes().replace(b"alpaca", b"camels"))
    again = filler_of(tmp_path)
    assert again.fill() == 1
    assert nearest(again, "ann: llama", 9) == [("a", 1)]


def test_only_one_fills_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_OTHER_FILLER_SECONDS", 0.0)
    monkeypatch.setattr(erasing, "_WAIT_SECONDS", 0.0)
    filler = filler_of(tmp_path)
    say(filler, "a", "llama")
    (tmp_path / "projections" / "vectors").mkdir(parents=True)
    held = try_lock(tmp_path / "projections" / "vectors.catch-up.lock")
    assert held is not None
    assert filler.fill() is None
    for call in (filler.fill_all, lambda: filler.forget([EventRef("a", 1)])):
        with pytest.raises(BusyError):
            call()
    unlock(held)
    assert filler.fill_all() == 1


def test_two_processes_that_fill_at_once_embed_each_text_once_between_them() -> None:
    with memory_folder() as folder:
        say(filler_of(folder), "a", *[f"text {number}" for number in range(400)])
        say(filler_of(folder), "b", *[f"text {number}" for number in range(300, 700)])

        def work(tell: Say) -> None:
            model = Counting()
            filler_of(folder, model).fill_all()
            tell(str(len(model.texts)))

        children = [start(work) for _ in range(2)]
        done = [child.finish() for child in children]
        assert [code for code, _ in done] == [0, 0]
        assert sum(int(lines[-1]) for _, lines in done) == 700
        assert filler_of(folder).coverage().embedded == 800


@pytest.mark.parametrize("kill_after", [1, 2, 5, 8])
def test_a_process_that_is_killed_leaves_what_it_committed_and_the_next_goes_on(
    kill_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_COMMIT_TEXTS", 10)
    with memory_folder() as folder:
        say(filler_of(folder), "a", *[f"text {number}" for number in range(100)])

        def work(tell: Say) -> None:
            filler_of(folder).fill(lambda done, total: tell(str(done)))

        child = start(work)
        child.hear(str(10 * kill_after))
        said = child.kill()
        model = Counting()
        filler = filler_of(folder, model)
        before = filler.coverage()
        assert before.embedded + before.waiting == 100
        assert before.embedded >= int(said[-1])
        assert filler.fill() == before.waiting == len(model.texts)
        assert sorted(seq for _, seq in nearest(filler, "text", 999)) == list(range(1, 101))
        assert run(lambda tell: tell(str(nearest(filler_of(folder), "ann: text 77")))) == ["[('a', 78)]"]


def test_the_background_fills_in_and_a_model_that_is_down_only_leaves_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("_GATHER_SECONDS", "_FIRST_PAUSE_SECONDS"):
        monkeypatch.setattr(f"zaxy.projections.vectors.background.{name}", 0.001)
    model, tries, filled = Counting(), threading.Semaphore(0), threading.Event()
    filler = filler_of(tmp_path, model)
    model.before, model.fails = tries.release, True
    fill = filler.fill

    def telling(*arguments: Any, **named: Any) -> int | None:
        done = fill(*arguments, **named)
        filled.set()
        return done

    monkeypatch.setattr(filler, "fill", telling)
    background = BackgroundFilling(lambda: filler)
    say(filler, "a", "llama")
    background.note()
    for _ in range(3):
        assert tries.acquire(timeout=30)
    assert filler.coverage().last_error == "the model is down"
    model.fails = False
    assert filled.wait(30)
    background.close()
    assert filler.coverage().embedded == 1
    assert filler.coverage().last_error is None
    assert len([record for record in caplog.records if "down" in record.message]) == 1
    background.note()
    BackgroundFilling(lambda: None).close()


def test_the_background_ends_when_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zaxy.projections.vectors.background._GATHER_SECONDS", 0.001)
    asked = threading.Event()

    def none() -> None:
        asked.set()

    background = BackgroundFilling(none)
    background.note()
    assert asked.wait(30)
    background.close()
