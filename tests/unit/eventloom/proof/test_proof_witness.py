"""A witness cosigns a checkpoint only when that continues the last one it cosigned."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from witness_log import ORIGIN, WitnessLog
from zaxy.errors import InvalidInputError
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.merkle import EMPTY_ROOT
from zaxy.eventloom.proof.notes import Note, NoteSignature, SigningKey, encode_base64, parse_note
from zaxy.eventloom.proof.witness import Reply, Witness, add_log, make_witness_folder, open_witness
from zaxy.eventloom.proof.witness_protocol import AddCheckpoint, origin_hash, parse_answer, parse_size_answer
from zaxy.eventloom.proof.witness_store import MAX_EVIDENCE_FILES, WitnessStore

NAME = "witness.example/w1"
DIGEST = origin_hash(ORIGIN)


@dataclass
class SetClock:
    """A clock that shows what it is set to."""

    seconds: int = 1_700_000_000

    def now(self) -> int:
        """Return the set time, in microseconds."""
        return self.seconds * 1_000_000


@pytest.fixture
def log() -> WitnessLog:
    return WitnessLog(40)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def folder(tmp_path: Path, log: WitnessLog) -> Path:
    make_witness_folder(tmp_path / "witness", NAME)
    add_log(tmp_path / "witness", log.key.verifier)
    return tmp_path / "witness"


@pytest.fixture
def witness(folder: Path, clock: SetClock) -> Witness:
    return open_witness(folder, clock=clock)


def times(witness: Witness, log: WitnessLog, size: int, reply: Reply) -> list[int | None]:
    """Return when an answer's cosignatures of a size were made, each one verified."""
    assert (reply.status, reply.content_type) == (200, "text/plain; charset=utf-8"), reply
    note = log.note(size)
    signatures = parse_answer(note, reply.body)
    return [witness.verifier.timestamp(Note(note.text, (signature,))) for signature in signatures]


def head(folder: Path) -> tuple[int, bytes]:
    known = WitnessStore(folder).read(ORIGIN)
    assert known is not None
    return known.size, known.root


def test_a_log_that_grows_is_cosigned_each_time(witness: Witness, log: WitnessLog, clock: SetClock) -> None:
    size = 0
    for larger in (0, 1, 2, 7, 8, 8, 33, 40):
        clock.seconds += 60
        reply = witness.add_checkpoint(log.request(size, larger))
        assert times(witness, log, larger, reply) == [clock.seconds]
        size = larger


def test_a_first_checkpoint_of_any_size_is_cosigned(witness: Witness, log: WitnessLog, clock: SetClock) -> None:
    assert times(witness, log, 33, witness.add_checkpoint(log.request(0, 33))) == [clock.seconds]


def test_what_was_cosigned_is_known_after_a_restart(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 7))
    again = open_witness(folder)
    assert again.verifier == witness.verifier
    assert again.add_checkpoint(log.request(0, 20)).body == b"7\n"
    assert again.add_checkpoint(log.request(7, 20)).status == 200


def test_another_size_than_the_last_is_answered_with_the_last(witness: Witness, log: WitnessLog) -> None:
    witness.add_checkpoint(log.request(0, 20))
    for old_size in (0, 7, 19, 21, 33):
        reply = witness.add_checkpoint(log.request(old_size, 33))
        assert (reply.status, parse_size_answer(reply.content_type, reply.body)) == (409, 20)
    assert witness.add_checkpoint(log.request(20, 33)).status == 200


def test_a_smaller_tree_than_the_last_is_never_cosigned(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 20))
    for size in range(20):
        for old_size in range(size + 1):
            assert witness.add_checkpoint(log.request(old_size, size)).status == 409
        down = AddCheckpoint(20, (), log.note(size)).encode()
        assert witness.add_checkpoint(down).status == 400
    assert head(folder) == (20, log.root(20))


@pytest.mark.parametrize("forked_at", [0, 6, 12, 19])
def test_a_tree_that_does_not_continue_the_last_is_never_cosigned(
    forked_at: int, witness: Witness, log: WitnessLog, folder: Path
) -> None:
    witness.add_checkpoint(log.request(0, 20))
    fork = WitnessLog(40, log.key, forked_at=forked_at)
    for size in range(20, 41):
        for prover in (fork, log):
            request = AddCheckpoint(20, tuple(prover.proof(20, size)), fork.note(size))
            assert witness.add_checkpoint(request.encode()).status == 422
    assert head(folder) == (20, log.root(20))


def test_a_proof_too_much_or_too_little_is_refused(witness: Witness, log: WitnessLog) -> None:
    stray = (bytes(32),)
    assert witness.add_checkpoint(AddCheckpoint(0, stray, log.note(7)).encode()).status == 422
    assert witness.add_checkpoint(log.request(0, 7)).status == 200
    proof = tuple(log.proof(7, 20))
    wrong = [(), proof[:-1], proof + stray, proof[::-1], (*proof[:-1], bytes(32))]
    for each in wrong:
        assert witness.add_checkpoint(AddCheckpoint(7, each, log.note(20)).encode()).status == 422
    assert witness.add_checkpoint(AddCheckpoint(7, stray, log.note(7)).encode()).status == 422
    assert witness.add_checkpoint(AddCheckpoint(7, proof, log.note(20)).encode()).status == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{ORIGIN}\n", 400),
        (f"{ORIGIN}\n7\n", 400),
        (f"{ORIGIN}\n07\n{encode_base64(bytes(32))}\n", 400),
        (f"{ORIGIN}\n7\n{encode_base64(bytes(31))}\n", 400),
        (f"{ORIGIN}\n{2**63}\n{encode_base64(bytes(32))}\n", 400),
        (f"{ORIGIN}\n0\n{encode_base64(bytes(32))}\n", 422),
        (f"{ORIGIN}\n0\n{encode_base64(EMPTY_ROOT)}\n", 200),
    ],
)
def test_a_checkpoint_that_is_not_one_is_refused(text: str, status: int, witness: Witness, log: WitnessLog) -> None:
    note = Note(text, (log.key.sign(text),))
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == status


def test_a_request_that_is_not_one_is_refused(witness: Witness) -> None:
    assert witness.add_checkpoint(b"old\n") == Reply(
        400, "text/plain; charset=utf-8", b"the request has no empty line between the proof and the checkpoint\n"
    )


def test_an_extension_line_is_cosigned_with_the_rest(witness: Witness, log: WitnessLog) -> None:
    text = f"{ORIGIN}\n7\n{encode_base64(log.root(7))}\nan extension\n"
    note = Note(text, (log.key.sign(text),))
    reply = witness.add_checkpoint(AddCheckpoint(0, (), note).encode())
    assert witness.verifier.timestamp(Note(text, parse_answer(note, reply.body))) is not None


def test_a_log_that_was_not_added_is_refused_and_leaves_nothing(
    witness: Witness, log: WitnessLog, folder: Path
) -> None:
    before = sorted(folder.rglob("*"))
    for number in range(3):
        note = log.note(7, origin=f"another.example/{number}")
        assert witness.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == 404
    assert sorted(folder.rglob("*")) == before


def test_a_checkpoint_that_no_trusted_key_signed_is_refused(witness: Witness, log: WitnessLog, folder: Path) -> None:
    stranger = SigningKey.generate(ORIGIN)
    note = log.note(7)
    own = note.signatures[0]
    broken = NoteSignature(own.name, own.key_id, bytes(64))
    renamed = NoteSignature("another.example", own.key_id, own.signature)
    for signatures in ((stranger.sign(note.text),), (renamed,), (broken,), (own, broken), (broken, own)):
        asked = AddCheckpoint(0, (), Note(note.text, signatures))
        assert witness.add_checkpoint(asked.encode()).status == 403
    assert head(folder) == (0, EMPTY_ROOT)


def test_signatures_of_other_keys_are_left_out(witness: Witness, log: WitnessLog) -> None:
    note = log.note(7).with_signature(SigningKey.generate(ORIGIN).sign(log.note(7).text))
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == 200
    served = parse_note(witness.checkpoint(DIGEST).body)
    assert [signature.name for signature in served.signatures] == [ORIGIN, NAME]


def test_a_key_that_replaces_another_continues_its_tree(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 20))
    new = SigningKey.generate(ORIGIN)
    proof = tuple(log.proof(20, 33))
    assert witness.add_checkpoint(AddCheckpoint(20, proof, log.note(33, key=new)).encode()).status == 403
    add_log(folder, new.verifier)
    fork = WitnessLog(33, new, forked_at=19)
    assert witness.add_checkpoint(fork.request(20, 33)).status == 422
    assert witness.add_checkpoint(AddCheckpoint(20, proof, log.note(33, key=new)).encode()).status == 200
    assert witness.add_checkpoint(log.request(33, 40)).status == 200


def test_adding_a_key_again_changes_nothing(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 20))
    before = (folder / "logs" / DIGEST).read_bytes()
    add_log(folder, log.key.verifier)
    assert (folder / "logs" / DIGEST).read_bytes() == before


def test_a_log_may_have_another_origin_than_its_key(witness: Witness, log: WitnessLog) -> None:
    witness.add_log(log.key.verifier, origin="another.example/log")
    note = log.note(7, origin="another.example/log")
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == 200
    assert witness.add_checkpoint(log.request(0, 20)).status == 200


def test_a_witness_can_be_told_of_its_logs_when_it_is_made(tmp_path: Path, log: WitnessLog) -> None:
    witness = Witness(tmp_path / "w", SigningKey.generate(NAME, 4), {ORIGIN: log.key.verifier})
    assert witness.add_checkpoint(log.request(0, 7)).status == 200


@pytest.mark.parametrize("origin", ["", "two\nlines"])
def test_an_origin_that_no_checkpoint_can_have_is_refused(origin: str, witness: Witness, log: WitnessLog) -> None:
    with pytest.raises(InvalidInputError, match="origin"):
        witness.add_log(log.key.verifier, origin=origin)


def test_keys_are_taken_for_what_they_are_for_only(witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot sign checkpoints"):
        witness.add_log(witness.verifier)
    with pytest.raises(InvalidInputError, match="not one for cosignatures"):
        Witness(tmp_path, SigningKey.generate(NAME))


def test_a_checkpoint_that_was_cosigned_can_be_cosigned_again(
    witness: Witness, log: WitnessLog, clock: SetClock
) -> None:
    witness.add_checkpoint(log.request(0, 20))
    clock.seconds += 5
    assert times(witness, log, 20, witness.add_checkpoint(log.request(20, 20))) == [clock.seconds]


def test_a_clock_that_goes_back_is_told_of_and_believed(
    witness: Witness, log: WitnessLog, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    witness.add_checkpoint(log.request(0, 7))
    clock.seconds -= 90
    with caplog.at_level(logging.WARNING, "zaxy.witness"):
        assert times(witness, log, 20, witness.add_checkpoint(log.request(7, 20))) == [clock.seconds]
    assert "90 seconds behind" in caplog.text


def test_the_last_cosigned_checkpoint_is_served(witness: Witness, log: WitnessLog) -> None:
    assert witness.checkpoint(DIGEST).status == 404
    witness.add_checkpoint(log.request(0, 7))
    witness.add_checkpoint(log.request(7, 20))
    reply = witness.checkpoint(DIGEST)
    served = parse_note(reply.body)
    assert (reply.status, parse_checkpoint(served.text).size) == (200, 20)
    assert served.signed_by(log.key.verifier)
    assert served.signed_by(witness.verifier)


@pytest.mark.parametrize("digest", ["", DIGEST.upper(), DIGEST[:-1], "../witness.key", "..", f"{DIGEST}\0", "é" * 64])
def test_nothing_else_is_served(digest: str, witness: Witness, log: WitnessLog) -> None:
    witness.add_checkpoint(log.request(0, 7))
    assert witness.checkpoint(digest).status == 404


def test_a_checkpoint_that_cannot_be_laid_out_is_cosigned_all_the_same(
    witness: Witness, log: WitnessLog, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "cosigned").rmdir()
    (folder / "cosigned").write_text("in the way")
    assert witness.add_checkpoint(log.request(0, 7)).status == 200
    assert "could not be laid out" in caplog.text


def test_a_fork_that_the_log_signed_is_kept_as_evidence(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 20))
    fork = WitnessLog(20, log.key, forked_at=12)
    for stray in range(3):
        asked = AddCheckpoint(20, (bytes([stray] * 32),), fork.note(20))
        assert witness.add_checkpoint(asked.encode()).status == 422
    kept = [parse_note(path.read_bytes()) for path in (folder / "evidence" / DIGEST).iterdir()]
    assert kept == [fork.note(20)]
    assert kept[0].signed_by(log.key.verifier)


def test_no_more_evidence_is_kept_than_shows_it(witness: Witness, log: WitnessLog, folder: Path) -> None:
    witness.add_checkpoint(log.request(0, 1))
    fork = WitnessLog(MAX_EVIDENCE_FILES + 20, log.key, forked_at=0)
    for size in range(2, MAX_EVIDENCE_FILES + 20):
        assert witness.add_checkpoint(fork.request(1, size)).status == 422
    assert len(list((folder / "evidence" / DIGEST).iterdir())) == MAX_EVIDENCE_FILES


def test_of_requests_that_race_one_wins_and_the_others_learn_its_size(
    witness: Witness, log: WitnessLog, folder: Path
) -> None:
    branches = [log] + [WitnessLog(40, log.key, forked_at=number) for number in range(5)]
    with ThreadPoolExecutor(len(branches)) as pool:
        replies = list(pool.map(lambda branch: witness.add_checkpoint(branch.request(0, 20)), branches))
    assert sorted(reply.status for reply in replies) == [200, *[409] * 5]
    winner = branches[[reply.status for reply in replies].index(200)]
    assert {reply.body for reply in replies if reply.status == 409} == {b"20\n"}
    assert head(folder) == (20, winner.root(20))
    assert [branch.note(20).text in witness.checkpoint(DIGEST).body.decode() for branch in branches].count(True) == 1
