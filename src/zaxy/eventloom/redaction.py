"""Replacing secrets before an event is sealed: what is sealed can never be taken out again.

Only the secret itself is replaced, so that the sentence around it stays useful. Two ways of finding one: the name of
the member that holds it (``password``, ``api_key``), and its form inside any text (``ghp_…``, ``Bearer …``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

REPLACEMENT: Final = "[REDACTED]"

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS: Final = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "apikey", "credential", "credentials", "cookie"}
    | {"authorization", "bearer", "token"}
)
_SECRET_PAIRS: Final = frozenset(
    {("api", "key"), ("access", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key"), ("ssh", "key")}
)
_COUNT_WORDS: Final = frozenset(
    {"count", "limit", "budget", "usage", "max", "min", "total", "length", "efficiency", "type", "name", "id"}
)

_NAMES: Final = (
    r"(?:pass(?:word|wd|phrase)|pwd|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|(?:access|auth|refresh|session)[_-]?token)"
)
_CODE: Final = r"(?:[A-Za-z_][\w.]*[(\[]|[A-Za-z_]+(?:\.[A-Za-z_]+)+(?![\w-])|(?:str|bytes|int|None|True|False|null)\b)"
"""What stands behind ``password =`` in a program: a call, an attribute, a type. Not a secret."""

_VALUE: Final = r"(?P<secret>\"[^\"\n]{3,200}\"|'[^'\n]{3,200}'|(?![\"'$<{(\[])(?!" + _CODE + r")[^\s,;&\"'<>()]{3,})"

_GITHUB: Final = re.compile(r"(?<!\w)(?P<secret>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")
_AWS: Final = re.compile(r"(?<![A-Z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])")
_STRIPE: Final = re.compile(r"(?<!\w)(?P<secret>[sr]k_(?:live|test)_[A-Za-z0-9]{10,})")
_BEARER: Final = re.compile(r"(?i)\bbearer\s+(?P<secret>(?=[A-Za-z._~+/-]*\d)[A-Za-z0-9._~+/-]{12,}=*)")

_FORMS: Final = (
    (
        "-----BEGIN",
        re.compile(r"(?s)(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"),
    ),
    ("AKIA", _AWS),
    ("ASIA", _AWS),
    *((marker, _GITHUB) for marker in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")),
    ("sk-", re.compile(r"(?<![\w-])(?P<secret>sk-[A-Za-z0-9_-]{16,})")),
    ("k_live_", _STRIPE),
    ("k_test_", _STRIPE),
    ("xox", re.compile(r"(?<!\w)(?P<secret>xox[abeoprs]-[A-Za-z0-9-]{10,})")),
    ("AIza", re.compile(r"(?<!\w)(?P<secret>AIza[A-Za-z0-9_-]{35})")),
    ("glpat-", re.compile(r"(?<!\w)(?P<secret>glpat-[A-Za-z0-9_-]{20,})")),
    ("npm_", re.compile(r"(?<!\w)(?P<secret>npm_[A-Za-z0-9]{36})")),
    ("hf_", re.compile(r"(?<!\w)(?P<secret>hf_[A-Za-z0-9]{30,})")),
    ("eyJ", re.compile(r"(?<![\w-])(?P<secret>eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,})")),
    ("earer ", _BEARER),
    ("EARER ", _BEARER),
    ("://", re.compile(r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}+://[^\s:/@]*+:(?P<secret>[^\s/@]{2,}+)@")),
)
"""Forms of secrets: a marker that most texts lack, and what to replace where it stands."""

_GATES: Final = (
    ("_", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "k_live_", "k_test_", "npm_", "hf_")),
    ("-", ("-----BEGIN", "sk-", "xox", "glpat-")),
    ("A", ("AKIA", "ASIA", "AIza")),
    (".", ("eyJ",)),
    (":", ("://",)),
)
_ASSIGNMENT_MARKERS: Final = (
    *("passw", "passphrase", "pwd", "secret", "token"),
    *("_key", "-key", "apikey", "accesskey", "privatekey"),
)
_ASSIGNMENT: Final = re.compile(
    rf"(?i)(?<![a-z0-9]){_NAMES}[\"']?\s*(?:=|:)\s*{_VALUE}"
    rf"|(?<![a-z0-9_])(?:secret|token)[\"']?=\s*{_VALUE.replace('<secret>', '<other>')}"
)


@lru_cache(maxsize=4_096)
def is_secret_name(name: str) -> bool:
    """Return whether a payload member of this name holds a secret: ``apiKey``, ``db_password``, not ``max_tokens``."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or _COUNT_WORDS & set(words):
        return False
    return not _SECRET_WORDS.isdisjoint(words) or any(pair in _SECRET_PAIRS for pair in pairwise(words))


def _may_hold_secret(text: str) -> bool:
    """Return whether a text has any of the marks that secrets have; never misses one.

    Looking for one character costs a tenth of looking for a word, so each group of marks is behind a character that
    all of them have and most prose lacks.
    """
    if "earer " in text or "EARER " in text:
        return True
    for gate, markers in _GATES:
        if gate in text:
            for marker in markers:
                if marker in text:
                    return True
    if "=" in text or ":" in text:
        lowered = text.lower()
        return any(marker in lowered for marker in _ASSIGNMENT_MARKERS)
    return False


def is_plain(text: str) -> bool:
    """Return whether a text can be sealed as it is: ASCII, no NUL, no mark that a secret has."""
    return text.isascii() and "\x00" not in text and not _may_hold_secret(text)


def redact_text(text: str) -> str:
    """Return ``text`` with every secret in it replaced by ``[REDACTED]``; the same object when there is none."""
    while _may_hold_secret(text):
        redacted = _redact_once(text)
        if redacted == text:
            break
        text = redacted  # what stood beside a secret may be one, now that it is gone
    return text


def _redact_once(text: str) -> str:
    for marker, form in _FORMS:
        if marker in text:
            text = _replace(form, text)
    if "=" in text or ":" in text:
        lowered = text.lower()
        if any(marker in lowered for marker in _ASSIGNMENT_MARKERS):
            text = _replace(_ASSIGNMENT, text)
    return text


def _replace(form: re.Pattern[str], text: str) -> str:
    def hide(match: re.Match[str]) -> str:
        group = next(name for name, found in match.groupdict().items() if found is not None)
        secret = match[group]
        if secret.strip("\"'") == REPLACEMENT:
            return match[0]
        quote = secret[0] if secret[0] in "\"'" and secret[-1] == secret[0] else ""
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return f"{match[0][:start]}{quote}{REPLACEMENT}{quote}{match[0][end:]}"

    return form.sub(hide, text)
