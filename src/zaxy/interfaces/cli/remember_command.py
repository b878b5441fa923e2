"""``zaxy remember``: the short word for recording something."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any, Final

import click

from zaxy.errors import InvalidInputError
from zaxy.interfaces.cli.change_options import forgettable_option, origin_of
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import (
    Outcome,
    Place,
    checked_text,
    checked_time,
    packed,
    place_options,
    write_session_option,
)
from zaxy.interfaces.cli.text import Painted, one_line, say, say_json, tell
from zaxy.vocabulary.kinds import KINDS, remembered

_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SaidOptions:
    """What is to be remembered, as given."""

    words: tuple[str, ...]
    kind: str
    about: str
    actor: str
    occurred_at: str | None

    def event(self) -> tuple[str, dict[str, str]]:
        """Return the type and the payload of the event that says it.

        Raises:
            InvalidInputError: It says nothing, or standard input holds no text.
        """
        text = _standard_input() if self.words == ("-",) else " ".join(self.words)
        if not text.strip():
            raise InvalidInputError("there is nothing to remember", remedy='say it: zaxy remember "We ship on Friday"')
        event_type, payload = remembered(self.kind, text.strip(), self.about)
        return event_type, payload | ({} if self.occurred_at is None else {"occurred_at": self.occurred_at})


def _checked_words(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for word in value:
        checked_text(context, parameter, word)
    return value


def _standard_input() -> str:
    given = b"" if sys.stdin is None else sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(given) > _MOST_BYTES:
        raise InvalidInputError(f"standard input holds more than {_MOST_BYTES:,} bytes", remedy="record it in parts")
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"standard input is not UTF-8 text: byte {error.start}", remedy="convert it, for example with iconv"
        ) from error


@click.command()
@click.argument("words", nargs=-1, required=True, callback=_checked_words, metavar="TEXT")
@click.option("--as", "kind", type=click.Choice(KINDS), default="note", show_default=True, help="What it is.")
@click.option(
    "--about",
    default="",
    callback=checked_text,
    metavar="SUBJECT",
    help="What it is about. A later preference, or fact about 'subject / attribute', replaces the earlier one.",
)
@click.option("--actor", default="user", show_default=True, callback=checked_text, metavar="NAME", help="Who says so.")
@click.option("--occurred-at", callback=checked_time, metavar="TIME", help="When it happened, if not now.")
@functools.partial(packed, SaidOptions, "said")
@forgettable_option
@write_session_option
@place_options
def remember(place: Place, said: SaidOptions, *, forgettable: bool, session_id: str | None) -> Outcome:
    """Remember something. When the command is done, it is on disk.

    TEXT is what you want remembered, - for standard input.

    \b
    Example:
      zaxy remember "The parser drops the last line"
      zaxy remember "We use click for the command line" --as decision
      zaxy remember Lisbon --as fact --about "Ann / city"
    """
    from zaxy.eventloom.event import Draft
    from zaxy.interfaces.serialize import to_json

    event_type, payload = said.event()
    with opened(place, session_id=session_id) as memory:
        is_new = not memory.loom.path.is_dir()
        draft = Draft(event_type, said.actor, payload, origin=origin_of(None), forgettable=forgettable)
        outcome = memory.loom.commit(memory.settings.session_id, [draft])[0]
        path = memory.loom.path
    event = outcome.event
    if place.as_json:
        say_json({**to_json(event), "added": outcome.added})
        return None
    if is_new:
        say(f"Made the loom {one_line(path)}")
    unsynced = "" if event.durable else " (not synced to disk: EVENTLOOM_FSYNC)"
    say(Painted("Remembered", "good"), f" as a {said.kind}: {event.citation}{unsynced}")
    if not forgettable and _lost_something(payload, event.payload):
        tell(Painted("warning:", "caution"), " what looks like a secret in it was left out")
    return None


def _lost_something(given: dict[str, str], recorded: Any) -> bool:
    return any(recorded.get(name) != text for name, text in given.items())
