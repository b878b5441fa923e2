"""Putting what belongs to us into the files of a client, and taking it out again; all that is not ours stays as it is.

Every change is made to the text, and what the new text says is compared with what the old one said plus or minus the
change. A file that cannot be read, says something else in our place, or would come out in any other way is left alone.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from zaxy.errors import ZaxyError
from zaxy.files.durable import make_directories, remove_file, replace_file
from zaxy.services.operations.onboarding.additions import Addition, Place, ShapeError, pruned, without
from zaxy.services.operations.onboarding.clients import ClientFile, Editor
from zaxy.services.operations.onboarding.record import Record, Records

_NEW_FILE_MODE: Final = 0o644
_LARGEST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file.

    Attributes:
        path: The file.
        holds: What of ours belongs into it.
        state: ``added``, ``there`` (nothing to do), ``removed``, ``gone`` (was taken out already), or why it was left
            alone: ``different`` (something else has our name, or ours was changed), ``malformed``, ``refused``.
        reason: Why it was left alone.
        by_hand: What to write into it by hand, where it was left alone.
    """

    path: str
    holds: str
    state: str
    reason: str = ""
    by_hand: str = ""

    @property
    def is_left_alone(self) -> bool:
        """Whether it is not as was asked for."""
        return self.state in ("different", "malformed", "refused")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file as it was read: where it really is, what it holds (None where it is new), and its mode."""

    path: Path
    raw: bytes | None
    mode: int

    @property
    def text(self) -> str:
        return (self.raw or b"").decode("utf-8")


class _LeftAloneError(Exception):
    """Raised when a file is not to be touched."""

    def __init__(self, state: str, reason: object) -> None:
        super().__init__(reason)
        self.state = state


def snippet(file: ClientFile) -> str:
    """Return the whole content of a file that holds nothing but ours."""
    text = ""
    for addition in reversed(file.additions):
        text = file.editor.insert(text, addition)
    return text


class Merger:
    """Changes files of clients for one project.

    Args:
        records: Where it is noted what was changed.
        folder: The project's folder.
        dry_run: Whether nothing is written, only told.
    """

    def __init__(self, records: Records, folder: Path, *, dry_run: bool = False) -> None:
        self._records = records
        self._folder = folder
        self._dry_run = dry_run

    def install(self, file: ClientFile, *, force: bool = False) -> FileOutcome:
        """Put into a file what belongs there. What an earlier set-up added and is not wanted any more goes.

        Args:
            file: The file.
            force: Whether what has our name and says something else is replaced.
        """

        def work() -> str:
            found, record = self._read(file.path), self._records.read(self._folder)
            recorded = record.files.get(str(file.path), ())
            text, added = _merged(file, found.text, recorded, force=force)
            if text == found.text:
                return "there"
            _refuse_read_only(found)
            new_files = (*record.new_files, str(file.path)) if found.raw is None else record.new_files
            files = {**record.files, str(file.path): added}
            self._note(replace(record, files=files, new_files=tuple(dict.fromkeys(new_files))))
            self._write(found, text)
            return "added"

        outcome = _outcome(file.path, file.holds, work)
        return replace(outcome, by_hand=snippet(file)) if outcome.is_left_alone else outcome

    def take_out(self, path: Path, editor: Editor) -> FileOutcome:
        """Take out of a file what was added to it, as far as it is still there as it was added."""

        def work() -> str:
            found, record = self._read(path), self._records.read(self._folder)
            text, changed = _stripped(editor, found.text, record.files.get(str(path), ()))
            if text != found.text:
                _refuse_read_only(found)
                is_ours = str(path) in record.new_files and text.strip() in ("", "{}")  # else a comment is left
                self._write(found, None if is_ours else text)
            files = {name: added for name, added in record.files.items() if name != str(path)}
            self._note(replace(record, files=files))
            if changed:
                raise _LeftAloneError("different", f"{', '.join(changed)} was changed since")
            return "gone" if text == found.text else "removed"

        return _outcome(path, "what was set up", work)

    def _read(self, path: Path) -> _Found:
        """Read a file. One of the project must lie in it, whatever links say; links elsewhere are their owner's own."""
        return _read(path, self._folder if path.is_relative_to(self._folder) else None)

    def _note(self, record: Record) -> None:
        if not self._dry_run:
            self._records.write(self._folder, record)

    def _write(self, found: _Found, text: str | None) -> None:
        """Write a file that is still as it was read; without a text it goes. What is noted of it came first."""
        if self._dry_run:
            return
        if _read(found.path, None).raw != found.raw:
            raise _LeftAloneError("refused", "another program changed it meanwhile; run this again")
        if text is not None:
            make_directories(found.path.parent)
            replace_file(found.path, text.encode("utf-8"), mode=found.mode)
            return
        remove_file(found.path)
        with contextlib.suppress(OSError):  # others have files there too
            found.path.parent.rmdir()


def _outcome(path: Path, holds: str, work: Callable[[], str]) -> FileOutcome:
    try:
        return FileOutcome(str(path), holds, work())
    except _LeftAloneError as left:
        return FileOutcome(str(path), holds, left.state, str(left))
    except ZaxyError as error:
        return FileOutcome(str(path), holds, "refused", str(error))
    except ValueError as error:
        return FileOutcome(str(path), holds, "malformed", str(error))


def _read(path: Path, inside: Path | None) -> _Found:
    """Read a file through links, as far as they are to be followed."""
    try:
        real = path.resolve()
        if inside is not None and not real.is_relative_to(inside.resolve()):
            raise _LeftAloneError("refused", f"it is a link out of the project, to {real}")
        status = real.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            raise ShapeError("it is no file of settings")
        return _Found(real, real.read_bytes(), stat.S_IMODE(status.st_mode))
    except FileNotFoundError:
        return _Found(real, None, _NEW_FILE_MODE)
    except (OSError, RuntimeError) as error:  # links in a circle
        raise _LeftAloneError("refused", f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _refuse_read_only(found: _Found) -> None:
    if found.raw is not None and not found.mode & stat.S_IWUSR:  # replacing it would not ask for that
        raise _LeftAloneError("refused", "it is read-only")


def _parsed(editor: Editor, text: str) -> Any:
    document = editor.parse(text)
    if not isinstance(document, dict):
        raise ShapeError("it does not hold an object")
    return document


def _merged(
    file: ClientFile, text: str, recorded: Sequence[Addition], *, force: bool
) -> tuple[str, tuple[Addition, ...]]:
    """Return a file's text with all that belongs into it, and what of that was added, now or earlier."""
    text, _ = _stripped(file.editor, text, [one for one in recorded if one not in file.additions])
    added = [one for one in recorded if one in file.additions]
    for addition in reversed(file.additions):  # each comes first in what holds it
        document = _parsed(file.editor, text)
        if addition.found_in(document):
            continue
        if addition.is_contradicted_by(document):
            if not force:
                told = f"{'.'.join(addition.place)} is there and says something else; --force replaces it"
                raise _LeftAloneError("different", told)
            text = _without(file.editor, text, addition.place)
        wanted = addition.added_to(_parsed(file.editor, text))
        text = file.editor.insert(text, addition)
        _check(file.editor.parse(text), wanted)
        added = [*(one for one in added if one != addition), addition]
    return text, tuple(added)


def _stripped(editor: Editor, text: str, added: Sequence[Addition]) -> tuple[str, list[str]]:
    """Return a text without what was added, and the names of what is there changed and therefore stays."""
    changed = []
    for one in reversed(added):
        document = _parsed(editor, text)
        place = one.found_in(document)
        if place is not None:
            text = _without(editor, text, place)
        elif one.is_contradicted_by(document):
            changed.append(".".join(one.place))
    return text, changed


def _without(editor: Editor, text: str, place: Place) -> str:
    wanted = without(_parsed(editor, text), place)
    new = editor.cut(text, place)
    _check(pruned(editor.parse(new), place), wanted)  # an empty object that is written down says nothing
    return new


def _check(document: Any, wanted: Any) -> None:
    if document != wanted:
        raise ShapeError("its layout is not one that can be edited safely")
