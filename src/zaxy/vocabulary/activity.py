"""What an agent did: tool calls, commands and changes of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import CapturedPayload, flag, integer, labels, parse, short_leaves, text
from zaxy.vocabulary.statements import Statements, is_ended, joined, verb_of

_FILE_STATUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("applied", "edited", "updated", "changed", "modified"), "edited"),
    **{verb: verb for verb in ("created", "deleted", "removed")},
}
_MAX_COMMAND_CHARACTERS: Final = 4_000
_STEP: Final = re.compile(r"&&|\|\||[;|\n]")
_NO_PROGRAM: Final = re.compile(r"-|[A-Za-z_]\w*=|\d+[smh]?$", re.ASCII)
_PROGRAM: Final = re.compile(r"[\w.+-]+")
_WRAPPERS: Final = frozenset({"sudo", "env", "time", "timeout", "nohup", "exec", "command"})
_PREPARATIONS: Final = frozenset({"cd", "pushd", "set", "export", "source", "."})


@dataclass(frozen=True, slots=True)
class ToolCall(CapturedPayload):
    """``tool.*``.

    Attributes:
        tool: ``tool``, ``tool_name``, ``name``: which tool.
        input: ``input``, ``arguments``, ``args``, ``parameters``: any JSON value; the beginning of each text and
            number in it is searched.
        is_error: ``is_error``, ``error``: whether the call failed.
    """

    tool: str = text("tool", "tool_name", "name", quiet=True)
    input: tuple[str, ...] = short_leaves("input", "arguments", "args", "parameters")
    is_error: bool | None = flag("is_error", "error")


@dataclass(frozen=True, slots=True)
class Command(CapturedPayload):
    """``command.*``.

    Attributes:
        command: ``command``, ``cmd``, ``argv``: the command line, or its words as a list.
        exit_code: ``exit_code``, ``returncode``.
        is_error: ``is_error``: whether it failed.
    """

    command: tuple[str, ...] = labels("command", "cmd", "argv")
    exit_code: int | None = integer("exit_code", "returncode")
    is_error: bool | None = flag("is_error")


@dataclass(frozen=True, slots=True)
class FileEdit(CapturedPayload):
    """``file.*``. The numbers are known and not searched.

    Attributes:
        path: ``path``, ``file_path``, ``file``, ``filename``: which file.
        lines_added: ``lines_added``.
        lines_removed: ``lines_removed``.
        characters_new: ``characters_new``.
        characters_old: ``characters_old``.
    """

    path: str = text("path", "file_path", "file", "filename", quiet=True)
    lines_added: int | None = integer("lines_added")
    lines_removed: int | None = integer("lines_removed")
    characters_new: int | None = integer("characters_new")
    characters_old: int | None = integer("characters_old")


def tool_call(event: Event) -> Extraction:
    """Return what a ``tool.*`` event means: that the tool exists, what it was asked and what came of it."""
    told, statements = parse(ToolCall, event.payload), Statements()
    statements.mention("tool", told.tool)
    statements.actor(event.actor)
    return statements.extraction(joined(told.tool, *told.input, other=told.other))


def command(event: Event) -> Extraction:
    """Return what a ``command.*`` event means: that the program exists, the command line and what came of it."""
    told, statements = parse(Command, event.payload), Statements()
    statements.mention("command", program_of(" ".join(told.command)))
    statements.actor(event.actor)
    return statements.extraction(joined(other=told.other))


def program_of(command_line: str) -> str:
    """Return the program that a command line is about, empty when it shows none.

    Changing directory and setting variables come before what a command is about, so ``cd api && CI=1 pytest -q`` is
    about ``pytest``; a line that does nothing else is about its first program. This reads words, it is no shell.
    """
    first = ""
    for step in _STEP.split(command_line[:_MAX_COMMAND_CHARACTERS]):
        words = (word.lstrip("({!'\"").rstrip(")}'\"") for word in step.split())
        called = next((word for word in words if word not in _WRAPPERS and not _NO_PROGRAM.match(word)), "")
        program = called.rpartition("/")[2]
        if not _PROGRAM.fullmatch(program):
            continue
        if program not in _PREPARATIONS:
            return program
        first = first or program
    return first


def file_edit(event: Event) -> Extraction:
    """Return what a ``file.*`` event means: the file's state, and who changed it."""
    told, statements = parse(FileEdit, event.payload), Statements()
    status = _FILE_STATUSES.get(verb_of(event.event_type), "")
    subject = statements.fact("file", told.path, status=status, ended=is_ended(event, told))
    statements.relate(statements.actor(event.actor), "EDITED", subject)
    return statements.extraction(joined(f"file {told.path}".rstrip(), other=told.other))
