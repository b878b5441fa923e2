"""What recall gives back: plain values, each tied to sealed events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload


@dataclass(frozen=True, slots=True)
class Hit:
    """One event that answers a question.

    Attributes:
        citation: ``eventloom://<session>/events/<seq>#<hash prefix>``: the sealed event that says so.
        session_id: The session it stands in.
        seq: Its number there.
        event_type: Such as ``transcript.turn``.
        actor: Who did or said it.
        occurred_at: When it happened in the world, RFC 3339.
        recorded_at: When the log learned it, RFC 3339 UTC.
        content: What was said, verbatim from the log.
        score: What the hits of one answer are ordered by; larger is better, not comparable between answers.
        scores: By lane that found it, between 0 and 1; empty for a turn that only stands beside one that was found.
        metadata: Further facts. ``entity``, ``status`` and ``current`` where the event states something; ``path`` and
            ``line`` of a document; ``source`` (``human``, ``agent``, ``tool``, ``import``, ``derived``) where it is
            recorded; ``taint`` of what nobody reviewed; ``state``, ``corrects`` (citations, what was said first at the
            front), ``editor`` and ``reason`` of what was corrected or reviewed; with history, ``ended_by`` and
            ``ended_at`` of what is no longer so, ``stale_because`` of what was made from such.
    """

    citation: str
    session_id: str
    seq: int
    event_type: str
    actor: str
    occurred_at: str
    recorded_at: str
    content: str
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The hits for one question, best first; a sequence of `Hit`.

    Attributes:
        query: The question.
        hits: The hits.
        lanes: Which lanes ran.
        warnings: What the reader should know: a lane that failed, a damaged log, a rebuilt store.
        skipped: Which other lanes did not run, and why.
        understood: What the question was understood as, in short sentences.
        contrast: How far the largest cosine with the question stands above the usual one among the events looked at;
            None where the vector lane did not run.
        degradations: Codes of what did not work, such as ``graph_unavailable``; the warnings say the same in sentences.
    """

    query: str
    hits: tuple[Hit, ...]
    lanes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    understood: tuple[str, ...] = ()
    contrast: float | None = None
    degradations: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


@dataclass(frozen=True, slots=True)
class Fact:
    """What is so about one thing, as of the checkout.

    Attributes:
        entity_type: Such as ``goal``.
        name: Such as ``Ship the parser``.
        status: Its state, empty when none was said.
        valid_from: Since when, RFC 3339 UTC.
        valid_to: Until when, None while nothing is known to end it.
        content: What was said, verbatim from the log; a long text is shortened where a mark says so.
        citation: The sealed event that says so.
        metadata: Further facts, as of a `Hit`; ``disputed_by``: citations of what other sources say instead.
    """

    entity_type: str
    name: str
    status: str
    valid_from: str
    valid_to: str | None
    content: str
    citation: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the log learned since a moment: what is now said of something, or that a statement was ended.

    Attributes:
        entity_type: Such as ``goal``; empty for an ending.
        name: Such as ``Ship the parser``; for an ending, the citations of what it ends.
        status: Its state, empty when none was said; ``ended`` for what is no longer so.
        event_type: Such as ``goal.completed``.
        actor: Who says so.
        recorded_at: When the log learned it, RFC 3339 UTC.
        citation: The sealed event that says so.
    """

    entity_type: str
    name: str
    status: str
    event_type: str
    actor: str
    recorded_at: str
    citation: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since an earlier checkout.

    Attributes:
        since: The citation or the time that was asked for.
        items: Newest first, each thing once.
        events: How many memory events were recorded since, of any kind.
        sessions: In how many sessions.
        complete: Whether all of them were looked at; False when there were too many.
    """

    since: str
    items: tuple[Change, ...]
    events: int
    sessions: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """How far a packet can be relied on.

    Attributes:
        verdict: ``answer``, ``look_further`` or ``not_in_memory``.
        confidence: That the packet holds the answer, 0 to 1.
        coverage: Share of the question's telling terms that stand together in one stretch of the evidence or in one
            fact, 0 to 1.
        contrast: How far the largest cosine with the question stands above the usual one among the events looked at;
            None where the vector lane did not run.
        lanes: Which lanes ran.
        skipped: Which other lanes did not run, and why.
        tokens: Estimated tokens of the packet's text (four characters a token).
        token_budget: What was asked for.
        omitted: Hits that were found and did not fit.
    """

    verdict: str
    confidence: float
    coverage: float
    contrast: float | None
    lanes: tuple[str, ...]
    skipped: Mapping[str, str]
    tokens: int
    token_budget: int
    omitted: int


@dataclass(frozen=True, slots=True)
class Packet:
    """What an agent reads before a turn: cited, within a budget.

    Attributes:
        query: What it is for.
        text: The packet as text. A heading of the evidence names the events below it: ``eventloom://s/events/3-5,9``.
        facts: What is so now of the things that the question names, and the policies and preferences in force.
        working_set: Goals, tasks, decisions, issues and hand-overs that are open, whatever is asked.
        evidence: What was said, best first; only what is in the text. ``metadata["role"]`` of each is ``hit``,
            ``verbatim`` (in for its exact words) or ``neighbour`` (in because the hit beside it depends on it).
        changes: What changed since the checkout that the caller named, None when none was named.
        quality: How far to rely on it.
        warnings: What the reader should know.
        degradations: Codes of what did not work, as of an `Answer`.
    """

    query: str
    text: str
    facts: tuple[Fact, ...]
    working_set: tuple[Fact, ...]
    evidence: tuple[Hit, ...]
    changes: Changes | None
    quality: Quality
    warnings: tuple[str, ...] = ()
    degradations: tuple[str, ...] = ()
