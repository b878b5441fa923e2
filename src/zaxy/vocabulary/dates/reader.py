"""A text as the words that the rules of the grammar look at."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from zaxy.vocabulary.dates import calendar, words
from zaxy.vocabulary.dates.calendar import Period

_TOKEN: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:t[0-9][0-9:.]*(?:z|[+-][0-9:]+)?)?(?![\w-])"
    r"|[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}(?![\w/])"
    r"|\w+(?:\.[0-9]+)*|[^\w\s]"
)

Found = tuple[Period, int] | None
"""What a rule read, and the number of the word behind it."""


class Reader:
    """A text read relative to a moment.

    Args:
        text: The text.
        said_at: When it was said (microseconds since 1970 UTC).
    """

    def __init__(self, text: str, said_at: int) -> None:
        self.text = text
        # U+0130 is the one letter that becomes two in lower case, which would move every place behind it
        tokens = list(_TOKEN.finditer(text.replace("\u0130", "\u0131").lower()))
        self.words = [token[0] for token in tokens]
        self._starts = [token.start() for token in tokens]
        self.said_at = said_at
        try:
            self.today = calendar.day_of(said_at)
        except (ValueError, OverflowError):
            self.words, self.today = [], date.min  # outside the calendar nothing can be read

    def at(self, place: int) -> str:
        """Return the word of that number, or nothing beyond the text."""
        return self.words[place] if 0 <= place < len(self.words) else ""

    def slice(self, first: int, after: int) -> str:
        """Return the text from one word up to, not including, another."""
        return self.text[self._starts[first] : self._starts[after - 1] + len(self.words[after - 1])]

    def touched_by(self, place: int) -> str:
        """Return the character right before a word."""
        return self.text[max(self._starts[place] - 1, 0) : self._starts[place]]

    def skip(self, place: int, word: str) -> int:
        """Return the place behind ``word`` if it stands there, else the place."""
        return place + (self.at(place) == word)

    def amount(self, place: int) -> tuple[int, int, str, int] | None:
        """Read "two weeks": the fewest, the most, the unit, and the place behind it."""
        if self.at(place) in ("a", "an") and self.at(place + 1) in ("couple", "few"):
            place += 1
        word = self.at(place)
        place += word == "couple" and self.at(place + 1) == "of"
        unit = words.UNITS.get(self.at(place + 1))
        few, most = words.COUNTS.get(word, (0, 0))
        if word.isdecimal() and len(word) <= 4:
            few = most = int(word)
        return (few, most, unit, place + 2) if few and unit else None

    def year(self, place: int, *, bare: bool = False) -> tuple[int, int]:
        """Read "2023", ", 2023" or "of 2023": the year, 0 if there is none, and the place behind it.

        Args:
            place: Where it stands.
            bare: Whether no date stands right before it, so that it may count things: "in 2000 steps".
        """
        start = place + (self.at(place) in (",", "of"))
        word, behind = self.at(start), self.at(start + 1)
        if len(word) != 4 or word[:2] not in ("19", "20") or not word.isdecimal():
            return 0, place
        is_plural = len(behind) > 2 and behind.isalpha() and behind.endswith("s") and behind not in words.NO_MEASURES
        counts = (bare or self.at(place) == ",") and (behind in words.MEASURES or is_plural)
        return (0, place) if counts else (int(word), start + 1)

    def month(self, place: int, *, short: bool) -> tuple[int, int]:
        """Read the name of a month: its number, 0 if there is none, and the place behind it.

        Args:
            place: Where it stands.
            short: Whether "Jan" and "Jan." will do.
        """
        word = self.at(place)
        if word in words.MONTHS:
            return words.MONTHS[word], place + 1
        if not short or word not in words.SHORT_MONTHS:
            return 0, place
        return words.SHORT_MONTHS[word], self.skip(place + 1, ".")

    def is_verb(self, place: int, after: int) -> bool:
        """Whether "may" or "march" is none of the months: it has no capital and a clause goes on behind it."""
        written, behind = self.slice(place, place + 1), self.at(after)
        if written.lower() not in words.VERBS or written == written.capitalize():
            return False
        return behind[:1].isalpha() and behind not in words.CLAUSE_STARTS
