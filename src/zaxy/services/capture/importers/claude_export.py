"""Claude data exports: ``conversations.json``, one object a conversation with its messages in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

_NAMES: Final = ("conversations.json", "conversations-*.json")
_SPEAKERS: Final = {"human": "user"}


def parse_conversation(element: Element, report: Report) -> Iterator[Parsed]:
    """Yield the events of one conversation: one session, that it began and under which name, its turns and tool calls.

    The text of an attachment stands behind what was said with it. Thoughts are left.

    Raises:
        ValueError: It is no conversation.
    """
    conversation = element.value
    identity = identity_of(conversation, "uuid")
    if not identity or not isinstance(conversation.get("chat_messages"), list):
        raise ValueError("not a conversation of Claude: it has no uuid or no chat_messages")
    session_id = safe_session_id(f"claude-{identity}")
    yield session_id, opening("claude", identity, text_of(conversation, "name"), time_of(conversation, "created_at"))
    for message in objects_of(conversation, "chat_messages"):
        reading = _Message(message, f"claude:{identity}:{identity_of(message, 'uuid')}", report)
        yield from ((session_id, draft) for draft in reading.drafts())


@dataclass(slots=True)
class _Message:
    """One message; remembers the tool calls in it whose result has not come."""

    message: Mapping[str, Any]
    key: str
    report: Report
    asked: list[tuple[str, ToolCall]] = field(default_factory=list)

    def drafts(self) -> Iterator[Any]:
        sender, time = text_of(self.message, "sender"), time_of(self.message, "created_at")
        if not sender:
            self.report.ignore("message without a sender")
            return
        said: list[str] = []
        blocks = objects_of(self.message, "content")
        for number, block in enumerate(blocks):
            kind = text_of(block, "type")
            if kind == "text":
                said.append(text_of(block, "text"))
            elif kind == "tool_use":
                arguments = block.get("input")
                call = ToolCall(text_of(block, "name") or "tool", arguments if isinstance(arguments, dict) else {})
                self.asked.append((identity_of(block, "id"), call))
            elif kind == "tool_result":
                yield self._closed(block, f"{self.key}:{number}", time)
            else:
                self.report.ignore(f"{kind or 'unknown'} block")
        for _ in self.asked:
            self.report.ignore("tool call without a result")
        said = [part for part in said if part] or [text_of(self.message, "text")]
        said += [_attached(attachment) for attachment in objects_of(self.message, "attachments")]
        content = "\n\n".join(part for part in said if part)
        if content:
            yield turn(_SPEAKERS.get(sender, sender), content, time, self.key)
        else:
            self.report.ignore("message without text")

    def _closed(self, block: Mapping[str, Any], key: str, time: str) -> Any:
        wanted = identity_of(block, "tool_use_id")
        at = next((at for at, (identity, _) in enumerate(self.asked) if not wanted or identity in ("", wanted)), None)
        call = ToolCall(text_of(block, "name") or "tool") if at is None else self.asked.pop(at)[1]
        texts = [text_of(part, "text") for part in objects_of(block, "content")] or [text_of(block, "content")]
        result = ToolResult("\n".join(text for text in texts if text), block.get("is_error") is True)
        return tool_draft(call, result, kept(occurred_at=time), key)


def _attached(attachment: Mapping[str, Any]) -> str:
    content = text_of(attachment, "extracted_content")
    return f"[{text_of(attachment, 'file_name') or 'attachment'}]\n{content}" if content else ""


ingest_claude_export: Final = FileImporter(_NAMES, lambda _session, _elements: parse_conversation)
"""Records the conversations of a Claude data export: its archive, folder, or ``conversations.json``."""
