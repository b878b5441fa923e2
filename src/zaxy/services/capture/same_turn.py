"""Which event a hook recorded of a turn, before the client wrote the turn down under an id of its own.

A hook sees what is said before the client's transcript holds it, so it cannot know the id that a later import names the
turn by. It names the turn by who said what in which session. Whoever reads the transcript looks whether the log holds
that name; if it does, the first turn of the transcript with these words is that event.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import Final

from zaxy.eventloom.event import Draft
from zaxy.eventloom.keys import KnownKeys
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.redaction import redact_text

_CLIENT: Final = re.compile(r"(claude-code|codex):", re.ASCII)
_DIGITS: Final = 32
TURN: Final = "transcript.turn"

Hidden = Callable[[str], str | None]
"""Returns an idempotency key as a sealed event of a loom has it, None where there are none."""


def said_key(client: str, session_id: str, speaker: str, content: str) -> str:
    """Return the key of a turn by its words.

    The digest is of the text without the secrets in it: nobody who guesses one can check the guess.

    Args:
        client: ``claude-code`` or ``codex``.
        session_id: The log it goes to.
        speaker: Who said it.
        content: What was said; white space at its ends does not count.
    """
    told = redact_text(f"{speaker}: {content.strip()}").encode("utf-8", "surrogatepass")
    return f"{client}:{session_id}:said:{hashlib.sha256(told).hexdigest()[:_DIGITS]}"


def key_by_words(session_id: str, draft: Draft) -> str | None:
    """Return the key by words of a turn that has another key; None for anything else."""
    if draft.event_type != TURN or draft.key is None or (client := _CLIENT.match(draft.key)) is None:
        return None
    speaker, content = draft.payload.get("speaker"), draft.payload.get("content")
    if not isinstance(speaker, str) or not isinstance(content, str) or draft.payload.get("sidechain"):
        return None
    key = said_key(client[1], session_id, speaker, content)
    return None if key == draft.key else key


class SameTurns:
    """Gives turns of transcripts the keys under which hooks recorded them.

    Args:
        loom: The logs.
        hidden: Says how sealed events name keys.
        met: Which turn was the first with its words: its key, by the key by words. Filled with those found here.
    """

    def __init__(self, loom: Eventloom, hidden: Hidden, met: MutableMapping[str, str] | None = None) -> None:
        self._loom = loom
        self._hidden = hidden
        self._met: MutableMapping[str, str] = {} if met is None else met

    def resolved(self, session_id: str, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Return the drafts; those that a hook recorded already have the key that the log knows them by."""
        keys = [key_by_words(session_id, draft) for draft in drafts]
        if not any(keys):
            return drafts
        known = KnownKeys(self._loom.log(session_id).reader) if self._loom.stat(session_id) is not None else None
        together = {draft.key for draft in drafts}
        found = []
        for draft, key in zip(drafts, keys, strict=True):
            is_first = key is not None and self._met.get(key, draft.key) == draft.key
            if key is not None and draft.key is not None and is_first and (key in together or self._holds(known, key)):
                self._met[key] = draft.key
                found.append(replace(draft, key=key))
            else:
                found.append(draft)
        return found

    def _holds(self, known: KnownKeys | None, key: str) -> bool:
        if known is None:
            return False
        hidden = self._hidden(key)
        return known.find(key) is not None or (hidden is not None and known.find(hidden) is not None)
