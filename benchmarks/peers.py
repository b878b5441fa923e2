"""Other memories on the same cases: ``python -m benchmarks.peers --cases FILE [--only NAME ...] [--output FOLDER]``.

Takes the conversations of a file in, each in a store of its own, and asks every question that has an answer of its own
conversation, for ten turns. Prints a table: recall@10 and ndcg@10 over those questions, how long an answer took, and
how long it took to take everything in. Each peer runs in a venv of its own in the cache folder, with no language model
and no network but this machine's: those that want an embedding model get ours over HTTP. What a peer did not install,
finish or survive stands in its row.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.conversations import Asked, Conversation, read_cases
from benchmarks.measure import quantile, run_process
from benchmarks.original import REQUIREMENTS
from benchmarks.peer_drivers.embedding_server import serving
from zaxy.embedding.local import missing_part

_ROOT: Final = Path(__file__).parents[1]
_DRIVERS: Final = "benchmarks.peer_drivers"
_FIRST: Final = 10
_SQLITE: Final = 'pysqlite3-binary==0.5.4.post2; sys_platform == "linux"'  # some interpreters' own loads no extensions
_RECALL: Final = ("-m", "benchmarks.recall", "--cases", "{source}", "--output", "{output}", "--limit", str(_FIRST))
_HEAD: Final = (
    "| | version | embeds with | recall@10 | ndcg@10 | an answer, p50 / p95 | takes in | questions |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table.

    Attributes:
        name: What ``--only`` says.
        package: What the table calls it.
        version: Of the package.
        model: What it embeds with.
        command: What its interpreter is given; ``{cases}``, ``{folder}`` and ``{output}`` stand for the arguments of a
            driver, ``{source}`` for the file that the conversations came from.
        requirements: What its venv holds; with none it runs in ours.
        python: The oldest Python that it installs on.
        environment: What is set for it.
    """

    name: str
    package: str
    version: str
    model: str
    command: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    python: tuple[int, int] = (3, 11)
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What a peer showed.

    Attributes:
        recall: Mean share of the answering turns among the first ten, over the questions it answered.
        gain: Mean ndcg@10 over the same.
        p50_ms: Of its answers.
        p95_ms: Of its answers.
        takes_in_seconds: For all conversations together.
        answered: How many questions it answered.
        asked: How many it was asked.
        trouble: Why it did not answer all.
    """

    recall: float = 0.0
    gain: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    takes_in_seconds: float = 0.0
    answered: int = 0
    asked: int = 0
    trouble: str = ""


def _driver(name: str, *more: str) -> tuple[str, ...]:
    return ("-m", f"{_DRIVERS}.{name}", "{cases}", "{folder}", "{output}", *more)


def contenders() -> list[Peer]:
    """Return every row in the order of the table."""
    ours = version("zaxy-memory")
    store = ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2", _SQLITE)
    minilm = "MiniLM"
    return [
        Peer("zaxy", "Zaxy", ours, "nothing", _RECALL, environment=("EMBEDDING_PROVIDER=none",)),
        Peer("zaxy-minilm", "Zaxy", ours, minilm, _RECALL, environment=("EMBEDDING_PROVIDER=auto",)),
        Peer("bm25", "plain BM25", "", "nothing", _driver("plain_bm25")),
        Peer("original", "zaxy-memory", "3.2.0", "its own hashes", _driver("original_zaxy"), REQUIREMENTS),
        Peer("original-minilm", "zaxy-memory", "3.2.0", minilm, _driver("original_zaxy", "minilm"), REQUIREMENTS),
        Peer("mem0", "mem0ai", "2.2.1", minilm, _driver("mem0_driver"), ("mem0ai==2.2.1",)),
        Peer("langgraph", "langgraph", "1.2.22", minilm, _driver("langgraph_driver"), store),
        Peer(
            "basic-memory",
            "basic-memory",
            "0.23.1",
            minilm,
            _driver("basic_memory_driver"),
            ("basic-memory==0.23.1", _SQLITE),
            python=(3, 12),
        ),
        Peer("mempalace", "mempalace", "3.11.0", minilm, _driver("mempalace_driver"), ("mempalace==3.11.0",)),
    ]


def prepared_python(peer: Peer) -> Path | str:
    """Return the interpreter of a peer's venv, made in the cache folder when it is not there; or why there is none."""
    if not peer.requirements:
        return Path(sys.executable)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "zaxy-benchmarks" / f"{peer.package}-{peer.version}"
    python = folder / "bin" / "python"
    if (folder / "installed").exists():
        return python
    base = _interpreter(peer.python)
    if base is None:
        return f"does not install on Python {sys.version_info.major}.{sys.version_info.minor}"
    print(f"installing {peer.requirements[0]} into {folder} ...", file=sys.stderr, flush=True)
    install = ["-m", "pip", "install", "--quiet", *peer.requirements]
    for command in ([base, "-m", "venv", "--clear", str(folder)], [str(python), *install]):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            return f"does not install: {_last_line(ended.stderr)}"
    (folder / "installed").touch()
    return python


def _interpreter(oldest: tuple[int, int]) -> str | None:
    """Return ours where it is new enough, else one on the path that really starts."""
    if sys.version_info >= oldest:
        return sys.executable
    named = (shutil.which(f"python{oldest[0]}.{minor}") for minor in range(oldest[1], oldest[1] + 4))
    return next((path for path in named if path and _starts(path)), None)


def _starts(python: str) -> bool:
    return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0


def measure(peer: Peer, cases: Path, folder: Path, *, embeddings_url: str, limit_seconds: float) -> Measured:
    """Run a peer and return what it showed.

    Args:
        peer: Which one.
        cases: The conversations, as `read_cases` takes them.
        folder: Where its files and its ranking go; the ranking is left there as ``<name>.jsonl``.
        embeddings_url: Where it gets its vectors.
        limit_seconds: How long it may take in all.
    """
    conversations = [_kept(conversation) for conversation in read_cases(cases)]
    asked = [question for conversation in conversations for question in conversation.questions]
    python = prepared_python(peer)
    if isinstance(python, str):
        return Measured(asked=len(asked), trouble=python)
    print(f"measuring {peer.name} ...", file=sys.stderr, flush=True)
    output, own_cases = folder / f"{peer.name}.jsonl", folder / f"{peer.name}.cases.json"
    output.unlink(missing_ok=True)
    _write_cases(own_cases, conversations, embeddings_url)
    with tempfile.TemporaryDirectory(prefix="zaxy-peers-", ignore_cleanup_errors=True) as files:
        names = {"cases": own_cases, "folder": files, "output": output, "source": cases.resolve()}
        arguments = [part.format_map(names) for part in peer.command]
        command = ["env", *peer.environment, str(python), *arguments]
        run = run_process(command, limit_seconds=limit_seconds, folder=_ROOT)
    own_cases.unlink()
    lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    told = [json.loads(line) for line in lines if line.endswith("}")]  # the last may be half a line
    return scored(told, asked, run.seconds, run.error)


def _kept(conversation: Conversation) -> Conversation:
    """Return a conversation with the questions that one of its turns answers."""
    known = {turn.id for turn in conversation.turns}
    asked = [replace(question, gold=question.gold & known) for question in conversation.questions]
    kept = tuple(question for question in asked if question.is_answerable and question.gold)
    return replace(conversation, questions=kept)


def _write_cases(path: Path, conversations: Sequence[Conversation], embeddings_url: str) -> None:
    told = [
        {
            "id": conversation.id,
            "turns": [asdict(turn) for turn in conversation.turns],
            "questions": [{"id": question.id, "text": question.text} for question in conversation.questions],
        }
        for conversation in conversations
    ]
    path.write_text(json.dumps({"embeddings_url": embeddings_url, "conversations": told}), encoding="utf-8")


def scored(told: Sequence[dict[str, Any]], asked: Sequence[Asked], seconds: float, trouble: str) -> Measured:
    """Return the scores of a run.

    Args:
        told: The lines that it wrote.
        asked: The questions that count; lines about others are left out of everything but the time.
        seconds: How long the process ran: without its answers that is the time to take everything in, where the lines
            do not tell it.
        trouble: What ended it early, empty when nothing did.
    """
    rankings = {line["id"]: line for line in told if "id" in line}
    stores = [line["seconds"] for line in told if "taken_in" in line]
    answered = [(question, rankings[question.id]) for question in asked if question.id in rankings]
    if not trouble and len(answered) < len(asked):
        trouble = "ended without an answer to each"
    if not answered:
        return Measured(asked=len(asked), takes_in_seconds=sum(stores), trouble=trouble)
    pairs = [recall_and_gain(line["ranked"], question.gold) for question, line in answered]
    took = [line["ms"] for _, line in answered]
    asking_seconds = sum(line["ms"] for line in rankings.values()) / 1000
    return Measured(
        recall=sum(recall for recall, _ in pairs) / len(pairs),
        gain=sum(gain for _, gain in pairs) / len(pairs),
        p50_ms=quantile(took, 0.5),
        p95_ms=quantile(took, 0.95),
        takes_in_seconds=sum(stores) if stores else seconds - asking_seconds,
        answered=len(answered),
        asked=len(asked),
        trouble=trouble,
    )


def recall_and_gain(ranked: Sequence[str], gold: frozenset[str]) -> tuple[float, float]:
    """Return recall@10, and ndcg@10 with a gain of one for each turn that answers; a turn counts at its first place."""
    first = list(dict.fromkeys(ranked))[:_FIRST]
    gain = sum(1 / math.log2(place + 2) for place, turn in enumerate(first) if turn in gold)
    best = sum(1 / math.log2(place + 2) for place in range(min(_FIRST, len(gold))))
    return len(gold.intersection(first)) / len(gold), gain / best


def row(peer: Peer, measured: Measured) -> str:
    """Return a row of the table."""
    named = f"| {peer.package} | {peer.version} | {peer.model} "
    if not measured.answered:
        return f"{named}| | | | | {measured.trouble or 'nothing was asked'} |"
    count = f"{measured.answered:,}" if not measured.trouble else f"{measured.answered:,} of {measured.asked:,}"
    told = f"{count}: {measured.trouble}" if measured.trouble else count
    scores = "| ".join(f"{value:.3f} ".removeprefix("0") for value in (measured.recall, measured.gain))
    times = f"{measured.p50_ms:.1f} / {measured.p95_ms:.1f} ms | {measured.takes_in_seconds:.1f} s"
    return f"{named}| {scores}| {times} | {told} |"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:200]


def main(arguments: list[str] | None = None) -> int:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.partition(":")[0])
    names = [peer.name for peer in contenders()]
    parser.add_argument("--cases", type=Path, required=True, help="conversations, as benchmarks.recall takes them")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--output", type=Path, help="keep the rankings and figures.json here")
    parser.add_argument("--limit-seconds", type=float, default=900.0, help="how long a peer may take (900)")
    asked = parser.parse_args(arguments)
    if missing := missing_part():
        parser.error(f"{missing} is not installed, and the model is part of the comparison: pip install -e '.[local]'")
    print(_HEAD, flush=True)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="zaxy-peers-") as temporary, serving() as url:
        folder = (asked.output or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for peer in (peer for peer in contenders() if peer.name in asked.only):
            measured = measure(peer, asked.cases, folder, embeddings_url=url, limit_seconds=asked.limit_seconds)
            figures[peer.name] = {"package": peer.package, "version": peer.version, **asdict(measured)}
            print(row(peer, measured), flush=True)
            (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
