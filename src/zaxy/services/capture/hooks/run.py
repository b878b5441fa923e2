"""One call of a hook, from what the client tells it to what it answers. It never fails: problems are noted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zaxy.clock import SystemClock, format_time
from zaxy.config import Settings
from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.services.capture.hooks.client_input import CLAUDE_CODE, HookInput, parse_input
from zaxy.services.capture.hooks.drafts import drafts_of
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.hooks.recording import Recorder
from zaxy.services.capture.intake import Parsed
from zaxy.services.capture.same_turn import TURN

if TYPE_CHECKING:
    from zaxy.services.capture.hooks.context import Ask

START: Final = "SessionStart"
_ENDS: Final = (START, "SessionEnd")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a hook needs of the process that runs it.

    Attributes:
        load: Returns the settings for the folder that the client works in.
        identity: Who runs the client.
        ask: Answers from the loom itself where no server runs; None where nothing is to be answered.
    """

    load: Callable[[Path], Settings]
    identity: str
    ask: Callable[[Settings], Ask] | None = None


@dataclass(slots=True)
class HookOutcome:
    """What came of a call.

    Attributes:
        event: Which hook it was, empty where that is not known.
        context: What the agent is to read, nothing for most.
        problems: What went wrong.
    """

    event: str = ""
    context: str = ""
    problems: list[str] = field(default_factory=list)


def run_hook(client: str, raw: bytes, around: Surroundings) -> HookOutcome:
    """Record what a client tells its hook, and return what the agent is to read. Never raises for what goes wrong.

    Args:
        client: ``claude-code`` or ``codex``.
        raw: What stood on standard input.
        around: What the process gives.
    """
    outcome = HookOutcome()
    place: CapturePlace | None = None
    try:
        given = _given(client, raw, outcome)
        folder = Path(given.cwd) if given is not None and os.path.isabs(given.cwd) else Path.cwd()
        settings = around.load(folder)
        place = CapturePlace.of(settings)
        if given is not None:
            _Call(given, settings, place, around).run(outcome)
    except Exception as error:  # whatever it is, the client goes on with its work
        outcome.problems.append(str(error) if isinstance(error, ZaxyError) else f"{type(error).__name__}: {error}")
    if place is not None:
        place.note(SystemClock().now(), f"{client} {outcome.event}".strip(), outcome.problems)
    return outcome


def _given(client: str, raw: bytes, outcome: HookOutcome) -> HookInput | None:
    try:
        given = parse_input(client, raw)
    except InvalidInputError as error:
        outcome.problems.append(str(error))
        return None
    outcome.event = given.event
    return given


class _Call:
    """One call, once it is known what it is about."""

    def __init__(self, given: HookInput, settings: Settings, place: CapturePlace | None, around: Surroundings) -> None:
        self._given = given
        self._settings = settings
        self._place = place
        self._around = around
        self._server = ""
        if given.event == START:
            from zaxy.services.capture.hooks.server_note import running_server

            self._server = running_server(place)

    def run(self, outcome: HookOutcome) -> None:
        """Record, then answer: an agent reads a memory that holds what its client just wrote."""
        starts = self._given.event == START
        recorder = Recorder(self._settings, self._place, outcome.problems.append, signs=starts and not self._server)
        with contextlib.closing(recorder):
            self._record(recorder)
            if starts and self._settings.capture_context_tokens and recorder.loom.path.is_dir():
                outcome.context = self._context(recorder)

    def _record(self, recorder: Recorder) -> None:
        given, place = self._given, self._place
        parsed: list[Parsed] = []
        said: dict[str, str] = {}
        readings = []
        if place is not None and given.client == CLAUDE_CODE:
            from zaxy.services.capture.hooks.transcripts import Transcripts

            transcripts = Transcripts(place)
            for path in [*given.transcripts, *(transcripts.left() if given.event in _ENDS else ())]:
                reading, found = transcripts.take(path)
                readings += [reading] if found else []
                parsed += found
                said |= reading.met
        drafts = drafts_of(given, format_time(SystemClock().now()), _size(given))
        parsed += [(given.session_id, draft) for draft in drafts if draft.event_type != TURN or draft.key not in said]
        if place is None or not place.is_paused():
            recorder.record(parsed, said, self._around.identity)
        for reading in readings:  # also what is written while capture is paused is not read again
            transcripts.keep(reading)

    def _context(self, recorder: Recorder) -> str:
        from zaxy.services.capture.hooks.context import ask_server, question_of, text_of

        tokens = self._settings.capture_context_tokens
        question = question_of(self._given, recorder.loom)
        if self._server:
            with contextlib.suppress(ZaxyError):  # then this process answers itself
                return text_of(ask_server(self._server)(question, tokens))
        return "" if self._around.ask is None else text_of(self._around.ask(self._settings)(question, tokens))


def _size(given: HookInput) -> int:
    try:
        return given.transcripts[-1].stat().st_size if given.transcripts else 0
    except OSError:
        return 0
