"""What proving costs: verification with checkpoints, proofs, and appends while checkpoints are made by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.data import Told
from benchmarks.log_rows import BATCH_EVENTS
from benchmarks.measure import quantile, seconds
from benchmarks.report import Row
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.event_proof import check_event_proof, parse_event_proof

_SESSIONS = 8
_PROOFS = 50
_NEVER = CheckpointPolicy(events=0, seconds=0)


def proof_rows(folder: Path, told: Sequence[Told]) -> list[Row]:
    """Measure a loom of eight sessions: signing it, verifying it, proving its events and checking the proofs."""
    loom = Eventloom(folder / "proof", state_path=folder / "proof-state", checkpoints=_NEVER)
    loom.ensure_key()
    drafts = [one.draft for one in told]
    for at in range(0, len(drafts), BATCH_EVENTS):
        loom.commit(f"s{at // BATCH_EVENTS % _SESSIONS}", drafts[at : at + BATCH_EVENTS])
    first = seconds(loom.checkpoint)
    loom.append("s0", "note.made", "ann", {"text": "one event more"})
    second = seconds(loom.checkpoint)
    events = len(drafts) + 1
    started = perf_counter()
    reports = [loom.verify() for _ in range(2)]
    verified = (perf_counter() - started) / len(reports)
    sound = all(report.ok and report.checkpointed_events == events for report in reports)
    rate = events / verified
    loom.close()
    return [
        Row(
            "checkpoint",
            "checkpoint: all at once; then of one event more",
            f"{len(drafts) / first:,.0f} events/s; {second * 1000:.1f} ms",
            "",
            True,
            {"events_per_second": len(drafts) / first, "next_ms": second * 1000},
        ),
        Row(
            "verify_loom",
            "verify with checkpoints" if sound else "verify with checkpoints (finds faults!)",
            f"{rate:,.0f} events/s",
            "≥ 100,000",
            sound and rate >= 100_000,
            {"events_per_second": rate},
        ),
        *_single_proofs(folder, len(drafts)),
    ]


def _single_proofs(folder: Path, events: int) -> list[Row]:
    """Measure proofs of events all over the loom, the first in an object that has read nothing yet."""
    loom = Eventloom(folder / "proof", state_path=folder / "proof-state", checkpoints=_NEVER)
    key = loom.notary().state.signing_key().verifier
    proving, checking, longest = [], [], 0
    sessions = loom.sessions()
    for at in range(_PROOFS):
        session_id = sessions[at % len(sessions)]
        last = loom.log(session_id).head().seq
        started = perf_counter()
        data = loom.prove(session_id, 1 + at * (last - 1) // _PROOFS).encode()
        proving.append(perf_counter() - started)
        checking.append(seconds(lambda told=data: check_event_proof(parse_event_proof(told), [key])))  # type: ignore[misc]  # a default argument binds this round's proof
        longest = max(longest, len(data))
    loom.close()
    slowest_prove, slowest_check = max(proving) * 1000, max(checking) * 1000
    slowest = max(slowest_prove, slowest_check)
    p50, check_p50 = quantile(proving, 0.5) * 1000, quantile(checking, 0.5) * 1000
    return [
        Row(
            "prove",
            f"prove / check-proof, p50 (slowest) of {_PROOFS} among {events:,}",
            f"{p50:.2f} / {check_p50:.2f} ms ({slowest_prove:.1f} / {slowest_check:.1f}), {longest:,} bytes",
            "≤ 50 ms",
            slowest <= 50,
            {"prove_p50_ms": p50, "check_p50_ms": check_p50, "slowest_ms": slowest, "bytes": longest},
        )
    ]


def automatic_row(folder: Path, told: Sequence[Told]) -> Row:
    """Measure single appends to a loom that makes checkpoints by itself, in turns with one that never does."""
    looms = {
        "without": Eventloom(folder / "auto-off", state_path=folder / "auto-state", checkpoints=_NEVER),
        "with": Eventloom(folder / "auto-on", state_path=folder / "auto-state"),
    }
    took: dict[str, list[float]] = {name: [] for name in looms}
    for loom in looms.values():
        loom.ensure_key()
    for at, one in enumerate(told):
        for name in sorted(looms, reverse=at % 2 == 0):
            append = partial(looms[name].append, "s", one.draft.event_type, one.draft.actor, one.draft.payload)
            took[name].append(seconds(append))
    made = len(looms["with"].notary().checkpoint().head.note.signatures)
    for loom in looms.values():
        loom.close()
    ratio = sum(took["with"]) / sum(took["without"])
    p50s = {name: quantile(values, 0.5) * 1000 for name, values in took.items()}
    return Row(
        "automatic",
        "append with automatic checkpoints ÷ without, mean",
        f"{ratio:.2f} (p50 {p50s['with']:.3f} / {p50s['without']:.3f} ms)",
        "≤ 1.1",
        ratio <= 1.1 and made == 1,
        {"ratio": ratio, "with_p50_ms": p50s["with"], "without_p50_ms": p50s["without"]},
    )
