"""Who calls: what a server knows about the sender of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zaxy.errors import NotAuthenticatedError


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as far as the server checked.

    Attributes:
        identity: Who it is: ``local`` on a pipe or a loopback address, else what its credentials prove.
        sessions: The sessions that it may touch, ids without globs: no other one exists for it. None lets it touch all
            of them.
        is_admin: Whether its credentials let it make guarded calls without the argument ``admin_token``.
        via: How an origin names the interface: ``mcp`` or ``http``.
        client: What the client says it is, empty when it says nothing; nothing is decided by it.
    """

    identity: str = "local"
    sessions: tuple[str, ...] | None = None
    is_admin: bool = False
    via: str = "mcp"
    client: str = ""

    @property
    def session_id(self) -> str | None:
        """The session that its writes mean when they name none; None for the server's own."""
        return self.sessions[0] if self.sessions else None


LOCAL: Final = Caller()
"""A caller on standard input: whoever started the server."""


def caller_in(scope: Mapping[str, Any]) -> Caller:
    """Return who sends an HTTP request, as authentication found it.

    Raises:
        NotAuthenticatedError: It found nobody: a route lies outside of what it guards.
    """
    found = scope.get("state", {}).get("caller")
    if not isinstance(found, Caller):
        raise NotAuthenticatedError("nothing tells who sends this request")
    return found
