"""Whether the history in the loom is the one that was signed: compared with the head that is pinned outside.

A checkpoint is made in this order: the leaves reach the tree's files, the head is pinned, the head is added to the
history. So a crash leaves a pinned head that continues the history by one step, and it is simply added again; a pinned
head that the history does not hold and does not lead to means that the loom was cut, replaced or put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from zaxy.eventloom.proof.history import History, SignedHead, chain_of
from zaxy.eventloom.proof.notes import VerifierKey
from zaxy.eventloom.proof.state import TrustedKey


class Standing(Enum):
    """How the history in a loom stands to the pinned head."""

    SAME = "same"
    """Both end with the same head, or there is none."""

    UNPUBLISHED = "unpublished"
    """The pinned head comes next: a crash came between pinning and publishing it."""

    UNPINNED = "unpinned"
    """The history goes on behind the pinned head, or none is pinned: the state folder is an older copy, or new."""

    BEHIND = "behind"
    """The history lacks what was pinned: the loom was cut, or an older copy was put back."""

    FORKED = "forked"
    """The history holds another tree of the pinned size: it was rewritten."""


class Custody(NamedTuple):
    """How a history stands, and the head to go by."""

    standing: Standing
    head: SignedHead | None


def compare(history: History, pinned: SignedHead | None) -> Custody:
    """Compare the history of a loom with the head that is pinned outside."""
    last = history.last
    if pinned is None:
        return Custody(Standing.UNPINNED if last else Standing.SAME, last)
    if last is not None and last.chain == pinned.chain:
        is_same = (last.note.text, last.time) == (pinned.note.text, pinned.time)
        return Custody(Standing.SAME if is_same else Standing.FORKED, last)
    if pinned.first_leaf == history.size and pinned.chain == chain_of(last, pinned.runs):
        return Custody(Standing.UNPUBLISHED, pinned)
    held = history.with_chain(pinned.chain)
    if held is None:
        return Custody(Standing.BEHIND if pinned.size > history.size else Standing.FORKED, pinned)
    return Custody(Standing.UNPINNED if held.note.text == pinned.note.text else Standing.FORKED, last)


def signer_of(head: SignedHead, keys: Sequence[TrustedKey]) -> VerifierKey | None:
    """Return the trusted key that signed a head and counts for its size, or None."""
    note = head.note
    for trusted in reversed(keys):
        counts = trusted.until_size is None or head.size <= trusted.until_size
        if counts and note.signed_by(trusted.verifier):
            return trusted.verifier
    return None
