"""The order of candidates: what speaks for an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from zaxy.clock import parse_time
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.forward.memory import MemoryForward
from zaxy.projections.forward.passages import Passages, read_passages
from zaxy.projections.protocols import TermStatistics
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.selection import Selection
from zaxy.services.recall.ranking.ranker import Ranking, candidates, contrast, exact_order, rank, shape_of
from zaxy.services.recall.ranking.reading import Reading
from zaxy.services.recall.ranking.weights import ASSISTANT, LANE_WEIGHTS, PEOPLE, weights_for
from zaxy.testing.projections import positions_after
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.registry import extract

TALK = (
    ("Ann", "Good morning, did the parcel from the harbour arrive?", "2026-03-01T09:00:00Z"),
    ("Bob", "It did, two boxes of rope and a small brass compass in blue paper.", "2026-03-01T09:01:00Z"),
    ("Ann", "Lovely, I will fetch it.", "2026-03-01T09:02:00Z"),
    ("Bob", "My sister starts as a nurse in Leeds next month.", "2026-04-02T09:00:00Z"),
    ("Ann", "I bought a violin yesterday, and I play it every evening.", "2026-05-03T09:00:00Z"),
    ("Bob", "I sold my violin, it was only dust in the hall.", "2026-09-04T09:00:00Z"),
)


class Talk:
    """A conversation, and the order that questions put it in."""

    def __init__(self, loom: Eventloom, turns: Any = TALK, *, event_type: str = "transcript.turn") -> None:
        self.events: list[Event] = [
            loom.append("talk", event_type, who, {"speaker": who, "content": said, "occurred_at": when})
            for who, said, when in turns
        ]
        self.index = MemoryForward(analyzer())
        meanings = [Meaning(event, extract(event)) for event in self.events]
        self.index.apply(meanings, positions_after(meanings))

    def passages(self, question: str, found: list[int], **selection: Any) -> Passages:
        chosen = Selection(now=parse_time("2026-11-21T08:00:00Z"), **selection)
        refs = [EventRef("talk", seq) for seq in found]
        return read_passages(self.index, refs, analyzer().query_terms(question), chosen)

    def ask(self, question: str, found: list[int] | None = None, **reading: Any) -> Ranking:
        passages = self.passages(question, found or list(range(1, len(self.events) + 1)))
        terms = analyzer().query_terms(question)
        frequencies = {term: int((passages.counts[:, place] > 0).sum()) for place, term in enumerate(terms)}
        return rank(
            passages,
            candidates(passages, [EventRef("talk", seq) for seq in found or range(1, len(self.events) + 1)]),
            reading=Reading.of(question, **reading),
            terms=terms,
            figures=TermStatistics(len(self.events), 60, frequencies),
            cosines=None,
            lanes={},
        )


@pytest.fixture
def loom(tmp_path: Any) -> Eventloom:
    return Eventloom(tmp_path / "loom", state_path=tmp_path / "state")


def seqs(ranking: Ranking) -> list[int]:
    return [ref.seq for ref in ranking.refs]


def test_the_answer_to_a_question_in_the_log_is_found_by_the_questions_words(loom: Eventloom) -> None:
    assert 2 in seqs(Talk(loom).ask("Did the parcel from the harbour arrive?"))[:2]


def test_who_is_named_goes_before_who_talks_with_them(loom: Eventloom) -> None:
    talk = Talk(loom)
    assert seqs(talk.ask("What did Ann do with a violin?"))[0] == 5
    assert seqs(talk.ask("What did Bob do with a violin?"))[0] == 6


def test_a_turn_of_the_time_that_the_question_names_goes_first(loom: Eventloom) -> None:
    talk = Talk(loom)
    september = (parse_time("2026-09-01T00:00:00Z"), parse_time("2026-10-01T00:00:00Z"))
    may = (parse_time("2026-05-01T00:00:00Z"), parse_time("2026-06-01T00:00:00Z"))
    assert seqs(talk.ask("What about the violin?", spans=[september]))[0] == 6
    assert seqs(talk.ask("What about the violin?", spans=[may]))[0] == 5


def test_two_turns_on_each_side_of_what_was_found_are_candidates(loom: Eventloom) -> None:
    talk = Talk(loom)
    passages = talk.passages("harbour", [3])
    assert passages.seq[candidates(passages, [EventRef("talk", 3)])].tolist() == [1, 2, 3, 4, 5]


def test_events_that_are_no_turns_stand_alone(loom: Eventloom) -> None:
    talk = Talk(loom, event_type="note.taken")
    passages = talk.passages("harbour", [3])
    assert passages.seq[candidates(passages, [EventRef("talk", 3)])].tolist() == [3]


def test_what_the_filters_leave_out_is_no_candidate_but_still_context(loom: Eventloom) -> None:
    talk = Talk(loom)
    passages = talk.passages("harbour", [1, 2, 3], as_of=parse_time("2026-03-01T09:01:30Z"))
    assert passages.seq[candidates(passages, [EventRef("talk", seq) for seq in (1, 2, 3)])].tolist() == [1, 2]


def test_the_score_is_the_weighted_sum_of_the_features(loom: Eventloom) -> None:
    ranking = Talk(loom).ask("When did Ann buy the violin?", asks_when=True)
    for place, score in enumerate(ranking.scores):
        parts = [
            weight * float(ranking.columns[name][place])
            for name, weight in ranking.weights.items()
            if name in ranking.columns
        ]
        assert math.isclose(sum(parts), score, abs_tol=1e-3)
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)


def test_the_same_question_twice_gives_the_same_order(loom: Eventloom) -> None:
    talk = Talk(loom)
    assert talk.ask("rope and compass").refs == talk.ask("rope and compass").refs


def test_an_empty_pool_gives_an_empty_ranking(loom: Eventloom) -> None:
    talk = Talk(loom)
    passages = talk.passages("harbour", [99])
    found = rank(
        passages,
        candidates(passages, []),
        reading=Reading.of("harbour"),
        terms=["harbour"],
        figures=TermStatistics(0, 0, {}),
        cosines=np.zeros(0, np.float32),
        lanes={},
    )
    assert (found.refs, found.scores) == ((), ())


@pytest.mark.parametrize(("speakers", "shape"), [(("Ann", "Bob"), PEOPLE), (("user", "assistant"), ASSISTANT)])
def test_who_talks_decides_which_weights_count(loom: Eventloom, speakers: tuple[str, str], shape: str) -> None:
    turns = [(speakers[place % 2], said, when) for place, (_, said, when) in enumerate(TALK)]
    talk = Talk(loom, turns)
    passages = talk.passages("violin", [5])
    assert shape_of(passages, candidates(passages, [EventRef("talk", 5)])) == shape


@pytest.mark.parametrize("shape", [PEOPLE, ASSISTANT])
@pytest.mark.parametrize("vectors", [True, False])
def test_every_weight_belongs_to_a_feature(loom: Eventloom, shape: str, vectors: bool) -> None:
    columns = set(Talk(loom).ask("violin").columns) | set(LANE_WEIGHTS)
    columns |= {"vector", "vector_beside", "vector_stretch"} if vectors else set()
    weights: Mapping[str, float] = weights_for(shape, vectors=vectors)
    assert set(weights) == columns
    assert all(math.isfinite(weight) for weight in weights.values())


def test_the_verbatim_lane_alone_is_ordered_by_its_scores() -> None:
    found = exact_order({EventRef("b", 1): 0.5, EventRef("a", 2): 1.0, EventRef("a", 1): 0.5})
    assert [(ref.session_id, ref.seq) for ref in found.refs] == [("a", 2), ("a", 1), ("b", 1)]
    assert found.scores == (1.0, 0.5, 0.5)


def test_the_median_of_a_few_vectors_is_no_measure_of_the_nearest() -> None:
    few, more = np.full(19, 0.2, np.float32), np.full(20, 0.2, np.float32)
    few[0] = more[0] = 0.7
    assert contrast(few, np.ones(19, np.bool_)) is None
    assert contrast(more, np.ones(20, np.bool_)) == 0.5
    assert contrast(more, np.zeros(20, np.bool_)) is None
    assert contrast(np.concatenate([few, [np.nan]]), np.ones(20, np.bool_)) is None
