"""What is not a log is refused and left byte for byte as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from eventloom_lines import hash_of, v1_line

from zaxy.errors import InvalidInputError, LogDamagedError, NotALogError, NotFoundError, PayloadTooLargeError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef

FOREIGN = {
    "text": b"Dear diary,\ntoday it rained.\n",
    "one line of text": b"Dear diary\n",
    "text without a newline": b"Dear diary",
    "empty lines": b"\n\n\n",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89",
    "mp4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
    "json array": b"[1,2,3]\n",
    "json array without a newline": b"[1,2,3]",
    "json object": b'{"name":"zaxy","version":"1.0"}\n',
    "json object without a newline": b'{"name":"zaxy","version":"1.0"}',
    "json object with spaces": b'{"name": "zaxy", "version": "1.0"}\n',
    "indented json": b'{\n  "name": "zaxy"\n}\n',
    "json lines": b'{"role":"user"}\n{"role":"assistant"}\n',
    "json lines with spaces": b'{"role": "user"}\n{"role": "assistant"}\n',
    "json lines whose last one is torn": b'{"role":"user"}\n{"role":"assis',
    "bad utf-8": b"\xff\xfe\xfd\n",
    "utf-16": "{}\n".encode("utf-16"),
    "a byte order mark and a record": b"\xef\xbb\xbf" + v1_line(1, None),
}
foreign = pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())


@foreign
def test_a_file_that_is_not_a_log_is_not_appended_to(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(content)
    for log in (EventLog(path), EventLog(path)):
        with pytest.raises(NotALogError):
            log.append("goal.created", "ann")
        assert path.read_bytes() == content
    assert not (tmp_path / "quarantine").exists()


@foreign
def test_a_file_that_is_not_a_log_does_not_verify_and_is_not_rotated(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(content)
    report = EventLog(path).verify()
    assert not report.ok
    assert report.total_events == 0
    assert report.broken_at_seq == 1
    with pytest.raises(ZaxyError):
        EventLog(path).rotate()
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["text", "png", "json array", "json object", "json lines with spaces"])
def test_a_file_that_is_not_a_log_is_not_replayed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(NotALogError):
        list(EventLog(path).replay())
    assert EventLog(path).read(1) is None
    assert path.read_bytes() == FOREIGN[name]


def test_a_file_whose_name_is_not_that_of_a_log_is_not_appended_to_nor_is_one_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary\n")
    with pytest.raises(InvalidInputError):
        EventLog(path).append("goal.created", "ann")
    assert os.listdir(tmp_path) == ["notes.txt"] or not (tmp_path / "notes.txt.jsonl").exists()


def test_a_folder_is_refused_and_no_log_appears_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(ZaxyError):
        EventLog(folder).append("goal.created", "ann")
    assert not (tmp_path / "work.jsonl").exists()


def test_a_folder_with_the_name_of_a_log_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "work.jsonl"
    folder.mkdir()
    log = EventLog(folder)
    with pytest.raises(NotALogError):
        log.verify()
    with pytest.raises(NotALogError):
        log.replay()
    with pytest.raises(ZaxyError):
        log.append("goal.created", "ann")


@pytest.mark.parametrize("path", ["", " ", ".", "..", "/", "folder/.."])
def test_an_empty_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError):
        EventLog(path)


def test_a_path_that_does_not_exist_is_not_found_and_reading_makes_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "no" / "work.jsonl")
    with pytest.raises(NotFoundError):
        log.verify()
    with pytest.raises(NotFoundError):
        log.replay()
    assert log.read(1) is None
    assert log.head().seq == 0
    assert log.tail() == []
    assert os.listdir(tmp_path) == []


def test_a_loom_that_does_not_exist_has_no_sessions(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / "no")
    assert loom.sessions() == []
    assert loom.identity() is None
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "session_id", ["", ".", "..", ".x", "a/b", "../a", "/etc/a", "a b", "ä", "a\0b", "a\n", "x" * 129]
)
def test_a_session_id_that_could_lead_elsewhere_is_refused(session_id: str, tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / "loom")
    with pytest.raises(InvalidInputError):
        loom.append(session_id, "goal.created", "ann")
    assert os.listdir(tmp_path) == []


def test_a_session_id_of_128_characters_is_taken(tmp_path: Path) -> None:
    assert Eventloom(tmp_path).append("x" * 128, "goal.created", "ann").seq == 1


def test_no_event_outside_the_loom_is_read(tmp_path: Path) -> None:
    EventLog(tmp_path / "elsewhere" / "work.jsonl").append("goal.created", "ann")
    loom = Eventloom(tmp_path / "loom")
    loom.append("home", "goal.created", "ann")
    for session_id in ("../elsewhere/work", str(tmp_path / "elsewhere" / "work")):
        try:
            found = loom.read(EventRef(session_id, 1))
        except InvalidInputError:
            found = None
        assert found is None


def test_a_loom_at_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loom").write_text("x")
    with pytest.raises(InvalidInputError):
        Eventloom(tmp_path / "loom")
    with pytest.raises(InvalidInputError):
        Eventloom(" ")


@pytest.mark.parametrize(
    ("seq", "members", "changed", "finding"),
    [
        (2, {}, (b'"n":2', b'"n":2,"n":2'), "duplicate_key"),
        (2, {}, (b'"n":2', b'"n":NaN'), "not_finite"),
        (2, {}, (b'"n":2', b'"n":Infinity'), "not_finite"),
        (2, {}, (b'"n":2', b'"n":1e999'), "not_finite"),
        (2, {}, (b'"n":2', b'"n": 2'), "non_canonical"),
        (2, {}, (b'"n":2', b'"n":2e0'), "non_canonical"),
        (2, {"payload": {"n": "\u00e9"}}, (b"\\u00e9", "\u00e9".encode()), "non_canonical"),
        (2, {"payload": {"n": "\u00e9"}}, (b"\\u00e9", b"\\u00E9"), "non_canonical"),
        (2, {"payload": {"n": "\x7f"}}, (b"\\u007f", b"\x7f"), "non_canonical"),
        (2, {"payload": {"n": 1e-07}}, (b"1e-07", b"1e-7"), "non_canonical"),
        (2, {"payload": {"n": 1e-05}}, (b"1e-05", b"0.00001"), "non_canonical"),
        (2, {}, (b'"n":2', b'"n":3'), "hash_mismatch"),
        (2, {}, (b'"n":2', b'"n":' + b"[" * 3_000 + b"]" * 3_000), "too_deep"),
        (2, {}, (b'"type"', b'"kind"'), "bad_envelope"),
        (2, {}, (b"sha256:", b"SHA256:"), "bad_envelope"),
        (2, {"payload": {"n": "\ud800"}}, (b"", b""), "lone_surrogate"),
        (2, {"payload": []}, (b"", b""), "bad_envelope"),
        (2, {"causedBy": None}, (b"", b""), "bad_envelope"),
        (2, {"extra": 1}, (b"", b""), "bad_envelope"),
        (3, {}, (b"", b""), "wrong_seq"),
        (1, {}, (b"", b""), "wrong_seq"),
    ],
)
def test_a_stored_line_that_no_writer_makes_is_a_finding_and_nothing_is_appended(
    seq: int, members: dict[str, object], changed: tuple[bytes, bytes], finding: str, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    first = log.append("goal.created", "ann")
    bad = v1_line(seq, first.hash, **members)
    bad = bad.replace(*changed) if changed[0] else bad
    damaged = log.path.read_bytes() + bad + v1_line(3, hash_of(v1_line(2, first.hash)))
    log.path.write_bytes(damaged)

    report = log.verify()

    assert not report.ok
    assert (report.total_events, report.broken_at_seq, report.findings[0].code) == (1, 2, finding)
    with pytest.raises(LogDamagedError) as caught:
        EventLog(log.path).append("goal.created", "ann")
    assert (caught.value.session_id, caught.value.seq) == ("work", 2)
    assert log.path.read_bytes() == damaged
    assert EventLog(log.path).read(1) == first


@pytest.mark.parametrize("previous", [None, "sha256:" + "0" * 64, "0" * 64])
def test_a_line_that_does_not_name_the_one_before_it_is_a_finding(previous: str | None, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(v1_line(1, None) + v1_line(2, previous))
    report = EventLog(path).verify()
    assert (report.ok, report.total_events, report.broken_at_seq) == (False, 1, 2)
    with pytest.raises(LogDamagedError):
        EventLog(path).append("goal.created", "ann")


def test_a_payload_of_ten_megabytes_is_too_large(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    with pytest.raises(PayloadTooLargeError):
        log.append("note.taken", "ann", {"text": "x" * 10_000_000})
    with pytest.raises(PayloadTooLargeError):
        log.commit([Draft("note.taken", "ann"), Draft("note.taken", "ann", {"text": "x" * 10_000_000})])
    assert not log.path.exists()
