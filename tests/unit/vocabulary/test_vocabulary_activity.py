"""Turns, tool calls, commands, files, documents and sessions."""

from __future__ import annotations

import pytest
from vocabulary_events import ended, extracted, facts, mentions, relations

from zaxy.vocabulary.activity import program_of


@pytest.mark.parametrize(
    ("event_type", "payload", "text", "speaker"),
    [
        ("transcript.turn", {"speaker": "Bob", "content": "I moved to Lyon."}, "Bob: I moved to Lyon.", "Bob"),
        ("transcript.turn", {"speaker": "Bob", "role": "user", "text": "Hi"}, "Bob: Hi", "Bob"),
        ("transcript.turn", {"role": "assistant", "content": "Hi"}, "assistant: Hi", "assistant"),
        ("message.added", {"actor": "Bob", "message": "Hi"}, "Bob: Hi", "Bob"),
        ("message.received", {"content": "Hi"}, "alice: Hi", "alice"),
        ("message.received", {"content": "Hi", "speaker": 5}, "alice: Hi\n5", "alice"),
        ("transcript.turn", {"content": "look", "image_caption": "a bowl"}, "alice: look\na bowl", "alice"),
        ("transcript.turn", {"content": [{"text": "Hi"}, {"text": "there"}]}, "alice: Hi\nthere", "alice"),
        (
            "transcript.turn",
            {"content": "Hi", "cwd": "/src", "git_branch": "main", "model": "m-1"},
            "alice: Hi",
            "alice",
        ),
        ("transcript.turn", {"content": "Hi", "occurred_at": "2026-01-01", "turn_id": "9"}, "alice: Hi", "alice"),
        ("transcript.turn", {}, "", "alice"),
    ],
)
def test_a_turn_is_who_said_what(event_type: str, payload: dict[str, object], text: str, speaker: str) -> None:
    found = extracted(event_type, payload)
    assert found.text == text
    assert mentions(found) == [f"actor:{speaker}"]
    assert (facts(found), relations(found)) == ({}, [])


def test_a_turn_of_nobody_is_its_text() -> None:
    found = extracted("transcript.turn", {"content": "Hi"}, actor="")
    assert (found.text, found.entities) == ("Hi", ())


def test_a_tool_call_mentions_the_tool_and_is_found_by_its_input_and_outcome() -> None:
    payload = {
        "tool": "WebSearch",
        "input": {"query": "tide table", "limit": 5},
        "outcome": "3 hits",
        "is_error": False,
    }
    found = extracted("tool.call.completed", payload)
    assert found.text == "WebSearch\ntide table\n5\n3 hits"
    assert (mentions(found), facts(found)) == (["tool:WebSearch", "actor:alice"], {})


def test_of_a_long_input_the_beginning_is_searched() -> None:
    found = extracted("tool.call.completed", {"tool": "Write", "input": {"content": "x" * 9_000, "path": "a.py"}})
    assert found.text == "Write\n" + "x" * 500 + "\na.py"


def test_an_error_that_is_a_text_is_searched() -> None:
    assert extracted("tool.call.failed", {"tool": "Fetch", "error": "timed out"}).text == "Fetch\ntimed out"


def test_a_command_mentions_its_program_and_is_found_by_its_outcome() -> None:
    payload = {"command": "cd api && CI=1 pytest -q", "exit_code": 1, "outcome": "2 failed", "is_error": True}
    found = extracted("command.completed", payload)
    assert found.text == "cd api && CI=1 pytest -q\n2 failed"
    assert (mentions(found), facts(found)) == (["command:pytest", "actor:alice"], {})


def test_a_command_may_be_a_list_of_words() -> None:
    found = extracted("command.completed", {"argv": ["git", "push", "origin"]})
    assert mentions(found) == ["command:git", "actor:alice"]
    assert found.text == "git\npush\norigin"


@pytest.mark.parametrize(
    ("command_line", "program"),
    [
        ("pytest -q tests", "pytest"),
        ("/usr/local/bin/python3.11 -m build", "python3.11"),
        ("sudo -E env A=1 apt-get update", "apt-get"),
        ("timeout 60s npm test", "npm"),
        ("cd /srv; git log | head", "git"),
        ("# see what is there\nls -la", "ls"),
        ("(cd web && npm ci)", "npm"),
        ("cd /srv", "cd"),
        ("$(which node) x.js", ""),
        ("", ""),
        ("&& | ;", ""),
    ],
)
def test_a_command_line_is_about_its_first_program_that_does_something(command_line: str, program: str) -> None:
    assert program_of(command_line) == program


def test_an_edit_states_the_file_and_who_edited_it() -> None:
    payload = {"path": "src/login.py", "operation": "update", "lines_added": 12, "lines_removed": 3, "cwd": "/repo"}
    found = extracted("file.edit.applied", payload)
    assert found.text == "file src/login.py\nupdate"
    assert facts(found) == {"file:src/login.py": "edited"}
    assert relations(found) == ["alice EDITED src/login.py"]


def test_a_deleted_file_is_ended() -> None:
    found = extracted("file.deleted", {"path": "a.py"})
    assert (ended(found), facts(found)) == (["file:a.py"], {"file:a.py": "deleted"})


def test_two_long_paths_that_begin_alike_are_two_files() -> None:
    names = [
        next(iter(facts(extracted("file.edit.applied", {"path": "deep/" * 40 + leaf})))) for leaf in ("a.py", "b.py")
    ]
    assert names[0] != names[1]
    assert {len(name) for name in names} == {len("file:") + 120}


def test_passages_of_one_document_share_its_entity() -> None:
    passages = [
        extracted("document.indexed", {"path": "docs/a.md", "title": "Guide", "heading": heading, "content": content})
        for heading, content in (("Install", "pip install"), ("Use", "import it"))
    ]
    assert [facts(passage) for passage in passages] == [{"document:docs/a.md": ""}] * 2
    assert passages[0].text == "docs/a.md\nGuide\nInstall\npip install"


def test_a_document_without_a_path_is_known_by_its_title() -> None:
    assert facts(extracted("document.indexed", {"title": "Guide", "content": "text"})) == {"document:Guide": ""}


@pytest.mark.parametrize(("event_type", "status"), [("session.genesis", "open"), ("session.ended", "ended")])
def test_a_session_is_open_until_it_ended(event_type: str, status: str) -> None:
    found = extracted(event_type, {"reason": "logout"})
    assert facts(found) == {"session:work": status}
    assert found.text == "session work\nlogout"


def test_a_summary_of_a_session_says_nothing_of_its_state() -> None:
    found = extracted("session.summary", {"content": "We fixed the login."})
    assert (facts(found), mentions(found)) == ({}, ["session:work", "actor:alice"])
    assert found.text == "session work\nWe fixed the login."
