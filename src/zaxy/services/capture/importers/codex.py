"""Codex rollouts: what was said, which commands ran and which files were changed, one log a client session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zaxy.eventloom.event import Draft
from zaxy.eventloom.redaction import redact_text
from zaxy.services.capture.claude_code import ingest_transcripts
from zaxy.services.capture.claude_records import is_id
from zaxy.services.capture.importers.codex_tools import CodexCall, call_of, finished
from zaxy.services.capture.importers.taking import identity_of, kept, objects_of, text_of, time_of, turn
from zaxy.services.capture.intake import Ingested, Parsed, Report, safe_session_id, text_digest
from zaxy.services.capture.sink import Progress, Sink

_ITEMS: Final = frozenset(
    {
        *("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
        *("local_shell_call", "web_search_call", "reasoning"),
    }
)
_CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call", "web_search_call"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_HARNESS: Final = (
    *("<environment_context>", "<user_instructions>", "<permissions instructions>", "<INSTRUCTIONS>", "<turn_aborted>"),
    *("# AGENTS.md instructions", "<skill>", "<user_shell_command>", "<subagent_notification>", "<collaboration_mode>"),
)
"""How texts begin that the client puts before the model in the user's name."""


def ingest_codex(path: str | Path, sink: Sink, *, progress: Progress | None = None) -> Ingested:
    """Record Codex rollouts: as `ingest_claude_code`, for a rollout or a folder such as ``~/.codex/sessions``."""
    return ingest_transcripts(path, CodexRollout, sink, progress)


def turn_key(session_id: str, role: str, text: str, number: int) -> str:
    """Return the idempotency key of a turn: a rollout gives its messages no ids.

    Args:
        session_id: The client's session, as a log's name.
        role: Who said it.
        text: What was said.
        number: For the how many-th time in this session, from 1.
    """
    return f"codex:{session_id}:{role}:{_digest(text)[:24]}:{number}"


def _digest(text: str) -> str:
    """Return the digest of a text without the secrets in it: nobody who guesses one can check the guess."""
    return text_digest(redact_text(text.strip()))


@dataclass(slots=True)
class CodexRollout:
    """One pass over one rollout, line by line; remembers the calls whose result has not come.

    Attributes:
        origin: How findings name the file.
        default_session: Session for a rollout that does not begin with its name.
        report: Takes findings and counts.
        calls: Line and call of what has no result yet, by the call's id.
    """

    origin: str
    default_session: str
    report: Report
    calls: dict[str, tuple[int, CodexCall]] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    _session: str = ""
    _time: str = ""
    _said: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, number: int, record: dict[str, Any], raw: bytes) -> list[Parsed]:  # noqa: ARG002 - as in Transcript
        """Return the events of one record.

        Args:
            number: Its line.
            record: What the line holds.
            raw: The line; not needed.

        Raises:
            ValueError: It cannot be used.
        """
        kind, payload = text_of(record, "type"), record.get("payload")
        self._time = time_of(record, "timestamp") or self._time
        if kind in _ITEMS:  # before September 2025 the items stood in the lines themselves
            kind, payload = "response_item", record
        elif not kind and is_id(record.get("id")):
            kind, payload = "session_meta", record
        if kind == "session_meta" and isinstance(payload, dict):
            return self._begin(payload)
        if kind == "turn_context" and isinstance(payload, dict):
            self.model = text_of(payload, "model")
        elif kind == "compacted" and isinstance(payload, dict) and text_of(payload, "message"):
            return [self._summary(text_of(payload, "message"))]
        elif kind == "response_item" and isinstance(payload, dict):
            return [(self._log, draft) for draft in self._item(number, payload)]
        elif not kind and "record_type" not in record:
            raise ValueError("the record has no type")
        self.report.ignore(kind or "state")
        return []

    def finish(self) -> Iterator[Parsed]:
        """Note the calls that have no result, and that it is no rollout; yields nothing."""
        if not self._session and not self._said:
            self.report.find(self.origin, 0, "there is no session of Codex in it")
        for number, call in self.calls.values():
            self.report.find(self.origin, number, f"the {call.name} call has no result yet: taken when it has one")
        yield from ()

    @property
    def _log(self) -> str:
        return self._session or safe_session_id(self.default_session)

    def _begin(self, meta: Mapping[str, Any]) -> list[Parsed]:
        if self._session:  # a session that goes on from another one repeats how that began
            self.report.ignore("repeated session_meta")
            return []
        self._session = safe_session_id(identity_of(meta, "id") or self.default_session)
        git = meta.get("git")
        branch = text_of(git, "branch") if isinstance(git, dict) else ""
        self.context = kept(cwd=text_of(meta, "cwd"), git_branch=branch)
        time, client = time_of(meta, "timestamp") or self._time, text_of(meta, "originator") or "codex"
        payload = {**self.context, "client": client, **kept(occurred_at=time)}
        return [(self._log, Draft("session.started", "codex", payload, f"codex:{self._session}:started"))]

    def _summary(self, text: str) -> Parsed:
        key = f"codex:{self._log}:summary:{text_digest(text)[:16]}"
        return self._log, Draft("session.summary", "assistant", {"content": text, **self._circumstances()}, key)

    def _circumstances(self) -> dict[str, Any]:
        return {**self.context, **kept(occurred_at=self._time)}

    def _item(self, number: int, item: Mapping[str, Any]) -> Iterator[Draft]:
        kind = text_of(item, "type")
        call_id = identity_of(item, "call_id", "id")
        if kind == "message":
            yield from self._message(item)
        elif kind in _CALLS:
            call = call_of(item)
            if kind == "web_search_call" or not call_id:
                key = f"codex:{self._log}:{call_id or text_digest(f'{self._time}{call.arguments}')[:24]}"
                yield from finished(call, None, self._circumstances(), key)
            else:
                self.calls[call_id] = (number, call)
        elif kind in _RESULTS:
            if call_id not in self.calls:
                self.report.find(self.origin, number, "a tool result whose call is not in this file")
                return
            _, call = self.calls.pop(call_id)
            yield from finished(call, item.get("output"), self._circumstances(), f"codex:{self._log}:{call_id}")
        else:
            self.report.ignore(kind or "item without a type")

    def _message(self, item: Mapping[str, Any]) -> Iterator[Draft]:
        role = text_of(item, "role")
        text = "\n".join(text for block in objects_of(item, "content") if (text := text_of(block, "text")))
        if role not in ("user", "assistant"):
            self.report.ignore(f"{role or 'nameless'} message")
        elif not text:
            self.report.ignore("message without text")
        elif role == "user" and text.lstrip().startswith(_HARNESS):
            self.report.ignore("text of the client in the user's name")
        else:
            digest = _digest(text)
            self._said[role, digest] = self._said.get((role, digest), 0) + 1
            key = turn_key(self._log, role, text, self._said[role, digest])
            model = self.model if role == "assistant" else ""
            yield turn(role, text, self._time, key, **self.context, model=model)
