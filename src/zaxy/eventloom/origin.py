"""Where an event comes from: who stands behind it, how it came in, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from zaxy.errors import InvalidInputError
from zaxy.ids import parse_citation

ORIGIN_KEY: Final = "__zaxy_origin"
"""Payload member that holds an event's origin."""

MAX_VIA_CHARACTERS: Final = 128
MAX_IDENTITY_CHARACTERS: Final = 256
MAX_DERIVES_FROM: Final = 1_000


class SourceClass(StrEnum):
    """What kind of source stands behind an event."""

    HUMAN = "human"
    AGENT = "agent"
    TOOL = "tool"
    IMPORT = "import"
    DERIVED = "derived"


TRUST: Final[Mapping[SourceClass, int]] = {
    SourceClass.HUMAN: 4,
    SourceClass.AGENT: 3,
    SourceClass.IMPORT: 2,
    SourceClass.DERIVED: 1,
    SourceClass.TOOL: 0,
}
"""How far each kind of source is trusted when two of them disagree: larger is more."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from.

    Attributes:
        source: What kind of source stands behind it.
        via: How it came in: ``cli``, ``mcp``, ``python``, ``http``, ``hook``, or the name of an importer.
        identity: Who the transport says it is (a client's name, a user), empty when it says nothing.
        derives_from: Citations of the events that it was made from.
        untrusted: Whether it is to be kept out of authoritative answers until somebody reviewed it.
    """

    source: SourceClass = SourceClass.AGENT
    via: str = ""
    identity: str = ""
    derives_from: tuple[str, ...] = ()
    untrusted: bool = False

    def check(self) -> Origin:
        """Return this origin if it can be sealed.

        Raises:
            InvalidInputError: A text is none or too long, there are too many citations, or one does not parse.
        """
        if not isinstance(self.source, SourceClass) or not isinstance(self.untrusted, bool):
            raise InvalidInputError(f"an origin has a source such as agent, not {str(self.source)[:80]!r}")
        for name, text, most in (
            ("via", self.via, MAX_VIA_CHARACTERS),
            ("identity", self.identity, MAX_IDENTITY_CHARACTERS),
        ):
            if not isinstance(text, str) or len(text) > most:
                raise InvalidInputError(f"origin.{name} is text of at most {most} characters")
        if not isinstance(self.derives_from, (tuple, list)):
            raise InvalidInputError("origin.derives_from is a list of citations")
        if len(self.derives_from) > MAX_DERIVES_FROM:
            raise InvalidInputError(
                f"an event derives from at most {MAX_DERIVES_FROM:,} others, not {len(self.derives_from):,}",
                remedy="cite what stands between: a summary of some of them",
            )
        for citation in self.derives_from:
            parse_citation(citation)
        return self

    def member(self) -> dict[str, Any]:
        """Return the origin as the payload member that stands in the log; what is empty is left out."""
        told: dict[str, Any] = {"source": self.source.value}
        if self.via:
            told["via"] = self.via
        if self.identity:
            told["identity"] = self.identity
        if self.derives_from:
            told["derives_from"] = list(self.derives_from)
        if self.untrusted:
            told["untrusted"] = True
        return told

    @classmethod
    def told(cls, payload: Mapping[str, Any]) -> Origin | None:
        """Return the origin that a payload tells of, or None; what another program wrote there may be anything."""
        told = payload.get(ORIGIN_KEY)
        if not isinstance(told, Mapping):
            return None
        try:
            source = SourceClass(told.get("source", ""))
        except ValueError:
            return None
        derives = told.get("derives_from")
        return cls(
            source,
            _text(told.get("via")),
            _text(told.get("identity")),
            tuple(item for item in derives if isinstance(item, str)) if isinstance(derives, list) else (),
            told.get("untrusted") is True,
        )


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""
