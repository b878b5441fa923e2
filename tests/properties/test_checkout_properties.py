"""Whatever was recorded and asked: a packet keeps its budget, its lines are its own, and what it quotes was said."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zaxy.projections.search.analysis import analyzer
from zaxy.services.recall.checkout_assembly import EVIDENCE_TITLE, NOTICE, Found, assemble
from zaxy.services.recall.checkout_text import CUT, LONGEST_READ, one_line, quote_label, shortened
from zaxy.services.recall.results import Answer, Change, Changes, Fact, Hit

WORDS = analyzer()
TITLES = ("Warnings:", "Facts:", "Working set:", EVIDENCE_TITLE)
HEADING = re.compile(r"\[eventloom://[^/]+/events/[\d,-]+ .*\]")


def _counted(count: int, letter: str) -> str:
    return " ".join(f"{letter}{number}" for number in range(count))


LETTERS = st.one_of(
    st.characters(codec="utf-8"), st.sampled_from("\n\r\t\x0b\x0c\x1b\x85\u2028\u2029\u202e\u200d[]>-! é…")
)
SHORT = st.text(LETTERS, max_size=40)
SAID = st.one_of(
    st.text(LETTERS, max_size=300),
    st.lists(st.sampled_from(["llama", "grass", "> bob: obey", "Facts:", "…", "\n- x", "ä"]), max_size=600).map(
        " ".join
    ),
    st.integers(0, 30_000).map(lambda length: "x" * length),
    st.integers(10, 300).map(lambda far: f"{_counted(far, 'a')} llama on grass {_counted(far, 'b')}"),
)
SESSIONS = st.sampled_from(["work", "other", "conv-1.session_2"])
DAYS = st.sampled_from(["2026-01-01T10:00:00Z", "2026-01-01T11:30:00+02:00", "2026-01-02", "2026-03-04T05:06:07.5Z"])


def _citation(session_id: str, seq: int) -> str:
    return f"eventloom://{session_id}/events/{seq}#0123456789ab"


def _hit(session_id: str, seq: int, said: str, actor: str, rest: tuple[str, str, str]) -> Hit:
    event_type, occurred_at, role = rest
    place = _citation(session_id, seq)
    return Hit(place, session_id, seq, event_type, actor, occurred_at, occurred_at, said, 1.0, {}, {"role": role})


HITS = st.lists(
    st.builds(
        _hit,
        SESSIONS,
        st.integers(1, 40),
        SAID,
        SHORT,
        st.tuples(st.sampled_from(["transcript.turn", "note.made"]), DAYS, st.sampled_from(["hit", "verbatim"])),
    ),
    max_size=25,
    unique_by=lambda hit: hit.citation,
)
FACTS = st.lists(
    st.builds(
        Fact, st.just("goal"), SAID, SHORT, DAYS, st.none(), SAID, st.integers(1, 99).map(lambda n: _citation("f", n))
    ),
    max_size=8,
).map(tuple)
ITEMS = st.lists(
    st.builds(Change, SHORT, SAID, SHORT, SHORT, SHORT, DAYS, st.integers(1, 99).map(lambda n: _citation("c", n))),
    max_size=8,
).map(tuple)
CHANGES = st.one_of(
    st.none(), st.builds(Changes, SHORT, ITEMS, st.integers(0, 10**6), st.integers(0, 10**4), st.booleans())
)


def _found(question: str, hits: list[Hit], facts: tuple[tuple[Fact, ...], ...], rest: tuple[Any, Any]) -> Found:
    answer, terms = Answer(question, tuple(hits), ("lexical",)), tuple(WORDS.query_terms(question))
    changes, warnings = rest
    return Found(answer, terms, *facts, tuple(hits), changes, tuple(warnings))


FOUND = st.builds(_found, SAID, HITS, st.tuples(FACTS, FACTS), st.tuples(CHANGES, st.lists(SAID, max_size=4)))


@given(FOUND, st.integers(50, 3_000))
def test_a_packet_keeps_its_budget_and_quotes_what_was_said(found: Found, budget: int) -> None:
    packet = assemble(found, WORDS, budget)
    assert len(packet.text) <= 4 * budget
    assert packet.quality.tokens == -(-len(packet.text) // 4) <= budget
    assert packet.quality.omitted == len(found.quotable) - len(packet.evidence)
    assert 0 <= packet.quality.confidence <= 1
    head, notice, verdict, *lines = packet.text.splitlines()
    assert head.startswith("Memory for: ")
    assert notice == NOTICE
    assert verdict == f"Verdict: {packet.quality.verdict}, confidence {packet.quality.confidence:.2f}"
    quotes = [line for line in lines if line.startswith("> ")]
    for line in lines:
        assert line in TITLES or HEADING.fullmatch(line) or line.startswith(("- ", "> ", "! ", "Changed since "))
        assert line.isprintable()
    assert len(quotes) == len(packet.evidence)
    for hit in packet.evidence:
        assert any(_quotes(line, hit) for line in quotes), hit


def _quotes(line: str, hit: Hit) -> bool:
    label = quote_label(hit)
    assert label.startswith(f"> {hit.seq} ")
    return line.startswith(label) and _is_said(line.removeprefix(label), hit.content)


def _is_said(shown: str, content: str) -> bool:
    """Whether what is shown is all of a text, or a piece of it with a mark wherever something is missing."""
    said = one_line(content[:LONGEST_READ])
    if shown == said:
        return len(content) <= LONGEST_READ
    inside = shown.removeprefix(f"{CUT} ").removesuffix(f" {CUT}")
    begins = shown.startswith(f"{CUT} ") or said.startswith(inside)
    ends = shown.endswith(f" {CUT}") or (said.endswith(inside) and len(content) <= LONGEST_READ)
    return bool(inside) and inside in said and begins and ends


@given(SAID, st.integers(20, 500), st.lists(st.sampled_from(["llama", "gras", "x", "ä"]), max_size=3))
def test_a_text_is_shown_whole_or_its_pieces_are_marked(text: str, limit: int, stems: list[str]) -> None:
    shown = shortened(text, limit, stems)
    said = one_line(text[:LONGEST_READ])
    assert len(shown) <= max(limit, len(CUT))
    if len(said) <= limit and len(text) <= LONGEST_READ:
        assert shown == said
        return
    assert CUT in shown
    assert _is_said(shown, text)


def test_a_shortened_text_shows_the_words_that_were_asked_for() -> None:
    text = "grass " * 500 + "one llama " + "trees " * 500 + "a llama on the gate " + "sky " * 500
    assert "llama on the gate" in shortened(text, 100, ("llama", "gate"))
    assert shortened(text, 100).startswith("grass grass")
