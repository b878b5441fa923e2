"""Names in a text by how it is written, in any language whose script has capital letters; no list of names.

German capitalizes every noun, so there this finds nouns. Scripts without case (Arabic, Chinese, Hindi ...) give none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MOST_NAME_WORDS: Final = 4
"""A longer run of capitalized words is a heading, not a name."""

_SHOUTED_WORDS: Final = 3
_LONGEST_ABBREVIATION: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]\w*(?:[-\u2010][^\W_]\w*|['\u2019](?=[A-Z\u00c0-\u00de])\w+)*")
_ENDS: Final = re.compile(r"[.!?:\u2026\u3002\n]")
_BESIDE: Final = re.compile(r"\.? ")


def has_case(text: str) -> bool:
    """Return whether a text holds a letter of a script that has capitals."""
    return text.lower() != text.upper()


def names_in(text: str) -> list[str]:
    """Return the capitalized words in the middle of sentences, each once, in order; those side by side are one name.

    The first word of a sentence tells nothing by its capital and is left out. Headings and shouting give no names.

    Args:
        text: Any text.
    """
    found: dict[str, None] = {}
    for run in _runs(text):
        shouted = len(run) >= _SHOUTED_WORDS and all(word.isupper() for word in run)
        while run and len(run[-1]) == 1:
            run.pop()
        if run and len(run) <= MOST_NAME_WORDS and not shouted:
            found[" ".join(run)] = None
    return list(found)


def _runs(text: str) -> Iterator[list[str]]:
    """Yield the runs of capitalized words that do not begin a sentence."""
    run: list[str] = []
    before = ""
    end = 0
    for match in _WORD.finditer(text):
        between, word = text[end : match.start()], match[0]
        is_abbreviated = between.startswith(".") and before[:1].isupper() and len(before) <= _LONGEST_ABBREVIATION
        begins = not before or (_ENDS.search(between) is not None and not is_abbreviated)
        is_name = word[0].isupper() and not begins and (len(word) > 1 or bool(run))
        if run and not (is_name and _BESIDE.fullmatch(between)):
            yield run
            run = []
        if is_name:
            run.append(word)
        before, end = word, match.end()
    if run:
        yield run
