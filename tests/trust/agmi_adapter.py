"""Zaxy as a memory that the suite ``agent-memory-integrity`` attacks: on disk, and through the front door.

What the suite calls the store is the loom's folder. The keys, the pinned head and the note of what was acknowledged lie
in a folder beside it, which its attacker does not have. No checkpoint is asked for: all that the adapter does is make a
key for a new loom (``Eventloom.ensure_key``, part of ``zaxy init``) and append.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from agmi.adapters.base import MemoryAdapter, Record
from agmi.adapters.semantic_base import MemoryItem, Retrieved, SemanticMemoryAdapter

from zaxy.config import Settings
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

FIRST: Final = "alice"
SECOND: Final = "bob"
_FLAG: Final = "agmi_meta_tampered"
_LABELS: Final = ("id", "type", "actorId", "threadId", "parentEventId", "causedBy", "timestamp")
_MEMORY: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class ZaxyAdapter(MemoryAdapter):
    """A loom whose records are the raw lines of its log files. The attacker knows no more than how they are written."""

    name = "zaxy"
    detection_point = "audit"
    """``Eventloom.verify`` tells; of the nine edits reading alone finds those that break the chain."""
    supports_replay = True
    supports_metadata = True
    supports_snapshot = True

    def setup(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="zaxy-agmi-", dir=_MEMORY))
        self._open()
        self._loom.ensure_key()

    def _open(self) -> None:
        self._loom = Eventloom(self._root / "loom", state_path=self._root / "state")

    def teardown(self) -> None:
        self._loom.close()
        shutil.rmtree(self._root)

    def seed(self, n: int) -> None:
        self._seed(FIRST, n)

    def seed_other(self, n: int) -> None:
        self._seed(SECOND, n)

    def _seed(self, session_id: str, n: int) -> None:
        for number in range(n):
            self._loom.append(session_id, "note.taken", "ann", {"text": f"{session_id} remembers {number}"})

    def append_genuine(self) -> None:
        self._loom.append(FIRST, "note.taken", "ann", {"text": "written after the copy was taken"})

    # ---- the files, as an attacker sees them

    def _path(self, session_id: str) -> Path:
        return self._root / "loom" / f"{session_id}.jsonl"

    def _lines(self, session_id: str) -> list[str]:
        return self._path(session_id).read_text(encoding="ascii").splitlines()

    def _replace(self, session_id: str, lines: list[str]) -> None:
        self._path(session_id).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")

    def read_all_raw(self) -> list[Record]:
        return self._records(FIRST)

    def read_other_raw(self) -> list[Record]:
        return self._records(SECOND)

    def _records(self, session_id: str) -> list[Record]:
        return [Record(at, {"session": session_id, "line": line}) for at, line in enumerate(self._lines(session_id))]

    def write_raw(self, record: Record) -> None:
        lines = self._lines(FIRST)
        lines[record.seq : record.seq + 1] = [record.fields["line"]]
        self._replace(FIRST, lines)

    def delete_raw(self, seq: int) -> None:
        lines = self._lines(FIRST)
        del lines[seq]
        self._replace(FIRST, lines)

    def replay_onto(self, victim_seq: int, donor: Record) -> None:
        self.write_raw(Record(victim_seq, donor.fields))

    def mutate_payload(self, record: Record) -> Record:
        members = json.loads(record.fields["line"])
        members["payload"]["text"] += "  [TAMPERED]"
        record.fields["line"] = _dumped(members)
        return record

    def forge_record(self, template: Record) -> Record:
        members = json.loads(template.fields["line"])
        members["id"] = f"evt_zaxy_{template.seq + 2:012d}_0123456789abcdef"
        members["integrity"]["previousHash"] = members["integrity"]["hash"]
        forged = Record(template.seq + 1, {**template.fields, "line": _dumped(members)})
        return self.mutate_payload(forged)

    def read_meta(self, seq: int) -> dict[str, Any]:
        members = json.loads(self._lines(FIRST)[seq])
        return {name: members[name] for name in _LABELS}

    def write_meta(self, seq: int, meta: dict[str, Any]) -> None:
        """Write labels back. One that the envelope has no member for goes into the actor's name, which is free text."""
        lines = self._lines(FIRST)
        members = json.loads(lines[seq])
        for name in _LABELS:
            members[name] = meta[name]
        if meta.get(_FLAG):
            members["actorId"] += f" {_FLAG}"
        lines[seq] = _dumped(members)
        self._replace(FIRST, lines)

    def snapshot_store(self) -> object:
        self._loom.close()
        return self._copy_store(self._root / "loom")

    def restore_store(self, token: object) -> None:
        self._loom.close()
        self._restore_store(str(token), self._root / "loom")
        shutil.rmtree(Path(str(token)).parent)

    # ---- what a record is: its slot, its content, whose it is

    def identity_of(self, record: Record) -> str:
        return f"{record.fields['session']}:{record.seq}"

    def payload_of(self, record: Record) -> str:
        return _dumped(json.loads(record.fields["line"])["payload"])

    def owner_of(self, record: Record) -> str | None:
        return str(record.fields["session"])

    # ---- what Zaxy says

    def reload(self) -> None:
        self._loom.close()
        self._open()

    def verify(self) -> bool:
        report = self._loom.verify()
        self.verify_detail = "; ".join(f"{found.code}: {found.message}" for found in report.findings) or None
        return report.ok


class RehashingAdapter(ZaxyAdapter):
    """The same loom before an attacker who also computes every hash anew, which takes no key: a harder test.

    A record is its line without what follows from its place: number, session and hashes.
    """

    name = "zaxy (attacker computes the hashes anew)"

    def _records(self, session_id: str) -> list[Record]:
        records = super()._records(session_id)
        for record in records:
            members = json.loads(record.fields["line"])
            del members["integrity"], members["threadId"]
            members["id"] = members["id"].rpartition("_")[2]
            record.fields["line"] = _dumped(members)
        return records

    def forge_record(self, template: Record) -> Record:
        return self.mutate_payload(Record(template.seq + 1, dict(template.fields)))

    def _replace(self, session_id: str, lines: list[str]) -> None:
        resealed, previous = [], None
        for seq, line in enumerate(lines, 1):
            members = json.loads(line)
            members["id"] = f"evt_zaxy_{seq:012d}_{members['id'].rpartition('_')[2]}"
            members["threadId"] = session_id
            event = {name: members[name] for name in (*_LABELS, "payload")}
            text = json.dumps({"event": event, "previousHash": previous}, sort_keys=True, separators=(",", ":"))
            digest = "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()
            resealed.append(_dumped({**event, "integrity": {"hash": digest, "previousHash": previous}}))
            previous = digest
        super()._replace(session_id, resealed)


def _dumped(members: object) -> str:
    return json.dumps(members, separators=(",", ":"))


class ZaxyFrontDoor(SemanticMemoryAdapter):
    """Zaxy as the suite's second family uses it: users are sessions, a memory is an event, labels go where they fit.

    Whose channel a memory came on is the event's actor; a label that somebody filters on is part of its type.
    """

    name = "zaxy"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stores = 0
        self._memory: Memory | None = None

    def reset(self) -> None:
        self.close()
        self._stores += 1
        root = self._folder / str(self._stores)
        self._memory = Memory(Settings(root / "loom", state_path=root / "state"))
        self._memory.loom.ensure_key()

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
        self._memory = None

    @property
    def memory(self) -> Memory:
        """The store in use."""
        assert self._memory is not None, "nothing is stored before a reset"
        return self._memory

    def add_memory(self, item: MemoryItem) -> None:
        payload = {"text": item.text, "signature": item.signature, "labels": item.metadata}
        draft = Draft(f"note.{item.metadata.get('trust', 'taken')}", item.source, payload)
        self.memory.loom.commit(item.user_id, [draft])

    def retrieve(self, query: str, user_id: str, k: int = 5) -> list[Retrieved]:
        return self._asked(query, Filters(session_id=user_id), k)

    def retrieve_where(self, query: str, user_id: str, where: dict[str, Any], k: int = 5) -> list[Retrieved]:
        return self._asked(query, Filters(session_id=user_id, event_types=f"note.{where['trust']}"), k)

    def _asked(self, query: str, filters: Filters, limit: int) -> list[Retrieved]:
        answer = self.memory.recall.query(query, filters, limit=limit)
        return [Retrieved(hit.content, hit.session_id, hit.score) for hit in answer]

    def measured_on(self) -> str:
        return f"zaxy-memory {version('zaxy-memory')}, recall as it comes: text index and graph, no embedder"
