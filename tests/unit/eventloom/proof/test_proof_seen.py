"""What was acknowledged: many write it at once, it stays small, and what a crash made of it raises no false alarm."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest
from proof_looms import add, fill, new_place

from fault_processes import Say, start
from zaxy.errors import IntegrityError
from zaxy.eventloom.proof.seen import Seen, SeenWriter, keep_seen, read_seen

DIGEST = "0123456789abcdef" * 4
OTHER = "f" * 64


def writer_of(path: Path) -> SeenWriter:
    return SeenWriter(lambda: path)


def test_nothing_was_acknowledged_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_seen(tmp_path / "seen") == {}
    assert read_seen(tmp_path) == {}


def test_the_last_event_of_each_session_counts(tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "seen")
    writer.note("a", 1, OTHER)
    writer.note("b", 7, OTHER)
    writer.note("a", 3, DIGEST)
    assert read_seen(tmp_path / "seen") == {"a": Seen(3, DIGEST), "b": Seen(7, OTHER)}
    writer.close()
    writer.note("b", 8, DIGEST)
    assert read_seen(tmp_path / "seen")["b"] == Seen(8, DIGEST)


def test_an_earlier_event_that_is_told_later_changes_nothing(tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "seen")
    writer.note("a", 5, DIGEST)
    writer.note("a", 4, OTHER)
    assert read_seen(tmp_path / "seen") == {"a": Seen(5, DIGEST)}


@pytest.mark.parametrize("session_id", ["a", "A.b_c-9", "0" * 128])
def test_any_name_of_a_session_is_read_as_it_was_written(session_id: str, tmp_path: Path) -> None:
    writer_of(tmp_path / "seen").note(session_id, 4, DIGEST)
    assert read_seen(tmp_path / "seen") == {session_id: Seen(4, DIGEST)}
    keep_seen(tmp_path / "seen", read_seen(tmp_path / "seen"))
    assert read_seen(tmp_path / "seen") == {session_id: Seen(4, DIGEST)}


def test_a_writer_asks_where_the_file_is_until_it_is_told(tmp_path: Path) -> None:
    known: list[Path] = []
    writer = SeenWriter(lambda: known[0] if known else None)
    writer.note("a", 1, DIGEST)
    assert list(tmp_path.iterdir()) == []
    known.append(tmp_path / "folder" / "seen")
    writer.note("a", 2, DIGEST)
    assert read_seen(known[0]) == {"a": Seen(2, DIGEST)}


DAMAGED = [
    b"",
    b" ",
    b"a",
    b"a 5",
    b"a five " + DIGEST.encode(),
    b"a -5 " + DIGEST.encode(),
    b"a 5.0 " + DIGEST.encode(),
    b"a " + b"9" * 5_000 + b" " + DIGEST.encode(),
    b"a \xc2\xb2 " + DIGEST.encode(),
    b"a 9 ",
    b"a 9 " + DIGEST.encode()[:-1],
    b"a 9 " + DIGEST.upper().encode(),
    b"../a 9 " + DIGEST.encode(),
    b".. 9 " + DIGEST.encode(),
    b" 9 " + DIGEST.encode(),
    b"\0\0\0\0",
    b"\0\0\0a 9 " + DIGEST.encode(),
    b"a 9\0 " + DIGEST.encode(),
    b"a 9 \0\0" + DIGEST.encode()[2:],
]


@pytest.mark.parametrize("line", DAMAGED, ids=range(len(DAMAGED)))
def test_a_line_that_cannot_be_read_is_passed_over(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seen"
    writer_of(path).note("a", 3, DIGEST)
    path.write_bytes(path.read_bytes() + line + b"\n")
    writer_of(path).note("b", 4, DIGEST)
    assert read_seen(path) == {"a": Seen(3, DIGEST), "b": Seen(4, DIGEST)}


def test_a_line_that_was_cut_spoils_no_other_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "seen"
    writer_of(path).note("first", 3, DIGEST)
    sound = path.read_bytes()
    writer_of(path).note("work", 12, OTHER)
    both = path.read_bytes()
    for end in range(len(sound), len(both)):
        path.write_bytes(both[:end])
        writer_of(path).note("work", 13, DIGEST)
        assert read_seen(path) == {"first": Seen(3, DIGEST), "work": Seen(13, DIGEST)}, end


def test_a_loom_is_not_called_bad_after_a_line_of_the_file_was_cut(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    fill(place, work=2)
    with place.state.seen.open("ab") as file:
        file.write(b"wor")  # what a full disk or a power loss leaves
    loom = place.open()
    add(loom, "work")
    assert loom.verify().findings == ()
    loom.checkpoint()
    assert loom.verify().findings == ()


def test_a_loom_is_not_called_bad_after_a_power_loss_left_zeros_in_the_file(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    fill(place, work=2)
    with place.state.seen.open("ab") as file:
        file.write(bytes(40))
    loom = place.open()
    add(loom, "work")
    assert loom.verify().findings == ()


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "seen"

    def write(number: int, say: Say) -> None:
        writer = writer_of(path)
        for seq in range(1, 301):
            writer.note(f"session-{number}", seq, DIGEST)

    children = [start(partial(write, number)) for number in range(4)]
    assert [child.finish()[0] for child in children] == [0] * 4
    assert read_seen(path) == {f"session-{number}": Seen(300, DIGEST) for number in range(4)}
    assert path.read_bytes().count(b"\n") >= 1_200


def test_a_file_that_grew_long_is_trimmed_to_the_last_event_of_each_session(tmp_path: Path) -> None:
    path = tmp_path / "seen"
    line = f"old 1 {OTHER}\n".encode()
    path.write_bytes(line * (4 * 1024 * 1024 // len(line) + 1))
    writer = writer_of(path)
    writer.note("a", 1, DIGEST)
    assert read_seen(path) == {"old": Seen(1, OTHER), "a": Seen(1, DIGEST)}
    assert path.stat().st_size < 1_000
    writer.note("a", 2, DIGEST)
    writer.note("b", 1, DIGEST)
    assert read_seen(path) == {"old": Seen(1, OTHER), "a": Seen(2, DIGEST), "b": Seen(1, DIGEST)}


def test_a_writer_goes_on_in_the_file_that_another_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "seen"
    first, second = writer_of(path), writer_of(path)
    first.note("a", 1, DIGEST)
    keep_seen(path, read_seen(path))
    first.note("a", 2, DIGEST)
    second.note("b", 1, DIGEST)
    assert read_seen(path) == {"a": Seen(2, DIGEST), "b": Seen(1, DIGEST)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["seen"]


def test_failing_to_note_is_logged_once_and_never_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "seen").mkdir()
    writer = writer_of(tmp_path / "seen")
    with caplog.at_level(logging.WARNING, "zaxy.eventloom"):
        for seq in range(1, 6):
            writer.note("a", seq, DIGEST)
    (record,) = caplog.records
    assert str(tmp_path / "seen") in record.getMessage()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), IntegrityError("no id")])
def test_not_finding_out_where_the_file_is_is_never_raised(error: Exception, tmp_path: Path) -> None:
    def locate() -> Path | None:
        raise error

    SeenWriter(locate).note("a", 1, DIGEST)


def test_an_append_that_is_on_disk_is_acknowledged_though_the_id_of_the_loom_is_damaged(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    (place.loom / "loom.json").write_text("damaged")
    event = place.open().append("work", "note.taken", "ann")
    assert event.seq == 1


def test_a_checkpoint_starts_the_file_anew_with_what_it_does_not_hold(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    loom = place.open()
    add(loom, "work", 3)
    assert read_seen(place.state.seen)["work"].seq == 3
    loom.checkpoint()
    assert read_seen(place.state.seen) == {}
    add(loom, "play", 2)
    assert set(read_seen(place.state.seen)) == {"play"}


def test_events_are_noted_only_for_a_loom_that_has_a_key(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    place.state.key_path.unlink()
    add(place.open(), "work", 3)
    assert not place.state.seen.exists()
