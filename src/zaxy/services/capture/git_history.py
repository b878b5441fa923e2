"""The history of a git repository: one event a commit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.bounded import clip
from zaxy.services.capture.git import GitFailedError, ask_git, stream_git
from zaxy.services.capture.intake import Ingested, Parsed, Report, deliver, existing_path, shown_path
from zaxy.services.capture.sink import Progress, Sink

MAX_FILES: Final = 50
"""How many file names a commit's event lists; all of them are counted."""

_MAX_SUBJECT_CHARACTERS: Final = 500
_MAX_BODY_CHARACTERS: Final = 4_000
_MAX_PATH_CHARACTERS: Final = 500
_MAX_AUTHOR_CHARACTERS: Final = 120
_MAIL: Final = re.compile(r" ?<[^<>\s@]{1,128}@[^<>\s]{1,255}>")
_FORMAT: Final = "--format=tformat:%x00%H%x00%P%x00%an%x00%aI%x00%s%x00%b"
_LOG: Final = (
    *("log", "-z", "--reverse", "--name-only", "--no-renames", "--diff-merges=off", "--no-relative"),
    *("--no-color", "--no-ext-diff", "--encoding=UTF-8", _FORMAT, "HEAD", "--"),
)


def ingest_git(
    repository: str | Path, sink: Sink, *, session_id: str = "git", progress: Progress | None = None
) -> Ingested:
    """Record the commits that lead to a repository's current head, oldest first. A second run adds the new ones.

    Args:
        repository: The repository, or a folder in it.
        sink: Takes the drafts.
        session_id: The log.
        progress: Told how many commits are done, of how many.

    Returns:
        What was recorded. That the history is cut (a shallow clone) or empty is a finding.

    Raises:
        NotFoundError: There is no repository.
        UnavailableError: git is not installed, or failed on the way; what was recorded stays.
        InvalidInputError: ``session_id`` is not valid.
    """
    found, report = existing_path(repository), Report()
    check_session_id(session_id)
    folder = found if found.is_dir() else found.parent
    shown = shown_path(folder)
    total = _commit_count(folder, shown, report)
    report.sources = 1
    commits = _told(parse_commits(stream_git(folder, _LOG), shown, session_id, report), total, progress)
    return deliver(commits if total else (), sink, report)


def _commit_count(folder: Path, shown: str, report: Report) -> int:
    try:
        shallow = ask_git(folder, ["rev-parse", "--is-shallow-repository"]).strip() == b"true"
    except GitFailedError as error:
        raise NotFoundError(
            f"{shown!r} is not in a git repository that can be read ({error.message})",
            remedy="name a folder of a repository, or run git status there to see what is wrong",
        ) from error
    if shallow:
        report.find(shown, 0, "a shallow clone: older commits are not there (git fetch --unshallow brings them)")
    try:
        ask_git(folder, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
    except GitFailedError:
        report.find(shown, 0, "the repository has no commit yet")
        return 0
    return int(ask_git(folder, ["rev-list", "--count", "HEAD", "--"]))


def _told(parsed: Iterator[Parsed], total: int, progress: Progress | None) -> Iterator[Parsed]:
    for done, commit in enumerate(parsed, start=1):
        yield commit
        if progress is not None:
            progress(done, total)


def parse_commits(parts: Iterable[bytes], origin: str, session_id: str, report: Report) -> Iterator[Parsed]:
    """Yield one ``commit.recorded`` a commit.

    The author's name is kept, addresses are not: neither the author's nor those in the message's trailers.

    Args:
        parts: What ``git log -z`` with our format prints, split at NUL: an empty part, six fields, and the names of
            the changed files. No name is empty, so the next empty part begins the next commit. A merge lists none.
        origin: How findings name the repository.
        session_id: The log.
        report: Takes findings.
    """
    stream = iter(parts)
    next(stream, None)
    while fields := [part.decode("utf-8", "replace") for part in islice(stream, 6)]:
        if len(fields) < 6:
            report.find(origin, 0, "git's answer ended within a commit")
            return
        files: list[str] = []
        count = 0
        while name := next(stream, b""):
            count += 1
            if count <= MAX_FILES:
                path = name.removeprefix(b"\n") if count == 1 else name
                files.append(clip(path.decode("utf-8", "replace"), _MAX_PATH_CHARACTERS))
        yield session_id, _draft(fields, files, count, (origin, report))


def _draft(fields: list[str], files: list[str], count: int, odd: tuple[str, Report]) -> Draft:
    sha, parents, name, time, subject, body = fields
    author = clip(_MAIL.sub("", name).split("@")[0].strip(), _MAX_AUTHOR_CHARACTERS) or "unknown"
    payload: dict[str, Any] = {
        "sha": sha,
        "author": author,
        "subject": clip(_MAIL.sub("", subject), _MAX_SUBJECT_CHARACTERS),
        "body": clip(_MAIL.sub("", body).strip(), _MAX_BODY_CHARACTERS),
        "files": files,
        "files_changed": count,
    }
    if " " in parents:
        payload["merge"] = True
    try:
        parse_time(time, what="author date")
        payload["occurred_at"] = time
    except InvalidInputError as error:
        origin, report = odd
        report.find(origin, 0, f"commit {sha[:12]} is taken without its time: {error.message}")
    return Draft("commit.recorded", author, payload, f"git:{sha}")
