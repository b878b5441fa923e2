"""A loom: its sessions, its change file, its identity, and citations into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError
from zaxy.eventloom.changes import start_anew
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.files.durable import make_directories
from zaxy.ids import Citation, EventRef, parse_citation


def test_every_session_is_a_log_of_its_own(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    assert [loom.append(session, "note.taken", "ann").seq for session in ("b", "a", "b")] == [1, 1, 2]
    assert loom.sessions() == ["a", "b"]
    assert loom.log("b").verify().total_events == 2
    assert (tmp_path / "a.jsonl").is_file()


def test_a_session_with_closed_segments_only_is_listed(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("work", "note.taken", "ann")
    loom.log("work").rotate()
    (tmp_path / "work.jsonl").unlink()
    assert loom.sessions() == ["work"]
    assert loom.stat("work") is not None
    assert loom.stat("no") is None


def test_what_is_not_a_log_is_not_a_session(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("work", "note.taken", "ann")
    loom.ensure_identity()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / ".jsonl").touch()
    assert loom.sessions() == ["work"]


def test_more_sessions_than_stay_open_can_be_written_and_read(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    for turn in range(2):
        for number in range(140):
            assert loom.append(f"s{number}", "note.taken", "ann").seq == turn + 1
    assert len(loom.sessions()) == 140
    loom.close()
    assert loom.append("s0", "note.taken", "ann").seq == 3


def test_the_stat_of_a_session_changes_with_every_append(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("work", "note.taken", "ann")
    before = loom.stats()["work"]
    assert loom.stat("work") == before
    loom.append("work", "note.taken", "ann")
    assert loom.stat("work") == loom.stats()["work"] != before


def test_a_citation_resolves_to_its_event(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    event = loom.append("work", "note.taken", "ann", {"text": "cited"})
    assert loom.resolve(parse_citation(event.citation)) == event
    assert loom.resolve(Citation("work", 1)) == event
    assert loom.resolve(Citation("work", 1, event.hash.removeprefix("sha256:"))) == event
    assert loom.read(event.ref) == event


def test_a_citation_with_another_hash_is_an_integrity_error(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    event = loom.append("work", "note.taken", "ann")
    digits = event.hash.removeprefix("sha256:")
    other = ("0" if digits[0] != "0" else "1") + digits[1:12]
    with pytest.raises(IntegrityError):
        loom.resolve(Citation("work", 1, other))


@pytest.mark.parametrize(("session_id", "seq"), [("work", 2), ("work", 0), ("work", -1), ("no", 1)])
def test_a_citation_of_no_event_is_not_found(session_id: str, seq: int, tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("work", "note.taken", "ann")
    assert loom.read(EventRef(session_id, seq)) is None
    with pytest.raises(NotFoundError):
        loom.resolve(Citation(session_id, seq, "0123"))


def test_a_citation_of_a_changed_event_does_not_resolve(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    event = loom.append("work", "note.taken", "ann", {"text": "cited"})
    path = tmp_path / "work.jsonl"
    path.write_bytes(path.read_bytes().replace(b"cited", b"edits"))
    with pytest.raises((NotFoundError, IntegrityError)):
        loom.resolve(parse_citation(event.citation))


def test_citations_into_closed_segments_resolve(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    event = loom.append("work", "note.taken", "ann")
    loom.log("work").rotate()
    loom.append("work", "note.taken", "ann")
    assert loom.resolve(parse_citation(event.citation)) == event


def test_the_change_file_first_asks_for_a_sweep_and_then_names_what_changed(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    changes = loom.changes()
    assert changes.poll() is None
    loom.append("a", "note.taken", "ann")
    assert changes.poll() is None
    assert changes.poll() == set()
    loom.append("b", "note.taken", "ann")
    loom.append("a.b-c_d", "note.taken", "ann")
    loom.append("b", "note.taken", "ann")
    assert changes.poll() == {"a.b-c_d", "b"}
    assert changes.poll() == set()


def test_two_readers_of_the_change_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("a", "note.taken", "ann")
    one, other = loom.changes(), loom.changes()
    assert (one.poll(), other.poll()) == (None, None)
    loom.append("b", "note.taken", "ann")
    assert one.poll() == {"b"}
    loom.append("c", "note.taken", "ann")
    assert (one.poll(), other.poll()) == ({"c"}, {"b", "c"})


def test_an_append_that_added_nothing_is_no_change(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.commit("a", [Draft("note.taken", "ann", key="chat:1")])
    changes = loom.changes()
    changes.poll()
    loom.commit("a", [Draft("note.taken", "ann", key="chat:1")])
    assert changes.poll() == set()


def test_a_rotation_is_a_change(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("a", "note.taken", "ann")
    changes = loom.changes()
    changes.poll()
    loom.log("a").rotate()
    assert changes.poll() == {"a"}


@pytest.mark.parametrize("harm", ["removed", "emptied", "replaced"])
def test_a_change_file_that_is_not_the_one_that_was_read_asks_for_a_sweep(harm: str, tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("a", "note.taken", "ann")
    changes = loom.changes()
    changes.poll()
    path = tmp_path / ".zaxy" / "changes"
    if harm == "removed":
        path.unlink()
        assert changes.poll() is None
    elif harm == "emptied":
        path.write_bytes(b"")
        assert changes.poll() is None
        return
    else:
        start_anew(path)
    loom.append("bb", "note.taken", "ann")
    assert changes.poll() is None
    assert changes.poll() == set()
    loom.append("c", "note.taken", "ann")
    assert changes.poll() == {"c"}


def test_a_line_of_the_change_file_that_is_half_written_is_told_when_it_is_whole(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    loom.append("a", "note.taken", "ann")
    changes = loom.changes()
    changes.poll()
    path = tmp_path / ".zaxy" / "changes"
    with path.open("ab", buffering=0) as file:
        file.write(b"wo")
        assert changes.poll() == set()
        file.write(b"rk 12\n")
        assert changes.poll() == {"work"}


def test_an_append_works_when_the_change_file_cannot_be_written(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    (tmp_path / ".zaxy" / "changes").mkdir(parents=True)
    assert loom.append("a", "note.taken", "ann").seq == 1
    assert loom.append("a", "note.taken", "ann").seq == 2


def test_a_loom_has_one_identity_that_stays(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / "loom")
    assert loom.identity() is None
    known = loom.ensure_identity()
    assert loom.ensure_identity() == known == Eventloom(tmp_path / "loom").identity()
    assert known != Eventloom(tmp_path / "other").ensure_identity()


def test_two_processes_that_name_a_new_loom_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    make = make_directories

    def made_by_another_first(path: Path) -> None:
        make(path)
        if not others:
            others.append("")
            others.append(Eventloom(tmp_path).ensure_identity())

    monkeypatch.setattr("zaxy.eventloom.folder.make_directories", made_by_another_first)
    mine = Eventloom(tmp_path).ensure_identity()
    assert mine == others[1] == Eventloom(tmp_path).identity()


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "null", "\udcff"])
def test_a_damaged_identity_is_an_integrity_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "loom.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(IntegrityError):
        Eventloom(tmp_path).identity()
    with pytest.raises(IntegrityError):
        Eventloom(tmp_path).ensure_identity()


@pytest.mark.parametrize("loom_id", [5, None, "", {"a": 1}])
def test_an_identity_that_is_not_text_is_an_integrity_error(loom_id: object, tmp_path: Path) -> None:
    (tmp_path / "loom.json").write_text(json.dumps({"loom_id": loom_id}))
    with pytest.raises(IntegrityError):
        Eventloom(tmp_path).identity()


def test_a_log_of_a_name_that_no_session_may_have_is_readable_but_not_written(tmp_path: Path) -> None:
    EventLog(tmp_path / "work.jsonl").append("note.taken", "ann")
    (tmp_path / "work.jsonl").rename(tmp_path / "old notes.jsonl")
    loom = Eventloom(tmp_path)
    assert loom.sessions() == ["old notes"]
    assert loom.read(EventRef("old notes", 1)) is not None
    assert loom.log("old notes").verify().ok
    with pytest.raises(InvalidInputError):
        loom.append("old notes", "note.taken", "ann")
