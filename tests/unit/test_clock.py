"""Moments and their two text forms."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.clock import FOREVER, SystemClock, format_time, parse_time
from zaxy.errors import InvalidInputError

FIRST = -62_135_596_800 * 10**6
LAST = 253_402_300_800 * 10**6 - 1


@given(st.integers(FIRST, LAST))
def test_a_moment_is_read_back_from_its_text(moment: int) -> None:
    assert parse_time(format_time(moment)) == moment


@given(st.datetimes(timezones=st.timezones() | st.just(UTC), allow_imaginary=False))
def test_the_standard_library_means_the_same_moment(time: datetime) -> None:
    offset = time.utcoffset()
    if offset is None or offset.seconds % 60 or offset.microseconds:
        return  # RFC 3339 has no such zone
    expected = (time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert parse_time(time.isoformat()) == pytest.approx(expected * 10**6, abs=64)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2023-05-08", "2023-05-08T00:00:00Z"),
        ("2023-05-08T13:56", "2023-05-08T13:56:00Z"),
        ("2023-05-08T13:56:00", "2023-05-08T13:56:00Z"),
        ("2023-05-08 13:56:00z", "2023-05-08T13:56:00Z"),
        ("2023-05-08T13:56:00+02:00", "2023-05-08T11:56:00Z"),
        ("2023-05-08T13:56:00-00:30", "2023-05-08T14:26:00Z"),
        ("2023-05-08T13:56:00.5Z", "2023-05-08T13:56:00.500000Z"),
        ("2023-05-08T13:56:00.123456789Z", "2023-05-08T13:56:00.123456Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_the_accepted_spellings_of_a_time(text: str, same: str) -> None:
    assert parse_time(text) == parse_time(same)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "now",
        "2023",
        "2023-05",
        "2023-5-8",
        "20230508",
        "08.05.2023",
        "2023-02-30",
        "2023-13-01",
        "0000-01-01",
        "2023-05-08T",
        "2023-05-08T25:00:00Z",
        "2023-05-08T13:60:00Z",
        "2023-05-08T13:56:61Z",
        "2023-05-08T13:56:00+99:99",
        "2023-05-08T13:56:00.Z",
        "2023-05-08T13:56:00,5Z",
        "2023-05-08T13:56:00 UTC",
        "2023-05-08\n",
        " 2023-05-08",
        "\uff12\uff10\uff12\uff13-05-08",
        "2023-W19-1",
        "1700000000",
        "-2023-05-08",
        "2023-05-08" * 50,
        None,
        5,
        1.5,
        True,
        b"2023-05-08",
        ["2023-05-08"],
        datetime(2023, 5, 8, tzinfo=UTC),
    ],
)
def test_what_is_not_an_rfc_3339_time_is_refused_by_name(text: object) -> None:
    with pytest.raises(InvalidInputError, match=r"payload\.occurred_at") as caught:
        parse_time(text, what="payload.occurred_at")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("moment", [LAST + 1, FIRST - 1, FOREVER, -FOREVER, 2**80])
def test_a_moment_outside_the_calendar_has_no_text(moment: int) -> None:
    with pytest.raises(InvalidInputError):
        format_time(moment)


def test_the_system_clock_says_what_time_it_is() -> None:
    before = datetime.now(UTC).timestamp()
    moment = SystemClock().now()
    after = datetime.now(UTC).timestamp()
    assert before - 1 <= moment / 10**6 <= after + 1
    assert moment < FOREVER
