"""Runs one command and notes how long it took and its peak memory: ``launcher.py NOTES LIMIT_SECONDS COMMAND...``.

Standard library only and small on purpose: what this process weighs is the least that can be measured.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main() -> None:
    """Run the command that the arguments name."""
    notes, limit_seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    ended_by_us = []

    def end(_signal: int, _frame: object) -> None:
        ended_by_us.append(True)
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_seconds)
    _, status, usage = os.wait4(child, 0)
    took = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    exit_code = os.waitstatus_to_exitcode(status)
    with open(notes, "w", encoding="utf-8") as file:
        file.write(
            f'{{"seconds": {took}, "peak_bytes": {usage.ru_maxrss * unit}, "exit_code": {exit_code}, '
            f'"timed_out": {"true" if ended_by_us else "false"}}}'
        )


if __name__ == "__main__":
    main()
