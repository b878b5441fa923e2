"""Editable blocks: from a file, from standard input, and through a person's editor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from zaxy.files.scratch import scratch_file

if TYPE_CHECKING:
    from pathlib import Path

    from zaxy.eventloom.event import Event
    from zaxy.eventloom.loom import Eventloom
    from zaxy.memory import Memory

_MOST_BYTES: Final = 64 * 1024 * 1024


def read_block(loom: Eventloom, path: str) -> tuple[Event, str]:
    """Return the event that an edited block names, and what it is to say.

    Args:
        loom: Where the event is.
        path: The block's file, ``-`` for standard input.

    Raises:
        InvalidInputError: It is not an editable block; the message names the line.
        NotFoundError: There is no such file or event.
        IntegrityError: The event has another hash than the block says.
    """
    from zaxy.services.governance.editable import parse_editable
    from zaxy.services.governance.targets import find_target

    block = parse_editable(_decoded(_given(path), path))
    event = find_target(loom, seq=block.seq, hash=block.hash, session_id=block.session_id)
    return event, block.content


def edit_in_editor(memory: Memory, event: Event) -> str:
    """Let a person edit what an event says, in ``$VISUAL`` or ``$EDITOR``; return the new text.

    The block lies in a private folder meanwhile, in memory where the system has such a place. Nothing of it is left
    afterwards, whatever ends this process.

    Raises:
        ForgottenError: The event's text is gone, or sealed.
        InvalidInputError: The block cannot be read any more, names another event, or was not changed.
        UnavailableError: The editor failed.
    """
    from zaxy.interfaces.cli.show_command import editable_block
    from zaxy.services.governance.editable import parse_editable

    given = editable_block(memory.showing.show(event))
    with scratch_file(f"memory-{event.seq}.txt", given) as path:
        _run_editor(path)
        returned = _read_back(path)
    if returned == given:
        raise InvalidInputError("the block was not changed; nothing is written", remedy="change the text below the ---")
    before, after = parse_editable(given), parse_editable(returned)
    if (before.session_id, before.seq, before.hash) != (after.session_id, after.seq, after.hash):
        raise IntegrityError("the edited block names another event", remedy="leave the lines above the --- as they are")
    return after.content


def _run_editor(path: Path) -> None:
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        raise UnavailableError(error.message, remedy="set VISUAL or EDITOR, or give --new-content") from error


def _read_back(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _decoded(file.read(_MOST_BYTES + 1), "the edited block")
    except FileNotFoundError as error:
        raise InvalidInputError("the editor removed the block; nothing is written", remedy="save it instead") from error


def _given(path: str) -> bytes:
    if path == "-":
        return _bounded(sys.stdin.buffer) if sys.stdin is not None else b""
    try:
        with open(path, "rb") as file:
            return _bounded(file)
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be read: {error.strerror}",
            remedy="write a block: zaxy memory show CITATION --editable > block.txt",
        ) from error


def _bounded(stream: BinaryIO) -> bytes:
    return stream.read(_MOST_BYTES + 1)


def _decoded(data: bytes, source: str) -> str:
    if len(data) > _MOST_BYTES:
        raise InvalidInputError(f"{source} holds more than {_MOST_BYTES:,} bytes", remedy="record it in parts")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"{source}: line {line} is not UTF-8", remedy="save it as UTF-8") from error
