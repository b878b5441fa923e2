"""One user or assistant record of a Claude Code transcript: who said it, when, where, and whether it is a memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.services.capture.intake import safe_session_id, text_digest

_HOOK_FEEDBACK: Final = re.compile(r"[A-Z][A-Za-z]{1,30} hook feedback:", re.ASCII)
_LOCAL_COMMAND: Final = re.compile(r"<local-command-(?:stdout|stderr|caveat)>")
_MAX_ID_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Message:
    """A user or assistant record.

    Attributes:
        session_id: The log it goes to.
        entry: The record's uuid, else a digest of its line.
        speaker: Who really said it: ``user``, ``assistant`` or ``hook``.
        blocks: Content blocks; a plain text is one block.
        context: Payload members that hold for all of its events.
        details: The client's account of a tool result.
        model: The model that answered, if any.
        skipped: Why the record is no memory; empty when it is one.
        is_summary: Whether it is the summary that follows a compaction.
    """

    session_id: str
    entry: str
    speaker: str
    blocks: list[Any]
    context: dict[str, Any]
    details: dict[str, Any]
    model: str
    skipped: str
    is_summary: bool

    @classmethod
    def of(cls, record: dict[str, Any], raw: bytes, default_session: str) -> Message:
        """Return the parts of a record.

        Args:
            record: A record of the type ``user`` or ``assistant``.
            raw: Its line.
            default_session: Session where it names none.

        Raises:
            ValueError: It has no content, or a time that is none.
        """
        message = record.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(content, str | list):
            raise ValueError(f"the {record['type']} record has no message content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        first = next((block.get("text") for block in blocks if isinstance(block, dict)), None)
        text = first if isinstance(first, str) else ""
        details = record.get("toolUseResult")
        entry = record.get("uuid")
        return cls(
            session_id=safe_session_id(text_member(record, "sessionId") or default_session),
            entry=str(entry) if is_id(entry) else f"line-{text_digest(raw.decode())[:32]}",
            speaker=_speaker(record, text),
            blocks=blocks,
            context=_context(record),
            details=details if isinstance(details, dict) else {},
            model=text_member(message, "model") if record["type"] == "assistant" else "",
            skipped=_why_skipped(record, message, text),
            is_summary=record.get("isCompactSummary") is True,
        )


def _speaker(record: dict[str, Any], text: str) -> str:
    if record["type"] == "assistant":
        return "assistant"
    if record.get("isMeta") is True and _HOOK_FEEDBACK.match(text):
        return "hook"
    return "assistant" if record.get("isSidechain") is True else "user"


def _why_skipped(record: dict[str, Any], message: dict[str, Any], text: str) -> str:
    if record["type"] == "assistant":
        synthetic = record.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>"
        return "assistant message of the client itself" if synthetic else ""
    if record.get("isMeta") is True and not _HOOK_FEEDBACK.match(text):
        return "user record marked as meta"
    return "local command output" if _LOCAL_COMMAND.match(text) else ""


def _context(record: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if (time := record.get("timestamp")) is not None:
        try:
            parse_time(time, what="timestamp")
        except InvalidInputError as error:
            raise ValueError(error.message) from error
        context["occurred_at"] = time
    for member, name in (("cwd", "cwd"), ("gitBranch", "git_branch"), ("agentId", "agent")):
        if told := text_member(record, member):
            context[name] = told
    if record.get("isSidechain") is True:
        context["sidechain"] = True
    return context


def text_member(record: dict[str, Any], name: str) -> str:
    """Return a member that is a text, else an empty text."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def is_id(value: object) -> TypeGuard[str]:
    """Return whether a value can serve as an id."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_ID_CHARACTERS
