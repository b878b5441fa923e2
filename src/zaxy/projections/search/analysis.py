"""From text to terms, the same for what is stored and what is asked: words, lower case, stemmed.

The analyzer is tantivy's, so that the index on disk and the one in memory see the same terms.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, Final

from zaxy.errors import InvalidInputError
from zaxy.vocabulary.model import Meaning

LONGEST_TERM_BYTES: Final = 64
MAX_QUERY_TERMS: Final = 64
ANALYZER_NAME: Final = "zaxy_text"

_STOP_WORDS: Final = frozenset(
    (
        "a about am an and any are as at be been being but by can could did do does doing for from had has have having "
        "he her hers him his how i if in into is it its me my of on or our ours she should so some than that the their "
        "theirs them then there these they this those to too us was we were what when where which who whom whose why "
        "will with would you your yours s t d ll m re ve don didn doesn isn wasn aren"
    ).split()
)

LANGUAGES: Final = frozenset(
    (
        "arabic danish dutch english finnish french german greek hungarian italian norwegian portuguese romanian "
        "russian spanish swedish tamil turkish"
    ).split()
)


TEXT_VERSION: Final = "2"
"""Names what `search_text` returns. An index that was made of other texts is made anew."""

_DAY_MICROSECONDS: Final = 86_400_000_000
_DAY_SECONDS: Final = 86_400
_MONTHS: Final = ("january february march april may june july august september october november december").split()
_WEEKDAYS: Final = "monday tuesday wednesday thursday friday saturday sunday".split()


class Analyzer:
    """Turns text into terms.

    Args:
        language: Whose stems are taken (Snowball), in lower case.

    Raises:
        InvalidInputError: There is no stemmer for that language.
    """

    def __init__(self, language: str = "english") -> None:
        import tantivy

        if language not in LANGUAGES:
            raise InvalidInputError(
                f"there is no stemmer for {language!r}", remedy=f"choose one of {sorted(LANGUAGES)}"
            )
        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        for step in (
            tantivy.Filter.remove_long(LONGEST_TERM_BYTES),
            tantivy.Filter.lowercase(),
            tantivy.Filter.ascii_fold(),
            tantivy.Filter.stemmer(language),
        ):
            builder = builder.filter(step)
        self._analyzer = builder.build()
        self.language = language
        self._stop_terms = frozenset(term for word in _STOP_WORDS for term in self._analyzer.analyze(word))

    @property
    def native(self) -> Any:
        """The analyzer as tantivy registers it."""
        return self._analyzer

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text in order, each as often as it stands there."""
        terms: list[str] = self._analyzer.analyze(text)
        return terms

    def query_terms(self, text: str) -> list[str]:
        """Return the distinct terms that a question is asked by, in order: stop words left out unless nothing else is.

        At most `MAX_QUERY_TERMS`; the first ones are kept.
        """
        distinct = list(dict.fromkeys(self.terms(text)))
        telling = [term for term in distinct if term not in self._stop_terms]
        return (telling or distinct)[:MAX_QUERY_TERMS]


@lru_cache(maxsize=8)
def analyzer(language: str = "english") -> Analyzer:
    """Return the analyzer of a language; made once a process."""
    return Analyzer(language)


def search_text(meaning: Meaning, language: str = "english") -> str:
    """Return what an event is found by: its text, and the day it happened on as words ("8 may 2023 monday").

    The day is told in English, so only where the stems are English; an event without text gets none.

    Args:
        meaning: Any event with what it means.
        language: Whose stems are taken.
    """
    text = meaning.extraction.text
    if not text or language != "english":
        return text
    return f"{text}\n{_day_in_words(meaning.event.occurred_moment // _DAY_MICROSECONDS)}"


@lru_cache(maxsize=4_096)
def _day_in_words(day: int) -> str:
    """Return a day, counted from 1970, as words."""
    told = time.gmtime(day * _DAY_SECONDS)
    return f"{told.tm_mday} {_MONTHS[told.tm_mon - 1]} {told.tm_year} {_WEEKDAYS[told.tm_wday]}"
