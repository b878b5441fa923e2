"""Options that commands share, packed into values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError

if TYPE_CHECKING:
    from zaxy.services.recall.question import Filters

Outcome = int | None
"""What a command returns: its exit code, None for 0."""

Names = tuple[str, ...]
"""What an option is called."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works and how it answers.

    Attributes:
        eventloom_path: The loom as given, None for the one that is set up.
        projection_backend: The graph back end as given.
        as_json: Whether the answer is JSON.
    """

    eventloom_path: str | None
    projection_backend: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Which events may be in an answer, as given."""

    session_id: tuple[str, ...]
    event_type: tuple[str, ...]
    actor: tuple[str, ...]
    as_of: str | None
    known_at: str | None
    occurred_from: str | None
    occurred_to: str | None
    now: str | None
    lanes: tuple[str, ...]
    history: bool

    def filters(self) -> Filters:
        """Return them as recall takes them; a filter that was not given lets everything pass."""
        from zaxy.services.recall.question import Filters

        return Filters(
            session_id=self.session_id or None,
            event_types=self.event_type or None,
            actors=self.actor or None,
            as_of=self.as_of,
            known_at=self.known_at,
            occurred_from=self.occurred_from,
            occurred_to=self.occurred_to,
            now=self.now,
            lanes=self.lanes or None,
            history=self.history,
        )


def checked_time(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return an option's moment as it was written, if it is RFC 3339."""
    if value is not None:
        try:
            parse_time(value, what="the time")
        except InvalidInputError as error:
            raise click.BadParameter(f"{error.message}: {error.remedy}", context, parameter) from error
    return value


def checked_text(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return an option's text, if it can be searched for and printed."""
    try:
        (value or "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise click.BadParameter("the text is not valid UTF-8", context, parameter) from error
    return value


def packed(kind: type[Any], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that is called with one value of a dataclass in the place of its fields.

    Args:
        kind: The dataclass; options of the names of its fields must be added.
        name: How the command names the value.
        function: The command.
    """
    names = [field.name for field in fields(kind)]

    @functools.wraps(function)
    def call(**given: Any) -> Any:
        value = kind(**{field: given.pop(field) for field in names})
        return function(**{name: value}, **given)

    return call


def place_options(function: FunctionT) -> FunctionT:
    """Add ``--eventloom-path``, ``--projection-backend`` and ``--json``; the command gets them as ``place``."""
    command = packed(Place, "place", function)
    command = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)
    command = click.option(
        "--projection-backend", metavar="NAME", help="Graph back end: embedded is the one in this version."
    )(command)
    return click.option(  # type: ignore[return-value]  # the wrapper is called by click, with keywords only
        "--eventloom-path", metavar="FOLDER", help="The loom.  [default: EVENTLOOM_PATH or .eventloom]"
    )(command)


def filter_options(function: FunctionT) -> FunctionT:
    """Add the options that narrow an answer; the command gets them as ``wanted``."""
    return _with_filters(function, ("--occurred-from", "--since"), ("--occurred-to", "--until"))


def packet_filter_options(function: FunctionT) -> FunctionT:
    """Add the same options for a command whose ``--since`` means something else."""
    return _with_filters(function, ("--occurred-from",), ("--occurred-to",))


def _with_filters(function: FunctionT, occurred_from: Names, occurred_to: Names) -> FunctionT:
    command = packed(FilterOptions, "wanted", function)
    for option in (
        click.option("--history", is_flag=True, help="Also what was corrected, ended or replaced since, marked."),
        click.option(
            "--lanes",
            multiple=True,
            metavar="NAMES",
            help="Lanes, with commas: lexical, vector, graph, related, verbatim.  [default: all but verbatim]",
        ),
        _moment(("--now",), "The moment of asking, by which 'last week' is understood.  [default: now]"),
        _moment(occurred_to, "Only what happened up to then."),
        _moment(occurred_from, "Only what happened from then on."),
        _moment(("--known-at",), "Only what the log knew then."),
        _moment(("--as-of",), "Ask for what was so at that time in the world."),
        click.option("--actor", multiple=True, metavar="NAME", help="Only of this actor or glob; repeatable."),
        click.option(
            "--type",
            "event_type",
            multiple=True,
            metavar="TYPE",
            help="Only of this type or glob (goal.*); repeatable.",
        ),
        click.option(
            "--session-id",
            multiple=True,
            metavar="ID",
            help="Only of this session or glob (conv-26.*); repeatable.  [default: all sessions]",
        ),
    ):
        command = option(command)
    return command  # type: ignore[return-value]  # as above


def _moment(names: Names, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    field = names[0].removeprefix("--").replace("-", "_")
    return click.option(*names, field, callback=checked_time, metavar="TIME", help=told)


def write_session_option(function: FunctionT) -> FunctionT:
    """Add ``--session-id`` for commands that record."""
    return click.option(
        "--session-id", metavar="ID", help="The session to record in.  [default: EVENTLOOM_THREAD or default]"
    )(function)


def public_key_option(function: FunctionT) -> FunctionT:
    """Add ``--public-key``; the command gets a tuple of keys."""
    return click.option(
        "--public-key", multiple=True, metavar="KEY", help="A public key that counts: name+id+key; repeatable."
    )(function)
