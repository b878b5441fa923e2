"""Changed copies of what proofs are made of, and proofs to change."""

from __future__ import annotations

import random
from collections.abc import Sequence

from zaxy.eventloom.envelope import prepare, seal
from zaxy.eventloom.event import Draft
from zaxy.eventloom.proof.checkpoint import Checkpoint
from zaxy.eventloom.proof.event_proof import EventProof
from zaxy.eventloom.proof.merkle import MemoryTree, inclusion_proof, leaf_hash, tree_root
from zaxy.eventloom.proof.notes import COSIGNATURE, ED25519, Note, SigningKey
from zaxy.eventloom.proof.rotation_statement import rotation_statement

ORIGIN = "zaxy-loom/mutants"
LOG_KEY = SigningKey(ORIGIN, ED25519, b"l" * 32)
NEXT_KEY = SigningKey(ORIGIN, ED25519, b"n" * 32)
WITNESS_KEY = SigningKey("witness.example/w1", COSIGNATURE, b"w" * 32)


def changed(data: bytes, chance: random.Random) -> bytes:
    """Return other bytes: one or a few of them flipped, replaced, put in, taken out or exchanged, or an end cut off."""
    while True:
        mutant = _changed_once(data, chance)
        if chance.random() < 0.2:
            mutant = _changed_once(mutant, chance)
        if mutant != data:
            return mutant


def _changed_once(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one change, which may leave them as they were."""
    at = chance.randrange(len(data) + 1)
    before, here, after = data[:at], data[at : at + 1], data[at + 1 :]
    other = chance.choice([chance.randbytes(1), bytes([chance.choice(data + b"\n +=/")]), b"\n", b" ", b"0", b"="])
    bit = bytes(byte ^ 1 << chance.randrange(8) for byte in here)
    return chance.choice(
        [
            before + bit + after,
            before + other + after,
            before + other + here + after,
            before + here + here + after,
            before + after,
            before + after[chance.randrange(4) :],
            before + after[:1] + here + after[1:],
            before if chance.random() < 0.5 else after,
        ]
    )


def changed_hash(digest: bytes, chance: random.Random) -> bytes:
    """Return another hash of the same length, most often one bit away."""
    if chance.random() < 0.2:
        return chance.randbytes(len(digest))
    at = chance.randrange(len(digest))
    return digest[:at] + bytes([digest[at] ^ 1 << chance.randrange(8)]) + digest[at + 1 :]


def changed_hashes(proof: Sequence[bytes], strangers: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """Return another list of hashes: one changed, put in, taken out, repeated or moved.

    Args:
        proof: The hashes.
        strangers: Hashes to put in, such as the roots.
        chance: The source of chance.
    """
    while True:
        mutant = list(proof)
        at = chance.randrange(len(proof) + 1)
        kind = chance.choice(["change", "insert", "delete", "exchange", "reverse"])
        if kind == "insert":
            mutant.insert(at, chance.choice([*proof, *strangers, chance.randbytes(32)]))
        elif kind == "reverse":
            mutant.reverse()
        elif at < len(proof):
            if kind == "change":
                mutant[at] = changed_hash(mutant[at], chance)
            elif kind == "delete":
                del mutant[at]
            else:
                other = chance.randrange(len(proof))
                mutant[at], mutant[other] = mutant[other], mutant[at]
        if mutant != list(proof):
            return mutant


def tree_of(size: int) -> MemoryTree:
    """Return a tree of as many different leaves."""
    tree = MemoryTree()
    for number in range(size):
        tree.append(leaf_hash(b"leaf %d" % number))
    return tree


def sealed_line(seq: int, event_type: str = "note.taken", **payload: object) -> bytes:
    """Return the raw line of an event."""
    draft = Draft(event_type, "ann", {"text": f"what was said as number {seq}", **payload})
    line, _ = seal(
        prepare(draft),
        session_id="work",
        seq=seq,
        previous="0" * 64,
        recorded_at="2026-11-21T10:55:55.332626Z",
        suffix="0123456789abcdef",
    )
    return line.removesuffix(b"\n")


def event_proofs(sizes: Sequence[int]) -> list[EventProof]:
    """Return proofs of events in trees of these sizes that the log and a witness signed.

    For each size there is a second tree that holds a key rotation and is signed by the new key alone, so that its
    checkpoint counts by that event only.
    """
    statement = rotation_statement(ORIGIN, LOG_KEY, NEXT_KEY).encode().decode()
    proofs = []
    for size in sizes:
        lines = [sealed_line(seq) for seq in range(1, size + 1)]
        proofs += _proofs(lines, sorted({0, size // 2, size - 1}), LOG_KEY)
        lines[size // 3] = sealed_line(size // 3 + 1, "log.key.rotated", statement=statement)
        proofs += _proofs(lines, [size // 3], NEXT_KEY)
    return proofs


def _proofs(lines: Sequence[bytes], places: Sequence[int], key: SigningKey) -> list[EventProof]:
    tree = MemoryTree()
    for line in lines:
        tree.append(leaf_hash(line))
    text = Checkpoint(ORIGIN, tree.size, tree_root(tree, tree.size)).text()
    note = Note(text, (key.sign(text), WITNESS_KEY.cosign(text, 1_700_000_000)))
    return [EventProof(lines[at], at, tuple(inclusion_proof(tree, at, tree.size)), note) for at in places]
