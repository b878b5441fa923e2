"""How often one may ask: so many requests of one identity and session in a window of time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from zaxy.errors import RateLimitedError
from zaxy.interfaces.http.answers import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from zaxy.interfaces.calls.caller import Caller
    from zaxy.serving_settings import ServingSettings

_MOST_KEYS: Final = 65_536
_ROUNDING: Final = 1e-6
"""Whoever waits as long as was told is let in, whatever the last digits of a float say."""


class SlidingWindow:
    """Counts what each key did, and says when it is too much. Not for several threads.

    The count is that of the running window, and of the one before it as much as still overlaps the last
    ``window_seconds``: the sliding window counter. At most `_MOST_KEYS` keys are kept, those used last. To be forgotten
    a key would have to be followed by that many others, which costs more requests than it gives.

    Args:
        limit: How many are allowed in a window.
        window_seconds: How long a window is.
        now: A clock that never goes back, in seconds.
        most_keys: How many keys are kept.
    """

    def __init__(
        self,
        limit: int,
        window_seconds: int,
        *,
        now: Callable[[], float] = time.monotonic,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._now = now
        self._most_keys = most_keys
        self._counts: OrderedDict[Hashable, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def hit(self, key: Hashable) -> int:
        """Count one more of a key if it is allowed.

        Returns:
            0 if it is, else after how many whole seconds it will be; then it was not counted.
        """
        window, elapsed = divmod(self._now(), self._window_seconds)
        gone = elapsed / self._window_seconds
        known, before, count = self._counts.get(key, (int(window), 0, 0))
        if known != window:
            before, count = (count if known == window - 1 else 0), 0
        room = self._limit - 1 - count
        if before * (1 - gone) > room + _ROUNDING:
            self._counts.move_to_end(key)
            return max(1, math.ceil(self._wait(before, count, gone) * self._window_seconds - _ROUNDING))
        self._counts[key] = (int(window), before, count + 1)
        self._counts.move_to_end(key)
        if len(self._counts) > self._most_keys:
            self._counts.popitem(last=False)
        return 0

    def _wait(self, before: int, count: int, gone: float) -> float:
        """Return in how many windows one more is allowed: when the weighted count falls to the limit less one."""
        room = self._limit - 1 - count
        if room >= 0:
            return 1 - room / before - gone
        return 1 - gone + 1 - (self._limit - 1) / count


class RateLimit:
    """Refuses requests beyond the limit with 429 and ``Retry-After``. What needs no credentials is not counted.

    Args:
        app: What is behind it.
        serving: How many are allowed, and whether there is a limit at all.
        now: A clock that never goes back, in seconds.
    """

    def __init__(self, app: ASGIApp, serving: ServingSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._requests = serving.rate_limit_requests
        self._window_seconds = serving.rate_limit_window_seconds
        counted = SlidingWindow(self._requests, self._window_seconds, now=now)
        self._counted = counted if serving.rate_limit_enabled else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass or refuse it."""
        caller: Caller | None = scope.get("state", {}).get("caller") if scope["type"] == "http" else None
        if self._counted is not None and caller is not None:
            wait_seconds = self._counted.hit((caller.identity, caller.sessions))
            if wait_seconds:
                told = f"more than {self._requests:,} requests in {self._window_seconds:,} seconds"
                await refuse_for_now(send, told, wait_seconds)
                return
        await self._app(scope, receive, send)


async def refuse_for_now(send: Send, told: str, wait_seconds: int) -> None:
    """Answer 429, and after how long to ask again."""
    error = RateLimitedError(told, retry_after_seconds=wait_seconds, remedy=f"ask again in {wait_seconds:,} seconds")
    await refuse(send, error)
