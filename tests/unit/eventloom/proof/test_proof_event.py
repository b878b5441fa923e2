"""The proof of one event: checked with public keys alone, and refused unless everything in it holds."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.envelope import prepare, seal
from zaxy.eventloom.event import Draft
from zaxy.eventloom.proof.checkpoint import Checkpoint
from zaxy.eventloom.proof.event_proof import MAX_PROOF_BYTES, EventProof, check_event_proof, parse_event_proof
from zaxy.eventloom.proof.merkle import MemoryTree, inclusion_proof, leaf_hash, tree_root
from zaxy.eventloom.proof.notes import COSIGNATURE, Note, SigningKey
from zaxy.eventloom.proof.rotation_statement import rotation_statement

ORIGIN = "zaxy-loom/one"
KEY = SigningKey(ORIGIN, 1, b"k" * 32)
NEW_KEY = SigningKey(ORIGIN, 1, b"n" * 32)
OTHER_LOG = SigningKey("zaxy-loom/two", 1, b"o" * 32)
WITNESSES = [SigningKey(f"witness.example/w{number}", COSIGNATURE, bytes([number]) * 32) for number in (1, 2)]
TRUSTED = [KEY.verifier]


def sealed(seq: int, event_type: str = "note.taken", **payload: Any) -> bytes:
    """The raw line of event ``seq`` of session ``work``, without its newline."""
    line, _ = seal(
        prepare(Draft(event_type, "ann", payload or {"n": seq})),
        session_id="work",
        seq=seq,
        previous=None if seq == 1 else "0" * 64,
        recorded_at="2026-11-21T10:55:55.332626Z",
    )
    return line.removesuffix(b"\n")


def legacy_line(**changes: Any) -> bytes:
    """The raw line of a record in the legacy layout, as the format's description says it is hashed."""
    record = {
        "seq": 7,
        "timestamp": "2026-01-02T03:04:05Z",
        "type": "note.taken",
        "actor": "ben",
        "thread": "old-work",
        "payload": {"text": "hello"},
        "prev_hash": "0" * 64,
    } | changes
    hashed = json.dumps(record, sort_keys=True, separators=(",", ":"))
    record["hash"] = hashlib.sha256(hashed.encode()).hexdigest()
    return json.dumps(record, separators=(",", ":")).encode()


def proof_of(line: bytes, *, others: int = 12, at: int = 5, keys: tuple[SigningKey, ...] = (KEY,)) -> EventProof:
    """The proof of a line that stands among others in a tree which these keys signed."""
    tree = MemoryTree()
    for number in range(others + 1):
        tree.append(leaf_hash(line) if number == at else leaf_hash(sealed(number + 100)))
    text = Checkpoint(ORIGIN, tree.size, tree_root(tree, tree.size)).text()
    note = Note(text, tuple(key.sign(text) for key in keys))
    return EventProof(line, at, tuple(inclusion_proof(tree, at, tree.size)), note)


def cosigned(proof: EventProof, *witnesses: SigningKey) -> EventProof:
    note = proof.checkpoint
    for witness in witnesses:
        note = note.with_signature(witness.cosign(note.text, 1_700_000_000))
    return replace(proof, checkpoint=note)


PROOF = proof_of(sealed(3))


def test_a_proof_shows_the_event_its_place_and_who_signed() -> None:
    proven = check_event_proof(PROOF, TRUSTED)
    assert (proven.event.session_id, proven.event.seq, proven.event.payload["n"]) == ("work", 3, 3)
    assert (proven.index, proven.checkpoint.size, proven.checkpoint.origin) == (5, 13, ORIGIN)
    assert proven.signed_by == (str(KEY.verifier),)
    assert proven.cosigned_by == ()


def test_a_proof_is_a_tlog_proof_whose_extra_is_the_line() -> None:
    lines = PROOF.encode().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(PROOF.line).decode()
    assert lines[2] == "index 5"
    assert [base64.b64decode(line) for line in lines[3 : 3 + len(PROOF.hashes)]] == list(PROOF.hashes)
    assert "\n".join(lines[3 + len(PROOF.hashes) :]) == "\n" + PROOF.checkpoint.encode().decode()


def test_a_proof_is_read_back_as_it_was_written() -> None:
    single = proof_of(sealed(1), others=0, at=0)
    assert single.hashes == ()
    for proof in (PROOF, single, cosigned(PROOF, *WITNESSES)):
        assert parse_event_proof(proof.encode()) == proof
        assert check_event_proof(parse_event_proof(proof.encode()), TRUSTED) == check_event_proof(proof, TRUSTED)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13, 64])
def test_every_event_of_a_tree_is_proven(size: int) -> None:
    for at in range(size):
        assert check_event_proof(proof_of(sealed(9), others=size - 1, at=at), TRUSTED).index == at


def test_a_record_in_the_legacy_layout_is_proven_with_its_session_and_number() -> None:
    event = check_event_proof(proof_of(legacy_line()), TRUSTED).event
    assert (event.session_id, event.seq, event.payload) == ("old-work", 7, {"text": "hello"})


def test_a_legacy_record_that_names_no_session_is_of_the_default_one() -> None:
    line = legacy_line(thread="default")
    bare = line.replace(b'"thread":"default",', b"")
    assert bare != line
    assert check_event_proof(proof_of(bare), TRUSTED).event.session_id == "default"


def test_a_record_that_does_not_say_which_event_it_is_is_refused() -> None:
    foreign = {"id": "evt-7", "type": "a.b", "actorId": "a", "threadId": "t", "parentEventId": None, "causedBy": []}
    foreign |= {"timestamp": "2026-01-02T03:04:05Z", "payload": {}}
    hashed = json.dumps({"event": foreign, "previousHash": None}, sort_keys=True, separators=(",", ":"))
    digest = "sha256:" + hashlib.sha256(hashed.encode()).hexdigest()
    line = json.dumps(foreign | {"integrity": {"hash": digest, "previousHash": None}}, separators=(",", ":")).encode()
    for nameless in (line, legacy_line(thread=5)):
        with pytest.raises(BadProofError, match="which event"):
            check_event_proof(proof_of(nameless), TRUSTED)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"not json", sealed(3) + b" ", sealed(3).replace(b'"n":3', b'"n":4'), sealed(3) + b"\n", b"\xff"],
)
def test_a_leaf_that_is_not_a_sealed_event_is_refused_although_it_is_in_the_tree(line: bytes) -> None:
    with pytest.raises(BadProofError):
        check_event_proof(proof_of(line), TRUSTED)


def test_an_event_with_another_payload_and_a_fitting_hash_is_refused() -> None:
    with pytest.raises(BadProofError, match="root"):
        check_event_proof(replace(PROOF, line=sealed(3, n=4)), TRUSTED)


def test_a_key_that_is_not_known_proves_nothing() -> None:
    with pytest.raises(BadProofError, match="not signed by a trusted key"):
        check_event_proof(PROOF, [])
    with pytest.raises(BadProofError, match="not signed by a trusted key"):
        check_event_proof(PROOF, [NEW_KEY.verifier, OTHER_LOG.verifier])


def test_the_key_of_another_log_proves_nothing_of_this_one() -> None:
    with pytest.raises(BadProofError, match="not signed by a trusted key of that log"):
        check_event_proof(proof_of(sealed(3), keys=(OTHER_LOG,)), [KEY.verifier, OTHER_LOG.verifier])


def test_all_keys_that_signed_are_named_once() -> None:
    proof = proof_of(sealed(3), keys=(OTHER_LOG, KEY, NEW_KEY))
    proven = check_event_proof(proof, [NEW_KEY.verifier, KEY.verifier, KEY.verifier, OTHER_LOG.verifier])
    assert proven.signed_by == (str(NEW_KEY.verifier), str(KEY.verifier))


def test_witnesses_that_cosigned_are_named_and_others_are_not() -> None:
    one, two = WITNESSES
    wanted = [one.verifier, two.verifier]
    assert check_event_proof(cosigned(PROOF, one, two), TRUSTED, wanted).cosigned_by == tuple(map(str, wanted))
    assert check_event_proof(cosigned(PROOF, two), TRUSTED, wanted).cosigned_by == (str(two.verifier),)
    assert check_event_proof(cosigned(PROOF, one, two), TRUSTED).cosigned_by == ()


def test_a_witness_does_not_stand_in_for_the_log() -> None:
    unsigned = cosigned(proof_of(sealed(3), keys=()), *WITNESSES)
    with pytest.raises(BadProofError, match="not signed by a trusted key"):
        check_event_proof(unsigned, TRUSTED, [witness.verifier for witness in WITNESSES])


def test_a_log_does_not_witness_itself() -> None:
    own = SigningKey("witness.example/own", COSIGNATURE, b"k" * 32)
    assert own.verifier.public == KEY.verifier.public
    assert check_event_proof(cosigned(PROOF, own), TRUSTED, [own.verifier]).cosigned_by == ()


def test_a_false_signature_in_the_name_of_a_known_key_spoils_the_proof() -> None:
    one = WITNESSES[0]
    for key, made in ((KEY, KEY.sign("other\n")), (one, one.cosign("other\n", 5))):
        proof = replace(PROOF, checkpoint=PROOF.checkpoint.with_signature(made))
        with pytest.raises(BadProofError, match=f"signature of {key.verifier.name} does not hold"):
            check_event_proof(proof, TRUSTED, [one.verifier])
    stranger = replace(PROOF, checkpoint=PROOF.checkpoint.with_signature(NEW_KEY.sign("other\n")))
    assert check_event_proof(stranger, TRUSTED).signed_by == (str(KEY.verifier),), "an unknown key says nothing"


def test_a_key_in_the_wrong_list_is_an_error_of_the_caller() -> None:
    with pytest.raises(InvalidInputError):
        check_event_proof(PROOF, [WITNESSES[0].verifier])
    with pytest.raises(InvalidInputError):
        check_event_proof(PROOF, TRUSTED, TRUSTED)


def rotation(statement: Note | str | None) -> bytes:
    text = statement.encode().decode() if isinstance(statement, Note) else statement
    return sealed(4, "log.key.rotated", statement=text)


def test_a_rotation_that_a_trusted_key_signed_puts_the_new_key_in_force() -> None:
    line = rotation(rotation_statement(ORIGIN, KEY, NEW_KEY))
    proven = check_event_proof(proof_of(line, keys=(NEW_KEY,)), TRUSTED)
    assert proven.signed_by == (str(NEW_KEY.verifier),)
    both = check_event_proof(proof_of(line, keys=(NEW_KEY, KEY)), TRUSTED)
    assert both.signed_by == (str(KEY.verifier), str(NEW_KEY.verifier))


@pytest.mark.parametrize(
    "statement",
    [
        rotation_statement(ORIGIN, NEW_KEY, SigningKey(ORIGIN, 1, b"x" * 32)),
        rotation_statement(OTHER_LOG.verifier.name, OTHER_LOG, SigningKey("zaxy-loom/two", 1, b"n" * 32)),
        rotation_statement(ORIGIN, KEY, NEW_KEY).text,
        replace(rotation_statement(ORIGIN, KEY, NEW_KEY), signatures=(NEW_KEY.sign("other\n"),)),
        "no statement",
        None,
    ],
)
def test_a_rotation_that_does_not_hold_puts_nothing_in_force(statement: Note | str | None) -> None:
    line = rotation(statement)
    with pytest.raises(BadProofError, match="not signed by a trusted key"):
        check_event_proof(proof_of(line, keys=(NEW_KEY,)), [KEY.verifier, OTHER_LOG.verifier])
    still = check_event_proof(proof_of(line), [KEY.verifier, OTHER_LOG.verifier])
    assert still.event.event_type == "log.key.rotated", "the event itself is in the log"


def test_a_statement_in_another_kind_of_event_puts_nothing_in_force() -> None:
    line = sealed(4, "note.taken", statement=rotation_statement(ORIGIN, KEY, NEW_KEY).encode().decode())
    with pytest.raises(BadProofError, match="not signed by a trusted key"):
        check_event_proof(proof_of(line, keys=(NEW_KEY,)), TRUSTED)


def test_a_checkpoint_with_extension_lines_is_accepted_with_them() -> None:
    text = PROOF.checkpoint.text + "extension\n"
    proof = replace(PROOF, checkpoint=Note(text, (KEY.sign(text),)))
    assert check_event_proof(proof, TRUSTED).checkpoint.extensions == ("extension",)


def test_a_signed_note_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(BadProofError):
        check_event_proof(replace(PROOF, checkpoint=Note("hello\n", (KEY.sign("hello\n"),))), TRUSTED)


HEAD, _, NOTE = PROOF.encode().decode().partition("\n\n")
HEADER, EXTRA, INDEX, *HASHES = HEAD.split("\n")


def file_of(*lines: str, note: str = NOTE) -> bytes:
    return ("\n".join(lines) + "\n\n" + note).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        NOTE.encode(),
        HEAD.encode(),
        (HEAD + "\n" + NOTE).encode(),
        file_of(HEADER),
        file_of(HEADER, INDEX, *HASHES),
        file_of(HEADER, EXTRA, *HASHES),
        file_of(HEADER, INDEX, EXTRA, *HASHES),
        file_of(EXTRA, INDEX, *HASHES),
        file_of("c2sp.org/tlog-proof@v2", EXTRA, INDEX, *HASHES),
        file_of(HEADER + " ", EXTRA, INDEX, *HASHES),
        file_of(HEADER, "extra ", INDEX, *HASHES),
        file_of(HEADER, "extra", INDEX, *HASHES),
        file_of(HEADER, EXTRA + "=", INDEX, *HASHES),
        file_of(HEADER, EXTRA, EXTRA, INDEX, *HASHES),
        file_of(HEADER, EXTRA, "index 05", *HASHES),
        file_of(HEADER, EXTRA, "index -5", *HASHES),
        file_of(HEADER, EXTRA, "index +5", *HASHES),
        file_of(HEADER, EXTRA, "index  5", *HASHES),
        file_of(HEADER, EXTRA, "index", *HASHES),
        file_of(HEADER, EXTRA, "index \u0665", *HASHES),
        file_of(HEADER, EXTRA, f"index {2**63}", *HASHES),
        file_of(HEADER, EXTRA, INDEX, *HASHES, "AAAA"),
        file_of(HEADER, EXTRA, INDEX, *HASHES, HASHES[0] + " "),
        file_of(HEADER, EXTRA, INDEX, *[HASHES[0]] * 64),
        file_of(HEADER, EXTRA, INDEX, "", *HASHES),
        file_of(HEADER, EXTRA, INDEX, *HASHES, note="\n" + NOTE.partition("\n\n")[0]),
        file_of(HEADER, EXTRA, INDEX, *HASHES, note=NOTE + "\n"),
        file_of(HEADER, EXTRA, INDEX, *HASHES).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PROOF.encode(),
        file_of(HEADER, EXTRA, INDEX, "\ud800", *HASHES),
    ],
)
def test_what_is_not_exactly_a_proof_of_an_event_is_refused(data: bytes) -> None:
    with pytest.raises(BadProofError):
        check_event_proof(parse_event_proof(data), TRUSTED)


@pytest.mark.parametrize(
    "data",
    [
        file_of(HEADER, "extra ", INDEX, *HASHES),
        file_of(HEADER, EXTRA, INDEX, *[HASHES[0]] * 64),
        file_of(HEADER, EXTRA, INDEX, *HASHES, "AAAA"),
    ],
)
def test_a_proof_that_cannot_hold_is_refused_when_it_is_read(data: bytes) -> None:
    with pytest.raises(BadProofError):
        parse_event_proof(data)


def test_a_proof_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadProofError, match="too long"):
        parse_event_proof(bytes(MAX_PROOF_BYTES + 1))
