"""inferred-status: every relation that can be inferred from the selected events, counted and cited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from zaxy.clock import parse_time
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef, parse_citation
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.selection import Names, Selection
from zaxy.services.recall import inferred_status as status_module
from zaxy.services.recall.inference import Inferred, Kind, Method
from zaxy.services.recall.inferred_status import InferredStatus, inferred_status

STARTED = parse_time("2026-05-01T00:00:00Z")
SECOND = 1_000_000


class Diary:
    """A loom that records an event a second."""

    def __init__(self, folder: Path) -> None:
        self.moment = STARTED
        self.loom = Eventloom(folder / "loom", clock=self, state_path=folder / "state")

    def now(self) -> int:
        return self.moment

    def say(self, session_id: str, *texts: str) -> list[str]:
        return [self.record(session_id, "transcript.turn", {"content": text}) for text in texts]

    def record(self, session_id: str, event_type: str, payload: dict[str, Any]) -> str:
        self.moment += SECOND
        return self.loom.append(session_id, event_type, session_id, payload).citation

    def infer(self, **selection: Any) -> InferredStatus:
        return inferred_status(self.loom, Selection(now=self.moment + SECOND, **selection), analyzer())


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path)


def links_of(status: InferredStatus, method: Method) -> Sequence[Inferred]:
    (found,) = [told for told in status.methods if told.method is method]
    assert sum(found.by_confidence.values()) == found.relations >= len(found.strongest)
    return found.strongest


def pairs(status: InferredStatus) -> set[tuple[str, str, float]]:
    return {(link.source, link.target, link.confidence) for link in links_of(status, Method.CO_OCCURRENCE)}


KILN = ("the kiln of Ines", "so hot", "they fired it twice", "and glazed it", "then it cooled", "kiln, says Ines")


def test_names_and_what_stands_with_them_are_told_with_citations_that_the_log_confirms(diary: Diary) -> None:
    cited = diary.say("one", *KILN)
    status = diary.infer()
    assert status.events == 6
    assert status.warnings == ()
    links = {link.target: link for link in links_of(status, Method.CO_OCCURRENCE)}
    assert links["kiln"] == Inferred(
        source="Ines",
        target="kiln",
        kind=Kind.TERM,
        terms=("kiln",),
        method=Method.CO_OCCURRENCE,
        confidence=round(4 / 6, 4),
        evidence=(EventRef("one", 1), EventRef("one", 6)),
        citations=(cited[0], cited[5]),
    )
    tie = links_of(status, Method.SHARED_TERMS)[0]
    assert (tie.source, tie.target, tie.terms, tie.kind) == ("one/1", "one/6", ("ine", "kiln", "one"), Kind.EVENT)
    assert tie.confidence == round(1 - 1 / 2 * 1 / 2 * 5 / 6, 4)
    assert tie.citations == (cited[0], cited[5])
    for citation in (*links["kiln"].citations, *tie.citations):
        assert diary.loom.resolve(parse_citation(citation)).citation == citation


def test_two_names_are_related_once(diary: Diary) -> None:
    diary.say("one", "a walk with Ines and with Otto")
    diary.say("two", "a call from Otto and from Ines")
    names = {("Ines", "Otto"), ("Otto", "Ines")}
    assert len(names & {(source, target) for source, target, _ in pairs(diary.infer())}) == 1


def test_what_was_said_once_or_only_by_events_that_are_left_out_is_related_to_nothing(diary: Diary) -> None:
    diary.say("one", "the kiln of Ines")
    assert [told.relations for told in diary.infer().methods] == [0, 0]
    diary.say("two", "the kiln of Ines")
    assert [told.relations for told in diary.infer().methods] == [1, 1]
    for left_out in (
        {"sessions": Names.of("one", what="session")},
        {"known_at": STARTED + SECOND},
        {"as_of": STARTED + SECOND},
        {"actors": Names.of("two", what="actor")},
    ):
        assert [told.relations for told in diary.infer(**left_out).methods] == [0, 0], left_out


def test_an_ended_event_counts_until_its_end_wherever_that_was_recorded(diary: Diary) -> None:
    diary.say("one", "the kiln of Ines")
    (second,) = diary.say("two", "the kiln of Ines")
    before = diary.moment
    diary.record("notes", "memory.invalidated", {"targets": [second]})
    for selected in ({}, {"sessions": Names.of(["one", "two"], what="session")}):
        assert [told.relations for told in diary.infer(**selected).methods] == [0, 0]
        assert [told.relations for told in diary.infer(**selected, known_at=before).methods] == [1, 1]
        assert [told.relations for told in diary.infer(**selected, as_of=before).methods] == [1, 1]


def test_a_name_is_told_as_an_event_that_still_counts_wrote_it(diary: Diary) -> None:
    (first,) = diary.say("one", "the kiln of In\u00e8s")
    diary.say("two", "the kiln of Ines", "the kiln of Ines")
    before = diary.moment
    diary.record("notes", "memory.invalidated", {"targets": [first]})
    assert {source for source, _, _ in pairs(diary.infer())} == {"two", "Ines"}
    assert {source for source, _, _ in pairs(diary.infer(known_at=before))} == {"two", "In\u00e8s"}


@pytest.mark.parametrize(("between", "ties"), [(0, 0), (2, 0), (3, 1)])
def test_only_events_that_do_not_stand_together_are_tied_by_what_they_share(
    diary: Diary, between: int, ties: int
) -> None:
    for text in ("a kiln", *("so",) * between, "a kiln"):
        diary.loom.append("one", "note.made", f"by{len(text)}", {"text": text})
    assert [told.relations for told in diary.infer().methods if told.method is Method.SHARED_TERMS] == [ties]


def test_events_without_capital_letters_are_told(diary: Diary) -> None:
    diary.loom.append("one", "note.made", "李雷", {"text": "昨天我见到了李雷"})
    assert diary.infer().warnings == ("no names were found in 1 events: their script has no capital letters",)


def test_a_damaged_session_is_read_up_to_its_damage(diary: Diary) -> None:
    diary.say("one", *KILN, "the end", "of it")
    log = diary.loom.path / "one.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b"the end", b"the dne")
    log.write_bytes(b"".join(lines))
    status = diary.infer()
    assert status.events == 6
    assert len(pairs(status)) > 0
    (warning,) = status.warnings
    assert warning.startswith("session one was read up to its damage: ")


def test_of_a_long_log_the_newest_events_are_looked_at(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "MOST_EVENTS", 2)
    diary.say("zoo", "the kiln of Ines")
    diary.say("ant", "the heron of Otto", "the heron of Otto")
    status = diary.infer()
    assert status.events == 2
    assert status.warnings == ("only the newest 2 events were looked at",)
    assert pairs(status) == {
        (*pair, round(4 / 6, 4)) for pair in (("Otto", "heron"), ("ant", "heron"), ("ant", "Otto"))
    }


def test_the_same_log_gives_the_same_answer(diary: Diary) -> None:
    for session_id in ("one", "two", "three"):
        diary.say(session_id, *KILN, f"Otto and the heron in {session_id.title()}")
    assert diary.infer() == diary.infer()


def test_an_empty_loom_gives_nothing(diary: Diary) -> None:
    assert [told.relations for told in diary.infer().methods] == [0, 0]


def test_what_follows_the_damage_of_a_long_session_does_not_count_though_it_is_read_first(diary: Diary) -> None:
    diary.say("one", *KILN)
    diary.say("one", *("the end of the kiln of Ines",) * 60)
    log = diary.loom.path / "one.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b"the end", b"the dne")
    log.write_bytes(b"".join(lines))
    status = diary.infer()
    assert status.events == 6
    (warning,) = status.warnings
    assert warning.startswith("session one was read up to its damage: ")
