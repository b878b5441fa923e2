"""Running calls: arguments checked, authority checked, and finished once begun."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from zaxy.config import Settings
from zaxy.errors import NotFoundError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.arguments import ArgumentChecker, Arguments, authorize, require_authorization, shown
from zaxy.interfaces.calls.caller import LOCAL, Caller
from zaxy.interfaces.calls.concealing import Concealer
from zaxy.interfaces.calls.scoping import Scopes, check_reply
from zaxy.interfaces.calls.tool import Call, Reply, Tool
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.telemetry import Operation

logger = logging.getLogger("zaxy.calls")


class CallRunner:
    """Runs calls on a memory; one that has begun is finished, whether or not its client waits for it.

    Args:
        memory: What the calls work on.
        admin_token: What guarded calls ask for; None lets every call pass.
        tools: Which calls there are.
    """

    def __init__(self, memory: MemoryFabric, admin_token: str | None = None, tools: Sequence[Tool] = TOOLS) -> None:
        self._scopes = Scopes(memory)
        self._concealer = Concealer(_folders(memory.memory.settings))
        self._admin_token = admin_token
        self._observer = memory.observer
        self._tools = {tool.name: (tool, ArgumentChecker(tool.name, tool.takes)) for tool in tools}
        self._under_way: set[asyncio.Task[Reply]] = set()

    @property
    def tools(self) -> list[Tool]:
        """The calls there are, in the order they are listed."""
        return [tool for tool, _ in self._tools.values()]

    async def run(self, name: str, arguments: Arguments, caller: Caller = LOCAL) -> Reply:
        """Run a call.

        Args:
            name: Which one.
            arguments: What it is given.
            caller: Who asks.

        Raises:
            NotFoundError: There is no such call.
            ZaxyError: It was refused or did not work; also in place of an unforeseen failure, which is logged.
        """
        if name not in self._tools:
            raise NotFoundError(f"there is no call named {shown(name)}", remedy=f"there are {', '.join(self._tools)}")
        task = asyncio.create_task(self._measured(*self._tools[name], arguments, caller))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for the calls that are under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._scopes.close()

    async def _measured(self, tool: Tool, checker: ArgumentChecker, arguments: Arguments, caller: Caller) -> Reply:
        with self._observer.measure(Operation.CALL, tool.name):
            return await self._run(tool, checker, arguments, caller)

    async def _run(self, tool: Tool, checker: ArgumentChecker, arguments: Arguments, caller: Caller) -> Reply:
        try:
            checker.check(arguments)
            if not caller.is_admin:
                self._authorize(tool, arguments)
            async with self._scopes.of(caller) as memory:
                reply = await tool.run(Call(memory, arguments, caller, self._admin_token))
            check_reply(reply, caller)
            return reply
        except ZaxyError as error:
            if caller.identity == LOCAL.identity:
                raise
            raise self._concealer.conceal(error) from error
        except Exception as error:  # a defect must cost one call, not the server
            logger.exception("%s failed", tool.name)
            told = f"{tool.name} failed in an unforeseen way ({type(error).__name__})"
            raise ZaxyError(told, remedy="the server's standard error says more") from error

    def _authorize(self, tool: Tool, arguments: Arguments) -> None:
        if tool.is_irreversible:
            require_authorization(tool.name, arguments, self._admin_token)
        elif tool.is_guarded:
            authorize(arguments, self._admin_token)


def _folders(settings: Settings) -> Iterator[Path]:
    yield settings.eventloom_path.absolute()
    if settings.state_path is not None:
        yield settings.state_path.absolute()
