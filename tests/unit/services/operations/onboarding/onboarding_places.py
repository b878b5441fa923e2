"""A project with a home and a state folder of its own."""

from __future__ import annotations

from pathlib import Path

from zaxy.services.operations.onboarding.clients import CLIENTS, ClientFile, Surroundings
from zaxy.services.operations.onboarding.merging import Merger
from zaxy.services.operations.onboarding.record import Records

PROGRAM = ("/opt/zaxy/bin/zaxy",)


class Place:
    """The folders of one person on one machine.

    Args:
        root: Where they are made.
    """

    def __init__(self, root: Path) -> None:
        self.project, self.home, self.state = root / "project", root / "home", root / "state"
        for folder in (self.project, self.home):
            folder.mkdir(exist_ok=True)

    def around(self, *, session_id: str = "default", program: tuple[str, ...] = PROGRAM) -> Surroundings:
        """Return what a client's configuration is made from."""
        return Surroundings(self.project / ".eventloom", session_id, self.project, self.home, program, platform="linux")

    def files(self, client: str, **told: str) -> tuple[ClientFile, ...]:
        """Return the files of a client."""
        return CLIENTS[client].files(self.around(**told))  # type: ignore[arg-type]  # the session alone is ever told

    def merger(self, *, dry_run: bool = False) -> Merger:
        """Return what changes files for this project."""
        return Merger(Records(self.state), self.project, dry_run=dry_run)

    def everything(self) -> dict[str, bytes]:
        """Return all files of project and home with what they hold."""
        return {
            str(path): path.read_bytes()
            for folder in (self.project, self.home)
            for path in folder.rglob("*")
            if path.is_file()
        }
