"""The page of the viewer: its data is what the log says, nothing in it can run, and it asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from forgettable_looms import NO_VECTORS, correct, forget, memory_at, sealed_elsewhere, tell
from viewer_pages import HOSTILE, Page, parsed
from zaxy.interfaces.viewer.page import SCRIPTS, file_page, live_page, overview
from zaxy.interfaces.viewer.picture import Picture
from zaxy.memory import Memory


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with memory_at(tmp_path, embedding=NO_VECTORS) as opened:
        yield opened


def page_of(memory: Memory, **choice: object) -> Page:
    picture = Picture(memory, **choice)  # type: ignore[arg-type]  # as the caller names them
    assert picture.take()
    told = overview(memory, memory.loom.verify(ask_witnesses=False), picture, opens_sealed=False)
    return parsed(b"".join(file_page(told, picture)).decode("utf-8"))


def test_each_event_is_a_row_and_is_there_in_full_at_the_same_place(memory: Memory) -> None:
    events = [tell(memory, "goal.created", {"title": f"Goal {number}"}) for number in range(5)]
    page = page_of(memory)
    assert page.blocks["overview"]["count"] == 5
    assert [row["seq"] for row in page.all("rows")] == [5, 4, 3, 2, 1]
    assert [detail["citation"] for detail in page.all("details")] == [event.citation for event in reversed(events)]
    assert page.all("details")[0]["hash"] == events[-1].hash.removeprefix("sha256:")
    assert page.all("details")[0]["text"] == "title: Goal 4"


def test_many_events_lie_in_blocks_that_have_the_same_events_as_their_rows(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaxy.interfaces.viewer.page.CHUNK_EVENTS", 3)
    for number in range(8):
        tell(memory, "goal.created", {"title": f"Goal {number}"})
    page = page_of(memory)
    assert page.blocks["overview"]["chunk"] == 3
    assert [len(page.blocks[f"{kind}-{number}"]) for kind in ("rows", "details") for number in range(3)] == [
        3,
        3,
        2,
    ] * 2
    for row, detail in zip(page.all("rows"), page.all("details"), strict=True):
        assert detail["citation"].startswith(f"eventloom://{row['session']}/events/{row['seq']}#")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_payload_reaches_the_markup(memory: Memory, text: str) -> None:
    tell(memory, "note.taken", {"content": text, "title": text, text: {text: [text]}}, actor=text)
    tell(memory, "goal.created", {"title": text, "owner": text})
    page = page_of(memory)
    assert page.all("rows")[0]["summary"] == " ".join(text.split())
    assert page.all("details")[1]["text"] == text
    assert "window.hacked" not in page.text
    assert not {name for name, _ in page.elements} & {"img", "iframe", "object", "embed", "base", "b"}
    assert len(page.scripts) == 1
    assert [of for name, of in page.elements if name == "script" and "type" not in of] == [{}]


def test_the_policy_lets_this_script_and_this_style_in_and_nothing_else(memory: Memory) -> None:
    tell(memory, "note.taken", {"content": "hay"})
    page = page_of(memory)
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    (script,) = page.scripts
    digest = {part: base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)}
    assert page.policy == {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest[script]}'",
        "style-src": f"'sha256-{digest[style]}'",
        "img-src": "data:",
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert len(SCRIPTS) == len(list((Path(live_page.__code__.co_filename).parent / "static").glob("*.js")))


def test_the_page_names_no_other_host_and_uses_nothing_that_takes_text_for_markup(memory: Memory) -> None:
    tell(memory, "note.taken", {"content": "hay"})
    for text in (page_of(memory).text, live_page()[0].decode()):
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
        ):
            assert word not in text
        assert not re.search(r"\son[a-z]+=", text)
        assert not re.search(r"<[a-z]+[^>]*\sstyle=", text)


def test_a_correction_has_its_text_its_target_and_the_reason(memory: Memory) -> None:
    first = tell(memory, "note.taken", {"content": "The llama eats hay"})
    correct(memory, first, "The llama eats grass")
    correct(memory, first, "The llama eats clover")
    page = page_of(memory)
    latest = next(at for at, row in enumerate(page.all("rows")) if row["seq"] == 3)
    row, detail = page.all("rows")[latest], page.all("details")[latest]
    assert (row["change"], row["state"], row["about"], row["reason"]) == (
        "corrected",
        "corrected",
        ["work", 1],
        "it changed",
    )
    assert detail["text"] == "The llama eats clover"
    assert {tuple(one[:2]) for one in row["ended"]} >= {("work", 1)}


def test_what_is_sealed_stays_closed_in_a_file_unless_it_is_opened_on_purpose(memory: Memory) -> None:
    tell(memory, "note.taken", {"content": "the alpaca sleeps"}, forgettable=True)
    gone = tell(memory, "note.taken", {"content": "the alpaca wakes"}, forgettable=True)
    forget(memory, gone)
    closed = page_of(memory)
    assert [closed.all("details")[at]["text"] for at in (-1, -2)] == ["[SEALED]", "[FORGOTTEN]"]
    assert "alpaca" not in str(closed.blocks)
    opened = page_of(memory, opens_sealed=True)
    assert [opened.all("details")[at]["text"] for at in (-1, -2)] == ["the alpaca sleeps", "[FORGOTTEN]"]


def test_the_oldest_are_left_out_of_a_large_memory_and_it_says_how_many(memory: Memory) -> None:
    for number in range(7):
        tell(memory, "note.taken", {"content": f"note {number}"})
    page = page_of(memory, limit=3)
    assert [row["seq"] for row in page.all("rows")] == [7, 6, 5]
    assert (page.blocks["overview"]["left_out"], page.blocks["overview"]["count"]) == (4, 3)


def test_a_damaged_session_is_shown_up_to_its_damage_and_the_others_in_full(memory: Memory) -> None:
    for session in ("good", "torn"):
        for number in range(4):
            tell(memory, "note.taken", {"content": f"note {number}"}, session=session)
    path = memory.loom.path / "torn.jsonl"
    path.write_bytes(path.read_bytes().replace(b"note 2", b"note X"))
    page = page_of(memory)
    assert sorted((row["session"], row["seq"]) for row in page.all("rows")) == [
        *(("good", seq) for seq in range(1, 5)),
        *(("torn", seq) for seq in range(1, 3)),
    ]
    told = page.blocks["overview"]
    assert list(told["damaged"]) == ["torn"]
    assert told["report"]["ok"] is False


def test_a_very_long_event_is_shortened_and_its_payload_left_to_the_log(memory: Memory) -> None:
    tell(memory, "note.taken", {"content": "long " * 20_000})
    (detail,) = page_of(memory).all("details")
    assert detail["text"] == f"{'long ' * 4_000} … (shortened here)"
    assert detail["payload"] is None


def test_what_is_recorded_later_is_taken_in_by_the_next_look(memory: Memory) -> None:
    tell(memory, "note.taken", {"content": "one"})
    picture = Picture(memory)
    assert picture.take()
    tell(memory, "note.taken", {"content": "two"})
    tell(memory, "note.taken", {"content": "three"}, session="other")
    assert picture.take()
    assert sorted(row["summary"] for row in picture.rows) == ["one", "three", "two"]
    assert not Picture(memory).take(1)


def test_a_number_beyond_64_bits_in_the_log_of_another_program_is_shown_as_it_stands(memory: Memory) -> None:
    sealed_elsewhere(memory.loom, {"content": "large", "number": 2**70})
    (detail,) = page_of(memory).all("details")
    assert detail["payload"]["number"] == 2**70


def test_what_an_event_states_is_what_the_graph_takes_in(memory: Memory) -> None:
    tell(memory, "goal.created", {"title": "Ship the parser", "owner": "Ben", "status": "open"})
    first = tell(memory, "goal.updated", {"title": "Ship the  PARSER", "status": "done"})
    ending = {"targets": [first.citation], "invalid_at": "2030-01-01T00:00:00Z", "reason": "reopened"}
    tell(memory, "memory.invalidated", ending)
    row = {row["seq"]: row for row in page_of(memory).all("rows")}
    key = "goal:ship the parser"
    assert [key, "Ship the parser", True, "open", False, 0] in row[1]["told"]
    assert [key, "Ship the PARSER", True, "done", False, 0] in row[2]["told"]
    assert ["actor:ben", "OWNS", key, False] in row[1]["related"]
    assert row[3]["ended"] == [["work", 2, 1_893_456_000_000_000, row[3]["recorded"], False]]
    assert (row[3]["change"], row[3]["own"], row[3]["summary"]) == ("invalidated", True, "invalidated: reopened")
