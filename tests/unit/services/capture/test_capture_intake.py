from __future__ import annotations

import pytest
from capture_memory import MemorySink
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import NotFoundError, UnavailableError
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.bounded import head_and_tail, short_members
from zaxy.services.capture.intake import MAX_FINDINGS, Report, deliver, existing_path, safe_session_id
from zaxy.services.capture.sink import Recorded


def _drafts(session_id: str, count: int) -> list[tuple[str, Draft]]:
    return [(session_id, Draft("note.made", "a", {"n": number}, f"test:{number}")) for number in range(count)]


def test_a_sink_gets_at_most_a_thousand_drafts_a_call_in_their_order():
    sink = MemorySink()
    result = deliver(_drafts("work", 2_500), sink, Report())
    assert result.recorded == Recorded(2_500, 0)
    assert sink.calls == [("work", 1_000), ("work", 1_000), ("work", 500)]
    assert [draft.payload["n"] for draft in sink.logs["work"]] == list(range(2_500))


def test_many_sessions_with_few_drafts_each_do_not_pile_up_without_bound():
    sink = MemorySink()
    seen_before_the_last: list[int] = []

    def source():
        for number in range(9_000):
            yield f"s{number}", Draft("note.made", "a", {}, "test:1")
        seen_before_the_last.append(len(sink.logs))

    result = deliver(source(), sink, Report())
    assert seen_before_the_last == [8_000]
    assert len(result.sessions) == 9_000


def test_a_draft_that_the_log_refuses_is_a_finding_and_the_others_are_recorded():
    sink = MemorySink(refused="poison")
    drafts = _drafts("work", 50)
    drafts[17] = ("work", Draft("note.made", "a", {"text": "poison"}, "test:bad"))
    result = deliver(drafts, sink, Report())
    assert result.recorded == Recorded(49, 0)
    assert [(finding.path, finding.reason) for finding in result.findings] == [
        ("test:bad", "the log refused it: the payload cannot be stored")
    ]
    assert [draft.payload["n"] for draft in sink.logs["work"]] == [n for n in range(50) if n != 17]


def test_a_log_that_cannot_be_written_stops_the_import():
    class FullDisk:
        def record(self, session_id, drafts):
            raise UnavailableError("the disk is full")

    with pytest.raises(UnavailableError, match="disk is full"):
        deliver(_drafts("work", 3), FullDisk(), Report())


def test_findings_are_listed_up_to_a_bound_and_all_counted():
    report = Report()
    for number in range(MAX_FINDINGS + 50):
        report.find("file", number, "r" * 5_000)
    result = report.result(Recorded(), ())
    assert (len(result.findings), result.finding_count) == (MAX_FINDINGS, MAX_FINDINGS + 50)
    assert all(len(finding.reason) <= 300 for finding in result.findings)


def test_kinds_without_bound_are_counted_together_after_the_first_hundred():
    report = Report()
    for number in range(150):
        report.ignore(f"kind {number}")
    assert len(report.ignored) == 101
    assert report.ignored["other kinds"] == 50


def test_a_valid_session_id_of_another_program_is_kept():
    assert safe_session_id("de3b8b19-5bc0-4a2a-934a-1b6806567e25") == "de3b8b19-5bc0-4a2a-934a-1b6806567e25"


def test_a_session_id_with_other_characters_keeps_what_can_be_read_and_a_digest():
    assert safe_session_id("team a/b") == "team-a-b-0ead84d3"
    assert safe_session_id("../../etc/passwd").startswith("-.-..-etc-passwd-")


@given(st.text(), st.text())
def test_every_foreign_session_id_maps_to_a_valid_one_and_two_of_them_to_two(one, other):
    assert check_session_id(safe_session_id(one)) == safe_session_id(one)
    assert (safe_session_id(one) == safe_session_id(other)) == (one == other)


def test_a_path_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(NotFoundError, match="absent"):
        existing_path(tmp_path / "absent")


@given(st.text(min_size=0, max_size=5_000))
def test_a_long_outcome_keeps_its_beginning_and_its_end_within_the_bound(text):
    short = head_and_tail(text, 200)
    assert len(short) <= 200
    assert short == text or (text.startswith(short[:75]) and text.endswith(short[-75:]) and "left out" in short)


def test_members_of_an_input_are_short_few_and_flat():
    nested: list[object] = []
    for _ in range(400):
        nested = [nested]
    given_members = {"long": "x" * 900, "list": [1, {"a": 2}], "deep": nested, "n": 3, "yes": True, "none": None}
    short = short_members(given_members | {f"m{n}": n for n in range(30)})
    assert len(short["long"]) == 500
    assert short["list"] == '[1,{"a":2}]'
    assert short["deep"] == "[nested too deeply to show]"
    assert (short["n"], short["yes"], short["none"]) == (3, True, None)
    assert short["…"] == "16 members left out"
