"""One server, loaded: ``python -m benchmarks.serving [--seconds 600] [--events 100000] [--mcp] [--original ZAXY]``.

A made-up history is recorded and projected once, into a folder that is kept where ``--folder`` names one. A copy of it
is served by ``zaxy serve`` in a process of its own, without a model, and asked and recorded in at fixed rates by
another process: client and server share the machine. Everything stays on this machine. ``--original`` names the
``zaxy`` of zaxy-memory 3.2.0, in a venv of its own with ``mcp<2``, whose server is filled with as many events as it
takes in two minutes and then loaded in the same way, over standard input and output: on the network it has no tools.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.report import Row, as_json, failed, machine, table
from benchmarks.scale import told_over
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft
from zaxy.memory import Memory

_ROOT: Final = Path(__file__).parents[1]
_SESSIONS: Final = 8
_BATCH: Final = 10_000
_START_LIMIT_SECONDS: Final = 120.0
_ENDING_SECONDS: Final = 60.0
_NO_VECTORS: Final = EmbeddingSettings(enabled=False)
_FILL_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.01
_QUESTION: Final = "Who felt relieved after the council changed the rules about the orchard?"
_MOST_GROWTH: Final = 1.1


def build(folder: Path, events: int) -> None:
    """Record and project so many turns in eight sessions, and make a key, where that is still to be done."""
    if (folder / "made").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(
        eventloom_path=folder / ".eventloom",
        state_path=folder / "state" / "zaxy",
        embedding=_NO_VECTORS,
    )
    with Memory(settings) as memory:
        memory.loom.ensure_key()
        batch: dict[str, list[Draft]] = {}
        for number, one in enumerate(told_over(events, min(_SESSIONS, events), events), 1):
            batch.setdefault(one.session_id, []).append(one.draft)
            if number % _BATCH == 0 or number == events:
                for session_id, drafts in batch.items():
                    memory.loom.commit(session_id, drafts)
                batch.clear()
        memory.catchup.catch_up()
    (folder / "made").touch()


@dataclass
class Served:
    """A server that runs.

    Attributes:
        url: Where; of a server on standard input, the command.
        folder: Where it runs; ``server.pid`` names its process there.
        first_answer_seconds: From its start to the first answered call.
        resident_bytes: The memory of it and its readers, once a second.
        processor_seconds: What it needed of the processors while it was loaded.
    """

    url: str
    folder: Path
    first_answer_seconds: float = 0.0
    resident_bytes: list[int] = field(default_factory=list)
    processor_seconds: float = 0.0

    def watch(self, ended: threading.Event) -> None:
        """Note its memory once a second until told to stop."""
        while not ended.wait(1.0):
            family = _family(self.pid)
            size = sum(map(_resident, family))
            if size:
                self.resident_bytes.append(size)
                self.processor_seconds = sum(map(_processor_seconds, family))

    @property
    def pid(self) -> int:
        """Its process, 0 before there is one."""
        try:
            return int((self.folder / "server.pid").read_text(encoding="ascii") or 0)
        except OSError:
            return 0


def _family(pid: int) -> list[int]:
    """Return a process and those that it started; nothing where the system does not tell."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        told = [name for thread in threads for name in (thread / "children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [pid, *(each for child in told for each in _family(int(child)))]


def _processor_seconds(pid: int) -> float:
    """Return how long a process has had a processor so far; 0 where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Return how much memory a process has, 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1_024 for line in status.splitlines() if line.startswith("VmRSS")), 0)


@contextlib.contextmanager
def served(zaxy: Sequence[str], folder: Path, readers: int | None = None) -> Iterator[Served]:
    """Serve the loom of a folder on a free port of this machine, for a ``with`` block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*zaxy, "serve", "--transport", "http", "--port", str(port), "--eventloom-path", ".eventloom"]
    command += [] if readers is None else ["--readers", str(readers)]
    with (folder / "server.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        (folder / "server.pid").write_text(str(process.pid), encoding="ascii")
        server = Served(f"http://127.0.0.1:{port}", folder)
        try:
            _wait_for_answer(server.url, process)
            server.first_answer_seconds = time.perf_counter() - started
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment without settings of ours, and with those of the run."""
    ours = ("EVENTLOOM_", "PROJECTION_", "EMBED", "MCP_", "RERANKER_", "OTEL_", "PATHLIGHT_", "XDG_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    graph = {"PROJECTION_BACKEND": "embedded", "EMBEDDED_GRAPH_PATH": ".eventloom/projections/embedded.kuzu"}
    none = {"EMBEDDING_PROVIDER": "none", "EMBEDDING_ENABLED": "false", "MCP_RATE_LIMIT_ENABLED": "false"}
    return {**kept, **graph, **none, "XDG_STATE_HOME": str(folder / "state"), "PATHLIGHT_ENABLED": "false"}


def _wait_for_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Ask a question until it is answered.

    Raises:
        RuntimeError: The server ended, or did not answer in time.
    """
    question = json.dumps({"query": _QUESTION}).encode()
    asked = Request(f"{url}/v1/query", question, {"Content-Type": "application/json"})
    deadline = time.perf_counter() + _START_LIMIT_SECONDS
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server ended; its server.log says why")
        with contextlib.suppress(URLError, ConnectionError, TimeoutError):
            with urlopen(asked, timeout=_START_LIMIT_SECONDS) as answer:
                answer.read()
            return
        time.sleep(_POLL_SECONDS)  # nothing but its answer tells that a server is ready
    raise RuntimeError("the server did not answer in time")


def load(server: Served, protocol: str, asked: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Load a server from a process of its own, watching its memory; return what that measured."""
    command = [sys.executable, "-m", "benchmarks.serving_client", server.url, protocol, *more]
    for name in ("seconds", "warm_up", "queries", "appends"):
        command += [f"--{name.replace('_', '-')}", str(getattr(asked, name))]
    limit_seconds = asked.seconds + asked.warm_up + 3 * _FILL_SECONDS
    surroundings = {**environment(server.folder), "PYTHONPATH": str(_ROOT)}
    ended = threading.Event()
    watching = threading.Thread(target=server.watch, args=(ended,))
    before = sum(map(_processor_seconds, _family(server.pid)))
    watching.start()
    try:
        done = subprocess.run(
            command,
            cwd=server.folder,
            env=surroundings,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    finally:
        ended.set()
        watching.join()
    server.processor_seconds -= before
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    told: dict[str, Any] = json.loads(done.stdout)
    server.first_answer_seconds = server.first_answer_seconds or told["first_answer_seconds"]
    return told


def rows_of(name: str, server: Served, told: dict[str, Any], asked: argparse.Namespace, *, wanted: bool) -> list[Row]:
    """Return a run as rows; ``wanted`` for the one that the targets are for."""
    rows = []
    for kind, limit_ms, rate in (("query", 60, asked.queries), ("append", 30, asked.appends)):
        figures = {key: value for key, value in told[kind].items() if isinstance(value, float | int)}
        times = f"p50 {figures['p50_ms']:.1f}, p95 {figures['p95_ms']:.1f}, p99 {figures['p99_ms']:.1f} ms"
        trouble = (
            f", {told[kind]['failed']} FAILED: {told[kind]['first_failure'][:120]}" if told[kind]["failed"] else ""
        )
        trouble += ", FELL BEHIND" if told["fell_behind"] else ""
        met = figures["p95_ms"] <= limit_ms and figures["per_second"] >= 0.99 * rate and not trouble
        target = f"p95 ≤ {limit_ms} ms at {rate:g}/s" if wanted else ""
        measured = f"{times} at {figures['per_second']:.1f}/s{trouble}"
        rows.append(Row(f"{name}_{kind}", f"{name}: {kind}", measured, target, met if wanted else None, figures))
    cores = server.processor_seconds / (asked.warm_up + asked.seconds)
    busy = Row(
        f"{name}_processor",
        f"{name}: server's processors",
        f"{cores:.2f} of {os.cpu_count()}",
        figures={"cores": cores},
    )
    memory = _memory_row(name, server.resident_bytes, wanted=wanted)
    return [*rows, busy, memory, _start_row(name, server, wanted=wanted)]


def _memory_row(name: str, resident: Sequence[int], *, wanted: bool) -> Row:
    """Return how much memory the server had, and how that grew after the first fifth of the run."""
    if len(resident) < 10:
        return failed(f"{name}_memory", f"{name}: server's memory", "the run was too short")
    part = max(1, len(resident) // 10)
    early, late = statistics.median(resident[2 * part : 3 * part]), statistics.median(resident[-part:])
    figures = {"first": resident[0], "early": early, "late": late, "most": max(resident)}
    grown = late / early
    measured = f"{early / 1e6:.0f} MB after a fifth, {late / 1e6:.0f} MB at the end ({grown:.2f} x)"
    target, met = (f"≤ {_MOST_GROWTH} x", grown <= _MOST_GROWTH) if wanted else ("", None)
    return Row(f"{name}_memory", f"{name}: server's memory", measured, target, met, figures)


def _start_row(name: str, server: Served, *, wanted: bool) -> Row:
    seconds = server.first_answer_seconds
    target, met = ("≤ 2.5 s", seconds <= 2.5) if wanted else ("", None)
    what = f"{name}: start to first answer"
    return Row(f"{name}_start", what, f"{seconds:.2f} s", target, met, {"seconds": seconds})


def ours(made: Path, folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Measure our server on a copy of the loom; count afterwards what is in the log."""
    protocol = "mcp" if asked.mcp else "rest"
    shutil.copytree(made, folder)
    state = folder / "state" / "zaxy"
    settings = Settings(eventloom_path=folder / ".eventloom", state_path=state, embedding=_NO_VECTORS)
    with Memory(settings) as memory:  # what is copied is read and indexed once: not what a start is
        for session_id in memory.loom.stats():
            memory.loom.commit(session_id, [Draft("note.made", "user", {"content": "copied"})])
        memory.catchup.catch_up()
        began = memory.inspection.status(verify=False).total_events
    with served((sys.executable, "-m", "zaxy"), folder, readers=asked.readers) as server:
        told = load(server, protocol, asked)
    with Memory(settings) as memory:
        kept = memory.inspection.status(verify=True).total_events - began
    named = f"{told['acknowledged']:,} acknowledged, {kept:,} in the log"
    rows = rows_of(protocol, server, told, asked, wanted=not asked.mcp)
    is_kept = kept >= told["acknowledged"]
    return [*rows, Row(f"{protocol}_kept", f"{protocol}: appends", named, "none lost", is_kept)]


def original(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Measure zaxy-memory 3.2.0's server, from an empty loom on."""
    folder.mkdir()
    server = Served(str(Path(asked.original).absolute()), folder)
    fill = ("--fill", str(asked.original_events), "--fill-seconds", str(_FILL_SECONDS))
    try:
        told = load(server, "stdio", asked, *fill)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return [failed("original", "zaxy-memory 3.2.0", str(error))]
    rows = rows_of("original", server, told, asked, wanted=False)
    held = f"{told['filled']:,} of {asked.original_events:,} events in {_FILL_SECONDS:.0f} s"
    return [*rows, Row("original_filled", "original: filled before the run", held)]


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code is 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the load lasts")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds of load before that, not counted")
    parser.add_argument("--events", type=int, default=100_000, help="events in the loom before it")
    parser.add_argument("--queries", type=float, default=100.0, help="queries a second")
    parser.add_argument("--appends", type=float, default=100.0, help="appends a second, each on disk before its answer")
    parser.add_argument("--readers", type=int, help="reading processes beside the server's own; by default its choice")
    parser.add_argument("--mcp", action="store_true", help="over MCP instead of JSON over HTTP")
    parser.add_argument("--original", metavar="ZAXY", help="also the server of this zaxy 3.2.0")
    parser.add_argument("--original-events", type=int, default=1_000, help="events that it is filled with")
    parser.add_argument("--folder", type=Path, help="where looms are made once and kept")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        made = (asked.folder or Path(name)) / f"made-{asked.events}"
        build(made, asked.events)
        rows = ours(made, Path(name) / "ours", asked)
        rows += original(Path(name) / "original", asked) if asked.original else []
    print(f"{machine()}, {os.cpu_count()} cores, {asked.events:,} events, {asked.seconds:g} s\n")
    print(table(rows))
    if asked.json:
        given = {key: str(value) for key, value in vars(asked).items()}
        asked.json.write_text(as_json(rows, given, None), encoding="utf-8")
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
