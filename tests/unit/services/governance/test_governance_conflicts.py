"""Which things sources disagree on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.governance.conflicts import Conflict, ConflictingValue, ConflictService


class Disputed:
    """A memory in which several sources say something."""

    def __init__(self, folder: Path) -> None:
        self.moment = parse_time("2026-11-21T08:00:00Z")
        words_alone = EmbeddingSettings(enabled=False)
        self.memory = Memory(Settings(eventloom_path=folder / "loom", fsync="off", embedding=words_alone), clock=self)
        self.service = ConflictService(self._ask, self.memory.reader.read, self.memory.recall.analyzer.terms, self)

    def now(self) -> int:
        return self.moment

    def _ask(self, question: Any) -> Any:
        self.memory.catchup.refresh()
        return self.memory.recall.ask_graph(question)

    def say(
        self,
        value: str,
        source: SourceClass | None = None,
        *,
        actor: str = "ann",
        session_id: str = "work",
        event_type: str = "fact.stated",
    ) -> Event:
        self.moment += 1_000_000
        origin = None if source is None else Origin(source)
        payload = {"subject": "Llama", "attribute": "home", "value": value}
        draft = Draft(event_type, actor, payload, origin=origin)
        return self.memory.loom.commit(session_id, [draft])[0].event

    def only(self) -> Conflict:
        (cluster,) = self.service.list()
        return cluster


@pytest.fixture
def disputed(tmp_path: Path) -> Iterator[Disputed]:
    made = Disputed(tmp_path)
    yield made
    made.memory.close()


def test_sources_of_different_kinds_that_disagree_form_a_cluster_with_the_most_trusted_in_front(
    disputed: Disputed,
) -> None:
    mine = disputed.say("Cusco", SourceClass.HUMAN)
    imported = disputed.say("Puno", SourceClass.IMPORT)
    cluster = disputed.only()
    assert (cluster.entity_type, cluster.name) == ("fact", "Llama / home")
    assert cluster.current == ConflictingValue("Cusco", "ann", "human", mine.occurred_at, mine.citation)
    assert cluster.others == (ConflictingValue("Puno", "ann", "import", imported.occurred_at, imported.citation),)


def test_two_actors_and_two_sessions_that_disagree_form_a_cluster_and_the_newest_holds(disputed: Disputed) -> None:
    disputed.say("Cusco")
    disputed.say("Puno", actor="bob")
    newest = disputed.say("Lima", session_id="other")
    cluster = disputed.only()
    assert cluster.current.citation == newest.citation
    assert [other.value for other in cluster.others] == ["Puno", "Cusco"]


def test_one_source_that_changed_its_mind_and_sources_that_agree_form_none(disputed: Disputed) -> None:
    disputed.say("Cusco")
    disputed.say("Puno")
    disputed.say("puno", actor="bob")
    assert disputed.service.list() == ()


def test_a_source_that_took_back_its_word_is_in_no_cluster(disputed: Disputed) -> None:
    disputed.say("Cusco", SourceClass.HUMAN)
    disputed.say("Puno", SourceClass.AGENT, actor="bot")
    assert [other.value for other in disputed.only().others] == ["Puno"]
    disputed.say("", SourceClass.AGENT, actor="bot", event_type="fact.retracted")
    assert disputed.service.list() == ()


def test_a_value_that_nobody_holds_any_more_forms_no_cluster(disputed: Disputed) -> None:
    disputed.say("Puno", actor="bob")
    disputed.say("Cusco")
    disputed.say("", event_type="fact.retracted")
    assert disputed.service.list() == ()


def test_an_untrusted_source_is_in_no_cluster(disputed: Disputed) -> None:
    disputed.say("Cusco", SourceClass.HUMAN)
    disputed.say("Puno", SourceClass.TOOL, actor="web")
    assert disputed.service.list() == ()


def test_the_session_filter_limits_what_is_compared(disputed: Disputed) -> None:
    disputed.say("Cusco")
    disputed.say("Puno", actor="bob", session_id="other")
    assert len(disputed.service.list(session_id="*")) == 1
    assert disputed.service.list(session_id="other") == ()
