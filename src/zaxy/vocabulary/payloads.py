"""How a payload becomes a value: every field of a payload model says from which members and as what it is read.

A payload may hold anything that JSON allows. A member of another type counts as missing, so that parsing never fails;
what no field takes stays searchable in `Payload.other`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Final, TypeVar

from zaxy.eventloom.event import RESERVED_PREFIX
from zaxy.eventloom.redaction import REPLACEMENT
from zaxy.vocabulary.model import MAX_TEXT_CHARACTERS

CIPHER_KEY: Final = f"{RESERVED_PREFIX}cipher"
"""Payload member of a sealed payload: nothing of it can be read without its key."""

VIEW_KEY: Final = f"{RESERVED_PREFIX}view"
"""Payload member of an event as it is meant: that it was corrected, endorsed or cannot be read, and its label."""

UNTRUSTED: Final = "untrusted"
"""The label (``taint``) of what nobody reviewed yet and what came from an untrusted source."""

MAX_NAMES: Final = 100
"""How many names one member may list; further ones are searchable and name no entity."""

MAX_INPUT_CHARACTERS: Final = 500
"""How much of one value of a tool's input is searchable: arguments, not the bodies of files."""

_MEMBER: Final = "member"
_MAX_NUMBER_BITS: Final = 1_024
_NOISE: Final = frozenset(
    {"id", "uuid", "sha256", "hash", "occurred_at", "timestamp", "created_at", "updated_at", "recorded_at"}
)
Reader = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Member:
    """Where a field of a payload model is read from.

    Attributes:
        names: The payload's members, the first that holds such a value counts.
        read: Returns the value, or None for a value of another type.
        quiet: Whether the member is left out of `Payload.other`.
    """

    names: tuple[str, ...]
    read: Reader
    quiet: bool


def read_text(value: object) -> str | None:
    """Return a text that says something, stripped and at most ``MAX_TEXT_CHARACTERS`` long, else None.

    A text that is nothing but the mark of a removed secret says nothing. The result can be encoded as UTF-8.
    """
    if not isinstance(value, str):
        return None
    told = encodable(value.strip()[:MAX_TEXT_CHARACTERS])
    return told if told and told != REPLACEMENT else None


def encodable(told: str) -> str:
    """Return a text with ``?`` in place of each lone surrogate, which no store could write."""
    if told.isascii():
        return told
    return told.encode("utf-8", "replace").decode("utf-8")


def read_label(value: object) -> str | None:
    """Return a text, or a number as text, else None: what may name or number a thing."""
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _MAX_NUMBER_BITS else None
    return repr(value) if isinstance(value, float) and isfinite(value) else None


def _read_scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return read_label(value)


def _read_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _read_integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_labels(value: object) -> tuple[str, ...] | None:
    """Return one name or a list of nothing but names; a list that holds more than names is left to the search."""
    told = value[:MAX_NAMES] if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, dict | list | tuple) for one in told):
        return None
    return tuple(name for name in map(read_label, told) if name is not None) or None


def _read_texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    return tuple(told for told in map(read_text, value) if told is not None)


def _read_leaves(value: object) -> tuple[str, ...]:
    return tuple(leaf[:MAX_INPUT_CHARACTERS] for leaf in leaves([value]))


def _read_mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def _declared(names: tuple[str, ...], read: Reader, default: object, *, quiet: bool) -> Any:
    return field(default=default, metadata={_MEMBER: Member(names, read, quiet)})


def text(*names: str, quiet: bool = False) -> Any:
    """Declare a field that holds a text, empty by default."""
    return _declared(names, read_text, "", quiet=quiet)


def label(*names: str, quiet: bool = False) -> Any:
    """Declare a field that holds a text or a number, as text, empty by default."""
    return _declared(names, read_label, "", quiet=quiet)


def scalar(*names: str) -> Any:
    """Declare a quiet field that holds a text, a number or a boolean, as text, empty by default."""
    return _declared(names, _read_scalar, "", quiet=True)


def labels(*names: str) -> Any:
    """Declare a field that holds names: one text or number, or a list of them, empty by default."""
    return _declared(names, _read_labels, (), quiet=False)


def texts(*names: str) -> Any:
    """Declare a quiet field that holds the texts of a list, without what else the list holds, empty by default."""
    return _declared(names, _read_texts, (), quiet=True)


def short_leaves(*names: str) -> Any:
    """Declare a quiet field that holds the beginnings of all texts and numbers in a member, empty by default."""
    return _declared(names, _read_leaves, (), quiet=True)


def flag(*names: str) -> Any:
    """Declare a field that holds a boolean, None by default."""
    return _declared(names, _read_flag, None, quiet=True)


def integer(*names: str) -> Any:
    """Declare a quiet field that holds a whole number, None by default."""
    return _declared(names, _read_integer, None, quiet=True)


def mapping(*names: str) -> Any:
    """Declare a field that holds an object, None by default."""
    return _declared(names, _read_mapping, None, quiet=False)


@dataclass(frozen=True, slots=True)
class Payload:
    """What every payload may hold.

    Attributes:
        ended: ``ended``: true says that the thing is no longer so.
        other: The texts and numbers of the payload in order, without those of quiet fields, ids, hashes and times.
    """

    ended: bool | None = flag("ended")
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CapturedPayload(Payload):
    """What capture adds to an event: the circumstances, which are no part of what was said and are not searched.

    Attributes:
        cwd: ``cwd``: the working directory.
        git_branch: ``git_branch``.
        agent: ``agent``: the id of a sub-agent.
        model: ``model``: which language model spoke.
    """

    cwd: str = text("cwd", quiet=True)
    git_branch: str = text("git_branch", quiet=True)
    agent: str = text("agent", quiet=True)
    model: str = text("model", quiet=True)


PayloadModel = TypeVar("PayloadModel", bound=Payload)


_plans: Final[dict[type[Payload], tuple[tuple[str, Member], ...]]] = {}


def _plan(model: type[Payload]) -> tuple[tuple[str, Member], ...]:
    if model not in _plans:
        _plans[model] = tuple((one.name, one.metadata[_MEMBER]) for one in fields(model) if _MEMBER in one.metadata)
    return _plans[model]


def parse(model: type[PayloadModel], payload: Mapping[str, Any]) -> PayloadModel:
    """Return the payload as a model's value. Never raises; takes time in proportion to the payload.

    Args:
        model: A dataclass whose fields are declared with the functions of this module.
        payload: Any JSON object.
    """
    values: dict[str, Any] = {}
    quiet_members: list[str] = []
    for field_name, member in _plan(model):
        for name in member.names:
            if name in payload and (value := member.read(payload[name])) is not None:
                values[field_name] = value
                if member.quiet:
                    quiet_members.append(name)
                break
    values["other"] = tuple(leaves(_said(payload, quiet_members)))
    return model(**values)


def _said(payload: Mapping[str, Any], quiet_members: Collection[str]) -> list[Any]:
    return [value for name, value in payload.items() if name not in quiet_members and not _is_noise(name)]


def _is_noise(name: str) -> bool:
    return name in _NOISE or name.endswith("_id") or name.startswith(RESERVED_PREFIX)


def _is_reserved(name: str) -> bool:
    return name == "occurred_at" or name.startswith(RESERVED_PREFIX)


def _values(container: object, passed_over: Callable[[str], bool]) -> Iterator[Any]:
    if isinstance(container, Mapping):
        return (value for name, value in container.items() if not passed_over(name))
    return iter(container) if isinstance(container, list | tuple) else iter(())


def leaves(roots: Iterable[Any], passed_over: Callable[[str], bool] = _is_noise) -> list[str]:
    """Return the texts and numbers in JSON values, in order, at most ``MAX_TEXT_CHARACTERS`` of them in all.

    Args:
        roots: Any JSON values, however deeply nested.
        passed_over: Tells by its name which member of an object not to look at.
    """
    found: list[str] = []
    room = MAX_TEXT_CHARACTERS
    open_containers: list[Iterator[Any]] = [iter(roots)]
    while open_containers and room > 0:
        for value in open_containers[-1]:
            if (told := read_label(value)) is not None:
                found.append(told[:room])
                room -= len(told) + 1
                if room <= 0:
                    break
            elif isinstance(value, dict | list | tuple):
                open_containers.append(_values(value, passed_over))
                break
        else:
            open_containers.pop()
    return found


def everything(payload: Mapping[str, Any]) -> list[str]:
    """Return the texts and numbers of a payload that no model describes, ids included."""
    return leaves(_values(payload, _is_reserved), _is_reserved)
