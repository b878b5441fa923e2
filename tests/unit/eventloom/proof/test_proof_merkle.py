"""The Merkle tree: the roots and proofs it makes are those of RFC 6962, and no other proof is accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import BadProofError, IntegrityError, InvalidInputError
from zaxy.eventloom.proof.merkle import (
    EMPTY_ROOT,
    MemoryTree,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    leaf_hashes,
    node_hash,
    subtree_root,
    tree_root,
)

LARGEST = 70
OTHER = hashlib.sha256(b"another hash").digest()


def tree_of(size: int) -> MemoryTree:
    tree = MemoryTree()
    for number in range(size):
        tree.append(leaf_of(number))
    return tree


def leaf_of(number: int) -> bytes:
    return leaf_hash(b"leaf %d" % number)


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH as section 2.1 of the RFC defines it, by recursion, over leaves that are hashed already."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:half]) + defined_root(leaves[half:])).digest()


TREE = tree_of(LARGEST)
ROOTS = [defined_root([leaf_of(number) for number in range(size)]) for size in range(LARGEST + 1)]


def test_a_leaf_and_a_node_are_hashed_apart() -> None:
    assert leaf_hash(b"") == hashlib.sha256(b"\0").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\1" + b"l" * 32 + b"r" * 32).digest()


def test_many_leaves_are_hashed_as_each_of_them_is() -> None:
    assert leaf_hashes([b"", b"one", b"two"]) == [leaf_hash(b""), leaf_hash(b"one"), leaf_hash(b"two")]
    assert leaf_hashes([]) == []


def test_the_empty_tree_has_the_hash_of_nothing_as_its_root() -> None:
    assert tree_root(MemoryTree(), 0) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_the_root_of_every_size_is_the_one_that_the_definition_gives() -> None:
    assert [tree_root(TREE, size) for size in range(LARGEST + 1)] == ROOTS


@pytest.mark.parametrize("size", [*range(1, 40), 255, 256, 257, 300])
def test_a_row_of_hashes_has_the_root_that_the_definition_gives(size: int) -> None:
    leaves = [leaf_of(number) for number in range(size)]
    assert subtree_root(leaves) == defined_root(leaves)
    assert subtree_root(tuple(leaves)) == defined_root(leaves), "any sequence will do"


def test_a_row_is_not_changed_by_computing_its_root() -> None:
    leaves = [leaf_of(number) for number in range(5)]
    subtree_root(leaves)
    assert leaves == [leaf_of(number) for number in range(5)]


def test_a_row_without_hashes_has_no_root() -> None:
    with pytest.raises(InvalidInputError):
        subtree_root([])


def test_every_leaf_of_every_tree_up_to_seventy_is_proven() -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = inclusion_proof(TREE, index, size)
            check_inclusion(leaf_of(index), index, size, proof, ROOTS[size])
            assert len(proof) <= (size - 1).bit_length()


def test_every_pair_of_trees_up_to_seventy_is_consistent() -> None:
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            proof = consistency_proof(TREE, old, new)
            check_consistency(old, new, ROOTS[old], ROOTS[new], proof)
            assert bool(proof) == (0 < old < new)


def test_the_proof_of_one_leaf_proves_no_other_leaf() -> None:
    for size in (2, 3, 7, 8, 13, LARGEST):
        for index in range(size):
            proof = inclusion_proof(TREE, index, size)
            for other in range(size):
                if other != index:
                    with pytest.raises(BadProofError):
                        check_inclusion(leaf_of(index), other, size, proof, ROOTS[size])
                    with pytest.raises(BadProofError):
                        check_inclusion(leaf_of(other), index, size, proof, ROOTS[size])


def test_a_proof_that_is_longer_shorter_or_out_of_order_is_refused() -> None:
    for size in (1, 2, 5, 8, 33, LARGEST):
        for index in (0, size // 2, size - 1):
            proof = inclusion_proof(TREE, index, size)
            wrong = [[*proof, OTHER], [OTHER, *proof], [*proof, ROOTS[size]], proof[:-1], proof[1:], proof[::-1]]
            for each in wrong:
                if each != proof:
                    with pytest.raises(BadProofError):
                        check_inclusion(leaf_of(index), index, size, each, ROOTS[size])


def test_a_consistency_proof_that_is_longer_shorter_or_out_of_order_is_refused() -> None:
    for old, new in ((1, 2), (1, 8), (3, 7), (4, 7), (6, 8), (64, LARGEST), (33, LARGEST)):
        proof = consistency_proof(TREE, old, new)
        wrong = [[*proof, OTHER], [OTHER, *proof], [proof[0], *proof], [ROOTS[old], *proof], proof[:-1], proof[1:], []]
        for each in (*wrong, proof[::-1]):
            if each != proof:
                with pytest.raises(BadProofError):
                    check_consistency(old, new, ROOTS[old], ROOTS[new], each)


def test_a_consistency_proof_proves_no_other_pair_of_roots() -> None:
    proof = consistency_proof(TREE, 6, 8)
    for old_root, new_root in ((ROOTS[5], ROOTS[8]), (ROOTS[6], ROOTS[7]), (ROOTS[8], ROOTS[6]), (OTHER, OTHER)):
        with pytest.raises(BadProofError):
            check_consistency(6, 8, old_root, new_root, proof)


def test_a_proof_that_goes_on_above_the_root_is_refused_although_its_hashes_fit() -> None:
    for size in (1, 3, 8):
        proof = [*inclusion_proof(TREE, size - 1, size), OTHER]
        with pytest.raises(BadProofError, match="too long"):
            check_inclusion(leaf_of(size - 1), size - 1, size, proof, node_hash(OTHER, ROOTS[size]))
    for old, new in ((3, 4), (5, 8), (6, 7)):
        proof = [*consistency_proof(TREE, old, new), OTHER]
        with pytest.raises(BadProofError, match="too long"):
            check_consistency(old, new, node_hash(OTHER, ROOTS[old]), node_hash(OTHER, ROOTS[new]), proof)


def test_a_proof_that_ends_below_the_root_is_refused_although_its_hashes_fit() -> None:
    proof = inclusion_proof(TREE, 0, 8)
    below = node_hash(node_hash(leaf_of(0), proof[0]), proof[1])
    with pytest.raises(BadProofError, match="too short"):
        check_inclusion(leaf_of(0), 0, 8, proof[:-1], below)
    proof = consistency_proof(TREE, 1, 8)
    with pytest.raises(BadProofError, match="too short"):
        check_consistency(1, 8, leaf_of(0), node_hash(node_hash(leaf_of(0), proof[0]), proof[1]), proof[:-1])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (8, 8), (9, 8), (-1, 8), (0, -1), (-1, 0)])
def test_a_leaf_that_a_tree_cannot_have_is_refused(index: int, size: int) -> None:
    with pytest.raises(BadProofError):
        check_inclusion(EMPTY_ROOT, index, size, [], EMPTY_ROOT)
    with pytest.raises(InvalidInputError):
        inclusion_proof(TREE, index, size)


@pytest.mark.parametrize(("old", "new"), [(2, 1), (1, 0), (-1, 3), (-2, -1)])
def test_a_tree_that_shrinks_is_refused(old: int, new: int) -> None:
    with pytest.raises(BadProofError):
        check_consistency(old, new, OTHER, OTHER, [])
    with pytest.raises(InvalidInputError):
        consistency_proof(TREE, old, new)


def test_every_tree_follows_the_empty_one_without_a_proof() -> None:
    check_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    check_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    for old_root, new_root, proof in (
        (EMPTY_ROOT, ROOTS[5], [OTHER]),
        (OTHER, ROOTS[5], []),
        (EMPTY_ROOT, EMPTY_ROOT, []),
        (EMPTY_ROOT, b"", []),
    ):
        with pytest.raises(BadProofError):
            check_consistency(0, 5, old_root, new_root, proof)


def test_a_tree_follows_itself_without_a_proof_and_with_one_root() -> None:
    check_consistency(5, 5, ROOTS[5], ROOTS[5], [])
    for new_root, proof in ((OTHER, []), (ROOTS[5], [OTHER])):
        with pytest.raises(BadProofError):
            check_consistency(5, 5, ROOTS[5], new_root, proof)
    with pytest.raises(BadProofError):
        check_consistency(0, 0, EMPTY_ROOT, OTHER, [])


@pytest.mark.parametrize("short", [b"", b"1" * 31, b"1" * 33])
def test_a_hash_of_another_length_is_refused(short: bytes) -> None:
    proof = inclusion_proof(TREE, 2, 3)
    assert len(proof) == 1
    for leaf, siblings, root in (
        (short, proof, ROOTS[3]),
        (leaf_of(2), [short], ROOTS[3]),
        (leaf_of(2), proof, short),
        (short, proof, node_hash(proof[0], short)),
    ):
        with pytest.raises(BadProofError):
            check_inclusion(leaf, 2, 3, siblings, root)
    with pytest.raises(BadProofError):
        check_consistency(2, 3, ROOTS[2], ROOTS[3], [short])


def test_a_source_is_asked_for_nothing_beyond_the_size() -> None:
    with pytest.raises(IntegrityError):
        tree_root(TREE, LARGEST + 1)
    with pytest.raises(IntegrityError):
        inclusion_proof(TREE, 0, LARGEST + 1)
    with pytest.raises(IntegrityError):
        consistency_proof(TREE, 3, LARGEST + 1)
    for level, index in ((0, LARGEST), (0, -1), (-1, 0), (6, 1), (7, 0)):
        with pytest.raises(IntegrityError):
            TREE.subtree(level, index)
    with pytest.raises(InvalidInputError):
        tree_root(TREE, -1)


@given(size=st.integers(1, 3_000), at=st.data())
def test_any_leaf_of_a_tree_of_any_size_is_proven(size: int, at: st.DataObject) -> None:
    tree = tree_of(size)
    root = subtree_root([leaf_of(number) for number in range(size)])
    index = at.draw(st.integers(0, size - 1))
    check_inclusion(leaf_of(index), index, size, inclusion_proof(tree, index, size), root)
    old = at.draw(st.integers(0, size))
    check_consistency(old, size, tree_root(tree, old), root, consistency_proof(tree, old, size))


@given(st.integers(0, 2**63 - 2), st.integers(1, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_a_made_up_proof_of_any_size_is_refused_and_never_hangs(index: int, size: int, proof: list[bytes]) -> None:
    with pytest.raises(BadProofError):
        check_inclusion(OTHER, index, size, proof, ROOTS[1])
    with pytest.raises(BadProofError):
        check_consistency(min(index, size - 1) + 1, size + 1, OTHER, ROOTS[1], proof)
