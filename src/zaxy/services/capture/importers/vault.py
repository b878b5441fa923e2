"""Vaults of Markdown notes (Obsidian, Logseq and the like): notes with their own dates, tags and links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.services.capture.document_files import DocumentFile, EmptyDocumentError, find_documents, read_document
from zaxy.services.capture.documents import parse_document
from zaxy.services.capture.importers.taking import time_of
from zaxy.services.capture.intake import Ingested, Report, existing_path, shown_path, text_digest
from zaxy.services.capture.sink import Progress
from zaxy.services.capture.sources import Naming, Piece, SourceLog, refresh

VAULT_NAMING: Final[Mapping[str, Naming]] = {
    "document.indexed": Naming("path", "chunk"),
    "relation.stated": Naming("source", "target"),
}
"""How the events of a vault name what they are of."""

_ACTOR: Final = "documents"
_SUFFIXES: Final = frozenset({".md", ".markdown"})
_DAY: Final = re.compile(r"(?<!\d)(\d{4})[-_](\d{2})[-_](\d{2})(?!\d)")
_MEMBER: Final = re.compile(r"([A-Za-z][\w -]{0,40}):[ \t]*(.*)")
_ITEM: Final = re.compile(r"[ \t]+-[ \t]+(.+)|-[ \t]+(.+)")
_LINK: Final = re.compile(r"\[\[([^\]|#^\n]{1,200})[^\]\n]{0,300}\]\]")
_TAG: Final = re.compile(r"(?<![\w/#&])#([A-Za-z][\w/-]{1,60})")
_TIMES: Final = ("created", "date", "created_at", "date created", "updated", "modified")
_FENCE: Final = "---"
_MAX_FRONT_LINES: Final = 200
_MAX_LINKS: Final = 200
_MAX_TAGS: Final = 50


def ingest_vault(path: str | Path, log: SourceLog, *, progress: Progress | None = None) -> Ingested:
    """Bring a log up to what the notes of a vault are now. Running it again adds only what is new or has changed.

    Passages and links that are not there any more are ended, and stay in the log. A vault is known by the name of its
    folder, wherever that lies.

    Args:
        path: The vault's folder, or one note. What of it is taken: see `find_documents`; of that the Markdown files.
        log: Where it is recorded.
        progress: Told how many notes are done, of how many.

    Returns:
        What was recorded, and every file that was not taken.

    Raises:
        NotFoundError: There is nothing at ``path``.
        InvalidInputError: The log's name is not valid.
    """
    root, report = existing_path(path), Report()
    notes: dict[Path, DocumentFile] = {}
    for file in find_documents([root], report):
        if file.path.suffix.lower() in _SUFFIXES:
            notes[file.path] = _named(file, root)
        else:
            report.ignore(f"file that is no note ({file.path.suffix or 'without a suffix'})")
    if not notes:
        report.find(shown_path(root), 0, "there are no notes (*.md) in it")
    targets = {note.path.stem.casefold(): note.name for note in reversed(notes.values())}

    def read(place: Path) -> tuple[Sequence[Piece], int]:
        note = notes[place]
        try:
            text, changed = read_document(place)
        except EmptyDocumentError:
            return (), log.now
        pieces, moment = note_pieces(note, text, targets)
        is_new = not log.held.of(note.identity)
        return pieces, moment if is_new and moment is not None else changed

    here: dict[str, Path | None] = {note.identity: place for place, note in notes.items()}
    gone = log.held.under(shown_path(root.name)) if notes and root.is_dir() else []
    sources = {**dict.fromkeys(gone), **here}
    return refresh(sources, read, log, actor=_ACTOR, report=report, progress=progress).intake


def _named(file: DocumentFile, root: Path) -> DocumentFile:
    """Return a note with its path within the vault as its name."""
    if not root.is_dir():
        return file
    return replace(file, name=shown_path(file.path.relative_to(root).as_posix()), repository=shown_path(root.name))


def note_pieces(note: DocumentFile, text: str, targets: Mapping[str, str]) -> tuple[list[Piece], int | None]:
    """Return a piece for each passage of a note and for each note that it links to, and when it says that it is from.

    That is what it says itself (``created``, ``date`` …), else the day in its file's name (a daily note), else None.

    Args:
        note: Which note.
        text: Its text.
        targets: Path of each note by its name, in lower case.
    """
    front, front_lines = _front_matter(text)
    body = "\n" * front_lines + text.split("\n", front_lines)[-1] if front_lines else text
    tags = sorted({*front.tags, *(match[1] for match in _TAG.finditer(body))})[:_MAX_TAGS]
    pieces = []
    for _, draft in parse_document(note, body, 0, ""):
        payload = {**draft.payload, "tags": tags} if tags else draft.payload
        digest, name = payload["sha256"], str(payload["chunk"])
        pieces.append(Piece(draft.event_type, name, digest, payload, draft.key or ""))
    linked: dict[str, None] = {}
    for match in _LINK.finditer(text):
        name = match[1].strip()
        linked[targets.get(name.rpartition("/")[2].casefold(), name)] = None
    for target in list(linked)[:_MAX_LINKS]:
        digest = text_digest(f"{note.identity}{chr(0)}{target}")
        payload = {"source": note.name, "source_type": "document", "relation": "links to", "target": target}
        payload |= {"target_type": "document", "repository": note.repository, "sha256": digest}
        pieces.append(Piece("relation.stated", target, digest, payload, f"vault:{digest[:32]}"))
    return pieces, _moment(front, note)


@dataclass(frozen=True, slots=True)
class _Front:
    """What a note says of itself in its first lines."""

    members: dict[str, str]
    tags: tuple[str, ...]


def _front_matter(text: str) -> tuple[_Front, int]:
    """Return what stands between the first two ``---``, and how many lines that takes; reads plain members only."""
    lines = text.splitlines()[:_MAX_FRONT_LINES]
    if not lines or lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        return _Front({}, ()), 0
    end = next(at for at, line in enumerate(lines) if at and line.strip() == _FENCE)
    members: dict[str, str] = {}
    tags: list[str] = []
    name = ""
    for line in lines[1:end]:
        if match := _MEMBER.fullmatch(line):
            name = match[1].strip().lower()
            members.setdefault(name, match[2].strip().strip("\"'"))
        elif name in ("tags", "tag") and (item := _ITEM.fullmatch(line)):
            tags.append(item[1] or item[2])
    tags += re.split(r"[,\s]+", members.get("tags", members.get("tag", "")).strip("[]"))
    return _Front(members, tuple(tag.strip("\"'# ") for tag in tags if tag.strip("\"'# "))), end + 1


def _moment(front: _Front, file: DocumentFile) -> int | None:
    told = time_of(front.members, *_TIMES)
    day = _DAY.search(file.path.stem)
    try:
        return parse_time(told or (f"{day[1]}-{day[2]}-{day[3]}T00:00:00Z" if day else ""))
    except InvalidInputError:
        return None
