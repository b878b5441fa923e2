"""Claude Code transcripts: what was said, which commands ran and which files were edited, one log a client session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from zaxy.eventloom.event import Draft
from zaxy.services.capture.claude_records import Message, is_id, text_member
from zaxy.services.capture.claude_tools import ToolCall, ToolResult, tool_draft, without_reminders
from zaxy.services.capture.intake import (
    Ingested,
    Parsed,
    Report,
    deliver,
    existing_path,
    safe_session_id,
    shown_path,
    text_digest,
)
from zaxy.services.capture.json_lines import decode_object, read_lines
from zaxy.services.capture.sink import Progress, Sink

_BOOKKEEPING: Final = frozenset({"queue-operation", "file-history-snapshot", "system", "progress", "attachment"})
_MESSAGES: Final = frozenset({"user", "assistant"})


def ingest_claude_code(path: str | Path, sink: Sink, *, progress: Progress | None = None) -> Ingested:
    """Record Claude Code transcripts. Running it again adds only what is new.

    Args:
        path: A transcript, or a folder such as ``~/.claude/projects`` whose ``*.jsonl`` files are taken at any depth.
        sink: Takes the drafts.
        progress: Told how many files are done, of how many.

    Returns:
        What was recorded, and every line that was not taken.

    Raises:
        NotFoundError: There is nothing at ``path``.
    """
    return ingest_transcripts(path, ClaudeTranscript, sink, progress)


class Transcript(Protocol):
    """One pass over one transcript of a client, line by line."""

    @property
    def calls(self) -> Mapping[str, tuple[int, object]]:
        """Line and call of what has no result yet, by the call's id."""

    def take(self, number: int, record: dict[str, Any], raw: bytes) -> list[Parsed]:
        """Return the events of one record. Raises ValueError for one that cannot be used."""
        ...

    def finish(self) -> Iterator[Parsed]:
        """Yield what can only be told at the end, and note what is left open."""
        ...


TranscriptMaker = Callable[[str, str, Report], Transcript]
"""Starts a pass: how findings name the file, the session for records that name none, and what takes findings."""


def ingest_transcripts(path: str | Path, make: TranscriptMaker, sink: Sink, progress: Progress | None) -> Ingested:
    """Record the transcripts of a client. As `ingest_claude_code`.

    Args:
        path: A transcript, or a folder whose ``*.jsonl`` files are taken at any depth.
        make: Starts the pass over each of them.
        sink: Takes the drafts.
        progress: Told how many files are done, of how many.
    """
    found, report = existing_path(path), Report()
    files = transcripts_below(found, report) if found.is_dir() else [found]
    if not files:
        report.find(shown_path(found), 0, "no transcripts (*.jsonl) in this folder")
    return deliver(_parse_files(files, make, report, progress), sink, report)


def transcripts_below(folder: Path, report: Report) -> list[Path]:
    """Return the ``*.jsonl`` files in a folder at any depth, without those in hidden folders below it."""

    def unreadable(error: OSError) -> None:
        report.find(shown_path(error.filename or folder), 0, f"cannot be read: {error.strerror}")

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]  # a loom, a repository's own files
        found += [Path(parent, name) for name in names]
    return sorted(path for path in found if path.suffix == ".jsonl" and path.is_file())


def _parse_files(
    files: list[Path], make: TranscriptMaker, report: Report, progress: Progress | None
) -> Iterator[Parsed]:
    for done, file in enumerate(files, start=1):
        origin = shown_path(file)
        yield from _parse(read_lines(file, report), make(origin, shown_path(file.stem), report), origin, report)
        report.sources += 1
        if progress is not None:
            progress(done, len(files))


def parse_transcript(
    lines: Iterable[tuple[int, bytes]], origin: str, default_session: str, report: Report
) -> Iterator[Parsed]:
    """Yield the events of one transcript, in the order of its lines; summaries last.

    - What a person or the model says is a ``transcript.turn``. A prompt that the model writes for a sub-agent is the
      model's turn, with ``sidechain: true`` like all that the sub-agent does. What a hook tells the model is a turn
      of the speaker ``hook``, because it is why the model went on.
    - A tool call becomes one event when its result is there (see `tool_draft`). A call without a result is a finding;
      a later run, which finds the result, records it. Its key is the tool call's own id, which a hook knows too.
    - A conversation summary is a ``session.summary``, said by the model.
    - Thinking is not recorded: it is no statement to anyone, is often wrong by the next message, and is signed
      provider data that is of no use outside that session. What was decided is in the text that follows it.

    Never raises on any content: a line that cannot be used is a finding, bookkeeping is counted by type.

    Args:
        lines: Line numbers and JSON lines.
        origin: How findings name the file.
        default_session: Session for records that name none.
        report: Takes findings and counts.
    """
    return _parse(lines, ClaudeTranscript(origin, default_session, report), origin, report)


def _parse(lines: Iterable[tuple[int, bytes]], transcript: Transcript, origin: str, report: Report) -> Iterator[Parsed]:
    for number, raw in lines:
        try:
            taken = transcript.take(number, decode_object(raw), raw)
        except ValueError as error:
            report.find(origin, number, str(error))
        else:
            yield from taken
    yield from transcript.finish()


@dataclass(slots=True)
class ClaudeTranscript:
    """One pass over one transcript; remembers the calls whose result has not come."""

    origin: str
    default_session: str
    report: Report
    calls: dict[str, tuple[int, ToolCall]] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    times: dict[str, str] = field(default_factory=dict)
    summaries: list[tuple[str, str, str]] = field(default_factory=list)
    is_foreign: bool | None = None
    """Whether all records so far are of types that this client does not write; None before the first."""

    def take(self, number: int, record: dict[str, Any], raw: bytes) -> list[Parsed]:
        """Return the events of one record. Raises ValueError for one that cannot be used."""
        kind = record.get("type")
        if not isinstance(kind, str):
            raise ValueError("the record has no type")
        is_known = kind in _MESSAGES or kind in _BOOKKEEPING or kind == "summary"
        self.is_foreign = not is_known and self.is_foreign is not False
        if kind == "summary":
            self._keep_summary(record)
        elif kind in _MESSAGES:
            return self._take_message(Message.of(record, raw, self.default_session), number)
        elif kind in _BOOKKEEPING:
            subtype = record.get("subtype")
            self.report.ignore(f"{kind}/{subtype}" if isinstance(subtype, str) else kind)
        else:
            self.report.ignore(f"unknown record type {kind}")
        return []

    def finish(self) -> Iterator[Parsed]:
        """Yield the summaries; note the calls that have no result, and that it is no transcript of this client."""
        if self.is_foreign:
            self.report.find(self.origin, 0, "there is no session of Claude Code in it")
        for number, call in self.calls.values():
            self.report.find(self.origin, number, f"the {call.name} call has no result yet: taken when it has one")
        for session_id, leaf, text in self.summaries:
            payload = {"content": text}
            if leaf in self.times:
                payload["occurred_at"] = self.times[leaf]
            key = f"claude-code:{session_id}:summary:{leaf}:{text_digest(text)[:16]}"
            yield session_id, Draft("session.summary", "assistant", payload, key)

    def _keep_summary(self, record: dict[str, Any]) -> None:
        text, leaf = record.get("summary"), record.get("leafUuid")
        if not isinstance(text, str) or not text.strip():
            raise ValueError("the summary record has no text")
        session_id = safe_session_id(text_member(record, "sessionId") or self.default_session)
        # the entry it sums up may stand further down, and has the only time that a summary can be given
        self.summaries.append((session_id, leaf if is_id(leaf) else "", text))

    def _take_message(self, message: Message, number: int) -> list[Parsed]:
        if "occurred_at" in message.context:
            self.times[message.entry] = message.context["occurred_at"]
        if message.skipped:
            self.report.ignore(message.skipped)
            return []
        taken: list[Parsed] = []
        for index, block in enumerate(message.blocks):
            draft = self._take_block(message, index, block, number)
            if draft is not None:
                taken.append((message.session_id, draft))
        return taken

    def _take_block(self, message: Message, index: int, block: object, number: int) -> Draft | None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict) or not isinstance(kind, str):
            self.report.find(self.origin, number, f"content block {index} has no type")
        elif kind == "text":
            return self._take_text(message, index, block.get("text"), number)
        elif kind == "tool_use":
            self._open_call(block, number)
        elif kind == "tool_result":
            return self._close_call(message, block, number)
        elif kind in {"thinking", "redacted_thinking", "image", "document"}:
            self.report.ignore(f"{kind} block")
        else:
            self.report.ignore(f"unknown block type {kind}")
        return None

    def _take_text(self, message: Message, index: int, text: object, number: int) -> Draft | None:
        if not isinstance(text, str):
            self.report.find(self.origin, number, f"text block {index} has no text")
            return None
        said = self._stripped(text)
        if not said.strip():
            self.report.ignore("empty text")
            return None
        key = f"claude-code:{message.session_id}:{message.entry}" + (f":{index}" if index else "")
        if message.is_summary:
            return Draft("session.summary", "assistant", {"content": said, **message.context}, key)
        payload = {"speaker": message.speaker, "content": said, **message.context}
        if message.model:
            payload["model"] = message.model
        return Draft("transcript.turn", message.speaker, payload, key)

    def _open_call(self, block: dict[str, Any], number: int) -> None:
        call_id, name, arguments = block.get("id"), block.get("name"), block.get("input")
        if not is_id(call_id) or not isinstance(name, str) or not isinstance(arguments, dict):
            self.report.find(self.origin, number, "a tool call without id, name or input")
        elif call_id in self.finished or call_id in self.calls:
            self.report.ignore("repeated tool call")
        else:
            self.calls[call_id] = (number, ToolCall(name, arguments))

    def _close_call(self, message: Message, block: dict[str, Any], number: int) -> Draft | None:
        call_id = block.get("tool_use_id")
        if not is_id(call_id) or call_id not in self.calls:
            if is_id(call_id) and call_id in self.finished:
                self.report.ignore("repeated tool result")
            else:
                self.report.find(self.origin, number, "a tool result whose call is not in this file")
            return None
        _, call = self.calls.pop(call_id)
        self.finished.add(call_id)
        text = self._stripped(_result_text(block.get("content")))
        result = ToolResult(text, block.get("is_error") is True, message.details)
        return tool_draft(call, result, message.context, f"claude-code:{message.session_id}:{call_id}")

    def _stripped(self, text: str) -> str:
        kept, had_reminders = without_reminders(text)
        if had_reminders:
            self.report.ignore("system reminder")
        return kept


def _result_text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    texts = [block.get("text") if block.get("type") == "text" else f"[{block.get('type')}]" for block in blocks]
    return "\n".join(text for text in texts if isinstance(text, str))
