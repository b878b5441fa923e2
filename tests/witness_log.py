"""A log for tests of witnesses: a tree in memory and the key that signs its checkpoints."""

from __future__ import annotations

from zaxy.eventloom.proof.checkpoint import Checkpoint
from zaxy.eventloom.proof.merkle import MemoryTree, consistency_proof, leaf_hash, tree_root
from zaxy.eventloom.proof.notes import Note, SigningKey
from zaxy.eventloom.proof.witness_protocol import AddCheckpoint

ORIGIN = "zaxy-loom/0123"


class WitnessLog:
    """A log of numbered leaves.

    Args:
        leaves: How many.
        key: Signs its checkpoints; a new one when None.
        forked_at: From this leaf on they are other leaves than without a fork.
    """

    def __init__(self, leaves: int, key: SigningKey | None = None, *, forked_at: int | None = None) -> None:
        self.key = key or SigningKey.generate(ORIGIN)
        self.tree = MemoryTree()
        for number in range(leaves):
            branch = "other" if forked_at is not None and number >= forked_at else "leaf"
            self.tree.append(leaf_hash(f"{branch} {number}".encode()))

    def root(self, size: int) -> bytes:
        """Return the root of its first leaves."""
        return tree_root(self.tree, size)

    def note(self, size: int, *, key: SigningKey | None = None, origin: str | None = None) -> Note:
        """Return its signed checkpoint over its first leaves."""
        text = Checkpoint(origin or self.key.verifier.name, size, self.root(size)).text()
        return Note(text, ((key or self.key).sign(text),))

    def proof(self, old_size: int, new_size: int) -> list[bytes]:
        """Return the consistency proof between two sizes."""
        return consistency_proof(self.tree, old_size, new_size)

    def request(self, old_size: int, size: int) -> bytes:
        """Return the body of a request to cosign a size, from another."""
        return AddCheckpoint(old_size, tuple(self.proof(old_size, size)), self.note(size)).encode()
