"""Which files of a folder are documents, and by what name a document is known."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from zaxy.errors import UnavailableError
from zaxy.services.capture.git import GitFailedError, ask_git
from zaxy.services.capture.intake import Report, existing_path, shown_path

MAX_DOCUMENT_BYTES: Final = 1024 * 1024

_NEVER_FOLDERS: Final = frozenset({".eventloom", ".git", ".venv", "node_modules", "__pycache__"})
_SECRET_NAMES: Final = (".env", ".env.*", ".netrc", ".npmrc", ".pypirc", "*.pem", "*.key", "id_rsa", "id_ed25519")


class EmptyDocumentError(ValueError):
    """Raised when a file holds nothing but white space."""


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A file that may be a document.

    Attributes:
        path: Where it is.
        name: Its path within its repository, else its absolute path; with ``/``.
        repository: The name of its repository's folder, empty outside of one.
    """

    path: Path
    name: str
    repository: str

    @property
    def identity(self) -> str:
        """What its events' keys go by: two repositories may each have a ``README.md``."""
        return f"{self.repository}/{self.name}" if self.repository else self.name


def find_documents(paths: Sequence[str | Path], report: Report) -> list[DocumentFile]:
    """Return the files to read, each once: files as given, folders' files in order of their path.

    In a git repository a folder's files are those that git tracks or would track (``.gitignore`` holds). Elsewhere
    hidden files and folders are left out. Dependencies, caches, git's own and the memory's own folders never are
    documents, nor are files whose name says that they hold secrets, unless such a file itself is given.

    Args:
        paths: Files and folders.
        report: Takes findings, and counts of what was left out.

    Raises:
        NotFoundError: One of the paths does not exist; nothing was read.
    """
    roots = [existing_path(path) for path in paths]
    found: dict[Path, DocumentFile] = {}
    for root in roots:
        folder = root if root.is_dir() else root.parent
        repository = repository_of(folder, report)
        listed = _in_folder(root, repository, report) if root.is_dir() else iter([root])
        for path in listed:
            if path not in found:
                found[path] = named(path, repository)
    return list(found.values())


def repository_of(folder: Path, report: Report) -> Path | None:
    """Return the top folder of the git repository that a folder is in, None outside of one and where git cannot tell.

    Args:
        folder: Where to look.
        report: Takes a finding where there is a repository that git cannot read.
    """
    try:
        top = ask_git(folder, ["rev-parse", "--show-toplevel"])
    except UnavailableError as error:
        if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
            report.find(shown_path(folder), 0, f".gitignore is not asked: {error.message}")
        return None
    return Path(os.fsdecode(top.removesuffix(b"\n"))).resolve()


def named(path: Path, repository: Path | None) -> DocumentFile:
    """Return a file with the name that it is known by.

    Args:
        path: Where it is, absolute.
        repository: What `repository_of` says of its folder.
    """
    if repository is not None and path.is_relative_to(repository):
        return DocumentFile(path, shown_path(path.relative_to(repository).as_posix()), shown_path(repository.name))
    return DocumentFile(path, shown_path(path.as_posix()), "")


def _in_folder(folder: Path, repository: Path | None, report: Report) -> Iterator[Path]:
    names = _walked(folder, report) if repository is None else _listed(folder, report)
    for name in sorted(names):
        path = folder / name
        if any(part in _NEVER_FOLDERS for part in Path(name).parts[:-1]):
            report.ignore("file in a folder of dependencies, caches or logs")
        elif any(fnmatch(path.name, pattern) for pattern in _SECRET_NAMES):
            report.find(shown_path(path), 0, "likely to hold secrets: name the file itself to take it")
        elif _is_document(path, report):
            yield path


def _listed(folder: Path, report: Report) -> set[str]:
    try:
        output = ask_git(folder, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    except GitFailedError as error:
        report.find(shown_path(folder), 0, f".gitignore is not asked: {error.message}")
        return set(_walked(folder, report))
    return {os.fsdecode(name) for name in output.split(b"\0") if name}


def _walked(folder: Path, report: Report) -> Iterator[str]:
    for parent, folders, names in os.walk(folder, onerror=lambda error: _unreadable(error, report)):
        kept = [name for name in folders if name not in _NEVER_FOLDERS and not name.startswith(".")]
        for _ in range(len(folders) - len(kept)):
            report.ignore("hidden folder, or one of dependencies or caches")
        folders[:] = kept
        for name in names:
            if name.startswith("."):
                report.ignore("hidden file")
            else:
                yield os.path.relpath(os.path.join(parent, name), folder)


def _unreadable(error: OSError, report: Report) -> None:
    report.find(shown_path(error.filename or "."), 0, f"cannot be read: {error.strerror}")


def _is_document(path: Path, report: Report) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        _unreadable(error, report)
        return False
    if stat.S_ISREG(mode):
        return True
    kinds = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISDIR, "a repository of its own: name it itself to take it"))
    reason = next((told for is_kind, told in kinds if is_kind(mode)), "not a regular file")
    report.find(shown_path(path), 0, reason)
    return False


def read_document(path: Path) -> tuple[str, int]:
    """Return a document's text and when it was last changed, in microseconds since 1970 UTC.

    Raises:
        EmptyDocumentError: There is nothing in it but white space.
        ValueError: It is not text in UTF-8, or has 1 MiB or more.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        raw = stream.read(MAX_DOCUMENT_BYTES)
    if len(raw) >= MAX_DOCUMENT_BYTES:
        raise ValueError(f"has {status.st_size} bytes: only files under {MAX_DOCUMENT_BYTES} are taken")
    if b"\0" in raw:
        raise ValueError("binary: it holds a NUL byte")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: bad byte at offset {error.start}") from None
    if not text.strip():
        raise EmptyDocumentError("the file is empty")
    return text, status.st_mtime_ns // 1_000
