"""The receipt of a forgetting: what is gone and what could not be reached, signed with the loom's key.

A receipt is a C2SP signed note whose text has three lines: ``zaxy forgetting receipt v1``, the key's name, and one JSON
object in canonical form. The first line keeps it apart from checkpoints and key rotations, which the same key signs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.canonical import canonical
from zaxy.eventloom.proof.notes import ED25519, Note, SigningKey, VerifierKey, parse_note

RECEIPT_HEADER: Final = "zaxy forgetting receipt v1"


@dataclass(frozen=True, slots=True)
class ErasedEvent:
    """One event whose text is gone.

    Attributes:
        citation: The event, which stays in the log, sealed.
        hash: Its hash, ``sha256:<64 hex>``.
        cell_id: The key that was destroyed; empty for one that held no text of its own.
        role: ``memory``, ``correction``, ``proposal``, ``endorsement`` or ``derived``.
    """

    citation: str
    hash: str
    cell_id: str
    role: str


@dataclass(frozen=True, slots=True)
class ForgottenMemory:
    """One memory that was forgotten.

    Attributes:
        forget_id: ``forget:<24 hex>``.
        event: Citation of the ``memory.forgotten`` event.
        event_hash: That event's hash.
        target: The memory itself.
        also: Its corrections, and what was made from it.
        retired: Citations of statements that it had replaced, which do not hold again.
    """

    forget_id: str
    event: str
    event_hash: str
    target: ErasedEvent
    also: tuple[ErasedEvent, ...] = ()
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreErased:
    """What was done to one store.

    Attributes:
        name: Such as ``search``.
        events: How many of the forgotten events it had taken in.
    """

    name: str
    events: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that could not be forgotten.

    Attributes:
        citation: The event.
        reason: Why.
        remedy: What can be done instead.
    """

    citation: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a forgetting did.

    Attributes:
        loom_id: The loom.
        actor: Who had it done.
        reason: Why.
        gate: Citation of the gate's decision.
        recorded_at: When the log learned that it is forgotten, RFC 3339.
        erased_at: When nothing was left of it in keys and stores, RFC 3339.
        memories: What is gone.
        stores: The stores that were cleaned.
        rotated_epoch: The epoch of the new key-encryption key, None where it was not exchanged.
        kept: What was made from it and could not be forgotten.
        unreachable: What no program here can reach.
        note: The signed note that holds all of this; empty where there is no key to sign with.
    """

    loom_id: str
    actor: str
    reason: str
    gate: str
    recorded_at: str = ""
    erased_at: str = ""
    memories: tuple[ForgottenMemory, ...] = ()
    stores: tuple[StoreErased, ...] = ()
    rotated_epoch: int | None = None
    kept: tuple[Kept, ...] = ()
    unreachable: tuple[str, ...] = ()
    note: str = ""

    @property
    def receipt_id(self) -> str:
        """The name it is kept under: the id of the first memory's forgetting."""
        return self.memories[0].forget_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys that were destroyed."""
        events = (event for memory in self.memories for event in (memory.target, *memory.also))
        return tuple(event.cell_id for event in events if event.cell_id)

    def as_json(self) -> dict[str, Any]:
        """Return what is signed, as a JSON object."""
        return {
            "loom_id": self.loom_id,
            "actor": self.actor,
            "reason": self.reason,
            "gate": self.gate,
            "recorded_at": self.recorded_at,
            "erased_at": self.erased_at,
            "memories": [_memory_members(memory) for memory in self.memories],
            "stores": [{"name": store.name, "events": store.events} for store in self.stores],
            "rotated_epoch": self.rotated_epoch,
            "kept": [_kept_members(kept) for kept in self.kept],
            "unreachable": list(self.unreachable),
        }


def sign_receipt(receipt: Receipt, key: SigningKey) -> Note:
    """Return the signed note of a receipt.

    Args:
        receipt: What was done.
        key: The loom's signing key.
    """
    text = f"{RECEIPT_HEADER}\n{key.verifier.name}\n{canonical(receipt.as_json()).decode('ascii')}\n"
    return Note(text, (key.sign(text),))


def check_receipt(text: str | bytes, public_key: VerifierKey | str) -> Receipt:
    """Return the receipt in a signed note, once its signature holds.

    Args:
        text: The note, as `Receipt.note` has it.
        public_key: The loom's public key, which the reader trusts.

    Raises:
        BadProofError: It is not a receipt, or that key did not sign it.
        InvalidInputError: The public key is not one, or is a witness's.
    """
    key = VerifierKey.parse(public_key.strip()) if isinstance(public_key, str) else public_key
    if key.algorithm != ED25519:
        raise InvalidInputError(f"{key} is not the key of a loom")
    note = parse_note(text)
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) != 3 or lines[0] != RECEIPT_HEADER:
        raise BadProofError("this is not the receipt of a forgetting")
    if lines[1] != key.name or not note.signed_by(key):
        raise BadProofError(f"the receipt of {lines[1][:80]} is not signed by {key.name}")
    try:
        told = json.loads(lines[2])
        receipt = parse_receipt(told, note.encode().decode("utf-8"))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise BadProofError("the receipt does not have the members of one") from error
    if canonical(receipt.as_json()).decode("ascii") != lines[2]:
        raise BadProofError("the receipt is not in canonical form, or has members that it must not have")
    return receipt


def out_of_reach(receipt: Receipt, epoch: int | None, why_not: str) -> tuple[str, ...]:
    """Return what a forgetting cannot reach, in sentences.

    Args:
        receipt: What was done.
        epoch: The key-encryption key that was put in force, None where none was.
        why_not: Why none was, when one was wanted.
    """
    if epoch is not None:
        copies = f"copies of the vault from before epoch {epoch} that were made together with their key-encryption key"
    else:
        copies = (
            "copies of the vault that were made before: they hold the keys, and open copies of the log, until the"
            " key-encryption key is exchanged (forget with rotate)"
        )
    told = [
        copies,
        "what left this loom before: answers that an agent or a model read, texts sent to embedding services, exports",
        "blocks that a disk keeps of deleted files",
    ]
    if why_not:
        told.insert(1, f"the key-encryption key was not exchanged: {why_not}")
    if receipt.kept:
        told.append(f"events that were made from it or speak of it and are not sealed: {len(receipt.kept)}")
    return (*told, *receipt.unreachable)


def _memory_members(memory: ForgottenMemory) -> dict[str, Any]:
    return {
        "forget_id": memory.forget_id,
        "event": memory.event,
        "event_hash": memory.event_hash,
        "target": _event_members(memory.target),
        "also": [_event_members(event) for event in memory.also],
        "retired": list(memory.retired),
    }


def _event_members(event: ErasedEvent) -> dict[str, Any]:
    return {"citation": event.citation, "hash": event.hash, "cell_id": event.cell_id, "role": event.role}


def _kept_members(kept: Kept) -> dict[str, Any]:
    return {"citation": kept.citation, "reason": kept.reason, "remedy": kept.remedy}


def parse_receipt(told: Mapping[str, Any], note: str) -> Receipt:
    """Return the receipt in the JSON object that `Receipt.as_json` made, unchecked: see `check_receipt`.

    Raises:
        ValueError, KeyError, TypeError: It is not one.
    """
    epoch = told["rotated_epoch"]
    if not (epoch is None or type(epoch) is int) or not told["memories"]:
        raise ValueError("a receipt is of one memory or more")
    return Receipt(
        loom_id=_text(told["loom_id"]),
        actor=_text(told["actor"]),
        reason=_text(told["reason"]),
        gate=_text(told["gate"]),
        recorded_at=_text(told["recorded_at"]),
        erased_at=_text(told["erased_at"]),
        memories=tuple(_memory(item) for item in told["memories"]),
        stores=tuple(StoreErased(_text(item["name"]), _count(item["events"])) for item in told["stores"]),
        rotated_epoch=epoch,
        kept=tuple(_kept(item) for item in told["kept"]),
        unreachable=_texts(told["unreachable"]),
        note=note,
    )


def _kept(told: Mapping[str, Any]) -> Kept:
    return Kept(_text(told["citation"]), _text(told["reason"]), _text(told["remedy"]))


def _memory(told: Mapping[str, Any]) -> ForgottenMemory:
    return ForgottenMemory(
        _text(told["forget_id"]),
        _text(told["event"]),
        _text(told["event_hash"]),
        _event(told["target"]),
        tuple(_event(item) for item in told["also"]),
        _texts(told["retired"]),
    )


def _event(told: Mapping[str, Any]) -> ErasedEvent:
    return ErasedEvent(_text(told["citation"]), _text(told["hash"]), _text(told["cell_id"]), _text(told["role"]))


def _texts(told: Sequence[Any]) -> tuple[str, ...]:
    return tuple(_text(item) for item in told)


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError("not a text")
    return told


def _count(told: object) -> int:
    if type(told) is not int or told < 0:
        raise TypeError("not a count")
    return told
