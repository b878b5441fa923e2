"""Putting a new key in force: told in the log, signed by both, and finished by the next try after any crash."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from proof_looms import Place, add, fill, new_place

from zaxy.errors import IntegrityError, KeyUnavailableError
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.proof import rotation
from zaxy.eventloom.proof.history import History, SignedHead
from zaxy.eventloom.proof.notes import SigningKey, parse_note
from zaxy.eventloom.proof.rotation_statement import check_rotation
from zaxy.eventloom.proof.state import LoomState, TrustedKey


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = new_place(tmp_path)
    fill(place, work=3)
    return place


def heads(place: Place) -> list[SignedHead]:
    history = History(place.loom / "checkpoints")
    history.refresh()
    return history.heads


def rotations(place: Place) -> list[Any]:
    return [event for event in EventLog(place.log("work")).replay() if event.event_type == "log.key.rotated"]


def test_the_new_key_is_in_force_and_the_old_one_counts_up_to_the_checkpoint_that_both_signed(place: Place) -> None:
    old = place.state.signing_key().verifier
    done = place.open().rotate_key("work")
    new = place.state.signing_key().verifier
    assert (done.old_key, done.new_key) == (str(old), str(new))
    assert new != old
    assert new.name == old.name == place.state.origin
    assert place.state.keys() == [TrustedKey(old, 4), TrustedKey(new)]
    head = heads(place)[-1]
    assert (head.size, head.note.signed_by(old), head.note.signed_by(new)) == (4, True, True)
    assert not place.state.next_key.exists()
    assert place.open().verify().findings == ()


def test_an_event_tells_of_it_with_a_statement_that_both_keys_signed(place: Place) -> None:
    old = place.state.signing_key().verifier
    done = place.open().rotate_key("work")
    (event,) = rotations(place)
    assert (event.seq, event.actor) == (4, "zaxy")
    assert event == done.event
    statement = parse_note(event.payload["statement"])
    assert str(check_rotation(statement, [old])) == event.payload["new_verifier"] == done.new_key
    assert event.payload["old_verifier"] == str(old)


def test_the_checkpoints_that_follow_are_signed_by_the_new_key_alone(place: Place) -> None:
    old = place.state.signing_key().verifier
    loom = place.open()
    loom.rotate_key("work")
    add(loom, "work", 1)
    note = loom.checkpoint().head.note
    assert note.signed_by(place.state.signing_key().verifier)
    assert not note.signed_by(old)
    assert loom.verify().findings == ()


def test_keys_can_be_rotated_again_and_again(place: Place) -> None:
    loom = place.open()
    done = [loom.rotate_key("work") for _ in range(4)]
    assert [each.new_key for each in done[:-1]] == [each.old_key for each in done[1:]]
    kept = place.state.keys()
    assert [trusted.until_size for trusted in kept] == [4, 5, 6, 7, None]
    assert loom.verify().findings == ()
    assert place.open().checkpoint().new_events == 0


def test_no_private_key_is_in_the_log_or_in_the_answer(place: Place) -> None:
    seeds = [place.state.key_path.read_text().strip().split("+", 4)[4]]
    done = place.open().rotate_key("work")
    seeds.append(place.state.key_path.read_text().strip().split("+", 4)[4])
    everything = b"".join(path.read_bytes() for path in place.loom.rglob("*") if path.is_file())
    for seed in seeds:
        assert seed.encode() not in everything
        assert seed not in repr(done)


class Stop(BaseException):
    """Ends a rotation in the middle, as a kill does."""


STEPS: dict[str, tuple[Any, str, int]] = {
    "before the new key is kept": (LoomState, "write_key", 1),
    "before the event": (EventLog, "commit", 1),
    "before the head is pinned": (LoomState, "pin", 1),
    "before the head is published": (History, "append", 1),
    "before the keys are put in force": (LoomState, "put_in_force", 1),
    "between the list of keys and the key": (LoomState, "write_key", 2),
    "before the next key is removed": (rotation, "remove_file", 1),
}


def stopping(patch: pytest.MonkeyPatch, step: str) -> None:
    owner, name, at = STEPS[step]
    real, calls = getattr(owner, name), []

    def stop(*words: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            raise Stop
        return real(*words, **named)

    patch.setattr(owner, name, stop)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("between", ["nothing", "verify", "append", "checkpoint"])
def test_a_rotation_that_a_crash_ended_is_finished_by_the_next_try(
    step: str, between: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = place.state.signing_key().verifier
    with monkeypatch.context() as patch:
        stopping(patch, step)
        with pytest.raises(Stop):
            place.open().rotate_key("work")
    if between == "verify":
        assert place.open().verify().findings == ()
    elif between == "append":
        add(place.open(), "work", 2)
    elif between == "checkpoint":
        add(place.open(), "other", 2)
        with contextlib.suppress(KeyUnavailableError):  # between the two files there is no key to sign with
            place.open().checkpoint()
    done = place.open().rotate_key("work")
    assert len(rotations(place)) == (2 if step == "before the next key is removed" else 1)
    assert place.state.keys()[0].verifier == old
    assert place.state.keys()[-1] == TrustedKey(place.state.signing_key().verifier)
    assert str(place.state.signing_key().verifier) == done.new_key
    assert not place.state.next_key.exists()
    assert place.open().verify().findings == ()
    add(place.open(), "work", 1)
    assert place.open().checkpoint().problems == ()
    report = place.open().verify()
    assert (report.findings, report.level) == ((), "pinned head")


def test_a_crash_in_the_rotation_after_a_crash_in_the_rotation_leaves_a_loom_that_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("before the head is pinned", "before the head is published"):
        with monkeypatch.context() as patch:
            stopping(patch, step)
            with pytest.raises(Stop):
                place.open().rotate_key("work")
        if step == "before the head is pinned":
            place.open().checkpoint()  # the old key takes the event in; what both keys sign then has the same size
    assert place.open().verify().findings == ()
    place.open().rotate_key("work")
    assert place.open().verify().findings == ()


def test_a_rotation_without_a_key_is_refused(place: Place) -> None:
    place.state.key_path.unlink()
    with pytest.raises(KeyUnavailableError):
        place.open().rotate_key("work")
    assert rotations(place) == []
    assert not place.state.next_key.exists()


def test_a_next_key_that_others_may_read_is_refused(place: Place) -> None:
    place.state.write_key(place.state.next_key, SigningKey.generate(place.state.origin))
    place.state.next_key.chmod(0o644)
    with pytest.raises(KeyUnavailableError, match="others may read") as refused:
        place.open().rotate_key("work")
    assert "chmod 600" in refused.value.remedy


def test_the_key_of_a_loom_that_is_not_the_signed_one_is_not_rotated_and_nothing_is_told_of_it(place: Place) -> None:
    fill(place, work=2)
    fill(place, work=2)
    place.history.write_bytes(place.history.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(IntegrityError, match="nothing is signed"):
        place.open().rotate_key("work")
    assert len(place.state.keys()) == 1
    assert rotations(place) == []
