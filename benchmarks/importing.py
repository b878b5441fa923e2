"""Taking in large files, and following transcripts: ``python -m benchmarks.importing [--gigabytes 1] [--idle 60]``.

Prints JSON. ``chatgpt`` and ``claude_export`` are made-up exports of that size, one array of conversations, read and
recorded by a process of its own (without filling the stores): its time and its largest memory. ``codex`` is one rollout
of a tenth of that. ``watch`` is a watcher in a process of its own over 200 old transcripts: how many new lines a second
it records when 20 of them grow, and which share of one core it takes while nothing happens, before and after that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from zaxy.eventloom.loom import Eventloom

_MEGABYTE: Final = 1_000_000
_TURNS: Final = 40
_LINES: Final = 20_000
_OLD: Final = 200
_GROWING: Final = 20
_WORDS: Final = (
    "the parser reads one line at a time and tells what is wrong with it, where and what to do next ".split()
)


def _text(number: int) -> str:
    return " ".join(_WORDS[(number * step) % len(_WORDS)] for step in range(1, 400)) + f" {number}"


def _chatgpt(number: int) -> dict[str, Any]:
    nodes = {
        str(at): {
            "id": str(at),
            "parent": str(at - 1) if at else None,
            "children": [str(at + 1)],
            "message": {
                "id": f"{number}-{at}",
                "author": {"role": "assistant" if at % 2 else "user", "metadata": {}},
                "create_time": 1_700_000_000 + at,
                "content": {"content_type": "text", "parts": [_text(number + at)]},
                "metadata": {"model_slug": "gpt-4o", "citations": []},
            },
        }
        for at in range(_TURNS)
    }
    told = {"title": f"Conversation {number}", "create_time": 1_700_000_000, "mapping": nodes}
    return {**told, "current_node": str(_TURNS - 1), "conversation_id": f"c{number}"}


def _claude(number: int) -> dict[str, Any]:
    messages = [
        {
            "uuid": f"{number}-{at}",
            "sender": "assistant" if at % 2 else "human",
            "created_at": "2024-01-01T00:00:00Z",
            "content": [{"type": "text", "text": _text(number + at)}],
        }
        for at in range(_TURNS)
    ]
    return {"uuid": f"c{number}", "name": "x", "created_at": "2024-01-01T00:00:00Z", "chat_messages": messages}


def _codex(number: int) -> str:
    kind = "output_text" if number % 2 else "input_text"
    content = [{"type": kind, "text": _text(number)}]
    payload = {"type": "message", "role": "assistant" if number % 2 else "user", "content": content}
    return json.dumps({"timestamp": "2025-10-29T00:00:00Z", "type": "response_item", "payload": payload}) + "\n"


def _claude_line(session: int, number: int) -> str:
    told = {"type": "user", "uuid": f"{session}-{number}", "sessionId": f"s{session}", "cwd": "/app"}
    return json.dumps({**told, "message": {"role": "user", "content": f"{_text(number)[:200]} {number}"}}) + "\n"


def write_array(path: Path, size: int, make: Any) -> None:
    """Write an array of conversations of about that many bytes."""
    with path.open("w") as stream:
        stream.write("[")
        number = 0
        while stream.tell() < size:
            stream.write((",\n" if number else "") + json.dumps(make(number)))
            number += 1
        stream.write("]")


def write_rollout(path: Path, size: int) -> None:
    """Write a rollout of about that many bytes."""
    with path.open("w") as stream:
        meta = {"timestamp": "2025-10-29T00:00:00Z", "type": "session_meta", "payload": {"id": "s", "cwd": "/app"}}
        stream.write(json.dumps(meta) + "\n")
        number = 0
        while stream.tell() < size:
            stream.write(_codex(number))
            number += 1


def take(name: str, path: str, loom: str) -> None:
    """Take a file in, in this process; print events, seconds and the largest memory in MiB."""
    from zaxy.config import Settings
    from zaxy.services.capture.importers.chatgpt import ingest_chatgpt
    from zaxy.services.capture.importers.claude_export import ingest_claude_export
    from zaxy.services.capture.importers.codex import ingest_codex
    from zaxy.services.capture.sink import LoomSink

    settings = Settings(eventloom_path=Path(loom), state_path=Path(f"{loom}-state"))
    start = time.perf_counter()
    importers: dict[str, Any] = {
        "chatgpt": ingest_chatgpt,
        "claude-export": ingest_claude_export,
        "codex": ingest_codex,
    }
    result = importers[name](path, LoomSink(settings, Eventloom(loom, state_path=settings.state_path)))
    took = time.perf_counter() - start
    told = {
        "events": result.recorded.added,
        "findings": result.finding_count,
        "megabytes": round(Path(path).stat().st_size / _MEGABYTE),
        "seconds": round(took, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "megabytes_per_second": round(Path(path).stat().st_size / _MEGABYTE / took, 1),
        "largest_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    sys.stdout.write(json.dumps(told))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _recorded(loom: Eventloom) -> int:
    return sum(loom.log(name).head().seq for name in loom.sessions())


def watch(folder: Path, idle_seconds: int) -> dict[str, Any]:
    """Run a watcher and return lines a second, and its share of a core while nothing happens."""
    transcripts = folder / "transcripts"
    transcripts.mkdir()
    for session in range(_OLD):
        path = transcripts / f"s{session}.jsonl"
        path.write_text(_claude_line(session, 0))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    words = [sys.executable, "-m", "zaxy", "capture", "start", str(transcripts), "--foreground"]
    words += ["--eventloom-path", str(folder / "loom")]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "EMBEDDING_PROVIDER": "none"}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    loom = Eventloom(folder / "loom", state_path=folder / "state" / "zaxy")
    try:
        _wait_for(loom, _OLD)
        quiet = _idle_share(process.pid, idle_seconds)
        start, busy = time.perf_counter(), _cpu_seconds(process.pid)
        for session in range(_GROWING):
            with (transcripts / f"s{session}.jsonl").open("a") as stream:
                stream.writelines(_claude_line(session, number) for number in range(1, _LINES // _GROWING + 1))
        _wait_for(loom, _OLD + _LINES)
        took, busy = time.perf_counter() - start, _cpu_seconds(process.pid) - busy
        lately = _idle_share(process.pid, idle_seconds)
        memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    finally:
        process.terminate()
        process.wait()
    return {
        "lines_per_second": round(_LINES / took),
        "lines_per_cpu_second": round(_LINES / busy),
        "idle_share_of_a_core": round(quiet, 5),
        "idle_share_after_20_grew": round(lately, 5),
        "largest_memory_mib": round(int(memory[1]) / 1024) if memory is not None else None,
    }


def _idle_share(pid: int, seconds: int) -> float:
    time.sleep(30)  # the stores take in the tail once it is quiet
    before = _cpu_seconds(pid)
    time.sleep(seconds)  # what it needs while nothing happens is what is measured
    return (_cpu_seconds(pid) - before) / seconds


def _wait_for(loom: Eventloom, events: int) -> None:
    while not loom.path.is_dir() or _recorded(loom) < events:
        time.sleep(0.05)  # the watcher tells nobody what it has recorded: the log is looked at


def _in_a_process(name: str, path: Path, loom: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.importing", "--take", name, str(path), str(loom)]
    told: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return told


def rows(folder: Path, gigabytes: float, idle_seconds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each measurement and what it gave."""
    for name, make in (("chatgpt", _chatgpt), ("claude-export", _claude)):
        path = folder / "conversations.json"
        write_array(path, int(gigabytes * 1_000 * _MEGABYTE), make)
        yield name, _in_a_process(name, path, folder / name)
        path.unlink()
    write_rollout(folder / "rollout.jsonl", int(gigabytes * 100 * _MEGABYTE))
    yield "codex", _in_a_process("codex", folder / "rollout.jsonl", folder / "codex")
    yield "watch", watch(folder, idle_seconds)


def main() -> None:
    """Run the measurements that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--idle", type=int, default=60, help="seconds")
    parser.add_argument("--folder", type=Path, help="where the files are made; they are removed")
    parser.add_argument("--take", nargs=3, metavar=("NAME", "PATH", "LOOM"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.take:
        take(*words.take)
        return
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        for name, told in rows(Path(folder), words.gigabytes, words.idle):
            sys.stdout.write(json.dumps({name: told}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
