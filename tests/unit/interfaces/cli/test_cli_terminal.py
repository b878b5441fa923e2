"""What commands look like on a real terminal, and that none of it is in what is piped on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from cli_words import answer, record, zaxy
from terminals import on_terminal

from zaxy.config import wants_colours
from zaxy.interfaces.cli.app import cli

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("EMBEDDING_PROVIDER", "none")


def test_sessions_are_a_table_that_says_how_long_ago(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record("Ship the parser")
    record("Ship the lexer", "--session-id", "a-session-with-a-name-that-is-longer-than-any-terminal-of-forty-columns")
    shown = COLOUR.sub("", on_terminal(monkeypatch, "memory", "status", columns=60))
    lines = shown[shown.index("Session logs:") :].splitlines()[1:]
    assert lines[0].split() == ["Session", "Events", "Last", "recorded", "Its", "type", "Integrity"]
    assert lines[1].endswith("OK")
    assert "just now" in lines[1]
    assert "…" in lines[1]
    assert max(map(len, lines)) == 60


def test_the_log_is_a_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record("Ship the parser")
    head, line = COLOUR.sub("", on_terminal(monkeypatch, "memory", "log")).splitlines()
    assert head.split() == ["When", "Event", "Type", "Actor", "What"]
    assert re.split("  +", line) == ["just now", "default 1", "goal.created", "ann", "Ship the parser"]


def test_answers_say_how_long_ago(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    citation = record("Ship the parser")
    shown = COLOUR.sub("", on_terminal(monkeypatch, "recall", "parser", columns=200))
    assert shown.splitlines() == ["1. title: Ship the parser", f"   ann, just now, {citation}"]
    assert "  ann  just now  goal.created" in on_terminal(monkeypatch, "query", "parser")


@pytest.mark.parametrize(
    "words", [("memory", "status", "--graph"), ("memory", "log"), ("recall", "parser"), ("status",)]
)
def test_colours_are_on_a_terminal_only_and_not_where_they_are_unwanted(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("Ship the parser")
    coloured = on_terminal(monkeypatch, *words)
    assert COLOUR.search(coloured)
    assert "\x1b" not in zaxy(*words).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal(monkeypatch, *words) == COLOUR.sub("", coloured)


def test_an_error_has_a_colour_where_standard_error_is_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("recall", "parser", "--eventloom-path", "nothing")
    shown = on_terminal(monkeypatch, *words, stream_name="stderr", code=2)
    assert COLOUR.match(shown)
    assert COLOUR.sub("", shown) == zaxy(*words).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal(monkeypatch, *words, stream_name="stderr", code=2) == COLOUR.sub("", shown)


def test_a_foreign_text_brings_no_colours_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    record("\x1b[31mred\x1b[2J", "--session-id", "default")
    for words in (("memory", "log"), ("recall", "red"), ("query", "red"), ("memory", "status")):
        assert "\x1b" not in on_terminal(monkeypatch, *words), words


def test_json_on_a_terminal_is_the_same_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record("Ship the parser")
    assert json.loads(on_terminal(monkeypatch, "recall", "parser", "--json")) == answer("recall", "parser")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "0"}, False), ({"TERM": "dumb"}, False)],
)
def test_no_color_is_obeyed_whatever_it_says(environment: dict[str, str], *, wanted: bool) -> None:
    assert wants_colours(environment) is wanted


def commands(group: click.Group, *path: str) -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        below = (
            commands(command, *path, name) if isinstance(command, click.Group) else [(" ".join([*path, name]), command)]
        )
        found += below
    return found


WITHOUT_JSON = {
    "completion": "prints a script for a shell",
    "hook": "answers in the form that its client reads",
    "log witness serve": "runs until it is ended",
}
"""Why a command cannot be asked for JSON."""


def test_every_command_that_answers_can_be_asked_for_json() -> None:
    without = {name for name, command in commands(cli) if not any("--json" in one.opts for one in command.params)}
    assert not {name for name in without if name not in WITHOUT_JSON}
