"""Whether clients that were set up for a project still find its memory: its server and its hooks in their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zaxy.errors import UnavailableError
from zaxy.services.operations.check import Check
from zaxy.services.operations.onboarding.clients import CLIENTS, Surroundings
from zaxy.services.operations.onboarding.merging import Merger
from zaxy.services.operations.onboarding.record import Records


def client_checks(around: Surroundings, state: Path | None) -> Iterator[Check]:
    """Yield a check for each file of a client that `zaxy init` or `zaxy ide-config` wrote to. Changes nothing.

    A file is well when it holds what would be written today: the same loom and session, and a program that is this one.

    Args:
        around: Where clients find the memory.
        state: The state folder, None where there is none: then nothing is known of clients.
    """
    records = Records(state)
    known = records.read(around.folder).files
    merger = Merger(records, around.folder, dry_run=True)
    for name, client in CLIENTS.items():
        try:
            files = [file for file in client.files(around) if str(file.path) in known]
        except UnavailableError:  # without a home folder nothing was written there
            continue
        for file in files:
            outcome = merger.install(file)
            if outcome.state == "there":
                yield Check(f"client {name}", "ok", f"{file.holds} in {file.path}")
                continue
            told = outcome.reason or "it does not hold what was set up"
            force = outcome.state == "different"
            remedy = f"zaxy ide-config {name} --install --force" if force else f"zaxy init --preset {name}"
            yield Check(f"client {name}", "warning", f"{file.path}: {told}", remedy)
