"""Setting up a project's memory for its clients, saying what that would do, and taking it back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zaxy.config import DEFAULT_SESSION, Settings
from zaxy.errors import NotFoundError, WriteFailedError
from zaxy.files.refusals import refusals_told
from zaxy.project_settings import DEFAULT_LOOM, LOCAL_PROFILE, parse_profile, profile_digest, read_project
from zaxy.services.operations.onboarding.clients import ClientFile, Editor
from zaxy.services.operations.onboarding.json_text import JsonText
from zaxy.services.operations.onboarding.line_text import TomlText, YamlText
from zaxy.services.operations.onboarding.merging import FileOutcome, Merger
from zaxy.services.operations.onboarding.profile import (
    missing_lines,
    path_inside,
    profile_lines,
    read_profile,
    strip_profile,
)
from zaxy.services.operations.onboarding.record import Record, Records

_EDITORS: dict[str, Editor] = {".json": JsonText(comments=True), ".toml": TomlText(), ".yaml": YamlText()}


@dataclass(frozen=True, slots=True)
class Connected:
    """What was done beside the loom, or taken back.

    Attributes:
        files: What came of each file.
        warnings: What does not agree, what is not taken from the project's own file, what cannot be undone.
    """

    files: tuple[FileOutcome, ...]
    warnings: tuple[str, ...]


class ProjectSetup:
    """Sets up one project.

    Args:
        folder: The project's folder.
        state: The state folder, None where there is none.
        dry_run: Whether nothing is written, only told.
    """

    def __init__(self, folder: Path, state: Path | None, *, dry_run: bool = False) -> None:
        self.folder = folder
        self._profile = folder / LOCAL_PROFILE
        self._state = state
        self._records = Records(state)
        self._dry_run = dry_run
        self._warnings: list[str] = []

    def trust_profile(self) -> tuple[str, ...]:
        """Trust the project's own file as it is now, and return the names of the settings that count from now on.

        Raises:
            NotFoundError: There is no such file.
            WriteFailedError: That cannot be noted.
        """
        raw = read_profile(self._profile)
        if not raw:
            raise NotFoundError(f"there is no {self._profile} to trust", remedy="run: zaxy init")
        if not self._dry_run:
            with self._records.alone():
                self._records.write(self.folder, replace(self._record, profile_sha256=profile_digest(raw)))
        return tuple(sorted(parse_profile(raw)))

    def connect(
        self, settings: Settings, make_loom: Callable[[], object], files: Sequence[ClientFile], *, force: bool = False
    ) -> Connected:
        """Make the loom, note what is added to the project's file, and set up clients.

        Args:
            settings: Where the loom is and which session is the default.
            make_loom: Makes the loom and completes the project's file.
            files: What belongs into files of clients.
            force: Whether what has our name there and says something else is replaced.

        Raises:
            WriteFailedError: The loom or the project's file cannot be written.
            UnavailableError: The project's file cannot be read.
        """
        with self._alone():
            raw = read_profile(self._profile)
            was_trusted = bool(raw) and self._record.profile_sha256 == profile_digest(raw)
            self._note(self._with_profile(settings, raw))
            make_loom()
            if was_trusted:
                self._note(replace(self._record, profile_sha256=profile_digest(read_profile(self._profile))))
            merger = Merger(self._records, self.folder, dry_run=self._dry_run)
            outcomes = tuple(merger.install(file, force=force) for file in files)
        return Connected(outcomes, (*self._warnings, *self._disagreements(settings)))

    def install(self, file: ClientFile, *, force: bool = False) -> Connected:
        """Add to one file of a client what belongs into it; ``force`` as for `connect`."""
        with self._alone():
            outcome = Merger(self._records, self.folder, dry_run=self._dry_run).install(file, force=force)
        return Connected((outcome,), tuple(self._warnings))

    def take_back(self) -> Connected:
        """Take back what was set up, as far as nobody changed it since. The loom and its keys stay.

        Raises:
            WriteFailedError: The project's file cannot be written.
        """
        with self._alone():
            record = self._record
            merger = Merger(self._records, self.folder, dry_run=self._dry_run)
            outcomes = [merger.take_out(Path(path), _EDITORS[Path(path).suffix]) for path in sorted(record.files)]
            if record.profile_lines:
                outcomes.append(self._without_profile(record))
            self._note(Record(str(self.folder), files=self._record.files))
        return Connected(tuple(outcomes), tuple(self._warnings))

    def _without_profile(self, record: Record) -> FileOutcome:
        is_changed = self._dry_run
        if not self._dry_run:
            with refusals_told(self._profile):
                is_ours = str(self._profile) in record.new_files
                is_changed = strip_profile(self._profile, record.profile_lines, is_ours=is_ours)
        return FileOutcome(str(self._profile), "settings", "removed" if is_changed else "gone")

    @property
    def _record(self) -> Record:
        return self._records.read(self.folder)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other set-ups out, where the state folder lets us; else work without, and say so."""
        with contextlib.ExitStack() as stack:
            if not self._dry_run:
                try:
                    stack.enter_context(self._records.alone())
                except WriteFailedError as error:
                    self._records = Records(None)
                    self._warnings.append(f"this cannot be taken back with --undo, since nothing can be noted: {error}")
            yield

    def _with_profile(self, settings: Settings, raw: bytes) -> Record:
        record = self._record
        lines = missing_lines(raw, profile_lines(settings, self.folder))
        is_new = bool(lines) and not self._profile.exists()
        is_outside = path_inside(settings.eventloom_path, self.folder) is None
        return replace(
            record,
            profile_lines=tuple(dict.fromkeys((*record.profile_lines, *lines))),
            new_files=(*record.new_files, str(self._profile)) if is_new else record.new_files,
            eventloom_path=str(settings.eventloom_path.absolute()) if is_outside else None,
        )

    def _note(self, record: Record) -> None:
        if not self._dry_run:
            self._records.write(self.folder, record)

    def _disagreements(self, settings: Settings) -> Iterator[str]:
        """Yield what commands in this project would take differently from what was just set up."""
        project = read_project(self.folder, self._state)
        session = project.values.get("EVENTLOOM_THREAD", DEFAULT_SESSION)
        loom = self.folder / project.values.get("EVENTLOOM_PATH", DEFAULT_LOOM)
        if project.ignored:
            names = ", ".join(project.ignored)
            told = f"{LOCAL_PROFILE} sets {names}, which a project's own file may not: that is ignored"
            yield f"{told}. Only if you wrote it yourself: zaxy init --trust"
        if session != settings.session_id and not self._dry_run:
            yield (
                f"{LOCAL_PROFILE} says EVENTLOOM_THREAD={session}, and commands here mean that session unless they say"
                f" --session-id {settings.session_id}"
            )
        if path_inside(loom, settings.eventloom_path) != "." and not self._dry_run:
            yield f"commands here mean the loom {loom} unless they say --eventloom-path {settings.eventloom_path}"
