"""What a tool is: its name, what it takes and gives, and the call that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from zaxy.eventloom.origin import MAX_IDENTITY_CHARACTERS, Origin, SourceClass
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.arguments import Arguments, is_authorized
from zaxy.interfaces.calls.caller import LOCAL, Caller
from zaxy.interfaces.calls.schemas import Schema
from zaxy.memory import Memory

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        fabric: The memory.
        arguments: What the client gave, checked against what the tool takes.
        caller: Who asks.
        admin_token: The server's admin token, if it has one.
    """

    fabric: MemoryFabric
    arguments: Arguments
    caller: Caller = LOCAL
    admin_token: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the caller is one, or the call presents the admin token of a server that has one."""
        return self.caller.is_admin or is_authorized(self.arguments, self.admin_token)

    def origin(self, *, derives_from: tuple[str, ...] = (), untrusted: bool = False) -> Origin:
        """Return where what the call records comes from: whom the credentials prove, else what the client says."""
        caller = self.caller
        identity = (caller.client if caller.identity == LOCAL.identity else caller.identity)[:MAX_IDENTITY_CHARACTERS]
        return Origin(SourceClass.AGENT, caller.via, identity, derives_from, untrusted)

    async def change(self, work: Callable[[Memory], ResultT], events: int = 2) -> ResultT:
        """Return what a function makes of the memory, as `run`; the stores take in what it recorded afterwards.

        Args:
            work: What records.
            events: How many events it records, about.
        """
        done = await self.run(work)
        self.fabric.noted(events)
        return done

    async def run(self, work: Callable[[Memory], ResultT]) -> ResultT:
        """Return what a function makes of the memory, in a thread of its own."""
        return await asyncio.to_thread(work, self.fabric.memory)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool gives back.

    Attributes:
        structured: The answer as JSON values, valid against what the tool says it gives.
        text: The same in short, for a model.
    """

    structured: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: Its name.
        title: Its name for people.
        description: When and how to use it, for a model.
        takes: JSON Schema of its arguments.
        gives: JSON Schema of its structured answer.
        run: Calls the memory.
        reads_only: Whether it records nothing.
        is_destructive: Whether it ends something that was so.
        is_guarded: Whether it needs the admin token where the server has one.
        is_irreversible: Whether it needs the admin token, and a server that has one.
    """

    name: str
    title: str
    description: str
    takes: Schema
    gives: Schema
    run: Callable[[Call], Awaitable[Reply]]
    reads_only: bool = False
    is_destructive: bool = False
    is_guarded: bool = False
    is_irreversible: bool = False
