"""No proof, checkpoint or note is accepted that is not exactly one, and those of others are read as theirs.

What counts as an accepted mutant: one that still says all that the original said although its bytes differ, or one
that says anything the original did not. Two things are left out, because changing them may be right:

- The sizes beside a bare Merkle proof. A proof does not bind them (one for leaf 0 of 129 leaves has the form of one for
  256), the signed checkpoint does. Changed sizes are part of the comparison with the other verifier, and every byte of
  the signed checkpoint is changed.
- Signature lines of unknown keys, which C2SP signed-note says to ignore. A mutant that turns a known key's line into
  such a line says less than the original: without that key's claim. A note has to lose one to count as refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tlog_scales import signing as other_signing
from tlog_scales import tlog as other
from trust_proof_mutants import (
    LOG_KEY,
    NEXT_KEY,
    ORIGIN,
    WITNESS_KEY,
    changed,
    changed_hash,
    changed_hashes,
    event_proofs,
    tree_of,
)
from trust_proof_vectors import CONSISTENCY, INCLUSION, LEAVES, NOTES, ROOTS, SIGNED_NOTE_EXAMPLE

from zaxy.errors import BadProofError
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint
from zaxy.eventloom.proof.event_proof import EventProof, check_event_proof, parse_event_proof
from zaxy.eventloom.proof.merkle import (
    MemoryTree,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
)
from zaxy.eventloom.proof.notes import COSIGNATURE, Note, NoteSignature, VerifierKey, parse_note

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(12)

KEYS = (LOG_KEY.verifier, NEXT_KEY.verifier, WITNESS_KEY.verifier)
LARGEST = 150
TREE = tree_of(LARGEST)
TREE_ROOTS = [tree_root(TREE, size) for size in range(LARGEST + 1)]


def mutants(scale: Scale) -> int:
    """How many of each of five kinds: 100,000 in all."""
    return scale.pick(sample=600, full=20_000)


def holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except BadProofError:
        return False
    return True


# ---- what others published


def test_the_published_trees_and_proofs_are_ours(figure: Figure) -> None:
    tree, roots = MemoryTree(), [bytes.fromhex(root) for root in ROOTS]
    for leaf in LEAVES:
        assert tree_root(tree, tree.size) == roots[tree.size]
        tree.append(leaf_hash(leaf))
    assert tree_root(tree, tree.size) == roots[-1]
    for index, size, published in INCLUSION:
        proof = [bytes.fromhex(each) for each in published]
        assert inclusion_proof(tree, index, size) == proof
        check_inclusion(leaf_hash(LEAVES[index]), index, size, proof, roots[size])
    for old, new, published in CONSISTENCY:
        proof = [bytes.fromhex(each) for each in published]
        assert consistency_proof(tree, old, new) == proof
        check_consistency(old, new, roots[old], roots[new], proof)
    figure(f"{len(ROOTS)} roots and {len(INCLUSION) + len(CONSISTENCY)} proofs of Certificate Transparency: all ours")


def test_the_published_notes_hold_and_changed_ones_do_not(scale: Scale, figure: Figure, chance: random.Random) -> None:
    signatures = 0
    for published in NOTES:
        note = parse_note(published.note)
        assert note.encode().decode() == published.note
        for text in published.keys:
            key = VerifierKey.parse(text)
            assert str(key) == text
            assert note.signed_by(key), published.source
            assert key.timestamp(note) == (published.time if key.algorithm == COSIGNATURE else None)
            signatures += 1
            for _ in range(scale.pick(sample=5, full=500)):
                altered = replace(note, text=changed(note.text.encode(), chance).decode("utf-8", "replace"))
                assert altered.text == note.text or not altered.signed_by(key)
    example = parse_note(SIGNED_NOTE_EXAMPLE)
    assert example.encode().decode() == SIGNED_NOTE_EXAMPLE
    assert (example.signatures[0].name, len(example.signatures[0].signature)) == ("quasimodo.example/salvatore", 64)
    figure(f"{len(NOTES)} published notes, {signatures} signatures and cosignatures of them: all hold")


# ---- mutants


def claims(data: bytes) -> set[tuple[str, str, int | None]]:
    """What a note says by keys that are known: its text, the key, and when it was cosigned."""
    try:
        note = parse_note(data)
    except BadProofError:
        return set()
    return {(note.text, str(key), key.timestamp(note)) for key in KEYS if note.signed_by(key)}


def signed_text(chance: random.Random, *, cosigned: bool) -> Note:
    text = Checkpoint(ORIGIN, chance.randint(1, 10**6), chance.randbytes(32)).text()
    note = Note(text, (LOG_KEY.sign(text),))
    return note.with_signature(WITNESS_KEY.cosign(text, chance.randint(1, 2**40))) if cosigned else note


def test_no_changed_note_says_what_it_said_or_anything_else(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases, accepted, less = mutants(scale), 0, 0
    for number in range(cases):
        data = signed_text(chance, cosigned=number % 2 == 0).encode()
        said, says = claims(data), claims(changed(data, chance))
        assert len(said) == 2 - number % 2
        accepted += not says < said
        less += bool(says)
    assert accepted == 0
    figure(f"{cases:,} changed notes: 0 accepted ({less:,} lost one of two signers and say so, the rest refused)")


def test_no_changed_checkpoint_is_the_same_checkpoint_or_is_signed(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases, accepted, parsed = mutants(scale), 0, 0
    for _ in range(cases):
        extensions = tuple(chance.choice(["", "one", "two lines"]).split())
        size = chance.choice([1, 9, 10, 99, 2**40, 2**63 - 1])
        checkpoint = Checkpoint(ORIGIN, size, chance.randbytes(32), extensions)
        text = checkpoint.text()
        try:
            mutant = changed(text.encode(), chance).decode()
            reads = parse_checkpoint(mutant)
        except (UnicodeDecodeError, BadProofError):
            continue
        parsed += 1
        accepted += reads == checkpoint or Note(mutant, (LOG_KEY.sign(text),)).signed_by(LOG_KEY.verifier)
    assert accepted == 0
    figure(f"{cases:,} changed checkpoints: 0 accepted ({parsed:,} read as another checkpoint, which is not signed)")


def test_no_changed_inclusion_proof_is_accepted(scale: Scale, figure: Figure, chance: random.Random) -> None:
    cases, accepted = mutants(scale), 0
    for _ in range(cases):
        size = chance.randint(1, LARGEST)
        index = chance.randrange(size)
        leaf, root, proof = TREE.subtree(0, index), TREE_ROOTS[size], inclusion_proof(TREE, index, size)
        check_inclusion(leaf, index, size, proof, root)
        what = chance.choice(["leaf", "index", "root", "proof", "proof", "proof"])
        if what == "leaf":
            leaf = changed_hash(leaf, chance)
        elif what == "root":
            root = chance.choice([changed_hash(root, chance), *(set(TREE_ROOTS[:3]) - {root})])
        elif what == "index":
            index = chance.choice([index - 1, index + 1, index ^ 1 << chance.randrange(8), size, -1])
        else:
            proof = changed_hashes(proof, [leaf, root], chance)
        accepted += holds(lambda: check_inclusion(leaf, index, size, proof, root))  # noqa: B023  # called at once
    assert accepted == 0
    figure(f"{cases:,} changed inclusion proofs: 0 accepted")


def test_no_changed_consistency_proof_is_accepted(scale: Scale, figure: Figure, chance: random.Random) -> None:
    cases, accepted = mutants(scale), 0
    for _ in range(cases):
        new = chance.randint(1, LARGEST)
        old = chance.randint(1, new)
        roots, proof = [TREE_ROOTS[old], TREE_ROOTS[new]], consistency_proof(TREE, old, new)
        check_consistency(old, new, *roots, proof)
        what = chance.choice(["roots", "exchange", "proof", "proof", "proof"])
        if what == "roots":
            at = chance.randrange(2)
            roots[at] = changed_hash(roots[at], chance)
        elif what == "exchange" and old != new:
            roots.reverse()
        else:
            proof = changed_hashes(proof, roots, chance)
        accepted += holds(lambda: check_consistency(old, new, *roots, proof))  # noqa: B023  # called at once
    assert accepted == 0
    figure(f"{cases:,} changed consistency proofs: 0 accepted")


def proven(data: bytes) -> tuple[object, set[str]]:
    """What a file proves to somebody who trusts the log's first key, and who says so; nothing if it is refused."""
    try:
        proof = parse_event_proof(data)
        shown = check_event_proof(proof, [LOG_KEY.verifier], [WITNESS_KEY.verifier])
    except BadProofError:
        return None, set()
    return (proof.line, shown.event, shown.index, shown.checkpoint), {*shown.signed_by, *shown.cosigned_by}


def spliced(proof: EventProof, stranger: EventProof, chance: random.Random) -> EventProof:
    """Return a proof in which some parts, not all, are those of another one."""
    while True:
        parts = {
            name: getattr(stranger, name) for name in ("line", "index", "hashes", "checkpoint") if chance.random() < 0.5
        }
        mutant = replace(proof, **parts)
        if mutant not in (proof, stranger):
            return mutant


def test_no_changed_event_proof_is_accepted(scale: Scale, figure: Figure, chance: random.Random) -> None:
    cases, accepted, less, splices = mutants(scale), 0, 0, 0
    proofs = event_proofs([1, 2, 3, 13, 64, 70])
    originals = {proof.encode(): proven(proof.encode()) for proof in proofs}
    assert all(len(sayers) == 2 for _, sayers in originals.values()), "each is signed by the log and by the witness"
    for number in range(cases):
        proof = chance.choice(proofs)
        if number % 4:
            mutant = changed(proof.encode(), chance)
        else:
            mutant = spliced(proof, chance.choice([each for each in proofs if each != proof]), chance).encode()
            splices += 1
        shows, sayers = proven(mutant)
        if shows is None:
            continue
        event, said_by = originals[proof.encode()]
        # the line of the witness may have become that of an unknown key: then it says nothing, the log's still holds
        accepted += not (shows == event and sayers < said_by)
        less += 1
    assert accepted == 0
    figure(
        f"{cases:,} changed event proofs, {splices:,} of them put together from two: 0 accepted "
        f"({less:,} without the witness, and say so, the rest refused)"
    )


def test_no_bit_of_a_proof_that_one_key_signed_can_be_flipped(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    flips = 0
    for proof in event_proofs([1, 13]):
        note = replace(proof.checkpoint, signatures=proof.checkpoint.signatures[:1])  # the log's, not the witness's
        data = replace(proof, checkpoint=note).encode()
        assert proven(data)[0] is not None
        for at, byte in enumerate(data):
            for bit in range(8) if scale.full else [chance.randrange(8)]:
                assert proven(data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :]) == (None, set()), (at, bit)
                flips += 1
    figure(f"{flips:,} flipped bits of event proofs, each byte's {'eight' if scale.full else 'one'}: all refused")


# ---- the other verifier: tlog-scales, which follows RFC 9162 line by line


def agrees(ours: bool, check: Callable[[], object]) -> bool:
    try:
        check()
    except (other.InclusionProofInvalid, other.ConsistencyProofInvalid):
        return not ours
    return ours


def test_another_verifier_says_the_same_of_every_inclusion_proof(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases, good, differ = scale.pick(sample=1_000, full=50_000), 0, 0
    for _ in range(cases):
        size = chance.randint(1, LARGEST)
        index = chance.randrange(size)
        leaf, root, proof = TREE.subtree(0, index), TREE_ROOTS[size], inclusion_proof(TREE, index, size)
        what = chance.choice(["nothing", "size", "index", "both", "proof"])
        if what in ("size", "both"):
            size = chance.randint(0, LARGEST * 2)
        if what in ("index", "both"):
            index = chance.randrange(LARGEST)
        if what == "proof":
            proof = changed_hashes(proof, [leaf, root], chance)
        ours = holds(lambda: check_inclusion(leaf, index, size, proof, root))  # noqa: B023  # called at once
        differ += not agrees(ours, lambda: other.InclusionProof(index, size, proof).check(leaf, root))  # noqa: B023  # called at once
        good += ours
    assert differ == 0
    assert cases / 10 < good < cases, "both answers were given"
    figure(f"{cases:,} inclusion proofs, {good:,} of them good: tlog-scales says the same of all")


def test_another_verifier_says_the_same_of_every_consistency_proof(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases, good, differ = scale.pick(sample=1_000, full=50_000), 0, 0
    for _ in range(cases):
        new = chance.randint(1, LARGEST)  # that a tree with leaves has not the root of the empty one, only we check
        old = chance.randint(0, new)
        roots, proof = (TREE_ROOTS[old], TREE_ROOTS[new]), consistency_proof(TREE, old, new)
        what = chance.choice(["nothing", "old", "new", "roots", "proof"])
        if what == "old":
            old = chance.randint(1, LARGEST)
        if what == "new":
            new = chance.randint(1, LARGEST * 2)
        if what == "roots":
            roots = (changed_hash(roots[0], chance), roots[1])
        if what == "proof":
            proof = changed_hashes(proof, roots, chance)
        ours = holds(lambda: check_consistency(old, new, *roots, proof))  # noqa: B023  # called at once
        differ += not agrees(ours, lambda: other.ConsistencyProof(old, new, proof).check(*roots))  # noqa: B023  # called at once
        good += ours
    assert differ == 0
    assert cases / 10 < good < cases, "both answers were given"
    figure(f"{cases:,} consistency proofs, {good:,} of them good: tlog-scales says the same of all")


def test_another_program_reads_our_checkpoints_and_we_read_its(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=100, full=5_000)
    vkeys = [other_signing.Vkey.from_string(str(key.verifier)) for key in (LOG_KEY, WITNESS_KEY)]
    assert [vkey.serialize() for vkey in vkeys] == [str(LOG_KEY.verifier), str(WITNESS_KEY.verifier)]
    for _ in range(cases):
        ours = signed_text(chance, cosigned=True)
        theirs = other.Checkpoint.from_text(ours.encode().decode())
        assert theirs.serialize() == ours.encode().decode()
        for vkey in vkeys:
            theirs.verify(vkey)
        seed = chance.randbytes(32)
        signer = other_signing.PlainEd25519Signer("example.com/theirs", seed)
        made = other.Checkpoint.make_signed(
            "example.com/theirs", chance.randint(1, 10**9), chance.randbytes(32), [signer]
        )
        note = parse_note(made.serialize())
        assert parse_checkpoint(note.text) == Checkpoint(made.origin, made.size, made.root_hash)
        key = VerifierKey.parse(signer.vkey.serialize())
        assert note.signed_by(key)
        assert not replace(note, signatures=(NoteSignature(key.name, key.key_id, bytes(64)),)).signed_by(key)
    figure(f"{cases:,} checkpoints and cosignatures of ours read by tlog-scales, and {cases:,} of its by us")
