"""The Merkle tree of RFC 6962, section 2.1: roots, inclusion proofs and consistency proofs, made and checked.

Making a proof needs a `HashSource`, which knows the roots of perfect subtrees. Checking one needs nothing but the proof
and follows RFC 9162, sections 2.1.3.2 and 2.1.4.2. Nothing here reads or writes files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from zaxy.errors import BadProofError, IntegrityError, InvalidInputError

_sha256 = hashlib.sha256

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = _sha256(b"").digest()
"""The root of a tree without leaves."""


class HashSource(Protocol):
    """What is known of a tree: the roots of its perfect subtrees."""

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree of ``2**level`` leaves that begins at leaf ``index * 2**level``.

        Raises:
            IntegrityError: The source does not reach so far.
        """
        ...


class MemoryTree:
    """A tree in memory that grows leaf by leaf; a `HashSource`."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf.

        Args:
            leaf: Its hash, as `leaf_hash` returns it.
        """
        self._levels[0].append(leaf)
        level = 0
        while len(self._levels[level]) % 2 == 0:
            if level + 1 == len(self._levels):
                self._levels.append([])
            left, right = self._levels[level][-2:]
            self._levels[level + 1].append(node_hash(left, right))
            level += 1

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of a perfect subtree, as `HashSource.subtree`."""
        if not 0 <= level < len(self._levels) or not 0 <= index < len(self._levels[level]):
            raise IntegrityError(f"a tree of {self.size:,} leaves has no subtree {index} on level {level}")
        return self._levels[level][index]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of a zero byte and the leaf's bytes (RFC 6962, section 2.1)."""
    return _sha256(b"\x00" + data).digest()


def leaf_hashes(lines: Iterable[bytes]) -> list[bytes]:
    """Return the hash of each of these leaves, as `leaf_hash` does."""
    sha256 = _sha256
    return [sha256(b"\x00" + line).digest() for line in lines]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of a one byte and its two children (RFC 6962, section 2.1)."""
    return _sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over nodes of one level, which is the ``MTH`` of RFC 6962 where they are leaves.

    The last node of an odd row has no sibling and moves up as it is. That gives the tree of the RFC, whose left half is
    the largest power of two.

    Args:
        hashes: One or more of them, left to right.

    Raises:
        InvalidInputError: There is none.
    """
    if not hashes:
        raise InvalidInputError("a subtree has at least one hash")
    sha256, row = _sha256, list(hashes)
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=False)  # the odd one out is added below
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0]


def tree_root(source: HashSource, size: int) -> bytes:
    """Return the root of the tree of the first ``size`` leaves; `EMPTY_ROOT` for none.

    Raises:
        InvalidInputError: The size is negative.
        IntegrityError: The source holds fewer leaves.
    """
    if size < 0:
        raise InvalidInputError(f"a tree cannot have {size} leaves")
    return _range_root(source, 0, size) if size else EMPTY_ROOT


def inclusion_proof(source: HashSource, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf ``index`` is in the tree of the first ``size`` leaves: ``PATH`` of RFC 6962, 2.1.1.

    Returns:
        The siblings on the way from the leaf to the root; none in a tree of one leaf.

    Raises:
        InvalidInputError: No such leaf is in a tree of that size.
        IntegrityError: The source holds fewer leaves.
    """
    if not 0 <= index < size:
        raise InvalidInputError(f"a tree of {size:,} leaves has no leaf {index:,}")
    proof: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _left_half(end - begin)
        if index < middle:
            proof.append(_range_root(source, middle, end))
            end = middle
        else:
            proof.append(_range_root(source, begin, middle))
            begin = middle
    return proof[::-1]


def consistency_proof(source: HashSource, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that a tree grew from an older one by appending: ``PROOF`` of RFC 6962, 2.1.2.

    Returns:
        The nodes from which both roots follow; none where the old tree is empty or the same.

    Raises:
        InvalidInputError: The old tree is larger, or its size negative.
        IntegrityError: The source holds fewer than ``new_size`` leaves.
    """
    if not 0 <= old_size <= new_size:
        raise InvalidInputError(f"a tree of {new_size:,} leaves does not follow one of {old_size:,}")
    if old_size in (0, new_size):
        return []
    proof: list[bytes] = []
    begin, end = 0, new_size
    while end != old_size:
        middle = begin + _left_half(end - begin)
        if old_size <= middle:
            proof.append(_range_root(source, middle, end))
            end = middle
        else:
            proof.append(_range_root(source, begin, middle))
            begin = middle
    if begin:
        proof.append(_range_root(source, begin, end))
    return proof[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in a tree (RFC 9162, section 2.1.3.2).

    A proof alone does not bind the size: one for leaf 0 of 129 leaves has the form of one for 256. So size and root are
    those of one signed checkpoint, never of the proof.

    Args:
        leaf: The leaf's hash.
        index: Which leaf it is, from 0.
        size: How many leaves the tree has.
        proof: The siblings from the leaf to the root.
        root: The tree's root.

    Raises:
        BadProofError: The proof does not show it. On return it is shown.
    """
    if not 0 <= index < size:
        raise BadProofError(f"a tree of {size} leaves has no leaf {index}")
    _check_lengths((leaf, root, *proof))
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProofError("the inclusion proof is too long for its tree")
        if node % 2 or node == last:
            computed = node_hash(sibling, computed)
            while not node % 2 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProofError("the inclusion proof is too short for its tree")
    if computed != root:
        raise BadProofError("the inclusion proof does not lead to the root of the tree")


def check_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that a tree grew from an older one by appending only (RFC 9162, section 2.1.4.2).

    Each size and its root are those of one signed checkpoint, as with `check_inclusion`.

    Args:
        old_size: How many leaves the older tree has. Every tree follows the empty one, without a proof.
        new_size: How many leaves the newer tree has.
        old_root: The older tree's root; `EMPTY_ROOT` for the empty tree.
        new_root: The newer tree's root.
        proof: The nodes from which both roots follow.

    Raises:
        BadProofError: The proof does not show it. On return it is shown.
    """
    if not 0 <= old_size <= new_size:
        raise BadProofError(f"a tree of {new_size} leaves does not follow one of {old_size}")
    _check_lengths((old_root, new_root, *proof))
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if (size == 0) != (root == EMPTY_ROOT):
            raise BadProofError(f"a tree of {size} leaves has another root")
    if old_size in (0, new_size):
        if proof:
            raise BadProofError("a consistency proof from an empty or the same tree is empty")
        if old_size == new_size and old_root != new_root:
            raise BadProofError(f"two trees of {new_size} leaves have different roots")
        return
    computed = _roots_from_consistency(old_size, new_size, old_root, proof)
    if computed != (old_root, new_root):
        raise BadProofError("the consistency proof does not lead to the roots of the trees")


def _roots_from_consistency(
    old_size: int, new_size: int, old_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return the two roots that a proof between different trees that are not empty leads to.

    Raises:
        BadProofError: It is too long or too short.
    """
    nodes: Iterator[bytes] = iter(proof)
    node, last = old_size - 1, new_size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    # where the old tree is perfect its root is a node of the new one, and the proof leaves it out
    start = next(nodes, None) if node else old_root
    if start is None:
        raise BadProofError("the consistency proof is empty")
    old = new = start
    for sibling in nodes:
        if last == 0:
            raise BadProofError("the consistency proof is too long for its trees")
        if node % 2 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node % 2 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProofError("the consistency proof is too short for its trees")
    return old, new


def _range_root(source: HashSource, begin: int, end: int) -> bytes:
    """Return the root over leaves ``begin`` to ``end``, where ``begin`` is where the RFC's recursion can cut."""
    root = b""
    for level, index in reversed(list(_perfect_subtrees(begin, end))):
        left = source.subtree(level, index)
        root = node_hash(left, root) if root else left
    return root


def _perfect_subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield level and index of the largest perfect subtrees that fill a range of leaves, left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def _left_half(size: int) -> int:
    """Return the largest power of two below ``size``, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise BadProofError(f"every hash of a proof has {HASH_BYTES} bytes")
