"""Proofs from a loom: what is handed out holds, and what would not hold is never handed out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from proof_looms import Place, add, fill, new_place

from zaxy.errors import BadProofError, IntegrityError, InvalidInputError, KeyUnavailableError, NotFoundError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof.event_proof import check_event_proof, parse_event_proof
from zaxy.eventloom.proof.history import History
from zaxy.eventloom.proof.merkle import HASH_BYTES, check_consistency
from zaxy.eventloom.proof.notes import Note, SigningKey


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A loom with three checkpoints: of 4, 9 and 12 events."""
    place = new_place(tmp_path)
    fill(place, a=3, b=1)
    fill(place, b=5)
    fill(place, a=1, c=2)
    return place


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_every_event_of_every_session_is_proved_to_who_has_the_key_alone(place: Place) -> None:
    loom = place.open()
    key = place.state.signing_key().verifier
    proven = []
    for session_id, count in {"a": 4, "b": 6, "c": 2}.items():
        for seq in range(1, count + 1):
            proof = loom.prove(session_id, seq)
            checked = check_event_proof(parse_event_proof(proof.encode()), [key])
            assert (checked.event.session_id, checked.event.seq) == (session_id, seq)
            assert (checked.checkpoint.size, checked.signed_by) == (12, (str(key),))
            assert proof.line in place.log(session_id).read_bytes()
            proven.append(checked.index)
    assert sorted(proven) == list(range(12))


def test_an_event_that_no_checkpoint_holds_is_taken_into_a_new_one_first(place: Place) -> None:
    loom = place.open()
    add(loom, "d", 2)
    proof = loom.prove("d", 1)
    assert proof.index == 12
    assert check_event_proof(proof, [place.state.signing_key().verifier]).checkpoint.size == 14
    assert loom.verify().checkpointed_events == 14


def test_events_of_closed_segments_are_proved(place: Place) -> None:
    loom = place.open()
    loom.rotate("a")
    add(loom, "a", 1)
    key = place.state.signing_key().verifier
    for seq in range(1, 7):
        assert check_event_proof(loom.prove("a", seq), [key]).event.seq == seq


@pytest.mark.parametrize(
    ("session_id", "seq"), [("a", 5), ("a", 0), ("a", -1), ("a", 10**30), ("nobody", 1), ("..", 1)]
)
def test_an_event_that_is_not_there_is_not_found(session_id: str, seq: int, place: Place) -> None:
    before = place.history.read_bytes()
    with pytest.raises(NotFoundError, match="there is no event") as refused:
        place.open().prove(session_id, seq)
    assert "zaxy memory status" in refused.value.remedy
    assert place.history.read_bytes() == before


def test_an_event_that_was_changed_gets_no_proof(place: Place) -> None:
    path = place.log("a")
    path.write_bytes(path.read_bytes().replace(b'"n":1,', b'"n":7,'))
    with pytest.raises((NotFoundError, IntegrityError)):
        place.open().prove("a", 2)


def test_an_event_that_was_rewritten_with_its_hash_gets_no_proof(place: Place) -> None:
    other = Eventloom(place.loom.with_name("forged"))
    for _ in range(4):
        other.append("a", "note.taken", "mallory")
    shutil.copyfile(other.path / "a.jsonl", place.log("a"))
    shutil.rmtree(place.loom / ".zaxy")
    with pytest.raises(IntegrityError, match="event 2 of session a is not the one that the checkpoint holds"):
        place.open().prove("a", 2)


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize("harm", ["changed", "one in two changed", "cut", "gone"])
def test_a_proof_that_would_not_hold_is_never_handed_out_whatever_became_of_the_files_of_the_tree(
    level: str, harm: str, tmp_path: Path
) -> None:
    place = new_place(tmp_path)
    place.open().log("a").append_many([{"event_type": "note.taken", "actor": "ann"}] * 600)
    fill(place, b=1)
    path = place.loom / "checkpoints" / "tree" / level
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[: HASH_BYTES * 1])
    else:
        step = 2 if harm == "one in two changed" else 1
        for number in range(step - 1, path.stat().st_size // HASH_BYTES, step):
            flip(path, number * HASH_BYTES)
    key = place.state.signing_key().verifier
    for seq in (1, 300, 513, 600):
        try:
            proof = place.open().prove("a", seq)
        except IntegrityError:
            continue
        assert check_event_proof(proof, [key]).event.seq == seq


def test_a_loom_proves_again_after_one_checkpoint_when_the_files_of_its_tree_were_damaged(place: Place) -> None:
    flip(place.loom / "checkpoints" / "tree" / "0", 3 * HASH_BYTES)
    loom = place.open()
    add(loom, "a", 1)
    loom.checkpoint()
    key = place.state.signing_key().verifier
    for session_id, count in {"a": 5, "b": 6, "c": 2}.items():
        for seq in range(1, count + 1):
            check_event_proof(loom.prove(session_id, seq), [key])


def test_a_signed_event_is_proved_without_the_private_key_and_a_new_one_is_not(place: Place) -> None:
    key = place.state.signing_key().verifier
    place.state.key_path.unlink()
    loom = place.open()
    check_event_proof(loom.prove("a", 2), [key])
    add(loom, "a", 1)
    with pytest.raises(KeyUnavailableError):
        loom.prove("a", 5)


def test_proofs_hold_across_a_rotation_of_the_key_with_the_old_key_and_with_the_new_one(place: Place) -> None:
    loom = place.open()
    before = loom.prove("a", 1)
    old = place.state.signing_key().verifier
    rotated = loom.rotate_key("a")
    new = place.state.signing_key().verifier
    after = loom.prove("a", 1)
    check_event_proof(before, [old])
    with pytest.raises(BadProofError):
        check_event_proof(before, [new])
    assert check_event_proof(after, [old]).signed_by == (str(old),)
    assert check_event_proof(after, [new]).signed_by == (str(new),)
    add(loom, "a", 1)
    loom.checkpoint()
    told = loom.prove("a", rotated.event.seq)
    assert check_event_proof(told, [old]).signed_by == (str(new),)
    with pytest.raises(BadProofError):
        check_event_proof(loom.prove("a", 1), [old])


# ---- consistency


SIZES = [(4, 4), (4, 9), (4, 12), (9, 12), (12, 12)]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_each_checkpoint_is_shown_to_extend_the_earlier_ones(old: int, new: int, place: Place) -> None:
    notary = place.open().notary()
    first, second, proof = notary.consistency(notary.note_at(old), notary.note_at(new))
    assert (first.size, second.size) == (old, new)
    check_consistency(old, new, first.root, second.root, proof)
    assert (proof == ()) == (old == new)


def test_the_newest_checkpoint_is_found_without_its_size(place: Place) -> None:
    notary = place.open().notary()
    assert notary.note_at(None) == notary.note_at(12)
    for size in (0, 5, 13):
        with pytest.raises(NotFoundError, match=f"no checkpoint of size {size}"):
            notary.note_at(size)


def test_a_loom_that_was_never_signed_has_no_newest_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no checkpoint yet") as refused:
        new_place(tmp_path).open().notary().note_at(None)
    assert refused.value.remedy == "make one: zaxy log checkpoint"


def test_checkpoints_in_the_wrong_order_are_wrong_use_and_not_a_bad_proof(place: Place) -> None:
    notary = place.open().notary()
    with pytest.raises(InvalidInputError, match="the first checkpoint is the later one"):
        notary.consistency(notary.note_at(9), notary.note_at(4))


def test_a_checkpoint_that_was_kept_elsewhere_shows_that_the_loom_was_rolled_back(place: Place) -> None:
    kept = place.open().notary().note_at(12)
    lines = place.history.read_bytes().splitlines(keepends=True)
    place.history.write_bytes(b"".join(lines[:2]))
    notary = place.open().notary()
    with pytest.raises(BadProofError, match="hold 9 events, the later one 12") as refused:
        notary.consistency(notary.note_at(4), kept)
    assert "zaxy log verify" in refused.value.remedy


def test_checkpoints_of_another_history_under_the_same_key_are_not_consistent(place: Place) -> None:
    kept = place.open().notary().note_at(4)
    other = place.loom.with_name("other")
    shutil.copytree(place.loom, other)
    for path in (*other.glob("*.jsonl"), other / "checkpoints", other / ".zaxy"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (place.state.folder / "head.json").unlink()
    place.state.seen.unlink(missing_ok=True)
    forged = Place(other, place.home)
    fill(forged, a=3, b=2)
    notary = forged.open().notary()
    with pytest.raises(BadProofError):
        notary.consistency(kept, notary.note_at(5))


def test_a_checkpoint_counts_by_the_key_that_is_named_or_that_the_state_folder_holds(place: Place) -> None:
    notary = place.open().notary()
    note, key = notary.note_at(4), place.state.signing_key()
    notary.consistency(note, note, [key.verifier])
    stranger = SigningKey.generate(place.state.origin)
    with pytest.raises(BadProofError, match="not signed by a key that counts") as refused:
        notary.consistency(note, note, [stranger.verifier])
    assert "--public-key" in refused.value.remedy
    forged = Note(note.text, (stranger.sign(note.text),))
    with pytest.raises(BadProofError, match="not signed by a key that counts"):
        notary.consistency(forged, note)


def test_checkpoints_of_two_looms_are_wrong_use(tmp_path: Path) -> None:
    place, other = new_place(tmp_path / "one"), new_place(tmp_path / "two")
    fill(place, a=2)
    fill(other, a=2)
    keys = [each.state.signing_key().verifier for each in (place, other)]
    mine, theirs = place.open().notary(), other.open().notary()
    with pytest.raises(InvalidInputError, match="of two logs"):
        mine.consistency(mine.note_at(2), theirs.note_at(2), keys)


def test_a_key_of_before_counts_for_checkpoints_up_to_its_size(place: Place) -> None:
    loom = place.open()
    old = place.state.signing_key()
    done = loom.rotate_key("a")
    notary = loom.notary()
    first, second, _ = notary.consistency(notary.note_at(4), notary.note_at(None))
    assert (first.size, second.size) == (4, done.checkpoint.head.size)
    add(loom, "a", 1)
    loom.checkpoint()
    newest = notary.note_at(None)
    forged = Note(newest.text, (old.sign(newest.text),))
    with pytest.raises(BadProofError, match="not signed by a key that counts"):
        notary.consistency(notary.note_at(4), forged)


# ---- what is known of a session


def test_the_last_acknowledged_event_of_a_session_is_known_from_checkpoints_and_from_what_was_seen(
    place: Place,
) -> None:
    loom = place.open()
    notary = loom.notary()
    assert [notary.acknowledged(name) for name in ("a", "b", "c", "nobody")] == [4, 6, 2, 0]
    add(loom, "b", 2)
    assert notary.acknowledged("b") == 8
    place.state.seen.unlink()
    assert notary.acknowledged("b") == 6


def test_a_process_sees_the_checkpoints_that_another_made(place: Place) -> None:
    early = place.open()
    assert early.prove("a", 1).index == 0
    fill(place, z=3)
    assert early.prove("z", 3).index == 14
    history = History(place.loom / "checkpoints")
    history.refresh()
    assert history.size == 15
