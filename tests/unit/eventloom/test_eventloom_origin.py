"""Where an event comes from, as the log keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import SOURCE_KEY, Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.origin import ORIGIN_KEY, Origin, SourceClass

CITED = "eventloom://work/events/7#9f2c41d07b3a"


def appended(folder: Path, origin: Origin | None, payload: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    with EventLog(folder / "work.jsonl") as log:
        draft = Draft("note.taken", "ann", payload or {"text": "x"}, "chat:1", origin=origin)
        log.commit([draft])
        assert log.verify().ok
        return list(log.replay())[-1].payload


def test_an_origin_is_sealed_behind_what_the_caller_gave_and_read_back(tmp_path: Path) -> None:
    origin = Origin(SourceClass.TOOL, "mcp", "some-client/1.2", (CITED,), untrusted=True)
    payload = appended(tmp_path, origin)
    assert list(payload) == ["text", ORIGIN_KEY, SOURCE_KEY, "__zaxy_security"]
    assert payload[ORIGIN_KEY] == {
        "source": "tool",
        "via": "mcp",
        "identity": "some-client/1.2",
        "derives_from": [CITED],
        "untrusted": True,
    }
    assert Origin.told(payload) == origin


def test_an_event_without_an_origin_has_no_such_member(tmp_path: Path) -> None:
    assert ORIGIN_KEY not in appended(tmp_path, None)


@pytest.mark.parametrize("origin", [None, Origin(SourceClass.TOOL)])
def test_an_origin_in_the_payload_is_not_the_callers_to_write(tmp_path: Path, origin: Origin | None) -> None:
    payload = appended(tmp_path, origin, {"text": "x", ORIGIN_KEY: {"source": "human"}})
    assert Origin.told(payload) == origin


def test_a_secret_in_an_identity_is_replaced(tmp_path: Path) -> None:
    payload = appended(tmp_path, Origin(identity="client ghp_0123456789abcdefghijABCDEFGHIJ012345"))
    assert payload[ORIGIN_KEY]["identity"] == "client [REDACTED]"
    assert payload["__zaxy_security"]["redacted_paths"] == [f"{ORIGIN_KEY}.identity"]


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (Origin("human"), "source"),  # type: ignore[arg-type]  # what a caller without types may give
        (Origin(untrusted="no"), "source"),  # type: ignore[arg-type]  # the same
        (Origin(via="x" * 129), "via"),
        (Origin(via=5), "via"),  # type: ignore[arg-type]  # the same
        (Origin(identity="x" * 257), "identity"),
        (Origin(identity="a\0b"), "NUL"),
        (Origin(derives_from=CITED), "derives_from"),  # type: ignore[arg-type]  # the same
        (Origin(derives_from=("work/7",)), "is not a citation"),
        (Origin(derives_from=(7,)), "is not a citation"),  # type: ignore[arg-type]  # the same
        (Origin(derives_from=(CITED,) * 1_001), "at most 1,000"),
    ],
)
def test_an_origin_that_cannot_be_sealed_is_refused_and_nothing_is_written(
    tmp_path: Path, origin: Origin, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        appended(tmp_path, origin)
    assert not (tmp_path / "work.jsonl").exists()


def test_an_event_may_derive_from_a_thousand_others(tmp_path: Path) -> None:
    cited = tuple(f"eventloom://work/events/{number}" for number in range(1, 1_001))
    assert Origin.told(appended(tmp_path, Origin(SourceClass.DERIVED, derives_from=cited))) == Origin(
        SourceClass.DERIVED, derives_from=cited
    )
