"""How long ago something was."""

from __future__ import annotations

import pytest

from zaxy.clock import parse_time
from zaxy.interfaces.cli.times import ago, when

NOW = "2026-05-08T12:00:00Z"


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-05-08T12:00:00Z", "just now"),
        ("2026-05-08T11:59:01Z", "just now"),
        ("2026-05-08T11:59:00Z", "1 min ago"),
        ("2026-05-08T11:00:01Z", "59 min ago"),
        ("2026-05-08T11:00:00Z", "1 h ago"),
        ("2026-05-08T13:00:00+02:00", "1 h ago"),
        ("2026-05-07T12:00:01Z", "23 h ago"),
        ("2026-05-07T12:00:00Z", "1 day ago"),
        ("2026-05-01T12:00:01Z", "6 days ago"),
        ("2026-05-01T12:00:00Z", "2026-05-01"),
        ("1999-01-01", "1999-01-01"),
        ("2026-05-08T12:00:59Z", "just now"),
        ("2026-05-08T12:05:00Z", "in 5 min"),
        ("2026-05-10T12:00:00Z", "in 2 days"),
        ("2030-01-01T00:00:00Z", "2030-01-01"),
        ("some\x1b[2J day", "some\\x1b[2J day"),
    ],
)
def test_a_moment_is_told_by_how_far_it_lies_away_while_that_is_less_than_a_week(time: str, told: str) -> None:
    assert ago(time, parse_time(NOW)) == told


def test_what_is_piped_on_has_the_whole_time() -> None:
    assert when("2026-05-08T12:00:00.123456Z") == "2026-05-08T12:00:00.123456Z"
