"""Ending what is no longer so: by citation, by entity, now, in the past and in the future."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy.clock import parse_time
from zaxy.config import Settings
from zaxy.errors import BusyError, IntegrityError, InvalidInputError, NotAuthorizedError, NotFoundError
from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.erasures import governance_lock
from zaxy.files.lock import locked
from zaxy.ids import EventRef, parse_citation
from zaxy.memory import Memory
from zaxy.services.governance.invalidation import Invalidated, InvalidationService
from zaxy.services.governance.standing import Standing, Standings
from zaxy.services.recall.question import Filters


class Governed:
    """A memory whose clock tests set."""

    def __init__(self, folder: Path) -> None:
        self.moment = parse_time("2026-11-21T08:00:00Z")
        self.memory = Memory(Settings(eventloom_path=folder / "loom", fsync="off"), clock=self)

    def now(self) -> int:
        return self.moment

    def goal(self, title: str, session_id: str = "work", **more: Any) -> Event:
        self.moment += 1_000_000
        return self.memory.loom.append(session_id, "goal.created", "ann", {"title": title, **more})

    def end(self, session_id: str = "work", **named: Any) -> Invalidated:
        self.moment += 1_000_000
        return self.memory.invalidation.invalidate(session_id=session_id, actor="ann", **named)

    def ask(self, **filters: Any) -> list[str]:
        hits = self.memory.recall.query("llama goal", Filters(**filters), limit=50)
        return sorted(hit.citation for hit in hits)


@pytest.fixture
def governed(tmp_path: Path) -> Iterator[Governed]:
    made = Governed(tmp_path)
    yield made
    made.memory.close()


def test_a_cited_event_is_ended_now_and_the_log_says_who_and_why(governed: Governed) -> None:
    kept, gone = governed.goal("llama one"), governed.goal("llama two")
    done = governed.end(citations=[gone.citation], reason="sold")
    assert governed.ask() == [kept.citation]
    assert (done.targets, done.invalid_at) == ((gone.citation,), "2026-11-21T08:00:03.000000Z")
    assert done.event.event_type == "memory.invalidated"
    assert done.event.actor == "ann"
    said = {name: value for name, value in done.event.payload.items() if not name.startswith(RESERVED_PREFIX)}
    gate = governed.memory.loom.read(EventRef("work", 3))
    assert gate is not None
    assert said == {
        "invalid_at": done.invalid_at,
        "targets": [gone.citation],
        "reason": "sold",
        "gate": gate.citation,
    }
    assert (gate.payload["op"], gate.payload["decision"]) == ("update", "auto_apply")
    assert governed.memory.loom.log("work").head().seq == 4
    assert governed.ask(as_of="2026-11-21T08:00:02Z") == sorted([kept.citation, gone.citation])


def test_several_events_of_several_sessions_are_ended_by_one_event(governed: Governed) -> None:
    events = [governed.goal("llama one"), governed.goal("llama two", "other")]
    assert len(governed.ask()) == 2
    assert governed.memory.catchup.catch_up()
    done = governed.end("third", citations=[event.citation for event in events])
    assert done.event.session_id == "third"
    assert governed.ask() == []


def test_a_citation_may_leave_the_hash_out(governed: Governed) -> None:
    event = governed.goal("llama")
    done = governed.end(citations=["eventloom://work/events/1"])
    assert done.targets == (event.citation,)
    assert governed.ask() == []


def test_an_ending_in_the_future_takes_effect_then_and_one_in_the_past_did(governed: Governed) -> None:
    event = governed.goal("llama", occurred_at="2026-01-01T00:00:00Z")
    governed.end(citations=[event.citation], invalid_at="2026-12-01")
    assert governed.ask() == [event.citation]
    governed.moment = parse_time("2026-12-01")
    assert governed.ask() == []
    governed.end(citations=[event.citation], invalid_at="2026-02-01T00:00:00+01:00")
    assert governed.ask(as_of="2026-01-31T22:59:59Z") == [event.citation]
    assert governed.ask(as_of="2026-01-31T23:00:00Z") == []


def test_an_entity_is_ended_by_what_currently_states_it(governed: Governed) -> None:
    governed.goal("Feed  the LLAMA")
    later = governed.goal("feed the llama")
    done = governed.end(entity=(" goal ", "FEED the llama "))
    assert done.targets == (later.citation,)
    assert done.event.payload["entity"] == {"type": " goal ", "name": "FEED the llama "}
    assert later.citation not in governed.ask()
    with pytest.raises(NotFoundError, match="nothing is currently so"):
        governed.end(entity=("goal", "feed the llama"))


def test_an_ending_without_a_named_session_is_recorded_where_all_that_ends_lies(governed: Governed) -> None:
    first, second = governed.goal("llama one", "other"), governed.goal("llama two", "third")
    cited = governed.end(citations=[first.citation], is_session_named=False)
    assert cited.event.session_id == "other"
    gate = parse_citation(cited.event.payload["gate"])
    assert gate.ref.session_id == "other"
    by_name = governed.end(entity=("goal", "llama two"), is_session_named=False)
    assert (by_name.event.session_id, by_name.targets) == ("third", (second.citation,))
    assert governed.ask() == []
    spread = [governed.goal(f"llama of {session}", session).citation for session in ("other", "third")]
    assert governed.end(citations=spread, is_session_named=False).event.session_id == "work"
    assert governed.ask() == []


def test_an_event_that_was_ended_many_times_is_looked_up_with_one_reading_a_session(
    governed: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = governed.goal("llama")
    for _ in range(12):
        governed.end(citations=[event.citation])
    single: list[EventRef] = []
    read = Eventloom.read

    def counted(loom: Eventloom, ref: EventRef) -> Event | None:
        single.append(ref)
        return read(loom, ref)

    monkeypatch.setattr(Eventloom, "read", counted)
    governed.memory.catchup.refresh()
    standings = Standings(governed.memory.loom, governed.memory.reader, governed.memory.recall.ask_graph)
    assert len(standings.of(event).changed_by) == 12
    assert len(single) < 12


def test_an_entity_that_only_another_session_states_is_ended_there(governed: Governed) -> None:
    event = governed.goal("llama", "other")
    done = governed.end("work", entity=("goal", "llama"))
    assert done.targets == (event.citation,)
    assert done.event.session_id == "work"
    assert governed.ask() == []


def test_of_an_entity_that_two_sessions_state_the_one_of_the_session_is_ended_first(governed: Governed) -> None:
    own, other = governed.goal("llama", "work"), governed.goal("llama", "other")
    assert governed.end("work", entity=("goal", "llama")).targets == (own.citation,)
    assert governed.ask() == [other.citation]
    assert governed.end("work", entity=("goal", "llama")).targets == (other.citation,)
    assert governed.ask() == []
    with pytest.raises(NotFoundError):
        governed.end("other", entity=("goal", "llama"))


def test_a_preference_that_is_ended_does_not_bring_the_one_before_back(governed: Governed) -> None:
    for value in ("dark", "light"):
        governed.moment += 1_000_000
        told = {"key": "llama theme", "value": value}
        governed.memory.loom.append("work", "user.preference_changed", "ann", told)
    governed.end(entity=("preference", "ann: llama theme"))
    assert governed.ask() == []


def test_the_wrong_hash_is_refused_and_nothing_is_recorded(governed: Governed) -> None:
    governed.goal("llama")
    with pytest.raises(IntegrityError, match="hash"):
        governed.end(citations=["eventloom://work/events/1#000000000000"])
    assert governed.memory.loom.log("work").head().seq == 1


@pytest.mark.parametrize(
    "citation", ["eventloom://work/events/9", "eventloom://nobody/events/1", "eventloom://../events/1"]
)
def test_an_event_that_is_not_there_is_not_found(citation: str, governed: Governed) -> None:
    event = governed.goal("llama")
    with pytest.raises((NotFoundError, InvalidInputError)):
        governed.end(citations=[event.citation, citation])
    assert governed.memory.loom.log("work").head().seq == 1
    assert governed.memory.loom.sessions() == ["work"]


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"citations": [], "entity": None},
        {"citations": ["eventloom://work/events/1"], "entity": ("goal", "llama")},
        {"citations": ["work/1"]},
        {"citations": [""]},
        {"citations": [7]},
        {"citations": "eventloom://work/events/1"},
        {"citations": ["eventloom://wo\x00rk/events/1"]},
        {"citations": ["eventloom://work/events/0"]},
        {"entity": ("", "llama")},
        {"entity": ("goal", "  ")},
        {"citations": ["eventloom://work/events/1"], "invalid_at": "tomorrow"},
        {"citations": ["eventloom://work/events/1"], "invalid_at": ""},
        {"entity": ("goal", "llama"), "invalid_at": 7},
        {"citations": ["eventloom://work/events/1"], "session_id": "../x"},
        {"citations": ["eventloom://work/events/1"], "reason": float("nan")},
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_recorded(named: dict[str, Any], governed: Governed) -> None:
    governed.goal("llama")
    with pytest.raises((InvalidInputError, NotFoundError)):
        governed.end(**named)
    assert governed.memory.loom.log("work").head().seq == 1


def test_an_entity_of_which_nothing_is_so_is_not_found(governed: Governed) -> None:
    governed.goal("llama")
    for entity in (("goal", "alpaca"), ("task", "llama"), ("actor", "ann")):
        with pytest.raises(NotFoundError, match="nothing is currently so"):
            governed.end(entity=entity)


class Watched(Standings):
    """Standings that note whether somebody else could change the memory while they look."""

    was_free: list[bool]

    def of(self, event: Event) -> Standing:
        try:
            with locked(governance_lock(self.loom.path), timeout_seconds=0):
                self.was_free.append(True)
        except BusyError:
            self.was_free.append(False)
        return super().of(event)


def test_no_correction_comes_between_looking_at_a_memory_and_ending_it(governed: Governed) -> None:
    said, memory = governed.goal("llama"), governed.memory
    ask: Any = memory.recall.ask_graph
    standings = Watched(memory.loom, memory.reader, ask)
    standings.was_free = []
    service = InvalidationService(memory.loom, ask, governed, standings, memory.gate)
    service.invalidate(session_id="work", actor="ann", citations=[said.citation])
    assert standings.was_free == [False]


@pytest.mark.parametrize("tier", ["propose_only", "require_review"])
def test_an_agent_ends_nothing_that_the_policy_holds_and_a_person_does(tmp_path: Path, tier: str) -> None:
    memory = GovernedMemory(tmp_path, autonomy_default=tier)
    end = memory.memory.invalidation.invalidate
    said = memory.say("the llama is fed")
    with pytest.raises(NotAuthorizedError, match="was not let through"):
        end(session_id="work", actor="robot", citations=[said.citation], origin=AGENT)
    assert memory.found("llama") == ["the llama is fed"]
    assert memory.types() == ["note.taken", "evolution.gate.evaluated"]
    decision = memory.loom.read(EventRef("work", 2))
    assert decision is not None
    assert decision.payload["decision"] == "refused"
    end(session_id="work", actor="ann", citations=[said.citation], origin=HUMAN)
    assert memory.found("llama") == []
    memory.memory.close()


def test_an_untrusted_source_ends_nothing(tmp_path: Path) -> None:
    memory = GovernedMemory(tmp_path)
    said = memory.say("the llama is fed")
    with pytest.raises(NotAuthorizedError, match="untrusted"):
        memory.memory.invalidation.invalidate(
            session_id="work", actor="robot", citations=[said.citation], origin=STRANGER
        )
    assert memory.found("llama") == ["the llama is fed"]
    memory.memory.close()


def test_rolling_back_the_decision_that_let_an_ending_through_takes_the_ending_back(tmp_path: Path) -> None:
    memory = GovernedMemory(tmp_path)
    said = memory.say("the llama is fed")
    memory.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[said.citation], origin=AGENT)
    assert memory.found("llama") == []
    decision = memory.loom.read(EventRef("work", 2))
    assert decision is not None
    memory.rolled_back(decision)
    assert memory.found("llama") == ["the llama is fed"]
    memory.memory.close()
