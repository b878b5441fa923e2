"""What is wrong with a loom and what to do about it: one check after the other, each with its remedy."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.endpoint import Endpoint
from zaxy.errors import KeyUnavailableError, NotFoundError, ZaxyError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof.report import LoomReport, remedy_of
from zaxy.services.operations.check import Check
from zaxy.services.operations.projection_status import ProjectionStatus
from zaxy.services.operations.quarantine import list_quarantine
from zaxy.services.operations.tail_audit import verify_tail
from zaxy.telemetry import Degraded, Reason
from zaxy.telemetry_settings import TelemetrySettings

_LITTLE_BYTES: Final = 64 * 1024 * 1024
_HEALTH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of a loom.

    Attributes:
        eventloom_path: The loom.
        ok: Whether none failed.
        level: The trust level in force.
        blind_spots: What it cannot see.
        checks: What was looked at.
    """

    eventloom_path: str
    ok: bool
    level: str
    blind_spots: str
    checks: tuple[Check, ...]


def diagnose(
    loom: Eventloom,
    projections: Callable[[], Sequence[ProjectionStatus]],
    *,
    ask_witnesses: bool = True,
    whole: bool = True,
    around: Iterable[Check] = (),
    telemetry: TelemetrySettings | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Diagnosis:
    """Check a memory: its logs and what proves them, its key, quarantine and projections, its disk, what is around it.

    Args:
        loom: What to look at.
        projections: Says how the projections stand.
        ask_witnesses: Whether witnesses, and what traces go to, are asked over the network.
        whole: Whether logs are read from their beginning, however long they are; else one that is long is read from
            where the newest checkpoint ends, and the answer says so.
        around: What else was looked at, such as `around_checks` gives.
        telemetry: Where traces go.
        progress: Told how many sessions are verified.

    Raises:
        NotFoundError: There is no such loom.
    """
    if not loom.path.is_dir():
        raise NotFoundError(f"there is no loom at {loom.path}", remedy="make one: zaxy init")
    report = None if whole else verify_tail(loom, ask_witnesses=ask_witnesses, progress=progress)
    if report is None:
        report = loom.verify(ask_witnesses=ask_witnesses, progress=progress)
    checks = [
        *_trust(report),
        _key(loom),
        _quarantine(loom),
        *(_projection(status) for status in projections()),
        _disk(loom),
        *(_pathlight(telemetry) if telemetry is not None and ask_witnesses else ()),
        *around,
    ]
    ok = all(check.state != "failed" for check in checks)
    return Diagnosis(str(loom.path), ok, str(report.level), report.blind_spots, tuple(checks))


def _trust(report: LoomReport) -> list[Check]:
    found = [Check("logs", "failed", finding.message, remedy_of(finding)) for finding in report.findings]
    if not found:
        held = f"{report.total_events:,} events, {report.checkpointed_events:,} of them in a checkpoint"
        found.append(Check("logs", "ok", f"{held}; level: {report.level}"))
    return found + [Check("logs", "warning", note) for note in report.notes]


def _key(loom: Eventloom) -> Check:
    try:
        state = loom.notary().state
        state.signing_key()
    except KeyUnavailableError as error:
        return Check("signing key", "warning", error.message, error.remedy)
    except ZaxyError as error:
        return Check("signing key", "failed", error.message, error.remedy)
    return Check("signing key", "ok", str(state.key_path))


def _quarantine(loom: Eventloom) -> Check:
    found = list_quarantine(loom)
    if found.read_only:
        names = ", ".join(found.read_only[:5])
        return Check("quarantine", "failed", f"read-only since they were found damaged: {names}", "zaxy log recover")
    if any(not item.told or not item.intact for item in found.items):
        return Check("quarantine", "warning", f"{len(found.items)} cut off and not all told of", "zaxy log recover")
    return Check("quarantine", "ok", f"{len(found.items)} set aside" if found.items else "empty")


def _projection(status: ProjectionStatus) -> Check:
    name = f"projection {status.name}"
    if status.state == "unavailable":
        return Check(name, "failed", status.reason or "unavailable", "zaxy reproject")
    if status.state == "ignored":
        path = shlex.quote(status.path)
        return Check(name, "warning", f"{status.path} is ignored: {status.reason}", f"mv {path} {path}.ignored")
    if status.state == "diverged":
        return Check(name, "warning", f"{status.state}: {status.reason}", "zaxy reproject")
    return Check(name, "ok", f"{status.state}, {status.lag_events:,} events read from the log")


def store_checks(warnings: Iterable[str]) -> Iterator[Check]:
    """Yield what was noticed while stores were looked at; what is wrong with logs is told by their own check."""
    for told in warnings:
        if not (isinstance(told, Degraded) and told.reason is Reason.LOG_DAMAGED):
            yield Check("projections", "warning", told, "zaxy reproject")


def _pathlight(telemetry: TelemetrySettings) -> list[Check]:
    """Ask the collector whether it is well, where traces go to one."""
    if not telemetry.pathlight_enabled:
        return []
    url = f"{telemetry.pathlight_url.rstrip('/')}/health"
    try:
        Endpoint(url, what="Pathlight", api_key=telemetry.pathlight_access_token).get(_HEALTH_SECONDS)
    except ZaxyError as error:
        return [Check("pathlight", "warning", error.message, error.remedy or "set PATHLIGHT_ENABLED=false")]
    return [Check("pathlight", "ok", telemetry.pathlight_url)]


def _disk(loom: Eventloom) -> Check:
    free = shutil.disk_usage(loom.path).free
    if free < _LITTLE_BYTES:
        return Check("disk", "warning", f"{free // 1024:,} KiB free", "free some space")
    return Check("disk", "ok", f"{free // (1024 * 1024):,} MiB free")
