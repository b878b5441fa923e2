"""A memory for tests of forgetting: what was said in it, and where its bytes are."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

_LETTERS = "bcdfghjkmnpqrtvwxz"

PERSON = Origin(SourceClass.HUMAN, "cli")


class Forgetful:
    """A loom and its state folder, in a folder of the test's own; opening another one is another process's view."""

    def __init__(self, root: Path, *, fsync: str = "off", since: str = "2026-11-21T08:00:00Z") -> None:
        self.root = root
        words_alone = EmbeddingSettings(enabled=False)
        self.settings = Settings(root / "loom", state_path=root / "state", fsync=fsync, embedding=words_alone)
        self.moment = parse_time(since)
        self.memory = Memory(self.settings, clock=self)

    def now(self) -> int:
        """A clock that goes on a second with each look."""
        self.moment += 1_000_000
        return self.moment

    def say(
        self,
        text: str,
        *,
        actor: str = "ann",
        session_id: str = "work",
        sealed: bool = True,
        made_from: tuple[Event, ...] = (),
        occurred_at: str | None = None,
    ) -> Event:
        """Record a note."""
        payload = {"content": text, **({} if occurred_at is None else {"occurred_at": occurred_at})}
        cited = tuple(event.citation for event in made_from)
        origin = Origin(SourceClass.DERIVED, derives_from=cited) if cited else None
        return self.tell("note.made", payload, actor=actor, session_id=session_id, sealed=sealed, origin=origin)

    def tell(
        self,
        event_type: str,
        payload: Mapping[str, Any],
        *,
        actor: str = "ann",
        session_id: str = "work",
        sealed: bool = True,
        origin: Origin | None = None,
    ) -> Event:
        """Record an event."""
        draft = Draft(event_type, actor, payload, origin=origin, forgettable=sealed)
        return self.memory.loom.commit(session_id, [draft])[0].event

    def prefer(self, value: str, *, sealed: bool = True, session_id: str = "work", **more: Any) -> Event:
        """Record what the user likes to drink."""
        payload = {"preference": "drink", "value": value, **more}
        return self.tell("user.preference_changed", payload, sealed=sealed, session_id=session_id)

    def found(self, question: str, **filters: Any) -> list[str]:
        """Return what an answer shows."""
        return [hit.content for hit in self.memory.recall.query(question, Filters(**filters))]

    def types(self, session_id: str = "work") -> list[str]:
        """Return the types of all events of a session."""
        return [event.event_type for event in self.memory.loom.log(session_id).replay()]

    def last(self, session_id: str = "work") -> Event:
        """Return the last event of a session, as the log holds it."""
        return self.memory.loom.log(session_id).tail(1)[0]

    def holders(self, text: str) -> list[str]:
        """Return the files of loom and state that hold a text, as it is or in another coding."""
        raw = text.encode("utf-8")
        needles = [raw, raw.hex().encode(), text.encode("utf-16-le"), *_in_base64(raw)]
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]

    def close(self) -> None:
        """Release all files."""
        self.memory.close()


def _in_base64(raw: bytes) -> list[bytes]:
    """Return the parts of the text that base64 shows wherever the text begins."""
    return [base64.b64encode(b"\0" * skip + raw)[4 if skip else 0 : -4] for skip in range(3)]


def new_canary() -> str:
    """Return a word that stands nowhere else; without digits, which would make it look like a secret to be removed."""
    return "".join(secrets.choice(_LETTERS) for _ in range(32))
