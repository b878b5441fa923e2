"""What an event says in the words of its payload, and putting another text in the place of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.eventloom.payload import clean_payload

_SPOKEN: Final = ("content", "text", "message")
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_VALUES: Final = ("value", "new_value")
_HEADLINES: Final = (
    *("title", "name", "summary", "decision", "goal", "task", "description", "rule", "statement"),
    *("issue", "problem", "check", "verification", "test", "handoff"),
    *("policy", "key", "preference", "setting", "subject", "attribute"),
    *("tool", "tool_name", "command", "cmd", "argv", "path", "file_path", "file", "filename"),
)
"""The members that name a thing, whatever its type."""

_MAX_STARTS: Final = 128
"""How many lines of a text may look like the beginning of a member; the time taken grows with the square of it."""


def said(event: Event) -> str:
    """Return what an event says: the payload's own text where it has one, else its members as ``name: value`` lines."""
    spoken = _spoken_member(event.payload)
    if spoken is not None:
        return str(event.payload[spoken])
    shown = shown_members(event.payload)
    return "\n".join(f"{name}: {value}" for name, value in shown.items()) if shown else event.event_type


def shown_members(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of a payload that are shown to a reader, as text; what belongs to the log is none of them."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in payload.items()
        if not name.startswith(RESERVED_PREFIX) and name != "occurred_at" and value not in _NOTHING
    }


def replaced(payload: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a payload that says another text.

    The payload's own text is replaced where it has one, and every member that names the thing with the same words.
    Else, when the text is lines ``name: value`` with names of shown members, those members are replaced. Else its
    value, or what names it.

    Args:
        payload: What was said.
        text: What is to be said instead.

    Raises:
        InvalidInputError: The text is meant as ``name: value`` lines and cannot be read as such, or it does not tell
            which of several members it stands for. The message names the line or the members.
    """
    told = _replaced(payload, text)
    if told is not None:
        return told
    shown = shown_members(payload)
    lines = text.split("\n")
    if _is_meant_as_members(shown, lines):
        number, why = _damage(lines, shown)
        raise InvalidInputError(
            f"line {number} of the new text {why}: {lines[number - 1][:80]!r}",
            remedy=f"write each member once, in this order: {_names(shown)}",
        )
    places = _places(payload, shown)
    raise InvalidInputError(
        f"the new text does not tell which of {_names(places)} it is to replace",
        remedy=f"write the members that change as lines, such as {places[0]}: ...",
    )


def reworded(payload: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a payload that says another text, as `replaced`; for what a log holds, so that any text has a place.

    What `replaced` refuses goes to the value or the first member that names the thing, and where there is neither to
    ``content``.
    """
    told = _replaced(payload, text)
    if told is not None:
        return told
    named = (*(name for name in _VALUES if payload.get(name) not in _NOTHING), *_headlines(payload))
    place = next(iter(named), "content")
    return {**payload, place: _typed(payload.get(place, ""), text)}


def _replaced(payload: Mapping[str, Any], text: str) -> dict[str, Any] | None:
    spoken = _spoken_member(payload)
    if spoken is not None:
        same = (name for name in (*_SPOKEN, *_VALUES, *_HEADLINES) if payload.get(name) == payload[spoken])
        return {**payload, **dict.fromkeys(same, text)}
    shown = shown_members(payload)
    members = _members_of(shown, text)
    if members:
        return {**payload, **{name: _typed(payload[name], value) for name, value in members.items()}}
    if _is_meant_as_members(shown, text.split("\n")):
        return None
    places = _places(payload, shown)
    if len(places) > 1 and (places != _headlines(payload) or len({shown[name] for name in places}) > 1):
        return None
    told = {name: _typed(payload[name], text) for name in places} or {"content": text}
    return {**payload, **told}


def _places(payload: Mapping[str, Any], shown: Mapping[str, str]) -> list[str]:
    """Return the members that one sentence may stand for; where they differ, it is not known for which."""
    value = next((name for name in _VALUES if name in shown), None)
    if value is not None:
        return [value]
    return _headlines(payload) or [name for name in shown if isinstance(payload[name], str)]


def _is_meant_as_members(shown: Mapping[str, str], lines: Sequence[str]) -> bool:
    return 2 * len({name for name, _ in _starts(lines, shown)}) > len(shown) > 0


def _spoken_member(payload: Mapping[str, Any]) -> str | None:
    return next((name for name in _SPOKEN if isinstance(payload.get(name), str) and payload[name]), None)


def _headlines(payload: Mapping[str, Any]) -> list[str]:
    told = ((name, payload.get(name)) for name in _HEADLINES)
    return [name for name, value in told if value not in _NOTHING and not isinstance(value, dict)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:20])


# ---- lines of members


class _Parse(NamedTuple):
    """A way to read lines from the beginning of a member to the end. The greatest is the best.

    Attributes:
        unchanged: How many members say what they said before.
        members: How many there are.
        starts: The line of each, from 0.
        is_only: Whether no other way is as good.
    """

    unchanged: int
    members: int
    starts: tuple[int, ...]
    is_only: bool = True


def _starts(lines: Sequence[str], shown: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Give the lines that look like the beginning of a member."""
    for number, line in enumerate(lines):
        name, separator, _ = line.partition(": ")
        if separator and name in shown:
            yield name, number


def _members_of(shown: Mapping[str, str], text: str) -> dict[str, str]:
    """Return the members that a text of ``name: value`` lines gives, empty when it is anything else.

    The members stand in the order of the payload, so that a line in a longer member may look like another one. A line
    without a name goes on with the member before it, where that had several lines, or where no member is missing.
    """
    lines = text.split("\n")
    starts = list(_starts(lines, shown))
    if not starts or any(line.strip() for line in lines[: starts[0][1]]):
        return {}
    if len(starts) <= _MAX_STARTS:
        best = _best(lines, starts, shown, whole=False) or _best(lines, starts, shown, whole=True)
        if best is not None:
            ends = (*best.starts[1:], len(lines))
            pairs = zip(best.starts, ends, strict=True)
            return dict(_member(lines[start:end], shown) for start, end in pairs) if best.is_only else {}
    is_each = len(starts) == sum(1 for line in lines if line.strip()) == len({name for name, _ in starts})
    return {name: lines[number][len(name) + 2 :] for name, number in starts} if is_each else {}


def _best(
    lines: Sequence[str], starts: Sequence[tuple[str, int]], shown: Mapping[str, str], *, whole: bool
) -> _Parse | None:
    """Return the best way to read lines as members in their order.

    Args:
        lines: The text.
        starts: The lines that look like the beginning of a member.
        shown: The members as they were.
        whole: Whether every member has to be there; one that had a single line may have several then.
    """
    places = {name: place for place, name in enumerate(shown)}
    found: list[_Parse | None] = [None] * len(starts)
    for at in range(len(starts) - 1, -1, -1):
        name, first = starts[at]
        best: _Parse | None = None
        for after in range(at + 1, len(starts) + 1):
            if after == len(starts):
                rest: _Parse | None = _Parse(0, 0, ()) if not whole or places[name] == len(shown) - 1 else None
                end = len(lines)
            else:
                step = places[starts[after][0]] - places[name]
                rest = found[after] if step == 1 or (step > 1 and not whole) else None
                end = starts[after][1]
            if rest is None or not (whole or _may_have(lines, first, end, shown[name])):
                continue
            same = _is_same(lines, first, end, f"{name}: {shown[name]}")
            score = (rest.unchanged + same, rest.members + 1)
            if best is None or score > best[:2]:
                best = _Parse(*score, (first, *rest.starts), rest.is_only)
            elif score == best[:2]:
                best = best._replace(is_only=False)
        found[at] = best
    return found[0] if not whole or places[starts[0][0]] == 0 else None


def _may_have(lines: Sequence[str], first: int, end: int, before: str) -> bool:
    return "\n" in before or end == first + 1 or not any(line.strip() for line in lines[first + 1 : end])


def _is_same(lines: Sequence[str], first: int, end: int, before: str) -> bool:
    return end - first == before.count("\n") + 1 and "\n".join(lines[first:end]) == before


def _member(lines: Sequence[str], shown: Mapping[str, str]) -> tuple[str, str]:
    name, _, value = lines[0].partition(": ")
    more = "".join(f"\n{line}" for line in lines[1:])
    return name, value + (more if more.strip() or "\n" in shown[name] else "")


def _damage(lines: Sequence[str], shown: Mapping[str, str]) -> tuple[int, str]:
    """Return the line, from 1, because of which a text cannot be read as members, and what is wrong with it."""
    told: set[str] = set()
    places = {name: place for place, name in enumerate(shown)}
    last = ""
    for number, line in enumerate(lines, 1):
        name, separator, _ = line.partition(": ")
        is_start = bool(separator) and name in shown
        if is_start and name not in told:
            if last and places[name] < places[last]:
                return number, f"has {name} after {last}"
            told.add(name)
            last = name
        elif line.strip() and (not last or "\n" not in shown[last]):
            return number, f"gives {name} a second time" if is_start else "begins with the name of no member"
    return 1, "begins members that cannot be told apart"


def _typed(before: object, value: str) -> Any:
    """Return a value as JSON where the member held something other than text before and a log could hold the value."""
    if isinstance(before, str):
        return value
    try:
        return clean_payload({"value": json.loads(value)}).value["value"]
    except (ValueError, RecursionError):
        return value
