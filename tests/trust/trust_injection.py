"""Faults at single system calls of a process: strace finds the calls and makes one of them fail, or kills there.

Each fault costs a fork of this warm process and an attached strace, some ten milliseconds. Where strace is missing or
may not attach, functions of ``os`` are wrapped in the process itself; `best_injector` says which of the two it is.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from fault_processes import Say, start

CALLS: Final = (
    *("openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2"),
    *("ftruncate", "close", "flock", "mkdir", "mkdirat", "unlink", "unlinkat"),
)
Act = Callable[[Say], None]
Begin = Callable[[Say], Act]
"""Prepares unobserved and returns what is done under observation."""

_PR_SET_PTRACER: Final = 0x59616D61
_PR_SET_PTRACER_ANY: Final = ctypes.c_ulong(-1)
_CALL: Final = re.compile(r"(\w+)\(")
_RANDOM: Final = re.compile(r"[0-9a-f]{12,}")  # in the names of temporary and quarantined files
_QUOTES: Final = ('"', '"')
_READY: Final = "ready"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a system call instead of it.

    Attributes:
        name: How it is shown.
        number: The error it fails with, 0 for none.
        killed: Whether the process is killed there.
        taken: What it returns without having done anything, or None.
    """

    name: str
    number: int = 0
    killed: bool = False
    taken: int | None = None

    @property
    def expression(self) -> str:
        """The fault in strace's words."""
        if self.killed:
            return "signal=KILL"
        return f"error={self.name}" if self.taken is None else f"retval={self.taken}"


def failing(number: int) -> Fault:
    """Return the fault that a call fails with an error."""
    return Fault(errno.errorcode[number], number)


def claiming(taken: int) -> Fault:
    """Return the fault that a call says how many bytes it took, and took none."""
    return Fault(f"says {taken} bytes", taken=taken)


KILL: Final = Fault("SIGKILL", killed=True)
EIO, ENOSPC, EINTR = failing(errno.EIO), failing(errno.ENOSPC), failing(errno.EINTR)


@dataclass(frozen=True, slots=True)
class Site:
    """One system call of a run: the how-manieth of its name it is, and on which files, seen from the folder."""

    call: str
    number: int
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.call} {self.number} of {' → '.join(self.files)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (minus the signal), the lines that it said, the calls that were seen.

    Attributes:
        struck: The call at which a fault was injected.
    """

    code: int
    said: list[str]
    calls: list[str]
    struck: str = ""


class Injector(Protocol):
    """Runs something in a process of its own and lets one of its system calls fail."""

    @property
    def means(self) -> str:
        """What the faults are made with, as told in a figure."""

    def observe(self, begin: Begin) -> Ended:
        """Run it without a fault."""

    def inject(self, begin: Begin, site: Site, fault: Fault) -> Ended:
        """Run it with a fault.

        Raises:
            AssertionError: The run never came to that call.
        """


def sites_of(ended: Ended, root: Path, calls: Sequence[str] = CALLS) -> list[Site]:
    """Return the system calls of a run that touch what lies in a folder."""
    count: Counter[str] = Counter()
    found = []
    for shown in ended.calls:
        match = _CALL.match(shown)
        if match is None:
            continue
        count[match[1]] += 1
        files = files_of(shown, root)
        if match[1] in calls and files:
            found.append(Site(match[1], count[match[1]], files))
    return found


def files_of(shown: str, root: Path) -> tuple[str, ...]:
    """Return the files that a call names, seen from a folder; those outside are left out."""
    arguments = re.sub(r"\) += .*", ")", shown)
    found = re.findall(rf"[<\"(]{re.escape(str(root))}([^>\")]*)[>\")]", arguments)
    return tuple(_RANDOM.sub("*", path) or "." for path in found)


class Strace:
    """Injects with strace, attached to the process once it is prepared."""

    means = "strace"

    def observe(self, begin: Begin) -> Ended:
        return self._run(begin, ())

    def inject(self, begin: Begin, site: Site, fault: Fault) -> Ended:
        ended = self._run(begin, ("-e", f"inject={site.call}:{fault.expression}:when={site.number}"))
        struck = [line for line in ended.calls if "(INJECTED)" in line or (fault.killed and line.endswith("= ?"))]
        assert len(struck) == 1, f"the run never came to {site}: {ended.said}"
        assert (ended.code == -signal.SIGKILL) == fault.killed, (ended.code, ended.said)
        return replace(ended, struck=struck[0])

    def _run(self, begin: Begin, options: Sequence[str]) -> Ended:
        wait_end, go_end = os.pipe()

        def work(say: Say) -> None:
            os.close(go_end)
            gc.disable()  # else files that are dropped in a circle are closed at another call each time
            if sys.platform == "linux":  # where only a parent may trace its children, unless they allow it
                ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
            act = begin(say)
            say(_READY)
            os.read(wait_end, 1)
            act(say)

        child = start(work)
        os.close(wait_end)
        with tempfile.NamedTemporaryFile(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as told:
            try:
                child.hear(_READY)
                strace = _attached(child.pid, told.name, options)
            finally:
                os.close(go_end)
            code, said = child.finish()
            strace.communicate()
            calls = told.read().decode("utf-8", "replace").splitlines()
        said.remove(_READY)
        return Ended(code, said, calls)


def _attached(pid: int, told: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
    calls = "trace=" + ",".join(f"?{name}" for name in CALLS)  # ?: not every machine has every call
    command = ["strace", "-p", str(pid), "-y", "-s", "80", "-o", told, "-e", calls, "-e", "signal=none", *options]
    strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert strace.stderr is not None
    line = strace.stderr.readline()  # said once the process is stopped, so that it can miss no call
    if b"attached" not in line:
        strace.communicate()
        raise OSError(line.decode("utf-8", "replace").strip())
    return strace


_WRAPPED: Final = {
    "open": "openat",
    **{name: name for name in ("write", "fsync", "rename", "ftruncate", "close", "mkdir", "unlink")},
}
_RETRIED: Final = ("openat", "write", "fsync", "ftruncate", "flock")
"""What the interpreter calls again by itself after EINTR (PEP 475)."""


class InProcess:
    """Injects in the process itself, by functions that stand in for those of ``os`` and for ``flock``."""

    def __init__(self, means: str = "functions in place of those of os") -> None:
        self.means = means

    def observe(self, begin: Begin) -> Ended:
        return self._run(begin, None)

    def inject(self, begin: Begin, site: Site, fault: Fault) -> Ended:
        ended = self._run(begin, (site, fault))
        reached = [line for line in ended.calls if line.startswith(f"{site.call}(")]
        assert len(reached) >= site.number, f"the run never came to {site}: {ended.said}"
        return replace(ended, struck=reached[site.number - 1])

    def _run(self, begin: Begin, planned: tuple[Site, Fault] | None) -> Ended:
        assert planned is None or planned[1].taken is None, "only strace can let a call lie"

        def work(say: Say) -> None:
            gc.disable()
            act = begin(say)
            _wrap(say, planned)
            act(say)

        code, lines = start(work).finish()
        calls = [line.removeprefix("call ") for line in lines if line.startswith("call ")]
        return Ended(code, [line for line in lines if not line.startswith("call ")], calls)


def _wrap(say: Say, planned: tuple[Site, Fault] | None) -> None:
    """Let every wrapped call of this process be told, and the planned one fail."""
    count: Counter[str] = Counter()

    def wrapped(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def standing_in(*arguments: Any, **options: Any) -> Any:
            where = [_path_of(place) for place in arguments if isinstance(place, int | str | Path)]
            count[call] += 1
            say(f"call {call}({', '.join(f'{place}'.join(_QUOTES) for place in where)})")
            if planned is not None and (call, count[call]) == (planned[0].call, planned[0].number):
                _fail(call, planned[1])
            return real(*arguments, **options)

        return standing_in

    for name, call in _WRAPPED.items():
        setattr(os, name, wrapped(call, getattr(os, name)))
    fcntl.flock = wrapped("flock", fcntl.flock)


def _path_of(place: int | str | Path) -> str:
    """Return the path of an open file, or the path that is given; a number that is no open file as it is."""
    if not isinstance(place, int):
        return str(place)
    try:
        if sys.platform == "darwin":
            return os.fsdecode(fcntl.fcntl(place, fcntl.F_GETPATH, bytes(1_024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{place}")
    except OSError:
        return str(place)


def _fail(call: str, fault: Fault) -> None:
    if fault.killed:
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.number and not (fault.number == errno.EINTR and call in _RETRIED):
        raise OSError(fault.number, os.strerror(fault.number))


@cache
def best_injector() -> Injector:
    """Return strace where it is there and may attach, else the way without it, whose `means` says why."""
    if shutil.which("strace") is None:
        return InProcess("functions in place of those of os: there is no strace here")
    try:
        Strace().observe(lambda say: lambda say: None)
    except OSError as error:
        return InProcess(f"functions in place of those of os: strace may not attach here ({error})")
    return Strace()
