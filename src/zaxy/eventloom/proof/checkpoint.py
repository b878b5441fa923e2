"""Checkpoints of C2SP tlog-checkpoint: the text in which a log says how large its tree is and which root it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.proof.merkle import EMPTY_ROOT, HASH_BYTES
from zaxy.eventloom.proof.notes import check_note_text, decode_base64, encode_base64

MAX_SIZE: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log signs.

    Attributes:
        origin: Which log; ``zaxy-loom/<loom id>`` for ours.
        size: How many leaves the tree has.
        root: Its root, 32 bytes.
        extensions: Further lines. No part of what is proven; ours have none.

    Raises:
        InvalidInputError: No checkpoint can say that.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(line and "\n" not in line for line in (self.origin, *self.extensions)):
            raise InvalidInputError("the lines of a checkpoint are not empty and hold no newline")
        if not 0 <= self.size <= MAX_SIZE:
            raise InvalidInputError(f"a tree cannot have {self.size} leaves")
        if len(self.root) != HASH_BYTES:
            raise InvalidInputError(f"a root has {HASH_BYTES} bytes, not {len(self.root)}")
        if (self.size == 0) != (self.root == EMPTY_ROOT):
            raise InvalidInputError(f"a tree of {self.size} leaves has another root")

    def text(self) -> str:
        """Return the text that is signed."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that the text of a note holds.

    Raises:
        BadProofError: It is not one.
    """
    origin, size, root, *extensions = _lines(check_note_text(text))
    try:
        return Checkpoint(origin, parse_number(size), decode_base64(root), tuple(extensions))
    except InvalidInputError as error:
        raise BadProofError(f"a checkpoint does not hold: {error.message}") from error


def parse_number(text: str) -> int:
    """Return a size or an index: decimal, without a sign or leading zeroes, below 2**63.

    Raises:
        BadProofError: It is not one.
    """
    number = int(text) if _DECIMAL.fullmatch(text) else -1
    if not 0 <= number <= MAX_SIZE:
        raise BadProofError(f"{text[:40]!r} is not a number as a proof writes it")
    return number


def _lines(text: str) -> list[str]:
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise BadProofError("a checkpoint has three lines: origin, size and root")
    return lines
