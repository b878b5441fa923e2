"""A trace that was read, and how it is written: as one JSON document or as JSON lines, in parts, whatever its size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from types import TracebackType
from typing import Any, Final

import orjson

from zaxy.files.export import Spool
from zaxy.services.operations.trace_edges import Edge, Key, Keyed
from zaxy.services.operations.trace_model import FORMAT, LINES_FORMAT, Span, TraceSession, TraceSummary

_SPAN_END: Final = "event:"


@dataclass(slots=True)
class Parts:
    """The spans and edges that were read so far. An edge counts as soon as both of its ends are known."""

    spans: Spool = field(default_factory=Spool)
    edges: Spool = field(default_factory=Spool)
    keyed: Keyed = field(default_factory=Keyed)
    _closed_edges: int = 0

    def add_span(self, span: Span) -> None:
        """Take a span in."""
        self.spans.add(as_json(span))

    def add_edge(self, edge: Edge) -> None:
        """Take an edge in; one of its ends may still be open."""
        self.edges.add(as_json(list(edge)))
        open_end = next((end for end in (edge.source, edge.target) if isinstance(end, Key)), None)
        if open_end is None:
            self._closed_edges += 1
        else:
            self.keyed.waiting[open_end] += 1

    def edge_count(self) -> int:
        """Return how many edges have both ends."""
        return self._closed_edges + self.keyed.found()

    def close(self) -> None:
        """Throw everything away."""
        self.spans.close()
        self.edges.close()


class Trace:
    """An export that was read and can be written, as often as wanted. Close it: large ones lie on the disk.

    Args:
        parts: What was read.
        summary: How much that is.
        sessions: How good each session's log is, by id.
        skipped: Files among the logs that are none.
    """

    def __init__(
        self, parts: Parts, summary: TraceSummary, sessions: tuple[TraceSession, ...], skipped: tuple[str, ...]
    ) -> None:
        self._parts = parts
        self.summary = summary
        self.sessions = sessions
        self.skipped = skipped

    @property
    def ok(self) -> bool:
        """Whether every session's log is sound."""
        return all(session.integrity_ok for session in self.sessions)

    def lines(self) -> Iterator[bytes]:
        """Yield the export as JSON lines: the summary, the sessions, the spans by session and number, the edges.

        Each line is an object whose ``record_type`` is ``summary``, ``session``, ``span`` or ``edge``.
        """
        yield as_json({"record_type": "summary", "format": LINES_FORMAT, **asdict(self.summary)}) + b"\n"
        for kind, records in (
            ("session", self._session_records()),
            ("span", self._parts.spans.lines()),
            ("edge", self.edges()),
        ):
            head = f'{{"record_type":"{kind}",'.encode()
            for record in records:
                yield head + record[1:] + b"\n"

    def document(self) -> Iterator[bytes]:
        """Yield the export as one JSON object, a record a line, in parts."""
        yield b'{\n"format":' + as_json(FORMAT) + b',\n"summary":' + as_json(asdict(self.summary))
        for name, records in (
            ("sessions", self._session_records()),
            ("spans", self._parts.spans.lines()),
            ("edges", self.edges()),
        ):
            yield f',\n"{name}":['.encode()
            between = b"\n"
            for record in records:
                yield between + record
                between = b",\n"
            yield b"]"
        yield b"\n}\n"

    def edges(self) -> Iterator[bytes]:
        """Yield the edges as JSON objects, in the order of the events that make them.

        An edge to a mission or finding that nobody created is left out.
        """
        last_seqs = {session.session_id: session.latest_seq for session in self.sessions}
        for line in self._parts.edges.lines():
            relation, *ends = orjson.loads(line)
            source, target = (self._settled(end, last_seqs) for end in ends)
            if source is not None and target is not None:
                yield as_json({"relation": relation, "source": source, "target": target})

    def _settled(self, told: str | list[str], last_seqs: Mapping[str, int]) -> str | None:
        """Return an end with what was open filled in, and as a citation where its event was not read after all."""
        end = self._parts.keyed.ends.get(Key(*told)) if isinstance(told, list) else told
        if end is None or not end.startswith(_SPAN_END):
            return end
        session_id, _, seq = end.removeprefix(_SPAN_END).rpartition(":")
        return end if int(seq) <= last_seqs.get(session_id, 0) else f"eventloom://{session_id}/events/{seq}"

    def _session_records(self) -> Iterator[bytes]:
        return map(as_json, self.sessions)

    def close(self) -> None:
        """Throw away what was set aside."""
        self._parts.close()

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def as_json(value: Any) -> bytes:
    """Return a value as JSON in one line, the members of objects sorted."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits or text that is not UTF-8, in a log that another program wrote
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode("ascii")
