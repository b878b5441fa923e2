"""The rate limit: how many requests pass in a window, and what is told to the next one."""

from __future__ import annotations

import random
from collections import deque

import pytest

from asgi_asking import Behind, ask
from zaxy.config import Settings
from zaxy.interfaces.http.authentication import Authentication
from zaxy.interfaces.http.rate_limit import RateLimit, SlidingWindow
from zaxy.serving_settings import ServingSettings


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def limited(watch: Watch, **changes: int | bool) -> tuple[Authentication, Behind]:
    inner = Behind()
    serving = ServingSettings(**{"rate_limit_requests": 3, "rate_limit_window_seconds": 60, **changes})  # type: ignore[arg-type]  # by name
    return Authentication(RateLimit(inner, serving, now=watch), Settings(serving=serving)), inner


async def test_requests_beyond_the_limit_are_told_when_to_come_back_and_pass_then() -> None:
    watch = Watch()
    app, inner = limited(watch)
    assert [(await ask(app)).status for _ in range(5)] == [200, 200, 200, 429, 429]
    told = await ask(app)
    assert (told.code, len(inner.callers)) == ("rate_limited", 3)
    watch.seconds += int(told.headers["retry-after"]) - 1
    assert (await ask(app)).status == 429
    watch.seconds += 1
    assert (await ask(app)).status == 200


async def test_each_session_of_an_identity_is_counted_by_itself() -> None:
    app, _ = limited(Watch(), rate_limit_requests=1)
    for headers in ({}, {"X-Zaxy-Session-Id": "one"}, {"X-Zaxy-Session-Id": "two"}):
        assert [(await ask(app, headers=headers)).status for _ in range(2)] == [200, 429]


async def test_what_needs_no_credentials_is_not_counted() -> None:
    app, _ = limited(Watch(), rate_limit_requests=1)
    assert [(await ask(app, "/healthz")).status for _ in range(5)] == [200] * 5


async def test_the_limit_can_be_switched_off() -> None:
    app, _ = limited(Watch(), rate_limit_requests=1, rate_limit_enabled=False)
    assert [(await ask(app)).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("limit", [1, 2, 7, 120])
def test_no_more_than_the_limit_passes_in_a_window_and_whoever_waits_as_told_passes(
    limit: int, chance: random.Random
) -> None:
    watch = Watch()
    window = SlidingWindow(limit, 60, now=watch)
    passed: deque[float] = deque()
    refused = 0
    for _ in range(3_000):
        watch.seconds += 61.0 if chance.random() < 0.005 else chance.choice((0.0, 0.01, 60 / limit))
        wait_seconds = window.hit("somebody")
        if wait_seconds:
            refused += 1
            watch.seconds += wait_seconds
            assert window.hit("somebody") == 0
        passed.append(watch.seconds)
    assert refused
    # the window before counts as if its requests were spread evenly, so the last seconds may hold up to twice the limit
    # by the clock, but never more in any window of the count
    for number in {int(moment // 60) for moment in passed}:
        assert sum(1 for moment in passed if moment // 60 == number) <= limit


def test_the_count_does_not_begin_anew_where_a_window_does() -> None:
    watch = Watch()
    watch.seconds = 60 * 20 + 59.9
    window = SlidingWindow(100, 60, now=watch)
    assert [window.hit("somebody") for _ in range(100)] == [0] * 100
    watch.seconds += 0.2
    assert sum(window.hit("somebody") == 0 for _ in range(100)) == 0


def test_a_million_names_do_not_fill_the_memory_and_do_not_free_who_keeps_asking() -> None:
    watch = Watch()
    window = SlidingWindow(2, 60, now=watch, most_keys=100)
    assert [window.hit("somebody") for _ in range(2)] == [0, 0]
    refused = 0
    for number in range(10_000):
        window.hit(f"name {number}")
        refused += window.hit("somebody") > 0
    assert len(window) == 100
    assert refused == 10_000
