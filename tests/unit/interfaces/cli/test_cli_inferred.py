"""memory inferred-status: what it shows."""

from __future__ import annotations

import json
from pathlib import Path

from cli_words import answer, zaxy


def say(text: str, session_id: str, *words: str) -> str:
    payload = json.dumps({"content": text})
    done = answer(
        "append", "transcript.turn", "--actor", "ann", "--payload", payload, "--session-id", session_id, *words
    )
    return str(done["citation"])


def test_inferred_relations_are_shown_with_method_confidence_and_citations(folder: Path) -> None:
    cited = [say("the kiln of Ines", "one"), say("the kiln of Ines", "two")]
    lines = zaxy("memory", "inferred-status").stdout.splitlines()
    assert lines[0] == "Inferred from 2 events; none of this was stated."
    assert "co_occurrence: 3 relations by confidence: 0 from 0.75, 3 from 0.50, 0 from 0.25, 0 from 0.10" in lines
    assert lines.index("  0.67  Ines ~ kiln (kiln)") < lines.index("  0.88  one/1 ~ two/1 (ann, ine, kiln)")
    assert lines[-2:] == [f"        {citation}" for citation in cited]


def test_the_json_tells_inferred_relations_apart_from_stated_ones(folder: Path) -> None:
    for session_id in ("one", "two"):
        say("the kiln of Ines", session_id)
    told = answer("memory", "inferred-status")
    assert [method["method"] for method in told["methods"]] == ["co_occurrence", "shared_terms"]
    links = [link for method in told["methods"] for link in method["strongest"]]
    assert links
    for link in links:
        assert " ".join(link) == "source target kind terms method confidence evidence citations stated"
        assert link["stated"] is False
        assert 0 < link["confidence"] < 1
        assert len(link["citations"]) == len(link["evidence"]) > 0


def test_filters_narrow_what_is_inferred_from(folder: Path) -> None:
    say("the kiln of Ines", "one", "--occurred-at", "2026-01-01")
    say("the kiln of Ines", "two", "--occurred-at", "2026-05-01")
    for words, events in (
        ((), 2),
        (("--session-id", "t*"), 1),
        (("--as-of", "2026-03-01"), 1),
        (("--known-at", "2026-03-01"), 0),
    ):
        told = answer("memory", "inferred-status", *words)
        assert told["events"] == events
        assert [method["relations"] > 0 for method in told["methods"]] == [events == 2] * 2


def test_a_script_without_capitals_is_warned_of(folder: Path) -> None:
    answer("append", "note.made", "--actor", "李雷", "--payload", json.dumps({"text": "昨天我见到了李雷"}))
    done = zaxy("memory", "inferred-status")
    assert done.exit_code == 0
    assert done.stderr == "warning: no names were found in 1 events: their script has no capital letters\n"


def test_control_characters_in_names_never_reach_a_terminal(folder: Path) -> None:
    for session_id in ("one", "two"):
        say("the kiln of In\x1bes", session_id)
    assert "\x1b" not in zaxy("memory", "inferred-status").output


def test_a_missing_loom_and_an_unreadable_time_are_told(folder: Path) -> None:
    assert zaxy("memory", "inferred-status").exit_code == 2
    assert zaxy("memory", "inferred-status", "--as-of", "soon").exit_code == 2


def test_what_was_sealed_is_read_where_its_key_is(folder: Path) -> None:
    for session_id in ("one", "two"):
        say("the kiln of Ines", session_id, "--forgettable")
    (co_occurrence, _) = answer("memory", "inferred-status")["methods"]
    assert co_occurrence["relations"] == 3
