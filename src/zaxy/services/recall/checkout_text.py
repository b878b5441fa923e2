"""How recorded text is shown in a packet: on one line, shortened only where a mark says so, behind its citation.

What comes out of memory is foreign text. None of it begins a line of a packet: each quotation stands behind ``> `` and
the number of its event, and what could break a line or control a terminal is shown as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from zaxy.services.recall.results import Change, Fact, Hit

CHARACTERS_A_TOKEN: Final = 4
"""English text has about four characters a token in the common vocabularies; a budget here is an estimate."""

CUT: Final = "[…]"
"""Stands where a quotation was shortened."""

LONGEST_READ: Final = 20_000
"""How much of one text is looked at for a quotation: as much as can be searched."""

_WORD: Final = re.compile(r"\w+")
_LONGEST_NAME: Final = 120
_MOST_CITED: Final = 3
_TURNS: Final = ("transcript.", "message.")


def one_line(text: str) -> str:
    """Return text on one line; what could begin another line or control a terminal is shown, not sent."""
    folded = " ".join(text.split())
    if folded.isprintable():
        return folded
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in folded)


def shortened(text: str, limit: int, stems: Collection[str] = ()) -> str:
    """Return a text on one line, at most ``limit`` characters: whole, or the stretch that holds most of the question.

    Args:
        text: What was recorded; of a text longer than `LONGEST_READ` only the beginning can be shown.
        limit: Most characters, at least 20.
        stems: Beginnings of the words that are looked for, folded.

    Returns:
        The text with white space folded, or a part of it with `CUT` wherever something was left out.
    """
    line = one_line(text[:LONGEST_READ])
    if len(line) <= limit and len(text) <= LONGEST_READ:
        return line
    width = limit - 2 * (len(CUT) + 1)
    start = _best_start(line, width, tuple(stems))
    end = start + width
    if start > 0:
        start = line.find(" ", start, start + width // 2) + 1 or start
    if end < len(line):
        blank = line.rfind(" ", start + width // 2, end)
        end = blank if blank > 0 else end
    before = f"{CUT} " if start > 0 else ""
    after = f" {CUT}" if end < len(line) or len(text) > LONGEST_READ else ""
    return f"{before}{line[start:end].strip()}{after}"


def _best_start(line: str, width: int, stems: tuple[str, ...]) -> int:
    """Return where the stretch of ``width`` characters begins that holds most different stems; ties: the first."""
    if not stems:
        return 0
    places = [
        (match.start(), stem)
        for match in _WORD.finditer(line.casefold())
        for stem in stems
        if match[0].startswith(stem)
    ]
    best, best_start, first = 0, 0, 0
    inside: dict[str, int] = {}
    for place, stem in places:
        inside[stem] = inside.get(stem, 0) + 1
        while place - places[first][0] > width * 3 // 4:
            left = places[first][1]
            inside[left] -= 1
            if not inside[left]:
                del inside[left]
            first += 1
        if len(inside) > best:
            best, best_start = len(inside), places[first][0]
    if best_start + width // 4 <= width:
        return 0  # the beginning shows it as well, and reads better
    return max(0, min(best_start - width // 8, len(line) - width))


def fact_line(fact: Fact) -> str:
    """Return one current fact with its citation."""
    told = f"- {_stated(fact.entity_type, fact.name, fact.status)}, since {fact.valid_from[:10]} [{fact.citation}]"
    corrects, disputed = fact.metadata.get("corrects"), fact.metadata.get("disputed_by")
    if corrects:
        told += f" {_state(fact.metadata)} {_cited(corrects)}"
    return f"{told} disputed, another source says otherwise: {_cited(disputed)}" if disputed else told


def change_line(change: Change) -> str:
    """Return one change with its citation."""
    return (
        f"- {_stated(change.entity_type, change.name, change.status)}, {one_line(change.recorded_at)[:16]} "
        f"[{change.citation}]"
    )


def _stated(entity_type: str, name: str, status: str) -> str:
    kind = f"{one_line(entity_type)[:_LONGEST_NAME]}: " if entity_type else ""
    return f"{kind}{shortened(name, _LONGEST_NAME)}{f' ({one_line(status)})' if status else ''}"


def _state(metadata: Mapping[str, Any]) -> str:
    """Return in words that an event stands in the place of another one."""
    return "reviewed, in place of" if metadata.get("state") == "endorsed" else "corrected, in place of"


def _cited(citations: Sequence[str]) -> str:
    told = " ".join(f"[{one_line(citation)}]" for citation in citations[:_MOST_CITED])
    return f"{told} and {len(citations) - _MOST_CITED} more" if len(citations) > _MOST_CITED else told


def marks(told: Mapping[str, Any]) -> str:
    """Return in words, in brackets, what a reader has to know before the quotation, nothing for most.

    Args:
        told: The metadata of what is quoted.
    """
    found = []
    if told.get("corrects"):
        found.append(f"{_state(told)} {one_line(told['corrects'][0])}")
    if told.get("taint"):
        found.append(f"{one_line(told['taint'])} source, not reviewed")
    if told.get("ended_by"):
        found.append(f"no longer so, ended by {one_line(told['ended_by'])}")
    if told.get("stale_because"):
        found.append(f"outdated, made from {one_line(told['stale_because'])}")
    return f"[{'; '.join(found)}] " if found else ""


def quote_label(hit: Hit) -> str:
    """Return what a quotation begins with: the number of its event under the heading, who spoke, and the type.

    What was corrected, is untrusted or no longer so says that first.

    A turn needs no type, and no name where what was said begins with it.
    """
    actor = one_line(hit.actor)[:_LONGEST_NAME]
    if not hit.event_type.startswith(_TURNS):
        return f"> {hit.seq} {marks(hit.metadata)}{actor}, {one_line(hit.event_type)}: "
    told = " ".join(hit.content[: _LONGEST_NAME * 2].split()).casefold()
    speaker = "" if told.startswith(f"{actor.casefold()}:") else f"{actor}: "
    return f"> {hit.seq} {marks(hit.metadata)}{speaker}"


def heading(session_id: str, seqs: Collection[int], times: Sequence[str], sources: Mapping[int, str]) -> str:
    """Return the line above events of one session and day: which they are, when they happened, who stands behind them.

    Args:
        session_id: Their session.
        seqs: Their numbers.
        times: When they happened, each RFC 3339, all of one day.
        sources: What kind of source stands behind each, by number; without those of which the log does not say it.
    """
    minutes = sorted({one_line(time)[:16].replace("T", " ") for time in times})
    until = f"-{minutes[-1][11:]}" if len(minutes) > 1 else ""
    told = f"eventloom://{one_line(session_id)}/events/{_ranges(sorted(seqs))} {minutes[0]}{until}"
    return f"[{told}{_sources(sources, len(seqs))}]"


def _sources(sources: Mapping[int, str], count: int) -> str:
    """Return what stands behind ``count`` events, with their numbers where it is not the same for all."""
    kinds = sorted(set(sources.values()))
    if len(kinds) == 1 and len(sources) == count:
        return f", source {kinds[0]}"
    told = (f"{kind} {_ranges(sorted(seq for seq in sources if sources[seq] == kind))}" for kind in kinds)
    return f", source {'; '.join(told)}" if kinds else ""


def _ranges(seqs: Sequence[int]) -> str:
    """Return ascending numbers as ``3-5,9``."""
    parts: list[list[int]] = []
    for seq in seqs:
        if parts and parts[-1][-1] == seq - 1:
            parts[-1] = [parts[-1][0], seq]
        else:
            parts.append([seq])
    return ",".join("-".join(map(str, part)) for part in parts)
