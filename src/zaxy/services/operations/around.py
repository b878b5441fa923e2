"""What a memory needs around its log: settings, a model, permissions, locks, the clock. Looks only, changes nothing."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from zaxy.clock import Clock
from zaxy.config import EmbeddingSettings, Settings, setting_names
from zaxy.embedding.choose import Chosen, choose_embedder
from zaxy.errors import BusyError, UnavailableError, ZaxyError
from zaxy.eventloom.loom import Eventloom
from zaxy.files.lock import locked
from zaxy.projections.backends import check_graph_backend
from zaxy.services.operations.check import Check
from zaxy.services.operations.sizes import bytes_of

_MIB: Final = 1024 * 1024
_SECRETS: Final = ("signing.key.next", "kek.json", "vault/keys.db")
"""Beside the signing key, which has a check of its own."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MODEL_FOLDER: Final = re.compile(r"[0-9a-f]{16}")
_AHEAD_MICROSECONDS: Final = 5 * 60 * 1_000_000
_LOCK_SECONDS: Final = 0.25
_MOST_LOCKS: Final = 8


@dataclass(frozen=True, slots=True)
class Around:
    """What is looked at.

    Attributes:
        settings: The settings in force.
        loom: The loom.
        clock: What "now" is.
        chosen: The model that makes vectors.
        project: The project's own file of settings; None where there is none.
        unknown: Variables that look like settings and are none.
        ignored: Settings in the project's file that do not count.
        ask: Whether a model behind a network is asked for a vector.
    """

    settings: Settings
    loom: Eventloom
    clock: Clock
    chosen: Chosen
    project: Path | None = None
    unknown: Sequence[str] = ()
    ignored: Sequence[str] = ()
    ask: bool = True


def usable(settings: Settings) -> tuple[Settings, tuple[Check, ...]]:
    """Return settings with which a memory can be opened to look at the rest, and a check for each that had to go."""
    found: list[Check] = []
    try:
        check_graph_backend(settings.projection_backend)
    except ZaxyError as error:
        found.append(Check("graph back end", "failed", error.message, "export PROJECTION_BACKEND=embedded"))
        settings = replace(settings, projection_backend="embedded")
    try:
        choose_embedder(settings.embedding)
    except ZaxyError as error:
        remedy = f"unset {_named_in(error)}" if _named_in(error) else "export EMBEDDING_PROVIDER=auto"
        found.append(Check("embedding", "failed", error.message, remedy))
        settings = replace(settings, embedding=EmbeddingSettings(enabled=False))
    return settings, tuple(found)


def _named_in(error: ZaxyError) -> str:
    return "EMBEDDING_DIMENSION" if "EMBEDDING_DIMENSION" in error.message else ""


def around_checks(around: Around, told: Iterable[Check] = ()) -> Iterator[Check]:
    """Yield what was found around a memory's log.

    Args:
        around: What is looked at.
        told: What `usable` found already; a model that is told of there is not asked again.
    """
    known = list(told)
    yield from known
    yield _settings(around)
    if all(check.name != "embedding" for check in known):
        yield _embedding(around)
    yield from _vectors(around)
    yield from _permissions(around)
    yield _locks(around.loom)
    yield _clock(around)


def _settings(around: Around) -> Check:
    if around.unknown:
        names = setting_names()
        near = {name: difflib.get_close_matches(name, names, 1, 0.8) for name in around.unknown}
        words = (f"{name} (meant: {found[0]}?)" if found else name for name, found in near.items())
        return Check("settings", "warning", f"no setting: {', '.join(words)}", f"unset {shlex.join(around.unknown)}")
    if around.ignored and around.project is not None:
        listed = ", ".join(around.ignored)
        told = f"{listed} in {around.project} do not count; trust that file only if you wrote it yourself"
        return Check("settings", "warning", told, "look at it, then only if you wrote it yourself: zaxy init --trust")
    return Check("settings", "ok", f"session {around.settings.session_id}, loom {around.settings.eventloom_path}")


def _embedding(around: Around) -> Check:
    embedder = around.chosen.embedder
    if embedder is None:
        return Check("embedding", "ok", f"no vectors: {around.chosen.reason}")
    is_remote = around.settings.embedding.provider in ("openai", "local-http")
    try:
        if around.ask or not is_remote:
            embedder.embed_query("well")
    except ZaxyError as error:
        return Check("embedding", "failed", error.message, "export EMBEDDING_ENABLED=false")
    return Check("embedding", "ok", f"{embedder.name}, dimension {embedder.dimension or 'of its own'}")


def _vectors(around: Around) -> Iterator[Check]:
    """Look whether vectors of several models lie there, and whether they find room in the machine's memory."""
    folder = around.settings.vectors_path
    if around.chosen.embedder is None or not folder.is_dir():
        return
    models = sorted(path.name for path in folder.iterdir() if _MODEL_FOLDER.fullmatch(path.name))
    if len(models) > 1:
        told = f"there are vectors of {len(models)} models, and only those of one are searched"
        yield Check("vectors", "warning", told, "zaxy memory re-embed")
    held, memory = bytes_of(folder), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    told = f"{held // _MIB:,} MiB of vectors, {max(0, memory // 2 - held) // _MIB:,} MiB free of half the memory"
    state = "ok" if held <= memory // 2 else "warning"
    yield Check("vector memory", state, told, "" if state == "ok" else "export EMBEDDING_ENABLED=false")


def _permissions(around: Around) -> Iterator[Check]:
    """Look who may read secrets and change settings, and whether the loom can be written."""
    secrets = [] if around.settings.forgetting_kek_path is None else [around.settings.forgetting_kek_path]
    with contextlib.suppress(ZaxyError):  # the check of the key says why there is no such folder
        secrets += [around.loom.notary().state.folder / name for name in _SECRETS]
    open_ones = [path for path in secrets if _mode(path) & _OTHERS]
    if open_ones:
        told = f"others may read {', '.join(map(str, open_ones))}"
        yield Check("permissions", "failed", told, f"chmod 600 {shlex.join(map(str, open_ones))}")
    ours = [path for path in (around.project, around.loom.path) if path is not None]
    changeable = [path for path in ours if _mode(path) & stat.S_IWOTH]
    if changeable:
        told = f"others may change {', '.join(map(str, changeable))}"
        yield Check("permissions", "warning", told, f"chmod o-w {shlex.join(map(str, changeable))}")
    if not os.access(around.loom.path, os.W_OK):
        where = shlex.quote(str(around.loom.path))
        told = f"{around.loom.path} cannot be written: what is recorded is refused"
        yield Check("permissions", "warning", told, f"chmod -R u+rwX {where}")
    elif not open_ones and not changeable:
        yield Check("permissions", "ok", "secrets are their owner's alone, and the loom can be written")


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _locks(loom: Eventloom) -> Check:
    """Try the locks of the logs that changed last: an append holds one for milliseconds."""
    stats = loom.stats()
    newest = sorted(stats, key=lambda name: stats[name].modified, reverse=True)[:_MOST_LOCKS]
    locks = [path for path in (loom.log(name).layout.lock for name in newest) if path.exists()]
    for path in locks:
        try:
            with locked(path, timeout_seconds=_LOCK_SECONDS):
                pass
        except BusyError:
            holder = _holder(path)
            told = f"another process{f' ({holder})' if holder else ''} keeps {path}: appends to that session wait"
            return Check("locks", "failed", told, f"kill -9 {holder}" if holder else "")
        except UnavailableError as error:  # a loom that cannot be written has nobody who waits
            return Check("locks", "ok", f"not tried: {error.message}")
    return Check("locks", "ok", f"{len(locks)} tried, none is kept")


def _holder(path: Path) -> int | None:
    """Return the id of the process that holds a lock, where the system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inode = str(path.stat().st_ino)
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode:
                return int(words[4])
    return None


def _clock(around: Around) -> Check:
    stats = around.loom.stats()
    newest = max(stats, key=lambda name: stats[name].modified, default=None)
    recorded = 0
    if newest is not None:
        with contextlib.suppress(ZaxyError, OSError):  # damage is told by the check of the logs
            recorded = around.loom.log(newest).head().recorded_at
    ahead = recorded - around.clock.now()
    if ahead > _AHEAD_MICROSECONDS:
        told = f"the last event of {newest} was recorded {ahead // 60_000_000:,} minutes from now: a clock was wrong"
        return Check("clock", "warning", told, "sudo timedatectl set-ntp true")
    return Check("clock", "ok", "not behind what was recorded")
