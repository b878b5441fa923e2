"""The audit log: a log of its own, chained and signed like every other, written behind the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from zaxy.config import Settings
from zaxy.errors import DurabilityUnknownError, InvalidInputError, KeyUnavailableError, UnavailableError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.layout import LOG_SUFFIX
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.writer import LOG_ACTOR
from zaxy.ids import check_session_id

logger = logging.getLogger("zaxy.audit")

AUDIT_FOLDER: Final = "audit"
DEFAULT_NAME: Final = f"remote{LOG_SUFFIX}"

_MOST_WAITING: Final = 10_000
_MOST_AT_ONCE: Final = 1_000


class AuditUnavailableError(UnavailableError):
    """Raised when a request cannot be noted in the audit log: it is not answered then."""

    code = "audit_unavailable"
    retryable = True


class AuditLog:
    """Takes lines and writes them in order, many with one sync, in a thread. For one event loop.

    A line that cannot be written is kept and tried again. As long as there is one, or too many wait, `ready` says so,
    and no request is to be answered. What waits is written by `close`; what a crash takes are the lines of the last
    moment, whose write had not returned.

    Args:
        settings: Where the log is.

    Raises:
        InvalidInputError: The audit log's name is none, or it lies where a loom keeps something else.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = audit_path(settings)
        self._session_id = self.path.name.removesuffix(LOG_SUFFIX)
        self._state_path = settings.state_path
        self._loom: Eventloom | None = None
        self._waiting: deque[Draft] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._is_failing = False
        self._thread = ThreadPoolExecutor(1, "zaxy-audit")  # threads of others may be busy, or gone at the end

    def note(self, line: Draft) -> None:
        """Take a line. It is written soon; nothing is waited for."""
        self._waiting.append(line)
        self._start()

    async def open(self) -> None:
        """Note that the server starts: what cannot be written is known before the first request."""
        self.note(Draft("audit.started", LOG_ACTOR))
        await self.flush()

    async def ready(self) -> None:
        """Make sure that a line can be written.

        Raises:
            AuditUnavailableError: The last one could not, and now it still cannot; or too many wait.
        """
        if self._is_failing:
            await self.flush()
        if self._is_failing or len(self._waiting) >= _MOST_WAITING:
            raise AuditUnavailableError(
                "the audit log cannot be written, so no request is answered",
                remedy="check the disk that it is on; the server's standard error says more",
            )

    async def flush(self) -> None:
        """Write what waits; what cannot be written stays."""
        self._start()
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write what waits and release the file. Lines that cannot be written are counted in the log of the server."""
        await self.flush()
        if self._waiting:
            logger.error("%d lines of the audit log were not written", len(self._waiting))
        loom, self._loom = self._loom, None
        if loom is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, loom.close)

    def _start(self) -> None:
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            lines = [self._waiting[place] for place in range(min(len(self._waiting), _MOST_AT_ONCE))]
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, lines)
            except Exception as error:  # whatever keeps a line from the log keeps requests from being answered
                if not self._is_failing:
                    logger.error("the audit log cannot be written: %s", error)
                self._is_failing = True
                if isinstance(error, DurabilityUnknownError):
                    self._loom = None  # such a writer takes nothing more
                return
            self._is_failing = False
            for _ in lines:
                self._waiting.popleft()

    def _commit(self, lines: list[Draft]) -> None:
        if self._loom is None:
            loom = Eventloom(self.path.parent, state_path=self._state_path)
            others = [name for name in loom.sessions() if name != self._session_id]
            if others:
                raise AuditUnavailableError(f"{self.path.parent} holds other logs", remedy="use a folder of its own")
            try:
                loom.ensure_key()  # with it, a tail that somebody cut off is missed
            except KeyUnavailableError as error:
                logger.warning("the audit log is chained and not signed: %s", error)
            self._loom = loom
        self._loom.commit(self._session_id, lines)


def audit_path(settings: Settings) -> Path:
    """Return where the audit log is: as set, else ``audit/remote.jsonl`` in the loom.

    Its folder is a loom of its own, so that its lines are never memories, its name no session, and
    ``zaxy log verify --eventloom-path`` on that folder checks it.

    Raises:
        InvalidInputError: It would be a log of the loom, or its name is none.
    """
    own = settings.eventloom_path.absolute() / AUDIT_FOLDER
    path = (settings.serving.audit_path or own / DEFAULT_NAME).absolute()
    if path.suffix != LOG_SUFFIX:
        raise InvalidInputError(f"MCP_AUDIT_PATH names {path}", remedy=f"a log's name ends in {LOG_SUFFIX}")
    check_session_id(path.name.removesuffix(LOG_SUFFIX))
    folder, loom = path.parent.resolve(), settings.eventloom_path.resolve()
    if folder.is_relative_to(loom) and folder != own.resolve():
        raise InvalidInputError(
            f"MCP_AUDIT_PATH names {path}, where the loom keeps what is remembered",
            remedy=f"name {own / DEFAULT_NAME}, or a file in a folder of its own",
        )
    return path
