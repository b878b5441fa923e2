"""Coverage-guided fuzzing of what reads bytes that anybody may have written: canonical JSON, records, whole files.

Each target runs in a process of its own for a third of the time. A target fails at anything but the typed errors, at a
line that is accepted and is not what a writer makes, at a hang and at too much memory; what it failed at is written to
the folder for findings.

    make fuzz
    python scripts/fuzz.py --seconds 60 --findings build/fuzz

It needs the extra ``fuzz`` (atheris, which has wheels for Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
GOLDEN: Final = ROOT / "tests" / "golden" / "logs"
CPU_HOUR_SECONDS: Final = 3_600
LONGEST_INPUT_BYTES: Final = 8_192
LONGEST_RUN_SECONDS: Final = 20
MEMORY_MEBIBYTES: Final = 1_024
RESEALED: Final = b"!"
"""An input that begins so gets the hash that its content has, so that fuzzing reaches what lies behind the hash."""

TOKENS: Final = (
    *('"', "{", "}", "[", "]", ":", ",", "null", "true", "NaN", "-Infinity", "1e999", "1e-07", "-0"),
    *("9007199254740992", "[" * 48, "]" * 48, '{"a":' * 8, "}" * 8, "9" * 60, "evt_zaxy_000000000001_", "sha256:"),
    *("\\u0000", "\\ud800", "\\udfff", "\\u007f", "\\u00e9", "\\u00E9", "\\/", "__zaxy_security", "occurred_at"),
    *('"payload":', '"integrity":{"hash":"', '"previousHash":', '"seq":1', '"prev_hash":'),
    *('"envelope_version":"eventloom.v1"', "2026-11-21T08:42:05.903462Z"),
)


def decode_target() -> Callable[[bytes], None]:
    """Return what fuzzes the parsing of one object in stored form."""
    from zaxy.eventloom.canonical import (
        BadJSONError,
        canonical,
        canonical_simple,
        decode,
        decode_loosely,
        decode_simple,
    )

    def run(data: bytes) -> None:
        try:
            value, is_simple = decode(data)
        except BadJSONError:
            pass
        else:
            _check_stored(value, data)
            assert not is_simple or canonical_simple(value) == canonical(value)
        decoded = decode_simple(data)
        if decoded is not None and b"\x7f" not in data:
            _check_stored(decoded[0], data)
            assert decoded[1] == canonical(decoded[0])
        with contextlib.suppress(BadJSONError):
            decode_loosely(data)

    return run


def _check_stored(value: Any, data: bytes) -> None:
    assert json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") == data


def record_target() -> Callable[[bytes], None]:
    """Return what fuzzes the reading of one line."""
    from zaxy.eventloom.records import BadRecordError, read_record, sound_link

    def run(data: bytes) -> None:
        line = _unfolded(data)
        try:
            record = read_record(line)
        except BadRecordError:
            assert sound_link(line, 1, None) is None
            return
        if record.computed == record.digest:
            record.event("work", record.seq or 1)
        link = sound_link(line, record.seq or 1, record.previous)
        assert link is None or link == record.digest == record.computed

    return run


def file_target() -> Callable[[bytes], None]:
    """Return what fuzzes the scan of a log file, and everything that can be asked of one."""
    from zaxy.errors import IntegrityError, NotALogError
    from zaxy.eventloom.log import EventLog
    from zaxy.eventloom.records import BadRecordError
    from zaxy.eventloom.scan import ChainState, skim, walk

    folder = tempfile.TemporaryDirectory(prefix="zaxy-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    path = Path(folder.name) / "work.jsonl"

    def run(data: bytes) -> None:
        content = b"\n".join(_unfolded(line) for line in data.split(b"\n"))
        path.write_bytes(content)
        with path.open("rb") as stream:
            for scan in (walk, skim):
                try:
                    for _ in scan(stream.fileno(), ChainState()):
                        pass
                except BadRecordError:
                    pass
        log = EventLog(path)
        report = log.verify()
        assert report.ok or report.findings
        for ask in (lambda: list(log.replay()), log.head, lambda: log.read(1), lambda: log.read(2), log.tail):
            with contextlib.suppress(IntegrityError, NotALogError):
                ask()
        assert folder.name  # the folder lives as long as the target

    return run


def _unfolded(data: bytes) -> bytes:
    """Return an input, sealed anew where it asks for that and can be parsed."""
    if not data.startswith(RESEALED):
        return data
    from zaxy.eventloom.records import BadRecordError, read_record

    line = data[len(RESEALED) :]
    try:
        record = read_record(line)
    except BadRecordError:
        return line
    return line.replace(record.digest.encode("utf-8", "surrogatepass"), record.computed.encode("ascii"), 1)


TARGETS: Final = {"decode": decode_target, "record": record_target, "file": file_target}


def seeds(target: str) -> Iterator[bytes]:
    """Yield inputs to begin with: payloads, lines or files of the golden logs."""
    for path in sorted(GOLDEN.rglob("*.jsonl")):
        raw = path.read_bytes()
        if target == "file":
            yield raw[:LONGEST_INPUT_BYTES]
            yield b"\n".join(RESEALED + line for line in raw.split(b"\n"))[:LONGEST_INPUT_BYTES]
            continue
        for line in raw.splitlines():
            if target == "record":
                yield line
                yield RESEALED + line
            else:
                yield line
                yield json.dumps(json.loads(line).get("payload"), separators=(",", ":")).encode("ascii")


def nested_seeds(target: str) -> Iterator[bytes]:
    """Yield inputs nested about as deep as the two parsers go: fuzzing alone comes there late."""
    if target == "file":
        return
    first, _, last = next(seeds("record")).partition(b'"payload":')
    closing = last[last.rindex(b',"integrity"') :]
    for depth in (*range(248, 258), *range(984, 998)):
        value = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        yield value
        for actor in (b'"actorId":"ann"', b'"actorId":"\\u00e9"'):
            envelope = re.sub(rb'"actorId":"[^"]*"', actor.replace(b"\\", b"\\\\"), first)
            yield envelope + b'"payload":' + value + closing


def fuzz(target: str, corpus: Path, findings: Path, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris  # type: ignore[import-untyped]  # the package ships no types

    with atheris.instrument_imports(include=["zaxy"]):
        run = TARGETS[target]()
    tokens = corpus.parent / "tokens.dict"
    tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS), encoding="ascii")
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT_BYTES,
        "timeout": LONGEST_RUN_SECONDS,
        "rss_limit_mb": MEMORY_MEBIBYTES,
        "dict": tokens,
        "artifact_prefix": f"{findings}/{target}-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], run)
    atheris.Fuzz()


def _escaped(token: str) -> str:
    return "".join(letter if letter.isalnum() or letter in " _-.:+" else f"\\x{ord(letter):02x}" for letter in token)


def run_all(targets: list[str], seconds: int, findings: Path) -> int:
    """Fuzz each target in a child process; print what came of it and return how many failed."""
    failed = 0
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="zaxy-fuzz-") as folder:
        for target in targets:
            corpus = Path(folder) / target
            corpus.mkdir()
            for number, seed in enumerate((*seeds(target), *nested_seeds(target))):
                (corpus / f"seed-{number:04}").write_bytes(seed)
            share = max(1, seconds // len(targets))
            command = [sys.executable, __file__, "--target", target, "--corpus", str(corpus)]
            command += ["--seconds", str(share), "--findings", str(findings)]
            began = time.monotonic()
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
            print(_summary(target, done, time.monotonic() - began), flush=True)
            if done.returncode:
                failed += 1
                print(done.stderr[-6_000:], file=sys.stderr)
    return failed


def _summary(target: str, done: subprocess.CompletedProcess[str], seconds: float) -> str:
    counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    covered = re.findall(r"\bcov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
    runs = f"{int(counted[1]):,} inputs" if counted else "no count of inputs"
    reach = f", {int(covered[-1][0]):,} branches, {int(covered[-1][2]):,} inputs kept" if covered else ""
    outcome = "0 uncaught exceptions" if done.returncode == 0 else f"FAILED with {done.returncode}"
    return f"fuzz {target}: {runs} in {seconds:.0f} s{reach}: {outcome}"


def main() -> int:
    """Parse the command line and fuzz; return 1 when something was found, 2 when atheris is not installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=CPU_HOUR_SECONDS, help="for all targets together [3600]")
    parser.add_argument("--target", choices=[*TARGETS], help="only this one")
    parser.add_argument("--findings", type=Path, default=ROOT / "build" / "fuzz", help="folder for what was found")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)  # names the child process that fuzzes
    given = parser.parse_args()
    try:
        import atheris  # noqa: F401  # whether it is there is asked before anything is started
    except ImportError:
        print("fuzzing needs atheris: pip install 'zaxy-memory[fuzz]'", file=sys.stderr)
        return 2
    if given.corpus is not None:
        fuzz(given.target, given.corpus, given.findings, given.seconds)
        return 0
    os.environ.setdefault("PYTHONHASHSEED", "0")
    return 1 if run_all([given.target] if given.target else [*TARGETS], given.seconds, given.findings) else 0


if __name__ == "__main__":
    sys.exit(main())
