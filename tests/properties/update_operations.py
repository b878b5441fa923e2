"""What can happen to a memory and what can be asked of it, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SINGLE: Final = frozenset({"preference", "fact", "policy"})
"""Forms of which one value at a time is so; of the others everything that was said stays so."""

TODAY: Final = 3_700
"""The day of asking; everything that is said happened before it."""


@dataclass(frozen=True)
class Topic:
    """What is talked about.

    Attributes:
        form: How it is said: ``preference``, ``fact``, ``policy``, ``goal``, ``decision`` or ``turn``.
        subject: Of whom or what; no two histories share one.
        about: Which side of it.
    """

    form: str
    subject: str
    about: str


@dataclass(frozen=True)
class Say:
    """Something is said.

    Attributes:
        name: What other operations call it.
        topic: What it is about.
        value: A word that stands in no other statement; of a goal its status.
        day: When it happened.
        session: Where it is recorded.
        source: Who stands behind it.
        derives: The statements or corrections that it was made from.
        forgettable: Whether it is sealed.
        ended: Whether it says that nothing is so any more.
        untrusted: Whether it waits for somebody's review.
    """

    name: str
    topic: Topic
    value: str
    day: int
    session: str = "work"
    source: str = "agent"
    derives: tuple[str, ...] = ()
    forgettable: bool = False
    ended: bool = False
    untrusted: bool = False


@dataclass(frozen=True)
class Edit:
    """A statement, or an earlier correction of it, is corrected."""

    name: str
    target: str
    value: str


@dataclass(frozen=True)
class RollBack:
    """A correction, an ending or another rollback is taken back."""

    name: str
    target: str


@dataclass(frozen=True)
class End:
    """A statement stops being so on a day."""

    name: str
    target: str
    day: int


@dataclass(frozen=True)
class Forget:
    """A statement is forgotten, by its own name or by that of a correction of it."""

    name: str
    target: str


Operation = Say | Edit | RollBack | End | Forget


@dataclass(frozen=True)
class Question:
    """What is asked: about a topic, as of a day (None for today), as known after so many operations (None for all)."""

    topic: Topic
    as_of: int | None = None
    known: int | None = None


@dataclass(frozen=True)
class History:
    """Operations in order, what is asked at the end, and what it is about in a few words."""

    kind: str
    label: str
    operations: tuple[Operation, ...]
    questions: tuple[Question, ...]
