"""Settling: a process that writes the stores for a server, and that nothing is lost with."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from http_app import settings_in

from zaxy.config import Settings
from zaxy.errors import ProjectionError
from zaxy.eventloom.event import Draft
from zaxy.fabric import MemoryFabric
from zaxy.files.lock import try_lock, unlock
from zaxy.interfaces.http.app import make_app
from zaxy.interfaces.http.settler import DONE
from zaxy.interfaces.http.settling import Settling, without_secrets
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.projections.background import LostProcessError
from zaxy.serving_settings import ServingSettings

MANY = 5_000


class Served:
    """A memory whose stores another process may write."""

    def __init__(self, folder: Path) -> None:
        self.observer = PrometheusObserver()
        self.settings: Settings = settings_in(folder, admin_token="zxq-admin", serving=ServingSettings(readers=1))
        self.fabric = MemoryFabric.from_settings(self.settings, observer=self.observer)
        self.settling = Settling(self.fabric, self.settings)
        self.catchup = self.fabric.memory.catchup

    def record(self, count: int = 3) -> None:
        self.fabric.memory.loom.commit("s", [Draft("note.made", "ann", {"content": "The llama hums."})] * count)

    def lag(self) -> set[int]:
        return {lag.events for lag in self.catchup.lag().values()}


def killed(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Let the next process of that kind be killed by itself at a point in its program."""
    program = f"import os, signal, zaxy.interfaces.http.settler as one\n{when} os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(
        "zaxy.interfaces.http.settling.program", lambda _module: [sys.executable, "-c", f"{program}\none.main()"]
    )


async def test_another_process_writes_the_stores_and_tells_how_long_that_took(tmp_path: Path) -> None:
    served = Served(tmp_path)
    async with served.fabric:
        served.record()
        assert served.catchup.catch_up_by(served.settling)
        assert served.lag() == {0}
        page = served.observer.page()[0].decode()
        for store in ("search", "graph", "forward"):
            assert f'zaxy_projection_seconds_count{{store="{store}"}} 1.0' in page
        assert len(await served.fabric.query("llama")) == 3


async def test_as_long_as_somebody_else_writes_the_process_says_so(tmp_path: Path) -> None:
    served = Served(tmp_path)
    async with served.fabric:
        served.record()
        held = try_lock(served.catchup.tiers[0].lock)
        assert held is not None
        assert not served.catchup.catch_up_by(served.settling)
        unlock(held)
        assert served.catchup.catch_up_by(served.settling)


async def test_what_it_met_is_told_with_the_next_answer_and_its_errors_are_raised_here(tmp_path: Path) -> None:
    served = Served(tmp_path)
    async with served.fabric:
        served.record()
        assert served.catchup.catch_up_by(served.settling)
        graph = next(tier.backend.path for tier in served.catchup.tiers if tier.name == "graph")
        graph.write_bytes(b"no graph" * 1_000)
        served.record()
        assert served.catchup.catch_up_by(served.settling)
        assert any("was set aside" in told for told in served.catchup.warnings())
        served.record()
        graph.with_name(f"{graph.name}.gate").unlink()
        graph.with_name(f"{graph.name}.lock").unlink()
        graph.with_name(f"{graph.name}.lock").mkdir()
        with pytest.raises(ProjectionError):
            served.catchup.catch_up_by(served.settling)


@pytest.mark.parametrize("when", ["", "one.Memory = lambda *a, **b:", "one._tell = lambda *a:"])
async def test_a_process_that_is_killed_is_told_of_and_this_one_writes_the_stores(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    killed(monkeypatch, when)
    served = Served(tmp_path)
    tried = threading.Event()

    def write() -> bool:
        tried.set()
        return served.settling()

    async with served.fabric:
        served.fabric.write_elsewhere(write)
        served.record()
        with pytest.raises(LostProcessError):
            served.settling()
        served.fabric.noted(MANY)
    assert tried.is_set()
    assert "this process writes the projections itself" in caplog.text
    again = Served(tmp_path)
    async with again.fabric:
        assert again.lag() == {0}


async def test_where_no_process_can_be_started_this_one_writes_the_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    served = Served(tmp_path)
    async with served.fabric:
        served.fabric.write_elsewhere(served.settling)
        served.record()
        served.fabric.noted(MANY)
    again = Served(tmp_path)
    async with again.fabric:
        assert again.lag() == {0}


async def test_a_little_is_written_by_the_server_itself_and_much_by_the_process(tmp_path: Path) -> None:
    served, asked = Served(tmp_path), []
    served.fabric.write_elsewhere(lambda: bool(asked.append(1)) or served.settling())
    async with served.fabric:
        served.record()
        served.fabric.noted(3)
    assert asked == []
    assert make_app(served.fabric, served.settings) is not None
    assert isinstance(served.fabric._background.elsewhere, Settling)


def test_the_process_takes_no_orders_from_signals_and_has_the_least_claim_to_a_processor(tmp_path: Path) -> None:
    settings = pickle.dumps(without_secrets(Served(tmp_path).settings))
    code = "import os, sys, zaxy.interfaces.http.settler as one; one.main(); print(os.nice(0), file=sys.stderr)"
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", code, str(theirs.fileno())]
    with (
        ours,
        theirs,
        subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as process,
        ours.makefile("rb") as told,
    ):
        assert process.stderr is not None
        while not ignores(process.pid, signal.SIGTERM):  # it reads its settings only after that
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        ours.sendall(settings)
        assert pickle.load(told) == (DONE, True, [])
        assert int(process.stderr.read()) >= 15
    assert process.returncode == 0
    assert b"zxq-admin" not in settings


def ignores(pid: int, number: int) -> bool:
    """Return whether a process ignores a signal."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    ignored = next(line for line in lines if line.startswith("SigIgn")).split()[1]
    return bool(int(ignored, 16) >> (number - 1) & 1)


def test_a_settler_loads_nothing_of_the_web_or_of_mcp() -> None:
    told = "import sys, zaxy.interfaces.http.settler; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-P", "-c", told], capture_output=True, text=True, check=True).stdout
    assert "zaxy" in loaded.split()
    assert not {"starlette", "uvicorn", "mcp", "jwt", "prometheus_client", "click"} & set(loaded.split())
