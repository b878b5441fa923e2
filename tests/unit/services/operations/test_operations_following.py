"""Following a loom: every event once, in order, whoever records it."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from zaxy.errors import InvalidInputError, NotFoundError, UnavailableError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.following import LogFollower


@pytest.fixture
def loom(tmp_path: Path) -> Iterator[Eventloom]:
    with_events = Eventloom(tmp_path / "loom")
    record(with_events, "a", 1, 2)
    yield with_events
    with_events.close()


def record(loom: Eventloom, session_id: str, *numbers: int) -> None:
    for number in numbers:
        loom.commit(session_id, [Draft("note.made", "ann", {"content": f"{session_id}{number}"})])


def seen(follower: LogFollower, looks: int = 9) -> list[str]:
    """Return what the next looks show; nine of them hold one at all logs."""
    return [entry.summary for _ in range(looks) for entry in follower.more()]


def test_it_begins_with_the_last_events_and_goes_on_right_behind_them(loom: Eventloom) -> None:
    record(loom, "b", 1)
    follower = LogFollower(loom)
    assert [entry.summary for entry in follower.begin(2)] == ["a2", "b1"]
    assert seen(follower) == []
    record(loom, "a", 3)
    record(loom, "b", 2, 3)
    assert seen(follower, 1) == ["a3", "b2", "b3"]
    assert seen(follower) == []


def test_a_session_that_begins_later_is_followed_too(loom: Eventloom) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    record(loom, "new", 1)
    assert seen(follower, 1) == ["new1"]


def test_one_session_is_followed_alone(loom: Eventloom) -> None:
    follower = LogFollower(loom, session_id="a")
    assert [entry.summary for entry in follower.begin(10)] == ["a1", "a2"]
    record(loom, "b", 1)
    record(loom, "a", 3)
    assert seen(follower) == ["a3"]


def test_what_another_process_wrote_without_a_note_is_found(loom: Eventloom) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    seen(follower)
    changes = loom.path / ".zaxy" / "changes"
    before = changes.read_bytes()
    with contextlib.closing(Eventloom(loom.path)) as other:
        record(other, "a", 3)
    changes.write_bytes(before)
    assert seen(follower) == ["a3"]


def test_a_rotation_in_between_loses_nothing_and_repeats_nothing(loom: Eventloom) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    record(loom, "a", 3)
    loom.rotate("a")
    record(loom, "a", 4)
    shown = seen(follower)
    assert [told for told in shown if told.startswith("a")] == ["a3", "a4"]


def test_a_thousand_events_come_in_their_order(loom: Eventloom) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    drafts = [Draft("note.made", "ann", {"content": str(number)}) for number in range(1_000)]
    loom.commit("a", drafts)
    assert seen(follower, 1) == [str(number) for number in range(1_000)]


def test_a_log_that_was_put_back_is_told_of_and_followed_from_its_end(
    loom: Eventloom, caplog: pytest.LogCaptureFixture
) -> None:
    log, derived = loom.path / "a.jsonl", loom.path / ".zaxy"
    older = log.read_bytes()
    record(loom, "a", 3, 4)
    follower = LogFollower(loom)
    follower.begin(1)
    loom.close()
    shutil.rmtree(derived)
    log.write_bytes(older)
    with caplog.at_level(logging.WARNING, "zaxy.operations"):
        assert seen(follower) == []
    assert "put back from event 4 to event 2" in caplog.text
    record(loom, "a", 5)
    assert seen(follower) == ["a5"]


def test_a_damaged_log_is_told_of_once_and_its_neighbours_are_followed(
    loom: Eventloom, caplog: pytest.LogCaptureFixture
) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    record(loom, "a", 3)
    with (loom.path / "a.jsonl").open("ab") as log:
        log.write(b'{"forged": true}\n')
    record(loom, "b", 1)
    with caplog.at_level(logging.WARNING, "zaxy.operations"):
        assert sorted(seen(follower, 30)) == ["a3", "b1"]
    assert [one.getMessage().split(":")[0] for one in caplog.records] == ["session a is not followed any more"]


def test_a_session_whose_log_was_taken_away_is_followed_from_the_start_when_it_is_made_again(loom: Eventloom) -> None:
    follower = LogFollower(loom)
    follower.begin(1)
    record(loom, "b", 1)
    assert seen(follower) == ["b1"]
    loom.close()
    (loom.path / "b.jsonl").unlink()
    assert seen(follower) == []


def test_where_there_is_nothing_to_follow_that_is_said(loom: Eventloom, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no session c"):
        LogFollower(loom, session_id="c").begin(1)
    with pytest.raises(NotFoundError, match="no loom"):
        LogFollower(Eventloom(tmp_path / "nothing")).begin(1)
    with pytest.raises(InvalidInputError, match="limit"):
        LogFollower(loom).begin(0)
    follower = LogFollower(loom)
    follower.begin(1)
    loom.path.rename(tmp_path / "moved")
    with pytest.raises(UnavailableError):
        seen(follower)
