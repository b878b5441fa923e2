"""Making a loom: its folder and id, the project's profile, and the first event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from zaxy.config import Settings
from zaxy.errors import KeyUnavailableError, WriteFailedError
from zaxy.eventloom.batch import Outcome
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.files.refusals import refusals_told
from zaxy.project_settings import LOCAL_PROFILE
from zaxy.services.operations.onboarding.profile import complete_profile, missing_lines, profile_lines, read_profile

NEXT_COMMAND: Final = 'zaxy remember "We ship on Fridays" --as decision'
_SIGNALS: Final = {
    "pyproject.toml": "python",
    "package.json": "javascript",
    "Cargo.toml": "rust",
    "go.mod": "go",
    "pom.xml": "java",
    "CMakeLists.txt": "c",
    ".obsidian": "notes",
}
"""Which files and folders show what kind of work a project is."""

_CAPTURED_SEALED = "everything that is captured can be forgotten (CAPTURE_FORGETTABLE=true)"
_CAPTURED_PLAIN = (
    "what is captured stays in the log for good; for what may have to be forgotten use --forgettable, or set"
    " CAPTURE_FORGETTABLE=true"
)


@dataclass(frozen=True, slots=True)
class Initialized:
    """What `init` did.

    Attributes:
        eventloom_path: The loom.
        loom_id: Its id; None where it was only asked what would be made.
        session_id: The session that writes mean by default.
        profile: The project's profile.
        made: What was new: ``loom``, ``key``, ``profile``, ``genesis``.
        public_key: The public key that checkpoints are signed with; None when there is none here.
        key_path: The private key, outside the loom.
        forgetting: Whether what importers and hooks record can be forgotten, and what would change that.
        next_command: What to do next.
        warnings: What should be known: why there is no key to sign with.
    """

    eventloom_path: str
    loom_id: str | None
    session_id: str
    profile: str
    made: tuple[str, ...]
    public_key: str | None
    key_path: str | None
    forgetting: str
    next_command: str
    warnings: tuple[str, ...] = ()


def initialize(loom: Eventloom, settings: Settings, folder: Path) -> Initialized:
    """Make a loom, or complete one: running it again changes nothing.

    Args:
        loom: The loom.
        settings: Where it is and which session is the default.
        folder: The project's folder, where the profile goes.

    Raises:
        WriteFailedError: Something could not be written.
        UnavailableError: Something could not be read.
    """
    with refusals_told(loom.path):
        return _initialize(loom, settings, folder)


def preview(loom: Eventloom, settings: Settings, folder: Path) -> Initialized:
    """Return what `initialize` would do; nothing is written.

    Raises:
        UnavailableError: Something could not be read.
    """
    with refusals_told(loom.path):
        loom_id = loom.identity()
        is_missing = {
            "loom": loom_id is None,
            "key": _key_of(loom)[1] is None,
            "profile": bool(missing_lines(read_profile(folder / LOCAL_PROFILE), profile_lines(settings, folder))),
            "genesis": loom.stat(settings.session_id) is None,
        }
        made = tuple(name for name, missing in is_missing.items() if missing)
        return _told(loom, loom_id, settings, folder, made)


def _initialize(loom: Eventloom, settings: Settings, folder: Path) -> Initialized:
    made = [] if loom.identity() else ["loom"]
    loom_id = loom.ensure_identity()
    warnings: tuple[str, ...] = ()
    try:
        if loom.ensure_key():
            made.append("key")
        other = loom.notary().other_loom()
        if other is not None:
            warnings = (f"another loom ({other}) was here; if that is right, run: zaxy log accept --reason TEXT",)
    except (KeyUnavailableError, WriteFailedError) as error:  # it works without: then its chains alone protect it
        warnings = (str(error),)
    profile = folder / LOCAL_PROFILE
    raw = read_profile(profile)
    lines = missing_lines(raw, profile_lines(settings, folder))
    if lines:
        complete_profile(profile, raw, lines)
        made.append("profile")
    if begin_session(loom, settings.session_id, folder)[0].added:
        made.append("genesis")
    return replace(_told(loom, loom_id, settings, folder, tuple(made)), warnings=warnings)


def begin_session(loom: Eventloom, session_id: str, folder: Path) -> tuple[Outcome, dict[str, Any]]:
    """Record the first event of a session, once, and return what came of it and what is told of the project.

    Raises:
        WriteFailedError: It could not be written.
    """
    loom_id = loom.ensure_identity()
    signals = [name for name in _SIGNALS if (folder / name).exists()]
    kind = _SIGNALS[signals[0]] if signals else "generic"
    profile = {"project": folder.name or "project", "workspace_type": f"{kind}_workspace", "signals": signals}
    payload = {"loom_id": loom_id, "session_id": session_id, **profile}
    draft = Draft("session.genesis", "zaxy", payload, f"zaxy-init:{loom_id}:{session_id}")
    return loom.commit(session_id, [draft])[0], profile


def _told(loom: Eventloom, loom_id: str | None, settings: Settings, folder: Path, made: tuple[str, ...]) -> Initialized:
    return Initialized(
        str(loom.path),
        loom_id,
        settings.session_id,
        str(folder / LOCAL_PROFILE),
        made,
        *_key_of(loom),
        _CAPTURED_SEALED if settings.capture_forgettable else _CAPTURED_PLAIN,
        NEXT_COMMAND,
    )


def _key_of(loom: Eventloom) -> tuple[str | None, str | None]:
    try:
        state = loom.notary().state
        return str(state.signing_key().verifier), str(state.key_path)
    except KeyUnavailableError:
        return None, None
