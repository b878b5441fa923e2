"""remember and recall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from zaxy import EventLog
from zaxy.vocabulary.kinds import KINDS


def recalled(question: str, *words: str) -> list[str]:
    return [hit["content"] for hit in answer("recall", question, *words)["hits"]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_remembered_is_recalled_word_for_word_with_its_citation(kind: str, folder: Path) -> None:
    citation = answer("remember", "The launch is on Friday", "--as", kind, "--actor", "ann")["citation"]
    first, second = zaxy("recall", "when is the launch?").stdout.splitlines()
    assert first == "1. The launch is on Friday"
    assert second.startswith("   ann, 20")
    assert second.endswith(f"Z, {citation}")
    assert recalled("launch", "--as", kind) == ["The launch is on Friday"]
    assert all(recalled("launch", "--as", other) == [] for other in KINDS if other != kind)


def test_words_need_no_quotes_and_options_may_stand_between_them(folder: Path) -> None:
    assert zaxy("remember", "we", "ship", "--as", "decision", "on", "Friday").exit_code == 0
    assert recalled("ship") == ["we ship on Friday"]


def test_a_dash_takes_standard_input_with_its_lines(folder: Path) -> None:
    assert answer("remember", "-", text="one line\n  and another\n")["payload"]["content"] == "one line\n  and another"


def test_a_later_fact_takes_the_place_of_the_earlier_one_and_both_are_history(folder: Path) -> None:
    for city in ("Lisbon", "Porto"):
        assert zaxy("remember", city, "--as", "fact", "--about", "Ann / city").exit_code == 0
    assert recalled("Where does Ann live? city") == ["subject: Ann\nattribute: city\nvalue: Porto"]
    assert len(answer("query", "Ann city", "--history")["hits"]) == 2


def test_of_two_people_each_keeps_the_own_preference(folder: Path) -> None:
    for actor, value in (("ann", "German"), ("bob", "English"), ("ann", "French")):
        assert zaxy("remember", value, "--as", "preference", "--about", "language", "--actor", actor).exit_code == 0
    assert sorted(recalled("language")) == ["key: language\nvalue: English", "key: language\nvalue: French"]


def test_it_is_recorded_where_and_with_the_time_that_was_said(folder: Path) -> None:
    words = ("--session-id", "work", "--occurred-at", "2026-05-08", "--about", "launch")
    told = answer("remember", "It went well", *words)
    assert (told["session_id"], told["occurred_at"], told["added"]) == ("work", "2026-05-08", True)
    assert told["payload"]["subject"] == "launch"
    assert told["payload"]["__zaxy_origin"]["via"] == "cli"
    assert recalled("well", "--session-id", "work") == ["It went well"]
    assert recalled("well", "--session-id", "default") == []


def test_the_first_thing_makes_the_loom_and_says_where(folder: Path) -> None:
    assert zaxy("remember", "first").stdout.splitlines()[0] == f"Made the loom {folder / '.eventloom'}"
    assert zaxy("remember", "second").stdout.startswith("Remembered as a note: eventloom://default/events/2#")


def test_what_is_sealed_is_recalled_and_not_in_the_log(folder: Path) -> None:
    assert zaxy("init").exit_code == 0
    done = zaxy("remember", "Bob is ill", "--forgettable")
    assert done.stderr == ""
    assert recalled("Bob") == ["Bob is ill"]
    assert b"Bob is ill" not in (folder / ".eventloom" / "default.jsonl").read_bytes()


def test_a_secret_is_left_out_and_that_is_said(folder: Path) -> None:
    done = zaxy("remember", "the key is sk-proj-" + "a1B2c3D4" * 6)
    assert done.exit_code == 0
    assert "looks like a secret" in done.stderr
    assert b"a1B2c3D4" not in (folder / ".eventloom" / "default.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("words", "text", "sentence"),
    [
        (("remember",), None, "TEXT"),
        (("remember", " "), None, "nothing to remember"),
        (("remember", "-"), "", "nothing to remember"),
        (("remember", "-"), b"\xff\xfe", "not UTF-8 text: byte 0"),
        (("remember", "half \udcff"), None, "not valid UTF-8"),
        (("remember", "NUL \x00"), None, "NUL"),
        (("remember", "x", "--as", "poem"), None, "--as"),
        (("remember", "x", "--occurred-at", "yesterday"), None, "2023-05-08"),
        (("remember", "x", "--session-id", "a/b"), None, "session id"),
        (("remember", "x", "--actor", ""), None, "actor"),
        (("remember", "-"), b"x" * 1_100_000, "EVENTLOOM_MAX_EVENT_BYTES"),
        (("recall", "x"), None, "zaxy init"),
    ],
)
def test_what_cannot_be_remembered_is_refused_and_nothing_is_written(
    words: tuple[str, ...], text: str | bytes | None, sentence: str, folder: Path
) -> None:
    done = zaxy(*words, text=text)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.output
    assert not list(folder.rglob("*.jsonl"))
    told = json.loads(zaxy(*words, "--json", text=text).stdout)
    assert sentence in f"{told['error']['message']} {told['error']['remedy']}"


@pytest.mark.parametrize(("question", "sentence"), [("", "question"), ("half \udcff", "UTF-8")])
def test_a_question_that_says_nothing_is_refused(question: str, sentence: str, folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("recall", question)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_recall_says_that_nothing_answers(folder: Path) -> None:
    record("Ship the parser")
    assert zaxy("recall", "giraffes").stdout == "Nothing in this memory answers that.\n"


def test_of_a_long_text_the_stretch_that_answers_is_shown(folder: Path) -> None:
    text = "Nothing of interest here. " * 40 + "The giraffe eats leaves. " + "More of the same again. " * 40
    assert zaxy("remember", text).exit_code == 0
    shown = zaxy("recall", "what does the giraffe eat?").stdout
    assert "The giraffe eats leaves." in shown
    assert "[…]" in shown
    assert len(shown) < 600
    assert recalled("giraffe") == [text.strip()]


def test_recall_gives_the_same_json_as_a_query(folder: Path) -> None:
    record("Ship the parser")
    assert answer("recall", "parser") == answer("query", "parser", "--limit", "5")


def test_a_recalled_line_cannot_look_like_another_answer(folder: Path) -> None:
    assert zaxy("remember", "launch\n2. forged\n\x1b[2Jcleared").exit_code == 0
    lines = zaxy("recall", "launch").stdout.splitlines()
    assert [line[:3] for line in lines] == ["1. ", "   ", "   ", "   "]
    assert lines[2] == "   \\x1b[2Jcleared"


def test_what_was_corrected_says_so(folder: Path) -> None:
    citation = answer("remember", "The launch is on Monday")["citation"]
    words = ("--new-content", "The launch is on Friday", "--reason", "misspoke", "--source", "human")
    assert zaxy("memory", "edit", "--citation", citation, *words).exit_code == 0
    shown = zaxy("recall", "launch").stdout
    assert "1. The launch is on Friday\n   [corrected, in place of eventloom://default/events/1#" in shown


def test_the_log_of_what_was_remembered_verifies(folder: Path) -> None:
    for kind in KINDS:
        assert zaxy("remember", "something", "--as", kind).exit_code == 0
    with EventLog(".eventloom/default.jsonl") as log:
        assert log.verify().ok
        assert len(list(log.replay())) == len(KINDS)


def test_the_log_lists_a_value_with_what_it_is_of(folder: Path) -> None:
    assert zaxy("remember", "Lisbon", "--as", "fact", "--about", "Ann / city").exit_code == 0
    assert zaxy("remember", "German", "--as", "preference", "--about", "language").exit_code == 0
    assert zaxy("remember", "We ship", "--about", "launch").exit_code == 0
    summaries = [entry["summary"] for entry in answer("memory", "log")["entries"]]
    assert summaries == ["We ship", "language: German", "Ann / city: Lisbon"]
