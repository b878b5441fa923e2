"""What an error says to run next is a command that can be pasted: it exists, and takes what is written behind it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import zaxy
from zaxy.interfaces.cli.app import cli

SOURCE = Path(zaxy.__file__).parent
ROOMS = ("services/governance", "vocabulary", "eventloom/vault")
CITATION = "eventloom://work/events/12#9f2c41d07b3a"
COMMAND = re.compile(r"(?<![-\w'/])zaxy (?=[a-z-])(.+?)(?=$|, or |; |\)| over MCP)")
PROSE = re.compile(r"zaxy (?:forgetting receipt|receipt)")


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield what is said as ``remedy`` or otherwise, with a citation where something is filled in."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else CITATION for part in node.values)  # type: ignore[misc]  # a constant of a text is one
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | inner):
            yield node.value


def commands() -> list[str]:
    """Return every command line that a text of these rooms names."""
    found = {
        told
        for room in ROOMS
        for path in (SOURCE / room).glob("*.py")
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if not PROSE.match(text)
        for told in COMMAND.findall(text)
    }
    return sorted(found)


def leaf(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words name, and what is left of them."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("line", commands())
def test_a_command_that_an_error_names_can_be_pasted(line: str) -> None:
    command, words = leaf(shlex.split(line.replace("CITATION", CITATION)))
    if words:  # a name alone stands for what it is called with
        command.make_context("zaxy", words, resilient_parsing=False)


def test_the_commands_are_found_and_a_wrong_one_is_told() -> None:
    assert f"memory rollback --citation {CITATION} --reason '...'" in commands()
    assert len(commands()) > 10
    command, words = leaf(["invalidate", "--citation", CITATION])
    with pytest.raises(click.UsageError):
        command.make_context("zaxy", words)
