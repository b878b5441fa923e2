"""The JSON of every command on one small history, with what differs from run to run replaced.

``python tests/golden/cli/cli_golden.py`` writes the golden files anew, for a change of shape that is meant.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from zaxy.eventloom.loom import Eventloom
from zaxy.interfaces.cli.app import cli

HERE = Path(__file__).parent
LOG = ".eventloom/default.jsonl"

_SETTINGS = ("EVENTLOOM_PATH", "EVENTLOOM_THREAD", "EVENTLOOM_FSYNC", "PROJECTION_BACKEND", "EMBEDDED_GRAPH_PATH")
_REPLACED = (
    (re.compile(r"(?<=#)[0-9a-f]{12}"), "<hash>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"evt_zaxy_(\d{12})_[0-9a-f]{16}"), r"evt_zaxy_\1_<hash>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<loom id>"),
    (re.compile(r"(?<=:)[0-9a-f]{24}\b"), "<id>"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<time>"),
    (re.compile(r"(?<=^zaxy-loom/<loom id>\+)[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$"), "<key>"),
    (re.compile(r"^[A-Za-z0-9+/]{43}=$", re.MULTILINE), "<root>"),
    (re.compile(r"(?<=^\u2014 zaxy-loom/<loom id> )[A-Za-z0-9+/=]+$", re.MULTILINE), "<signature>"),
    (re.compile(r"[\d,]+ MiB free"), "<space> free"),
)
_CHECKPOINTS = {"EVENTLOOM_CHECKPOINT_EVENTS": "0", "EVENTLOOM_CHECKPOINT_SECONDS": "0"}
_MEASURED = frozenset(
    {
        "score",
        "lexical",
        "graph",
        "coverage",
        "confidence",
        "lag_bytes",
        "documents",
        "entities",
        "statements",
        "relations",
        "identity",
        "nonce",
        "ciphertext",
    }
)

GOAL = ("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Ship the parser"}')
NOTE = ("append", "note.made", "--actor", "ann", "--payload", '{"content": "Bob is ill."}', "--session-id", "gov")
EDIT = ("memory", "edit", "--citation", "eventloom://gov/events/1")
FORGET = ("memory", "forget", "--citation", "eventloom://gov/events/1", "--reason", "Bob asked")
COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init",),
    "append": (*GOAL, "--occurred-at", "2026-05-08T10:00:00Z", "--key", "hook:1"),
    "append_known": (*GOAL, "--key", "hook:1"),
    "query": ("query", "What are our goals?"),
    "query_nothing": ("query", "giraffes"),
    "checkout": ("checkout", "plan the release"),
    "replay": ("replay", LOG),
    "replay_window": ("replay", LOG, "--from-seq", "2", "--to-seq", "2"),
    "memory_status": ("memory", "status"),
    "memory_status_graph": ("memory", "status", "--graph"),
    "memory_log": ("memory", "log", "--limit", "1"),
    "memory_diff": ("memory", "diff", "--from-seq", "2", "--to-seq", "2"),
    "ingest": ("ingest", "jsonl", "chat.jsonl", "--session-id", "team"),
    "invalidate": (
        "invalidate",
        "eventloom://default/events/2",
        "--invalid-at",
        "2026-06-01",
        "--reason",
        "bought one",
    ),
    "reproject": ("reproject", LOG),
    "status": ("status",),
    "log_checkpoint": ("log", "checkpoint", "--output", "kept.note"),
    "log_verify": ("log", "verify"),
    "log_prove": ("log", "prove", "default", "2", "--output", "event.proof"),
    "log_check_proof": ("log", "check-proof", "event.proof", "--public-key", "<key>"),
    "log_key_rotate": ("log", "key", "rotate"),
    "log_key_show": ("log", "key", "show"),
    "log_consistency": ("log", "consistency", "kept.note", "latest"),
    "log_recover": ("log", "recover"),
    "memory_inferred_status": ("memory", "inferred-status"),
    "doctor": ("doctor",),
    "log_witness_list": ("log", "witness", "list"),
    "append_forgettable": (*NOTE, "--forgettable"),
    "memory_edit": (*EDIT, "--new-content", "Bob is well.", "--reason", "he said so"),
    "memory_rollback": ("memory", "rollback", "--citation", "eventloom://gov/events/3", "--reason", "he is not"),
    "memory_edit_waiting": (*EDIT, "--new-content", "Bob rests.", "--reason", "unsure", "--confidence", "0.1"),
    "memory_review": ("memory", "review"),
    "memory_review_accept": ("memory", "review", "--accept", "--all", "--reason", "asked him"),
    "memory_show": ("memory", "show", "eventloom://gov/events/1"),
    "memory_conflicts": ("memory", "conflicts"),
    "evolution_policy": ("memory", "evolution-policy"),
    "evolution_gate": ("memory", "evolution-gate", "update", "--confidence", "0.9", "--session-id", "gov"),
    "memory_forget_plan": (*FORGET, "--dry-run"),
    "memory_forget": (*FORGET, "--yes", "--receipt", "bob.receipt"),
    "memory_check_receipt": ("memory", "check-receipt", "bob.receipt", "--public-key", "<key>"),
    "log_verify_findings": ("log", "verify", "--offline"),
    "doctor_findings": ("doctor", "--offline"),
    "error_integrity": ("log", "check-proof", "kept.note", "--public-key", "<key>"),
    "error": ("query", "goals", "--limit", "0"),
    "error_usage": ("append", "goal.created", "--json"),
    "remember": ("remember", "Ann speaks German", "--as", "fact", "--eventloom-path", "said"),
    "recall": ("recall", "Which language does Ann speak?", "--eventloom-path", "said"),
}


def _tear() -> None:
    """Leave an unfinished write, which the next append sets aside."""
    with Path(LOG).open("ab") as log:
        log.write(b'{"id":"evt_')
    assert _run(*GOAL).exit_code == 0


def _cut() -> None:
    """Cut a session down into what a checkpoint holds of it."""
    log = Path(LOG)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))


def _add_witness() -> None:
    """Have a witness asked from now on that nobody reaches."""
    key = "witness.example+3ea1480c+BBheP7+WMp4qJ7J7XQbTxZ4zqPM4eA1EDnQUwhgIMnwE"
    _loom().add_witness("http://127.0.0.1:9", key)


BEFORE: dict[str, Callable[[], None]] = {
    "log_recover": _tear,
    "log_witness_list": _add_witness,
    "log_verify_findings": _cut,
}
"""What happens before a command."""


def _loom() -> Eventloom:
    return Eventloom(".eventloom", state_path=Path.cwd() / "state" / "zaxy")


def _run(*words: str) -> Result:
    alone = {"EMBEDDING_PROVIDER": "none", "XDG_STATE_HOME": str(Path.cwd() / "state")}
    environment = {**dict.fromkeys(_SETTINGS), **_CHECKPOINTS, **alone}
    return CliRunner().invoke(cli, words, env=environment, prog_name="zaxy")


def answers() -> Iterator[tuple[str, str]]:
    """Run the commands, in order, in the current folder; give each one's name and its JSON made comparable."""
    turns = [{"speaker": "Ann", "text": "Hello", "time": "2026-05-08T10:00:00Z"}, {"speaker": "Bob"}]
    Path("chat.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns), encoding="utf-8")
    for name, words in COMMANDS.items():
        BEFORE.get(name, lambda: None)()
        key = str(_loom().notary().state.signing_key().verifier) if "<key>" in words else ""
        done = _run(*(word.replace("<key>", key) for word in words), "--json")
        told = {"exit_code": done.exit_code, "answer": _stable(json.loads(done.stdout), str(Path.cwd()))}
        yield name, json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _stable(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {
            name: f"<{type(part).__name__}>" if name in _MEASURED and part is not None else _stable(part, folder)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_stable(part, folder) for part in value]
    if not isinstance(value, str):
        return value
    text = value.replace(folder, "<folder>").replace(Path(folder).name, "<folder name>")
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for written, content in answers():
            (HERE / f"{written}.json").write_text(content, encoding="utf-8")
