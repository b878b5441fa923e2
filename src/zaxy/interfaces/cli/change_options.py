"""Options of the commands that change what memory says: which event, who says so and why, what stands behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from zaxy.errors import InvalidInputError
from zaxy.evolution_settings import SOURCE_CLASSES
from zaxy.interfaces.cli.options import FunctionT, checked_text, packed

if TYPE_CHECKING:
    from zaxy.eventloom.event import Event
    from zaxy.eventloom.origin import Origin
    from zaxy.memory import Memory

VIA = "cli"
"""How an origin names the command line."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Which event a command is about, as given."""

    target_seq: int | None
    target_hash: str | None
    citation: str | None
    session_id: str | None

    @property
    def is_given(self) -> bool:
        """Whether any of them names an event."""
        return (self.target_seq, self.target_hash, self.citation) != (None, None, None)

    def find(self, memory: Memory) -> Event:
        """Return the sealed event.

        Raises:
            InvalidInputError: None is named, or a number without its session or its hash.
            NotFoundError: There is no such event.
            IntegrityError: It has another hash.
        """
        from zaxy.services.governance.targets import find_target

        return find_target(
            memory.loom,
            seq=self.target_seq,
            hash=self.target_hash,
            session_id=self.session_id,
            citation=self.citation,
            default_session=memory.settings.session_id,
        )


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """Who changes something, why, and how sure they are, as given."""

    reason: str
    actor: str
    confidence: float
    source: str | None

    def origin(self) -> Origin:
        """Return where the change comes from."""
        return origin_of(self.source)


@dataclass(frozen=True, slots=True)
class ProvenanceOptions:
    """What stands behind an event that is recorded, as given."""

    derives_from: tuple[str, ...]
    untrusted: bool
    source: str | None
    forgettable: bool

    def origin(self, memory: Memory) -> Origin:
        """Return where the event comes from, with the events that it was made from.

        Raises:
            InvalidInputError: A citation cannot be read.
            NotFoundError: There is no such event.
            IntegrityError: A cited event has another hash.
        """
        from zaxy.services.governance.attribution import checked_sources

        sources = checked_sources(memory.loom, self.derives_from) if self.derives_from else ()
        return replace(origin_of(self.source), derives_from=sources, untrusted=self.untrusted)


def origin_of(source: str | None) -> Origin:
    """Return where what this command records comes from.

    Args:
        source: What was said of it; None takes a person where standard input is a terminal, else an agent.
    """
    from zaxy.eventloom.origin import Origin, SourceClass
    from zaxy.services.governance.attribution import user_name

    kind = SourceClass(source) if source is not None else SourceClass.HUMAN if at_terminal() else SourceClass.AGENT
    return Origin(kind, VIA, user_name())


def at_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


_SOURCE = click.option(
    "--source",
    type=click.Choice(SOURCE_CLASSES),
    help="What stands behind it.  [default: human at a terminal, else agent]",
)


def target_options(function: FunctionT) -> FunctionT:
    """Add ``--target-seq``, ``--target-hash``, ``--citation`` and ``--session-id``; the command gets ``target``."""
    command: Any = packed(TargetOptions, "target", function)
    for option in (
        click.option("--session-id", metavar="ID", help="The session that the number counts in."),
        click.option("--citation", callback=checked_text, metavar="C", help="Which event: eventloom://work/events/12."),
        click.option(
            "--target-hash", callback=checked_text, metavar="H", help="Its hash, or the first 12 digits of it or more."
        ),
        click.option("--target-seq", type=click.IntRange(min=1), metavar="N", help="Which event, by its number."),
    ):
        command = option(command)
    return command  # type: ignore[no-any-return]  # the wrapper is called by click, with keywords only


def speaker_options(default_actor: str) -> Callable[[FunctionT], FunctionT]:
    """Return what adds ``--reason``, ``--actor``, ``--confidence`` and ``--source``; the command gets ``speaker``."""

    def add(function: FunctionT) -> FunctionT:
        command: Any = packed(SpeakerOptions, "speaker", function)
        for option in (
            _SOURCE,
            click.option(
                "--confidence",
                type=float,
                default=1.0,
                show_default=True,
                metavar="C",
                help="How sure that is, 0 to 1.",
            ),
            click.option("--actor", default=default_actor, show_default=True, metavar="NAME", help="Who says so."),
            click.option("--reason", required=True, callback=checked_reason, metavar="TEXT", help="Why."),
        ):
            command = option(command)
        return command  # type: ignore[no-any-return]  # as above

    return add


def checked_reason(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return an option's text, if it says something."""
    if not (checked_text(context, parameter, value) or "").strip():
        raise click.BadParameter("say why in a few words", context, parameter)
    return value


def provenance_options(function: FunctionT) -> FunctionT:
    """Add ``--forgettable``, ``--derives-from``, ``--untrusted`` and ``--source``; the command gets ``provenance``."""
    command: Any = packed(ProvenanceOptions, "provenance", function)
    for option in (
        _SOURCE,
        click.option("--untrusted", is_flag=True, help="Keep it out of facts until somebody reviewed it."),
        derives_from_option,
        forgettable_option,
    ):
        command = option(command)
    return command  # type: ignore[no-any-return]  # as above


def derives_from_option(function: FunctionT) -> FunctionT:
    """Add ``--derives-from``."""
    told = "An event it was made from; repeatable."
    return click.option("--derives-from", multiple=True, callback=_cited, metavar="C", help=told)(function)


def forgettable_option(function: FunctionT) -> FunctionT:
    """Add ``--forgettable``."""
    return click.option("--forgettable", is_flag=True, help="Seal it under a key, so that it can be forgotten.")(
        function
    )


def _cited(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    from zaxy.ids import parse_citation

    for citation in value:
        try:
            parse_citation(citation)
        except InvalidInputError as error:
            raise click.BadParameter(f"{error.message}: {error.remedy}", context, parameter) from error
    return value
