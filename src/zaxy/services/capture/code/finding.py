"""Which files of a folder belong to a codebase."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zaxy.services.capture.code.coverage import REPORT_FOLDERS, REPORT_NAMES, is_report
from zaxy.services.capture.code.languages import LANGUAGES, not_installed
from zaxy.services.capture.code.manifests import is_manifest
from zaxy.services.capture.document_files import DocumentFile, find_documents
from zaxy.services.capture.intake import Report

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_STARS: Final = re.compile(r"\*{3,}")
"""To git they mean one; together they take an expression longer than anybody waits."""

_MOST_STARS: Final = 8
"""A pattern with more of them was made to take long, and is left out."""


def find_code(root: Path, report: Report) -> list[DocumentFile]:
    """Return the source files, manifests and coverage reports of a folder, in order of their path.

    Which files there are is decided as for documents: git is asked where there is a repository. Elsewhere the
    ``.gitignore`` files of the folder and those within it are read. Coverage reports are also taken where
    git ignores them.

    Args:
        root: A folder or one file, absolute.
        report: Takes findings, and counts of what was left out.
    """
    every = Report()
    files = {file.path: file for file in find_documents([root], every) if _is_taken(file.path)}
    report.ignored += every.ignored
    for told in every.findings:
        if _is_taken(Path(told.path)) or Path(told.path).is_dir():  # no word of files that would be left out anyway
            report.find(told.path, told.line, told.reason)
    if root.is_dir():
        some = next(iter(files.values()), None)
        if some is None or not some.repository:
            ignoring = _Ignoring(root)
            files = {path: file for path, file in files.items() if not ignoring.fits(path)}
        for path in (root / folder / name for folder in REPORT_FOLDERS for name in REPORT_NAMES):
            if path not in files and path.is_file():
                files.update((path, file) for file in find_documents([path], report))
    return [files[path] for path in sorted(files)]


def _is_taken(path: Path) -> bool:
    return path.suffix in LANGUAGES or is_manifest(path.name) or is_report(path.name)


class _Ignoring:
    """The ``.gitignore`` files of a folder that is in no repository."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._patterns: dict[Path, GitIgnoreSpec | None] = {}

    def fits(self, path: Path) -> bool:
        """Return what the last pattern says that fits a path; those of inner folders come after those of outer ones."""
        is_ignored = False
        for folder in [*reversed(path.relative_to(self._root).parents)]:
            patterns = self._in(self._root / folder)
            inner = path.relative_to(self._root / folder).as_posix()
            fitting = patterns.check_file(inner).include if patterns is not None else None
            is_ignored = is_ignored if fitting is None else fitting
        return is_ignored

    def _in(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._patterns:
            try:
                text = (folder / ".gitignore").read_text("utf-8", "replace")
            except OSError:
                text = ""
            self._patterns[folder] = _read(text) if text.strip() else None
        return self._patterns[folder]


def _read(text: str) -> GitIgnoreSpec:
    try:
        from pathspec import GitIgnoreSpec
    except ImportError as error:
        raise not_installed(error) from error
    lines = (_STARS.sub("*", line) for line in text.splitlines())
    return GitIgnoreSpec.from_lines(line for line in lines if line.count("*") <= _MOST_STARS)
