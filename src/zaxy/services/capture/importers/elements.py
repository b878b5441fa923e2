"""Reading JSON files that are larger than memory, one element at a time; out of a ZIP archive where they lie in one."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any, Final

from zaxy.services.capture.intake import Report, existing_path, shown_path
from zaxy.services.capture.json_lines import decode_object
from zaxy.services.capture.sink import Progress

MAX_ELEMENT_BYTES: Final = 16 * 1024 * 1024
"""A larger one is a finding: it bounds the memory that a file takes."""

_READ_BYTES: Final = 1024 * 1024
_TO_BRACKET: Final = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]"]|\Z)', re.DOTALL)
_NAME: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"\s*+:\s*+\Z', re.DOTALL)
_FIRST_BYTES: Final = 8
"""So much shows what a file is."""

_UTF_8_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Element:
    """One object of a file.

    Attributes:
        name: The member of the file's object whose array it stands in; empty in an array or a file of lines.
        number: Which one it is, from 1; in a file of lines the line.
        value: What it holds.
    """

    name: str
    number: int
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file to read, perhaps inside an archive.

    Attributes:
        origin: How findings name it.
        open: Opens it for reading.
    """

    origin: str
    open: Callable[[], contextlib.AbstractContextManager[IO[bytes]]]

    def elements(self, report: Report, progress: Progress | None = None) -> Iterator[Element]:
        """Yield the objects of the file: lines, the elements of an array, or those of an object's arrays.

        Never raises on any content: what cannot be used is a finding.

        Args:
            report: Takes the findings.
            progress: Told how many elements were read.
        """
        done = 0
        try:
            with self.open() as stream:
                for name, number, raw in _Splitter(stream).split():
                    done += 1
                    try:
                        value = decode_object(raw) if raw else None
                    except ValueError as error:
                        report.find(self.origin, number, f"element {number}: {error}")
                    else:
                        if value is None:
                            report.find(self.origin, number, f"larger than {MAX_ELEMENT_BYTES:,} bytes")
                        else:
                            yield Element(name, number, value)
                    if progress is not None:
                        progress(done, None)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            report.find(self.origin, 0, f"{error}; elements read before that: {done:,}")
        except OSError as error:
            report.find(self.origin, 0, f"cannot be read: {error.strerror or error}")
        except RuntimeError as error:  # zipfile's word for an archive that is locked with a password
            report.find(self.origin, 0, f"cannot be read: {error}")


def export_files(path: str | Path, names: Sequence[str], report: Report) -> list[ExportFile]:
    """Return the files of an export: the file itself, or those with these names in a folder or a ZIP archive.

    Args:
        path: The file, the folder or the archive.
        names: Patterns such as ``conversations*.json``.
        report: Takes a finding when there are none.

    Raises:
        NotFoundError: There is nothing at ``path``.
    """
    found = existing_path(path)
    shown = shown_path(found)
    files: list[ExportFile] = []
    if found.is_dir():
        inside = sorted(one for one in found.rglob("*") if one.is_file() and _fits(one.name, names))
        files = [ExportFile(shown_path(one), lambda one=one: one.open("rb")) for one in inside]  # type: ignore[misc]  # mypy does not infer a lambda's default
    elif found.suffix.lower() == ".zip":
        files = _in_archive(found, names, report)
    else:
        return [ExportFile(shown, lambda: found.open("rb"))]
    if not files and not any(finding.path == shown for finding in report.findings):
        report.find(shown, 0, f"there is no {' or '.join(names)} in it")
    return files


def _fits(name: str, names: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in names)


def _in_archive(path: Path, names: Sequence[str], report: Report) -> list[ExportFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if _fits(name.rpartition("/")[2], names))
    except (zipfile.BadZipFile, OSError) as error:
        report.find(shown_path(path), 0, f"not an archive that can be read: {error}")
        return []
    return [ExportFile(f"{shown_path(path)}/{name}", _Member(path, name)) for name in members]


@dataclass(frozen=True, slots=True)
class _Member:
    """Opens one file of an archive."""

    path: Path
    name: str

    @contextlib.contextmanager
    def __call__(self) -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(self.path) as archive, archive.open(self.name) as stream:
            yield stream


class _Splitter:
    """Cuts a JSON text into its elements without parsing what is in them: holds one of them at a time.

    Args:
        stream: The text.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0
        self._kept = 0
        self._ended = False
        self._is_dropped = False

    def split(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield elements: the member they stand in, their number, their bytes; no bytes of one that is too large.

        Raises:
            ValueError: The text is not JSON in UTF-8 of that shape, ends early, or has a text that is too large.
        """
        while not self._ended and len(self._held.strip()) < _FIRST_BYTES:
            self._read()
        self._held = self._held.removeprefix(_UTF_8_MARK)
        if self._held[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in self._held[:4]:
            raise ValueError("not UTF-8 but likely UTF-16: make it UTF-8 with iconv -f UTF-16 -t UTF-8")
        start = self._held.lstrip()[:1]
        if start == b"{" and self._has_lines():
            yield from self._lines()
        elif start in (b"[", b"{"):
            yield from self._document()
        else:
            raise ValueError("not JSON: it begins with neither [ nor {" if start else "the file is empty")

    def _read(self) -> None:
        """Read on, and let go of what is not needed any more.

        Raises:
            ValueError: What is needed is too large.
        """
        if len(self._held) - self._kept > MAX_ELEMENT_BYTES:
            if len(self._held) - self._at > MAX_ELEMENT_BYTES:
                raise ValueError(f"a text is longer than {MAX_ELEMENT_BYTES:,} bytes")
            self._kept, self._is_dropped = self._at, True
        part = self._stream.read(_READ_BYTES)
        self._held = self._held[self._kept :] + part
        self._at, self._kept = self._at - self._kept, 0
        self._ended = not part

    def _has_lines(self) -> bool:
        """Return whether the first line is a whole object and no list of others."""
        end = -1
        while end < 0 and not self._ended and len(self._held) <= MAX_ELEMENT_BYTES:
            blanks = len(self._held) - len(self._held.lstrip())
            end = self._held.find(b"\n", blanks)
            if end < 0:
                self._read()
        try:
            first = decode_object(self._held[: end if end >= 0 else None])
        except ValueError:
            return False
        more = end >= 0 and bool(self._held[end:].strip())
        return more or not any(isinstance(value, list) and _has_objects(value) for value in first.values())

    def _lines(self) -> Iterator[tuple[str, int, bytes]]:
        number = 0
        while True:
            end = self._held.find(b"\n", self._kept)
            if end < 0 and not self._ended:
                self._read()
                continue
            line = self._held[self._kept : end if end >= 0 else None].strip()
            self._kept = end + 1
            number += 1
            if line:
                yield "", number, line
            if end < 0:
                return

    def _document(self) -> Iterator[tuple[str, int, bytes]]:
        """Walk from bracket to bracket: an element is an object in an array that is the text's, or a member's of it."""
        name, number, element_depth, closers = "", 0, 0, b""
        while True:
            bracket, place = self._next_bracket()
            if bracket in b"{[":
                if not element_depth and bracket == b"[" and closers == b"}":
                    name, number = self._member_name(place), 0
                if not element_depth and bracket == b"{" and closers in (b"]", b"}]"):
                    element_depth, number, self._kept = len(closers) + 1, number + 1, place
                closers += b"}" if bracket == b"{" else b"]"
            elif closers[-1:] != bracket:
                raise ValueError(f"not JSON: {bracket.decode()} where no such bracket is open")
            else:
                if len(closers) == element_depth:
                    is_too_large = self._is_dropped or place - self._kept >= MAX_ELEMENT_BYTES
                    yield name, number, b"" if is_too_large else self._held[self._kept : place + 1]
                    element_depth, self._is_dropped = 0, False
                closers = closers[:-1]
            self._at = place + 1
            if not element_depth:
                self._kept = self._at
            if not closers:
                return

    def _next_bracket(self) -> tuple[bytes, int]:
        while True:
            match = _TO_BRACKET.match(self._held, self._at)
            if match is None:
                raise ValueError("not JSON")
            if match[1] not in (b"", b'"'):
                return match[1], match.start(1)
            if self._ended:
                raise ValueError("the file ends in the middle")
            self._at = match.start(1)
            self._read()

    def _member_name(self, place: int) -> str:
        match = _NAME.search(self._held[self._kept : place])
        return match[1].decode("utf-8", "replace") if match is not None else ""


def _has_objects(values: Sequence[object]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)
