"""A forgetting that was decided, written down before it begins, so that the next process finishes what a crash cut off.

The note lies in the state folder, outside the loom, and holds no text of what is forgotten: places, hashes and key ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from zaxy.errors import IntegrityError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import ORIGIN_KEY, Origin
from zaxy.files.durable import make_directories, remove_file, replace_file
from zaxy.ids import EventRef, parse_citation
from zaxy.services.governance.forgetting_receipt import ErasedEvent, ForgottenMemory, Receipt, parse_receipt
from zaxy.services.governance.gate import AUTHORITY
from zaxy.vocabulary.governed import FORGOTTEN_TYPE

_VERSION: Final = 1
_NAME: Final = re.compile(r"forget:[0-9a-f]{24}", re.ASCII)
_WAITING: Final = ".pending"

ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True)
class Work:
    """What is left to do.

    Attributes:
        receipt: The receipt as far as it is known: without the events that say so, times and stores.
        moments: From when on what a memory had replaced does not hold, by forget id, RFC 3339.
        origin: Where the request came from.
        rotate: Whether the key-encryption key is exchanged too.
    """

    receipt: Receipt
    moments: Mapping[str, str]
    origin: Origin | None
    rotate: bool

    @property
    def refs(self) -> tuple[EventRef, ...]:
        """Every event that goes."""
        events = (event for memory in self.receipt.memories for event in (memory.target, *memory.also))
        return tuple(parse_citation(event.citation).ref for event in events)

    def drafts(self) -> dict[str, list[Draft]]:
        """Return the events that say so, by session; each has a key, so that none is recorded twice.

        The key holds digits of the decision's hash, which nobody knew before, so that no other event can have taken it.
        """
        found: dict[str, list[Draft]] = {}
        decided = parse_citation(self.receipt.gate).hash_prefix
        for memory in self.receipt.memories:
            session_id = parse_citation(memory.target.citation).session_id
            key = f"zaxy-forget:{memory.forget_id.removeprefix('forget:')}:{decided}"
            draft = Draft(FORGOTTEN_TYPE, self.receipt.actor, self._payload(memory), key, origin=self.origin)
            found.setdefault(session_id, []).append(draft)
        return found

    def recorded(self, events: Mapping[str, Sequence[Event]]) -> Receipt:
        """Return the receipt with the events that say so.

        Args:
            events: What was appended for `drafts`, in their order.
        """
        waiting = {session_id: list(told) for session_id, told in events.items()}
        memories = []
        for memory in self.receipt.memories:
            event = waiting[parse_citation(memory.target.citation).session_id].pop(0)
            memories.append(replace(memory, event=event.citation, event_hash=event.hash))
        recorded_at = max(event.recorded_at for told in events.values() for event in told)
        return replace(self.receipt, memories=tuple(memories), recorded_at=recorded_at)

    def _payload(self, memory: ForgottenMemory) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "forget_id": memory.forget_id,
            "target": _place(memory.target),
            "cell_id": memory.target.cell_id,
            "also": [
                {**_place(event), **({"cell_id": event.cell_id} if event.cell_id else {})} for event in memory.also
            ],
            "retired": list(memory.retired),
            "reason": self.receipt.reason,
            "authority_status": AUTHORITY,
            "gate": self.receipt.gate,
        }
        if memory.forget_id in self.moments:
            payload["moment"] = self.moments[memory.forget_id]
        return payload


def _place(event: ErasedEvent) -> dict[str, Any]:
    cited = parse_citation(event.citation)
    return {"session_id": cited.session_id, "seq": cited.seq, "hash": event.hash.removeprefix("sha256:")}


class ReceiptFolder:
    """The receipts of one loom, and the notes of forgettings that are under way.

    Args:
        path: The folder; made by the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, work: Work) -> None:
        """Note what is about to be done. On return it is on disk."""
        make_directories(self.path)
        told = {
            "version": _VERSION,
            "receipt": work.receipt.as_json(),
            "moments": dict(work.moments),
            "origin": None if work.origin is None else work.origin.member(),
            "rotate": work.rotate,
        }
        replace_file(self._waiting(work.receipt.receipt_id), json.dumps(told).encode("ascii"))

    def end(self, receipt: Receipt) -> None:
        """Keep a receipt, and remove the note. On return both are on disk."""
        replace_file(self.path / f"{receipt.receipt_id}.json", json.dumps(_kept(receipt)).encode("ascii") + b"\n")
        self.give_up(receipt.receipt_id)

    def give_up(self, receipt_id: str) -> None:
        """Remove the note: it is done, or nothing of it was. On return it is gone from the disk."""
        remove_file(self._waiting(receipt_id))

    def waiting(self) -> list[Work]:
        """Return what was begun and not finished, oldest name first.

        Raises:
            IntegrityError: A note cannot be read.
        """
        return [_read(self.path / name, _work) for name in self._names(_WAITING)]

    def receipts(self) -> list[Receipt]:
        """Return every receipt that was kept here, unchecked, by name.

        Raises:
            IntegrityError: One cannot be read.
        """
        return [_read(self.path / name, _receipt) for name in self._names(".json")]

    def _names(self, suffix: str) -> list[str]:
        try:
            names = [entry.name for entry in self.path.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if name.endswith(suffix) and _NAME.fullmatch(name.removesuffix(suffix)))

    def _waiting(self, receipt_id: str) -> Path:
        return self.path / f"{receipt_id}{_WAITING}"


def _kept(receipt: Receipt) -> dict[str, Any]:
    return {"receipt": receipt.as_json(), "note": receipt.note}


def _receipt(told: Any) -> Receipt:
    return parse_receipt(told["receipt"], told["note"])


def _work(told: Any) -> Work:
    if told["version"] != _VERSION or type(told["rotate"]) is not bool:
        raise ValueError("another version")
    origin = None if told["origin"] is None else Origin.told({ORIGIN_KEY: told["origin"]})
    moments = {str(name): str(moment) for name, moment in told["moments"].items()}
    return Work(parse_receipt(told["receipt"], ""), moments, origin, told["rotate"])


def _read(path: Path, parse: Callable[[Any], ReadT]) -> ReadT:
    try:
        return parse(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read or is damaged", remedy="move it away, then try again") from error
