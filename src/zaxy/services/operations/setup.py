"""Making a loom: its folder and id, the project's profile, and the first event."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zaxy.config import DEFAULT_LOOM, LOCAL_PROFILE, Settings
from zaxy.errors import KeyUnavailableError, WriteFailedError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.files.durable import replace_file
from zaxy.files.refusals import refusals_told

_PROFILE_MODE = 0o600
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
        loom_id: Its id.
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
    loom_id: str
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
    if _complete_profile(profile, settings, folder):
        made.append("profile")
    payload = {"loom_id": loom_id, "session_id": settings.session_id, "project": folder.name or "project"}
    key = f"zaxy-init:{loom_id}:{settings.session_id}"
    if loom.commit(settings.session_id, [Draft("session.genesis", "zaxy", payload, key)])[0].added:
        made.append("genesis")
    return Initialized(
        str(loom.path),
        loom_id,
        settings.session_id,
        str(profile),
        tuple(made),
        *_key_of(loom),
        _CAPTURED_SEALED if settings.capture_forgettable else _CAPTURED_PLAIN,
        'zaxy append goal.created --actor me --payload \'{"title": "Ship it"}\'',
        warnings,
    )


def _key_of(loom: Eventloom) -> tuple[str | None, str | None]:
    try:
        state = loom.notary().state
        return str(state.signing_key().verifier), str(state.key_path)
    except KeyUnavailableError:
        return None, None


def _complete_profile(profile: Path, settings: Settings, folder: Path) -> bool:
    """Add to the project's profile what it lacks; what is there stays as it is."""
    try:
        raw = profile.read_bytes()
    except FileNotFoundError:
        raw = b""
    text = raw.decode("utf-8", "replace")
    present = {line.partition("=")[0].strip().removeprefix("export ") for line in text.splitlines()}
    loom_text = _relative(settings.eventloom_path, folder)
    wanted = {"PROJECTION_BACKEND": settings.projection_backend, "EVENTLOOM_THREAD": settings.session_id}
    if loom_text is not None:
        wanted["EVENTLOOM_PATH"] = loom_text
        if settings.graph_path is None:
            wanted["EMBEDDED_GRAPH_PATH"] = f"{loom_text}/projections/embedded.kuzu"
    missing = {name: value for name, value in wanted.items() if name not in present}
    if not missing:
        return False
    lines = "".join(f"{name}={value}\n" for name, value in missing.items())
    start = raw if not raw or raw.endswith(b"\n") else raw + b"\n"
    replace_file(profile, start + lines.encode("utf-8"), mode=_PROFILE_MODE)
    return True


def _relative(path: Path, folder: Path) -> str | None:
    """Return a path as seen from the project, or None when it lies outside."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix() or DEFAULT_LOOM
    except ValueError:
        return None
