"""Hooks when something is in their way: nothing is lost, nothing breaks the client, everything is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hook_calls import SESSION, Client

from zaxy.config import load_settings
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.files.durable import make_directories
from zaxy.files.lock import locked
from zaxy.memory import Memory
from zaxy.services.capture.claude_code import ingest_claude_code
from zaxy.services.capture.exclusion import Exclusion
from zaxy.services.capture.hooks.health import HookHealth, hook_health
from zaxy.services.capture.hooks.place import CapturePlace


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def health(client: Client) -> HookHealth:
    found = hook_health(client.settings)
    assert found is not None
    return found


def place(client: Client) -> CapturePlace:
    found = CapturePlace.of(client.settings)
    assert found is not None
    return found


def test_a_loom_that_is_missing_gets_everything_once_it_is_back(client: Client) -> None:
    away = client.folder / "away"
    client.settings.eventloom_path.rename(away)
    client.works()
    assert health(client).spooled_events > 9
    away.rename(client.settings.eventloom_path)
    assert client.events() == []
    with Memory(client.settings) as memory:
        assert health(client).spooled_events == 0
        assert ingest_claude_code(client.transcript, memory.sink).recorded.added == 0
    assert client.said().count(("user", "go on")) == 2
    assert sum(event.event_type.startswith("session.") for event in client.events()) == 2
    assert health(client).last_error is None


def test_a_log_that_is_busy_is_not_waited_for_and_the_next_hook_records_what_waits(client: Client) -> None:
    client.prompts("One")
    loom = Eventloom(client.settings.eventloom_path)
    with locked(loom.log(SESSION).layout.lock, timeout_seconds=5):
        client.prompts("Two")
        assert len(client.said()) == 1
        assert health(client).spooled_events > 0
    client.prompts("Three")
    assert [text for _, text in client.said()] == ["One", "Two", "Three"]
    assert health(client).spooled_events == 0


def test_a_spool_that_two_processes_take_out_at_once_is_recorded_once(client: Client) -> None:
    client.settings.eventloom_path.rename(client.folder / "away")
    client.prompts("One")
    [waiting] = place(client).spool.iterdir()
    copy = waiting.read_bytes()
    (client.folder / "away").rename(client.settings.eventloom_path)
    for _ in range(2):
        with Memory(client.settings):
            pass
        waiting.write_bytes(copy)
    with Memory(client.settings):
        pass
    assert client.said() == [("user", "One")]


def test_what_cannot_be_read_in_the_spool_is_set_aside_and_holds_up_nothing(client: Client) -> None:
    client.settings.eventloom_path.rename(client.folder / "away")
    client.prompts("One")
    (place(client).spool / "00000000000000000001-torn-1.jsonl").write_bytes(b'{"session": "s", "ty')
    (client.folder / "away").rename(client.settings.eventloom_path)
    client.prompts("Two")
    assert [text for _, text in client.said()] == ["One", "Two"]
    assert health(client).spooled_events == 0
    assert [path.suffix for path in place(client).spool.iterdir()] == [".refused"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "no event", "a path for a name", "huge"])
def test_a_file_in_the_spool_that_is_none_of_ours_holds_up_nothing(client: Client, kind: str) -> None:
    client.prompts("One")
    path = place(client).spool / "1.jsonl"
    make_directories(path.parent)
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(client.transcript)
        case "no event":
            path.write_bytes(b'{"session": "s", "type": 5, "actor": "a", "key": "k", "payload": []}')
        case "a path for a name":
            path.write_bytes(b'{"session": "../x", "type": "a.b", "actor": "a", "key": "k", "payload": {}}')
        case _:
            path.touch()
            os.truncate(path, 10**10)
    client.prompts("Two")
    assert [text for _, text in client.said()] == ["One", "Two"]
    assert [one.name for one in path.parent.iterdir()] == ["1.jsonl.refused"]


def test_of_a_file_in_the_spool_that_was_cut_the_whole_lines_are_recorded(client: Client) -> None:
    line = {"session": SESSION, "type": "note.taken", "actor": "ann", "key": "k:1", "payload": {"content": "kept"}}
    make_directories(place(client).spool)
    (place(client).spool / "1-cut-2.jsonl").write_bytes(json.dumps(line).encode() + b'\n{"session": "s", "ty')
    client.prompts("One")
    assert [event.payload["content"] for event in client.events("note.taken")] == ["kept"]


def test_a_session_whose_log_is_damaged_holds_up_no_other(client: Client) -> None:
    client.prompts("One")
    log = client.settings.eventloom_path / f"{SESSION}.jsonl"
    log.write_bytes(log.read_bytes()[10:] + b"no event\n")
    client.prompts("Two")
    assert health(client).spooled_events > 0
    client.hook("UserPromptSubmit", prompt="Three", session_id="other", transcript_path="")
    assert (client.settings.eventloom_path / "other.jsonl").is_file()


def test_a_transcript_that_is_a_pipe_is_not_waited_for(client: Client) -> None:
    pipe = client.folder / "pipe"
    os.mkfifo(pipe)
    assert client.hook("UserPromptSubmit", prompt="One", transcript_path=str(pipe)).problems == []
    assert client.said() == [("user", "One")]


def test_a_secret_in_what_went_wrong_is_not_noted(client: Client) -> None:
    secret = "ghp_" + "a1B2" * 9
    place(client).note(1, f"claude-code {secret}", [f"it broke at {secret} \ud800"])
    kept = [path.read_bytes() for path in place(client).folder.rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert secret.encode() not in kept[0]


@pytest.mark.parametrize("kept", ["[[1, 2, 3], 5, [1]]", '{"a": 1}', "[[null, 7]]", "[", ""])
def test_a_damaged_note_of_pauses_breaks_nothing(client: Client, kept: str) -> None:
    make_directories(place(client).folder)
    (place(client).folder / "pauses.json").write_text(kept)
    assert client.hook("UserPromptSubmit", prompt="One").problems == []
    assert client.said() == [("user", "One")]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("PostToolUse", {"tool_name": "mcp__files__write_file", "tool_input": {"path": "/a", "content": "the body"}}),
        ("PostToolUse", {"tool_name": "mcp__files__read_text_file", "tool_response": [{"text": "the body"}]}),
        ("PostToolUseFailure", {"tool_name": "Edit", "error": "String not found.\nString: the body"}),
    ],
)
def test_the_text_of_a_file_is_not_recorded_whichever_tool_had_it(
    client: Client, event: str, told: dict[str, Any]
) -> None:
    client.hook(event, tool_use_id="t1", **told)
    [found] = client.events("tool.call.completed")
    assert "the body" not in json.dumps(dict(found.payload))


def test_a_loom_and_a_state_folder_that_may_not_be_written_are_told_and_break_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way of the folder")
    client = Client(tmp_path)
    client.settings.eventloom_path.rmdir()
    outcome = client.hook("UserPromptSubmit", prompt="One")
    assert outcome.problems
    assert outcome.context == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"hook_event_name": "Stop"}',
        b'{"hook_event_name": "PostToolUse", "session_id": 7}',
        b"{" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
def test_input_that_is_none_is_an_error_that_is_noted_and_counted(client: Client, raw: bytes) -> None:
    assert client.raw(raw).problems
    assert (health(client).failures, client.events()) == (1, [])
    client.hook("Stop")
    assert (health(client).failures, health(client).last_error) == (0, None)


@pytest.mark.parametrize(
    "told",
    [
        {"tool_name": "Bash", "tool_input": "not an object", "tool_use_id": "t"},
        {
            "tool_name": "Bash",
            "tool_input": {"command": ["a", 1]},
            "tool_response": [None, {"x": []}],
            "tool_use_id": "t",
        },
        {"tool_name": "Edit", "tool_input": {"file_path": "/a\ud800\0"}, "tool_response": {"stdout": 5}},
        {"tool_name": "x" * 5_000, "tool_input": {"n": 10**400}, "tool_response": "y" * 3_000_000},
        {"prompt": 5, "tool_name": "mcp__a__b", "tool_input": None, "tool_use_id": ["t"], "cwd": 7},
    ],
)
def test_odd_members_are_recorded_as_far_as_they_go(client: Client, told: dict[str, Any]) -> None:
    data = {"hook_event_name": "PostToolUse", "session_id": SESSION, **told}
    outcome = client.raw(json.dumps(data).encode())
    assert outcome.problems == []
    assert len(client.events()) == 1


def test_a_session_id_that_names_no_log_gets_a_safe_one(client: Client) -> None:
    client.hook("UserPromptSubmit", prompt="One", session_id="../../etc/passwd")
    with Eventloom(client.settings.eventloom_path).log("-.-..-etc-passwd-" + "0" * 8) as log:
        assert not log.path.exists()
    assert len(Eventloom(client.settings.eventloom_path).sessions()) == 1


def test_while_capture_is_paused_nothing_is_recorded_nor_read_later(client: Client) -> None:
    client.prompts("Before")
    client.hook("PreToolUse")
    place(client).pause(1)
    assert place(client).is_paused()
    client.prompts("Meanwhile")
    client.calls("t1", "Bash", {"stdout": ""}, "", command="make secret")
    client.ends_turn("A secret.")
    client.hook("PreToolUse")
    place(client).resume(2)
    client.prompts("After")
    client.hook("Stop")
    assert [text for _, text in client.said()] == ["Before", "After"]
    assert client.events("command.completed") == []


def test_what_is_written_at_a_time_of_pause_is_left_out_even_if_no_hook_ran(client: Client) -> None:
    minute = 60_000_000
    begin = 1_772_359_200_000_000  # 2026-03-01T10:00:00Z
    client.write("user", "Before")
    client.lines = 60
    client.write("user", "Meanwhile")
    place(client).pause(begin + minute)
    place(client).resume(begin + 2 * minute)
    client.lines = 120
    client.write("user", "After")
    client.hook("Stop")
    assert [text for _, text in client.said()] == ["Before", "After"]


EXCLUDED = ("secrets/", "~/private", "re:ACME-\\d+")


@pytest.mark.parametrize(
    ("name", "arguments", "is_refused"),
    [
        ("Read", {"file_path": "/shop/.env"}, True),
        ("Read", {"file_path": "/shop/.env.production"}, True),
        ("Read", {"file_path": "/shop/environment.py"}, False),
        ("Bash", {"command": "cat ~/.ssh/config | head"}, True),
        ("Bash", {"command": "openssl x509 -in 'certs/server.pem'"}, True),
        ("Bash", {"command": "cp secrets/a.txt /tmp"}, True),
        ("Bash", {"command": "ls x/../secrets"}, True),
        ("Bash", {"command": "make secretsanta"}, False),
        ("Bash", {"command": f"ls {os.path.expanduser('~/private')}/x"}, True),
        ("Grep", {"pattern": "ACME-17"}, True),
        ("Grep", {"pattern": "ACME-x"}, False),
    ],
)
def test_excluded_paths_and_patterns_are_never_captured(
    tmp_path: Path, name: str, arguments: dict[str, Any], is_refused: bool
) -> None:
    client = Client(tmp_path, capture_exclude=EXCLUDED)
    client.calls("t1", name, "some text", "some text", **arguments)
    client.hook("Stop")
    assert bool(client.events()) is not is_refused


def test_excluded_text_reaches_no_file_of_ours_and_no_import(tmp_path: Path) -> None:
    client = Client(tmp_path, capture_exclude=EXCLUDED)
    client.prompts("the number is ACME-1234")
    client.settings.eventloom_path.rename(tmp_path / "away")
    client.prompts("it is ACME-5678")
    (tmp_path / "away").rename(client.settings.eventloom_path)
    with Memory(client.settings) as memory:
        memory.sink.record(SESSION, [Draft("note.taken", "ann", {"content": "ACME-9999"}, "k:1")])
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != client.transcript)
    assert b"ACME" not in kept


def test_a_folder_that_is_excluded_hides_the_whole_session(tmp_path: Path) -> None:
    exclusion = Exclusion(("~/private",))
    inside = Draft("transcript.turn", "user", {"content": "hi", "cwd": os.path.expanduser("~/private/x")})
    assert exclusion.refuses(inside)
    assert not exclusion.refuses(Draft("transcript.turn", "user", {"content": "see ~/private", "cwd": str(tmp_path)}))


def test_what_is_excluded_is_read_from_the_environment_with_commas_between(tmp_path: Path) -> None:
    told = {"CAPTURE_EXCLUDE": " secrets/ ,re:ACME-\\d+,, ", "CAPTURE_CONTEXT_TOKENS": "0"}
    settings = load_settings(folder=tmp_path, environment=told)
    assert (settings.capture_exclude, settings.capture_context_tokens) == (("secrets/", "re:ACME-\\d+"), 0)


@pytest.mark.parametrize("rules", [("/",), ("",), ("*",), ("?",)])
def test_rules_that_name_nothing_or_everything_break_nothing(rules: tuple[str, ...]) -> None:
    draft = Draft("command.completed", "assistant", {"command": "make all", "cwd": "/shop"})
    assert Exclusion(rules).refuses(draft) is (rules == ("*",))


def test_a_pattern_that_is_none_lets_nothing_through_and_is_told(tmp_path: Path) -> None:
    client = Client(tmp_path, capture_exclude=("re:(",))
    assert "CAPTURE_EXCLUDE" in client.hook("UserPromptSubmit", prompt="One").problems[0]
    assert client.events() == []
    assert health(client).failures == 1


def test_sealed_capture_finds_the_hooks_turn_again(tmp_path: Path) -> None:
    client = Client(tmp_path, capture_forgettable=True)
    client.hook("UserPromptSubmit", prompt="Forget me")
    client.write("user", "Forget me")
    client.hook("Stop")
    [event] = client.events()
    assert b"Forget" not in client.settings.eventloom_path.joinpath(f"{SESSION}.jsonl").read_bytes()
    assert str(event.payload["__zaxy_source"]).startswith("claude-code:hmac-sha256:")
