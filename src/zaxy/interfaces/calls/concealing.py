"""Errors for those who are not on this machine: where its files lie is nothing to them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from zaxy.errors import ZaxyError

_PLAIN_PATH = r"(?:/[^\s/:;,'\"()<>|]+)+/?"
_BEFORE = r"(?<![\w/:.~#-])"
"""What no path follows, but the rest of a citation, an address, or a relative path."""


class Concealer:
    """Gives errors with the name of a file in place of its path.

    Args:
        folders: Where the memory's files lie; their names may hold spaces, which no other path is followed through.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        known = sorted({re.escape(os.fspath(folder)) for folder in folders}, key=len, reverse=True)
        begun = "|".join(f"{folder}(?:{_PLAIN_PATH})?" for folder in known)
        self._path = re.compile(f"{_BEFORE}(?:{begun}|{_PLAIN_PATH})" if begun else _BEFORE + _PLAIN_PATH)

    def conceal(self, error: ZaxyError) -> ZaxyError:
        """Return an error of the same class that tells no path; the error itself stays as it is.

        Args:
            error: What went wrong.
        """
        told = type(error).__new__(type(error))
        vars(told).update(vars(error))
        told.message, told.remedy = self._without(error.message), self._without(error.remedy)
        told.args = (told.message,)
        return told

    def _without(self, text: str) -> str:
        return self._path.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)
