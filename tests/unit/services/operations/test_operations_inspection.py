"""Looking at a loom: what is there, how good it is, what came last; nothing is changed by looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError, LogDamagedError, NotFoundError
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.inspection import InspectionService, LoomStatus, SessionStatus


class Looked:
    """A loom whose clock goes a second a time, and the service that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moment = parse_time("2026-11-21T08:00:00Z")
        self.loom = Eventloom(folder, clock=self)
        self.service = InspectionService(self.loom)

    def now(self) -> int:
        self.moment += 1_000_000
        return self.moment

    def write(self, session_id: str, *texts: str) -> None:
        for text in texts:
            self.loom.append(session_id, "note.taken", "ann", {"content": text})

    def path(self, session_id: str) -> Path:
        return self.folder / f"{session_id}.jsonl"

    def session(self, session_id: str, *, verify: bool = True) -> SessionStatus:
        status: LoomStatus = self.service.status(verify=verify)
        return next(session for session in status.sessions if session.session_id == session_id)


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    made = Looked(tmp_path / "loom")
    made.write("a", "one", "two")
    made.write("b", "three")
    return made


def test_a_sound_loom_is_told_session_by_session(looked: Looked) -> None:
    told: list[tuple[int, int | None]] = []
    for verify in (True, False):
        status = looked.service.status(verify=verify, progress=lambda done, total: told.append((done, total)))
        assert status.ok
        assert (status.session_count, status.total_events, status.skipped_logs) == (2, 3, ())
        assert (status.eventloom_path, status.loom_id) == (str(looked.folder), None)
        first = status.sessions[0]
        head = looked.loom.log("a").head()
        assert (first.session_id, first.event_count, first.latest_seq) == ("a", 2, 2)
        assert (first.latest_hash, first.latest_type, first.latest_actor) == (head.digest, "note.taken", "ann")
        assert head.event is not None
        assert first.latest_timestamp == head.event.recorded_at
        assert (first.integrity_ok, first.integrity_reason, first.broken_at_seq) == (True, None, None)
        assert first.verified is verify
        assert first.notes == ()
    assert told == [(1, 2), (2, 2)] * 2


def test_only_the_logs_of_the_sessions_that_are_asked_for_are_read(looked: Looked) -> None:
    looked.loom.close()
    content = looked.path("a").read_bytes()
    looked.path("a").write_bytes(content.replace(b"two", b"tow"))
    told: list[tuple[int, int | None]] = []
    status = looked.service.status(sessions=["none", "b"], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]
    assert status.ok
    assert [session.session_id for session in status.sessions] == ["b"]
    assert (status.session_count, status.total_events) == (1, 1)
    assert not looked.service.status(sessions={"a", "b"}).ok
    assert looked.service.status(sessions=()).sessions == ()


def test_a_damaged_log_is_told_with_its_good_part(looked: Looked) -> None:
    looked.write("a", "four", "five")
    looked.loom.close()
    content = looked.path("a").read_bytes()
    looked.path("a").write_bytes(content.replace(b"four", b"fuor"))
    status = looked.service.status()
    assert not status.ok
    session = looked.session("a")
    assert (session.integrity_ok, session.broken_at_seq, session.event_count) == (False, 3, 2)
    assert session.integrity_reason is not None
    assert "event 3" in session.integrity_reason
    assert session.latest_seq == 2
    assert looked.session("b").integrity_ok
    assert status.total_events == 3


def test_a_foreign_file_is_skipped_and_named(looked: Looked) -> None:
    for name, content in (("notes", b"hello\nworld\n"), ("table", b'{"a": 1}\n'), ("noise", b"\xff\x00" * 40)):
        looked.path(name).write_bytes(content)
    for verify in (True, False):
        status = looked.service.status(verify=verify)
        assert status.session_count == 2
        assert [Path(skipped.path).stem for skipped in status.skipped_logs] == ["noise", "notes", "table"]
        assert all(skipped.reason for skipped in status.skipped_logs)
    assert looked.path("notes").read_bytes() == b"hello\nworld\n"


def test_an_unfinished_last_line_is_a_note_and_no_damage(looked: Looked) -> None:
    with looked.path("a").open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000003_')
    session = looked.session("a")
    assert (session.integrity_ok, session.event_count, session.latest_seq) == (True, 2, 2)
    assert len(session.notes) == 1
    assert looked.session("a", verify=False).event_count == 2


def test_an_empty_log_and_a_folder_with_a_logs_name_are_no_trouble(looked: Looked) -> None:
    looked.path("empty").write_bytes(b"")
    looked.path("folder").mkdir()
    for verify in (True, False):
        session = looked.session("empty", verify=verify)
        assert (session.integrity_ok, session.event_count, session.latest_seq) == (True, 0, 0)
    assert "folder" not in {session.session_id for session in looked.service.status().sessions}


def test_a_rotated_session_is_told_as_one(looked: Looked) -> None:
    looked.loom.log("a").rotate()
    looked.write("a", "six")
    for verify in (True, False):
        session = looked.session("a", verify=verify)
        assert (session.integrity_ok, session.event_count, session.latest_seq) == (True, 4, 4)


def test_looking_changes_nothing(looked: Looked) -> None:
    before = {path: path.read_bytes() for path in looked.folder.rglob("*") if path.is_file()}
    looked.service.status()
    looked.service.recent()
    looked.service.difference("a")
    assert {path: path.read_bytes() for path in looked.folder.rglob("*") if path.is_file()} == before


def test_the_most_recent_events_come_first_across_sessions(looked: Looked) -> None:
    looked.write("a", "four")
    looked.write("c", "five\nwith   lines " + "x" * 300)
    entries = looked.service.recent()
    assert [(entry.session_id, entry.seq) for entry in entries] == [("c", 1), ("a", 3), ("b", 1), ("a", 2), ("a", 1)]
    assert [entry.seq for entry in looked.service.recent(limit=2)] == [1, 3]
    assert [entry.summary for entry in looked.service.recent(session_id="a")] == ["four", "two", "one"]
    assert entries[0].summary.startswith("five with lines xxx")
    assert len(entries[0].summary) <= 161
    assert entries[0].citation == f"eventloom://c/events/1#{entries[0].hash[:12]}"


def test_recent_events_of_other_sessions_are_listed_beside_a_damaged_one(looked: Looked) -> None:
    looked.loom.close()
    looked.path("a").write_bytes(looked.path("a").read_bytes().replace(b"two", b"tow"))
    assert ("b", 1) in {(entry.session_id, entry.seq) for entry in looked.service.recent()}


def test_a_difference_lists_what_was_added_between_two_numbers(looked: Looked) -> None:
    looked.write("a", "four", "five")
    whole = looked.service.difference("a")
    assert [entry.summary for entry in whole.added] == ["one", "two", "four", "five"]
    assert (whole.from_seq, whole.to_seq) == (1, 4)
    part = looked.service.difference("a", from_seq=2, to_seq=3)
    assert ([entry.seq for entry in part.added], part.to_seq) == ([2, 3], 3)
    beyond = looked.service.difference("a", from_seq=9)
    assert (beyond.added, beyond.from_seq, beyond.to_seq) == ((), 9, 0)
    for low, high in ((0, None), (3, 2), (-1, 5)):
        with pytest.raises(InvalidInputError):
            looked.service.difference("a", from_seq=low, to_seq=high)


def test_a_difference_over_damage_says_so(looked: Looked) -> None:
    looked.loom.close()
    looked.path("a").write_bytes(looked.path("a").read_bytes().replace(b"two", b"tow"))
    with pytest.raises(LogDamagedError):
        looked.service.difference("a")


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_limit_out_of_range_is_refused_by_the_listing(limit: int, looked: Looked) -> None:
    with pytest.raises(InvalidInputError):
        looked.service.recent(limit=limit)


def test_a_session_or_loom_that_is_not_there_is_not_found(looked: Looked, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        looked.service.recent(session_id="nobody")
    with pytest.raises(NotFoundError):
        looked.service.difference("nobody")
    with pytest.raises(InvalidInputError):
        looked.service.only_session()
    missing = InspectionService(Eventloom(tmp_path / "missing"))
    for call in (missing.status, missing.recent, missing.only_session, lambda: missing.difference("a")):
        with pytest.raises(NotFoundError, match="no loom"):
            call()
    assert not (tmp_path / "missing").exists()


def test_the_only_session_is_found(tmp_path: Path) -> None:
    looked = Looked(tmp_path / "loom")
    looked.write("alone", "one")
    assert looked.service.only_session() == "alone"
