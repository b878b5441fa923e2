"""ChatGPT data exports: ``conversations.json``, one object a conversation, its messages in a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from zaxy.services.capture.claude_tools import ToolCall, ToolResult, tool_draft
from zaxy.services.capture.importers.elements import Element
from zaxy.services.capture.importers.taking import (
    FileImporter,
    identity_of,
    kept,
    objects_of,
    opening,
    text_of,
    time_of,
    turn,
)
from zaxy.services.capture.intake import Parsed, Report, safe_session_id

_NAMES: Final = ("conversations.json", "conversations-*.json", "shared_conversations.json")
_SPOKEN: Final = frozenset({"text", "multimodal_text", "code", "execution_output", "tether_quote", "system_error"})
_THOUGHT: Final = frozenset({"thoughts", "reasoning_recap"})


def parse_conversation(element: Element, report: Report) -> Iterator[Parsed]:
    """Yield the events of one conversation: one session, that it began and under which title, then its turns.

    The turns are those of the branch that the conversation ends in; answers and prompts that were replaced by others
    are counted and left. What a tool gave is a tool call with the message that asked for it. Thoughts, instructions to
    the model and pictures are left.

    Raises:
        ValueError: It is no conversation.
    """
    conversation = element.value
    mapping = conversation.get("mapping")
    identity = identity_of(conversation, "conversation_id", "id")
    if not isinstance(mapping, dict) or not identity:
        raise ValueError("not a conversation of ChatGPT: it has no id or no mapping")
    session_id = safe_session_id(f"chatgpt-{identity}")
    started = time_of(conversation, "create_time")
    yield session_id, opening("chatgpt", identity, text_of(conversation, "title"), started)
    branch = _branch(mapping, conversation.get("current_node"))
    for _ in range(sum(isinstance(_message(node), dict) for node in mapping.values()) - len(branch)):
        report.ignore("message of a branch that was left")
    reading = _Reading(identity, started, report)
    for message in branch:
        yield from ((session_id, draft) for draft in reading.take(message))


def _message(node: object) -> dict[str, Any] | None:
    message = node.get("message") if isinstance(node, dict) else None
    return message if isinstance(message, dict) else None


def _branch(mapping: Mapping[str, Any], last: object) -> list[dict[str, Any]]:
    """Return the messages from the root to a node; where that node is not there, all of them by their time."""
    if not isinstance(last, str) or last not in mapping:
        found = [message for node in mapping.values() if (message := _message(node)) is not None]
        return sorted(found, key=lambda message: time_of(message, "create_time"))
    path: list[dict[str, Any]] = []
    met: set[str] = set()
    while isinstance(last, str) and last in mapping and last not in met:
        met.add(last)
        if (message := _message(mapping[last])) is not None:
            path.append(message)
        last = mapping[last].get("parent") if isinstance(mapping[last], dict) else None
    return path[::-1]


@dataclass(slots=True)
class _Reading:
    """One pass over a conversation; remembers what a tool was asked, and the last time."""

    identity: str
    time: str
    report: Report
    asked: ToolCall | None = None

    def take(self, message: Mapping[str, Any]) -> Iterator[Any]:
        author, content = message.get("author"), message.get("content")
        role = text_of(author, "role") if isinstance(author, dict) else ""
        if not isinstance(content, dict) or not role:
            self.report.ignore("message without author or content")
            return
        self.time = time_of(message, "create_time") or self.time
        kind, metadata = text_of(content, "content_type"), message.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        text = _text(content, kind)
        key = f"chatgpt:{self.identity}:{identity_of(message, 'id')}"
        recipient = text_of(message, "recipient") or "all"
        if role == "system" or metadata.get("is_visually_hidden_from_conversation") is True:
            self.report.ignore("message that is not shown")
        elif kind not in _SPOKEN or not text:
            self.report.ignore("thoughts" if kind in _THOUGHT else f"content without text ({kind})")
        elif role == "tool":
            name = text_of(author, "name") if isinstance(author, dict) else ""
            call, self.asked = self.asked or ToolCall(name or "tool"), None
            yield tool_draft(call, ToolResult(text, kind == "system_error"), kept(occurred_at=self.time), key)
        elif recipient != "all":
            self.asked = ToolCall(recipient, {"request": text})
        else:
            yield turn(role, text, self.time, key, model=text_of(metadata, "model_slug"))


def _text(content: Mapping[str, Any], kind: str) -> str:
    parts = content.get("parts")
    spoken = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
    spoken += [text_of(part, "text") for part in objects_of(content, "parts")]  # what was said aloud
    said = "\n".join(part for part in spoken if part.strip())
    return said or text_of(content, "text") if kind in _SPOKEN else ""


ingest_chatgpt: Final = FileImporter(_NAMES, lambda _session, _elements: parse_conversation)
"""Records the conversations of a ChatGPT data export: its archive, folder, or ``conversations.json``."""
