"""How results look to people."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from zaxy.errors import LogDamagedError
from zaxy.interfaces.cli.failure import show_error
from zaxy.interfaces.cli.table import Column, show_table
from zaxy.interfaces.cli.text import Painted, Tone, block, counted, one_line, say, terminal_width, warn
from zaxy.interfaces.cli.times import when

if TYPE_CHECKING:
    from zaxy.eventloom.event import Event
    from zaxy.services.operations.inspection import LogEntry, LoomStatus, SessionStatus
    from zaxy.services.operations.projection_status import ProjectionStatus
    from zaxy.services.recall.results import Answer, Hit, Packet


_NOTHING: Final = "Nothing in this memory answers that."
_BRIEF_CHARACTERS: Final = 300


def show_answer_briefly(answer: Answer, terms: Collection[str]) -> None:
    """Print what was said, best first, and below each who said it, when, and the citation.

    Args:
        answer: The answer.
        terms: Stems of the words that were asked for: of a longer text the stretch that holds most of them is shown.
    """
    from zaxy.services.recall.checkout_text import marks, shortened

    width = terminal_width()
    if not answer.hits:
        say(_NOTHING)
    for rank, hit in enumerate(answer, start=1):
        lead = f"{rank}. "
        told = hit.content.strip()
        told = told if len(told) <= _BRIEF_CHARACTERS else shortened(told, _BRIEF_CHARACTERS, terms)
        say(lead, block(told, " " * len(lead), width)[len(lead) :])
        if marks(hit.metadata):
            say(" " * len(lead), Painted(marks(hit.metadata).strip(), "caution"))
        source = f"{one_line(hit.actor)}, {when(hit.occurred_at)}, {one_line(hit.citation)}"
        say(" " * len(lead), Painted(source, "quiet"))


def show_answer(answer: Answer, *, explain: bool) -> None:
    """Print the hits of an answer, best first, one block each."""
    width = terminal_width()
    if not answer.hits:
        say(_NOTHING)
    for rank, hit in enumerate(answer, start=1):
        if rank > 1:
            say()
        say(hit_block(hit, rank, width, explain=explain))
    if explain:
        say()
        for sentence in answer.understood:
            say(f"Understood: {one_line(sentence)}")
        say(f"Lanes: {', '.join(answer.lanes) or 'none'}")
        for lane, reason in answer.skipped.items():
            say(f"Lane {lane} did not run: {one_line(reason)}")
        for warning in answer.warnings:
            say(f"Warning: {one_line(warning)}")


def explain_packet(packet: Packet) -> None:
    """Print what the evidence of a packet scored, which lanes ran and how far it can be relied on."""
    say()
    for hit in packet.evidence:
        say(f"{one_line(hit.citation)}  {hit.score:.4f}  scores: {_scores(hit)}")
    say(f"Lanes: {', '.join(packet.quality.lanes) or 'none'}")
    say(
        f"Verdict: {packet.quality.verdict}  coverage: {packet.quality.coverage:.3f}  omitted: {packet.quality.omitted}"
    )


def _scores(hit: Hit) -> str:
    return "  ".join(f"{lane} {score:.4f}" for lane, score in hit.scores.items())


def hit_block(hit: Hit, rank: int, width: int | None, *, explain: bool) -> str:
    """Return one hit: score, actor, date and type; what was said, and what a reader has to know of it; its citation."""
    from zaxy.services.recall.checkout_text import marks

    date = hit.occurred_at[:16].replace("T", " ") if width is None else when(hit.occurred_at)
    path, line = hit.metadata.get("path"), hit.metadata.get("line")
    where = "" if path is None else f"  {one_line(path)}" + ("" if line is None else f":{line}")
    lines = [f"{rank}. {hit.score:.4f}  {one_line(hit.actor)}  {one_line(date)}  {one_line(hit.event_type)}{where}"]
    lines.append(block(hit.content, "   ", width))
    if marks(hit.metadata):
        lines.append(f"   {marks(hit.metadata).strip()}")
    if explain:
        facts = "  ".join(f"{name}: {one_line(value)}" for name, value in hit.metadata.items())
        lines += [f"   scores: {_scores(hit)}", *([f"   {facts}"] if facts else [])]
    return "\n".join([*lines, f"   {one_line(hit.citation)}"])


def event_line(event: Event) -> str:
    """Return one event of a replay as one line; one that changes another says which."""
    from zaxy.services.operations.inspection import summarize
    from zaxy.vocabulary.governed import told_change
    from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES

    head = f"  [{event.seq}] {event.recorded_at} {one_line(event.event_type)} by {one_line(event.actor)}"
    target = told_change(event).target if event.event_type in GOVERNED_EVENT_TYPES else None
    about = "" if target is None else f" about [{target.seq}]"
    return f"{head}{about}: {one_line(summarize(event))}"


def show_entries(entries: Iterable[LogEntry]) -> None:
    """Print listed events: as a table on a terminal, else two lines each."""
    if terminal_width() is None:
        show_entry_lines(entries)
        return
    rows = [
        (
            Painted(when(entry.timestamp), "quiet"),
            *(f"{entry.session_id} {entry.seq}", entry.type, entry.actor, entry.summary),
        )
        for entry in entries
    ]
    show_table([Column("When"), *(Column(name, gives_way=True) for name in ("Event", "Type", "Actor", "What"))], rows)


def show_entry_lines(entries: Iterable[LogEntry]) -> None:
    """Print listed events, two lines each."""
    for entry in entries:
        head = f"{one_line(entry.session_id)} [{entry.seq}] {entry.hash[:12]} {entry.timestamp}"
        say(f"{head} {one_line(entry.type)} by {one_line(entry.actor)}")
        say(f"  {one_line(entry.summary)}")


def show_sessions(status: LoomStatus) -> None:
    """Print the sessions of a loom, as a table on a terminal, and the files among them that are no logs."""
    if status.sessions:
        say()
        say("Session logs:")
    if terminal_width() is not None:
        _show_session_table(status.sessions)
    for session in status.sessions:
        if terminal_width() is None:
            say(
                f"  {one_line(session.session_id)}: events={session.event_count} latest={session.latest_seq} "
                f"hash={session.latest_hash[:12]} type={one_line(session.latest_type)} integrity={_verdict(session)}"
            )
        elif session.integrity_reason is not None or session.notes:
            say(f"  {one_line(session.session_id)}:")
        if session.integrity_reason is not None:
            say(f"    broken at seq {session.broken_at_seq}: {one_line(session.integrity_reason)}")
        for note in session.notes:
            say(f"    note: {one_line(note)}")
    warn(f"{log.path} is skipped: {log.reason}" for log in status.skipped_logs)


def _show_session_table(sessions: Iterable[SessionStatus]) -> None:
    tones: Mapping[str, Tone] = {"OK": "good", "FAILED": "bad", "unchecked": "caution"}
    columns = (
        *(Column("Session", gives_way=True), Column("Events", is_number=True), Column("Last recorded")),
        *(Column("Its type", gives_way=True), Column("Integrity")),
    )
    rows = [
        (
            *(session.session_id, f"{session.event_count:,}", when(session.latest_timestamp), session.latest_type),
            Painted(_verdict(session), tones[_verdict(session)]),
        )
        for session in sessions
    ]
    show_table(columns, rows, indent="  ")


def _verdict(session: SessionStatus) -> str:
    if not session.integrity_ok:
        return "FAILED"
    return "OK" if session.verified else "unchecked"


def show_damage(status: LoomStatus) -> int:
    """Tell on standard error which sessions are damaged and what to do; return the exit code."""
    for session in status.sessions:
        if not session.integrity_ok:
            replay = f"zaxy replay {shlex.quote(session.path)}"
            show_error(
                LogDamagedError(
                    f"session {session.session_id} is damaged at event {session.broken_at_seq}: "
                    f"{session.integrity_reason}",
                    session_id=session.session_id,
                    seq=session.broken_at_seq or 0,
                    remedy=f"see its good part: {replay}; then restore the file from a backup",
                )
            )
    return 0 if status.ok else LogDamagedError.exit_code


def show_projections(projections: Sequence[ProjectionStatus]) -> None:
    """Print how each projection stands, a line each."""
    tones: Mapping[str, Tone] = {"current": "good", "unavailable": "bad"}
    say("Projections:")
    for projection in projections:
        holds = " ".join(f"{name}={count}" for name, count in projection.holds.items())
        shown = f"  {holds}" if holds and projection.state != "missing" else ""
        state = Painted(projection_state(projection), tones.get(projection.state, "caution"))
        say(f"  {projection.name} ({projection.backend}): ", state, shown)


def projection_state(projection: ProjectionStatus) -> str:
    """Return in words how a projection stands and what that means for answers."""
    lag = f"{counted(projection.lag_events, 'event')}, {projection.lag_bytes:,} bytes"
    if projection.state in ("unavailable", "diverged", "ignored"):
        return f"{projection.state}: {one_line(projection.reason)}"
    if projection.state == "missing":
        return f"not built yet (still read from the log: {lag})"
    return f"behind (still read from the log: {lag})" if projection.state == "behind" else projection.state
