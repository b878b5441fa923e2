"""A text for another program is private, and gone afterwards, whatever ends the process."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zaxy.files.scratch import scratch_file

HOLDING = """
import os, sys
from pathlib import Path
from zaxy.files.scratch import scratch_file
with scratch_file("memory.txt", "the secret") as path:
    (path.parent / "memory.txt.swp").write_text("the secret too")
    print(path, Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().strip(), flush=True)
    sys.stdin.read()
"""


def test_the_file_is_for_its_owner_alone_and_gone_afterwards() -> None:
    with scratch_file("memory.txt", "grüße\n") as path:
        assert path.name == "memory.txt"
        assert path.read_text(encoding="utf-8") == "grüße\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        (path.parent / "what an editor leaves.swp").write_text("grüße")
    assert not path.parent.exists()


def test_an_error_leaves_nothing_either() -> None:
    with pytest.raises(KeyError), scratch_file("memory.txt", "text") as path:
        raise KeyError("anything")
    assert not path.parent.exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for a process of somebody else needs Linux")
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_process_is_ended_from_outside(signal_number: int) -> None:
    command = [sys.executable, "-c", HOLDING]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        path, guard = process.stdout.readline().split()
        assert Path(path).exists()
        watched = os.pidfd_open(int(guard))
        process.send_signal(signal_number)
        process.wait(60)
    ready, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ready
    assert not Path(path).parent.exists()
