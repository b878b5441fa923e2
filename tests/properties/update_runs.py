"""Carries made-up histories out through the public interfaces, asks what they ask, and judges the answers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from update_operations import SINGLE, Edit, End, Forget, History, Operation, Question, RollBack, Say, Topic
from update_oracle import Expected, Oracle

from zaxy import MemoryFabric
from zaxy.clock import format_time, parse_time
from zaxy.errors import ZaxyError
from zaxy.eventloom.event import Event
from zaxy.interfaces.serialize import to_json

_EPOCH: Final = datetime(2015, 1, 1, 9, tzinfo=UTC)
_NOW: Final = "2025-06-01T00:00:00Z"
_ENOUGH: Final = 60
_CHANGED: Final = {Edit: "memory.corrected", RollBack: "memory.rolled_back"}
_ASKED: Final = {
    "preference": "Which {about} does {subject} prefer?",
    "fact": "What is the {about} of {subject}?",
    "policy": "What is the rule about the {about} for {subject}?",
    "goal": "How far is the goal about the {about} for {subject}?",
    "decision": "What was decided about the {about} for {subject}?",
    "turn": "What was said about the {about} of {subject}?",
}


class Ticking:
    """A clock that goes on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.moment = parse_time(_NOW)

    def now(self) -> int:
        """Return the moment, which no one was told before."""
        self.moment += 1_000
        return self.moment


def at(day: int) -> str:
    """Return a day of a history as a time in the world."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")


def asked(question: Question) -> str:
    """Return a question in words; it holds none of the values."""
    return _ASKED[question.topic.form].format(about=question.topic.about, subject=question.topic.subject)


def titled(topic: Topic) -> str:
    """Return the title of a goal, a decision or a policy."""
    return f"the {topic.about} for {topic.subject}"


def told(say: Say) -> tuple[str, dict[str, Any]]:
    """Return the event type and the payload of a statement."""
    subject, about = say.topic.subject, say.topic.about
    named = titled(say.topic)
    payloads: dict[str, tuple[str, dict[str, Any]]] = {
        "preference": ("user.preference_changed", {"user": subject, "key": about, "value": say.value}),
        "fact": ("fact.stated", {"subject": subject, "attribute": about, "value": say.value}),
        "policy": ("context.policy", {"name": named, "rule": f"always {say.value}"}),
        "goal": ("goal.updated", {"title": named, "status": say.value}),
        "decision": ("decision.made", {"title": named, "summary": f"we take {say.value}"}),
        "turn": ("transcript.turn", {"speaker": "ann", "content": _sentence(say, say.value)}),
    }
    event_type, payload = payloads[say.topic.form]
    if say.ended:
        payload = {name: member for name, member in payload.items() if name not in ("value", "rule")} | {"ended": True}
    return event_type, payload | {"occurred_at": at(say.day)}


def _sentence(say: Say, value: str) -> str:
    return f"They told me that the {say.topic.about} of {say.topic.subject} is {value} now."


def corrected(say: Say, value: str) -> str:
    """Return the text of a correction: the new value, a whole sentence, or all members as an editor shows them."""
    if say.topic.form == "turn":
        return _sentence(say, value)
    if say.topic.form in ("preference", "fact"):
        return value
    members = {name: member for name, member in told(say)[1].items() if name != "occurred_at"}
    return "\n".join(f"{name}: {member.replace(say.value, value)}" for name, member in members.items())


class Run:
    """A loom in which several histories happen at once.

    Args:
        folder: Where the loom is.
        chance: In what order things happen, and when stores are written.
        on_disk: Whether stores are written at all; else everything is answered from memory.
    """

    def __init__(self, folder: Path, chance: random.Random, *, on_disk: bool) -> None:
        self._folder, self._chance, self._on_disk = folder, chance, on_disk
        self._clock = Ticking()
        self._fabric = MemoryFabric(folder, clock=self._clock)
        self._events: dict[str, Event] = {}
        self._seen: dict[str, int] = {}
        self._known: dict[tuple[str, int], int] = {}
        self.complaints: dict[str, list[str]] = {}
        self.asked = 0

    async def carry_out(self, histories: Mapping[str, History]) -> None:
        """Let the histories happen, mixed with each other, each in its own order; now and then ask meanwhile."""
        waiting = {name: list(history.operations) for name, history in histories.items()}
        self.complaints |= {name: [] for name in histories}
        while waiting:
            name = self._chance.choice(list(waiting))
            history, operation = histories[name], waiting[name].pop(0)
            done = len(history.operations) - len(waiting[name])
            if not waiting[name]:
                del waiting[name]
            try:
                await self._do(operation, history)
            except ZaxyError as error:
                self.complaints[name].append(f"{operation}: {type(error).__name__}: {error}")
                waiting.pop(name, None)
                continue
            self._known[name, done] = self._clock.moment
            if self._chance.random() < 0.1:
                await self.ask(name, history, Question(history.questions[0].topic), done)
            if self._on_disk and self._chance.random() < 0.1:
                await self._fabric.catch_up()
            if self._on_disk and self._chance.random() < 0.02:
                await self._open_again()

    async def ask_all(self, histories: Mapping[str, History]) -> None:
        """Ask everything that the histories ask, of what was carried out whole."""
        for name, history in histories.items():
            if (name, len(history.operations)) in self._known:
                for question in history.questions:
                    await self.ask(name, history, question, len(history.operations))

    async def ask_for_forgotten(self, histories: Mapping[str, History]) -> None:
        """Ask for each word that was forgotten, with history and bookkeeping, and keep where it still stands."""
        for name, history in histories.items():
            if (name, len(history.operations)) in self._known:
                for word in sorted(Oracle(history.operations).forgotten_words()):
                    answer = to_json(await self._fabric.query(word, limit=_ENOUGH, housekeeping=True, history=True))
                    left = word.casefold() in json.dumps(answer["hits"]).casefold()
                    self.asked += 1
                    self.complaints[name] += [f"{word} is found by itself"] if left else []

    async def reproject(self) -> None:
        """Fill the stores from the log."""
        await self._fabric.reproject()

    async def close(self) -> None:
        """Release the loom."""
        await self._fabric.close()

    async def _open_again(self) -> None:
        await self._fabric.close()
        self._fabric = MemoryFabric(self._folder, clock=self._clock)

    async def _do(self, operation: Operation, history: History) -> None:
        if isinstance(operation, Say):
            await self._say(operation)
            return
        target = self._events[operation.target]
        if isinstance(operation, End):
            ended = await self._fabric.invalidate(
                citations=[target.citation], invalid_at=at(operation.day), session_id=target.session_id
            )
            self._events[operation.name] = ended.event
            return
        await self._fabric.catch_up() if self._on_disk and self._chance.random() < 0.2 else None
        before = self._ends()
        named: dict[str, Any] = {"citation": target.citation}
        if self._chance.random() < 0.5:
            named = {"target_seq": target.seq, "target_hash": target.hash, "session_id": target.session_id}
        if isinstance(operation, Edit):
            text = corrected(_said(history, operation.target), operation.value)
            await self._fabric.edit_memory(**named, new_content=text, reason="it was put down wrongly")
        elif isinstance(operation, RollBack):
            await self._fabric.rollback_memory(**named, reason="it had been right")
        else:
            await self._fabric.verified_forget(**named, reason="asked for")
        if not isinstance(operation, Forget):
            self._events[operation.name] = self._new(before, _CHANGED[type(operation)])

    async def _say(self, say: Say) -> None:
        event_type, payload = told(say)
        self._events[say.name] = await self._fabric.append(
            event_type,
            f"{say.source}-voice",
            payload,
            session_id=say.session,
            forgettable=say.forgettable,
            derives_from=tuple(self._events[name].citation for name in say.derives),
            untrusted=say.untrusted,
            source=say.source,
        )

    def _ends(self) -> dict[str, int]:
        loom = self._fabric.memory.loom
        return {name: max((event.seq for event in loom.log(name).replay()), default=0) for name in loom.sessions()}

    def _new(self, before: Mapping[str, int], event_type: str) -> Event:
        loom = self._fabric.memory.loom
        new = [
            event
            for name in loom.sessions()
            for event in loom.log(name).replay(before.get(name, 0) + 1)
            if event.event_type == event_type
        ]
        assert len(new) == 1, f"{event_type} was recorded {len(new)} times"
        return new[0]

    async def ask(self, name: str, history: History, question: Question, done: int) -> None:
        """Ask a question after so many operations of a history, and keep what is wrong with the answers."""
        expected = Oracle(history.operations[:done]).expect(question)
        moments: dict[str, Any] = {}
        if question.as_of is not None:
            moments["as_of"] = at(question.as_of)
        if question.known is not None:
            moments["known_at"] = format_time(self._known[name, question.known])
        text = asked(question)
        answer = to_json(await self._fabric.query(text, limit=_ENOUGH, **moments))
        packet = to_json(await self._fabric.checkout(text, **moments))
        self._judge(name, question, "query", judge_answer(answer, expected, question, self._events))
        self._judge(name, question, "checkout", judge_packet(packet, expected, question, self._events))

    def ask_by_command(self, name: str, history: History, question: Question, *, checkout: bool) -> None:
        """Ask a question in a process of its own, and keep what is wrong with the answer."""
        if (name, len(history.operations)) not in self._known:
            return
        expected = Oracle(history.operations).expect(question)
        words = [asked(question), "--eventloom-path", str(self._folder), "--json"]
        words += ["--as-of", at(question.as_of)] if question.as_of is not None else []
        words += ["--known-at", format_time(self._known[name, question.known])] if question.known is not None else []
        words = ["memory", "checkout", *words] if checkout else ["query", *words, "--limit", str(_ENOUGH)]
        ran = subprocess.run([sys.executable, "-m", "zaxy", *words], capture_output=True, text=True, check=False)
        if ran.returncode:
            self._judge(name, question, "command", [ran.stderr.strip()])
            return
        judge = judge_packet if checkout else judge_answer
        found = judge(json.loads(ran.stdout), expected, question, self._events)
        self._judge(name, question, f"zaxy {words[0]}", found)

    def _judge(self, name: str, question: Question, where: str, found: Sequence[str]) -> None:
        self.asked += 1
        moment = f"{where}, as of {question.as_of}, known {question.known}"
        self.complaints[name] += [f"{asked(question)} ({moment}): {complaint}" for complaint in found]


def _said(history: History, name: str) -> Say:
    by_name = {operation.name: operation for operation in history.operations}
    while not isinstance(operation := by_name[name], Say):
        name = operation.target
    return operation


def judge_answer(
    answer: Mapping[str, Any], expected: Expected, question: Question, events: Mapping[str, Event]
) -> list[str]:
    """Return what is wrong with the hits of an answer."""
    hits: list[Mapping[str, Any]] = answer["hits"]
    found = _missing(hits, expected, events) + _leaked(json.dumps(hits), expected) + _unmarked(hits, expected)
    if expected.status is not None:
        goals = [hit["metadata"] for hit in hits if titled(question.topic) in hit["content"]]
        states = {goal["status"] for goal in goals if goal.get("current")}
        if states != ({expected.status} - {""}):
            found.append(f"the goal is {states}, not {expected.status!r}")
    return found


def judge_packet(
    packet: Mapping[str, Any], expected: Expected, question: Question, events: Mapping[str, Event]
) -> list[str]:
    """Return what is wrong with the facts, the evidence and the text of a checkout."""
    facts: list[Mapping[str, Any]] = [*packet["facts"], *packet["working_set"]]
    told_as = facts if question.topic.form in SINGLE else [*facts, *packet["evidence"]]
    found = _missing(told_as, expected, events)
    found += _leaked(json.dumps({**packet, "query": ""}), expected) + _unmarked(packet["evidence"], expected)
    wrong = [word for word in (*expected.stale, *expected.doubtful) if word in json.dumps(facts)]
    found += [f"{word} is a fact" for word in wrong]
    if expected.status is not None:
        states = {fact["status"] for fact in facts if fact["name"] == titled(question.topic)}
        if states != ({expected.status} - {""}):
            found.append(f"the goal is {states}, not {expected.status!r}")
    return found


def _missing(parts: Sequence[Mapping[str, Any]], expected: Expected, events: Mapping[str, Event]) -> list[str]:
    found = []
    for word, names in expected.shown.items():
        holders = [part for part in parts if word in part["content"]]
        cited = [name for part in holders[:1] for name in names if events[name].citation not in json.dumps(part)]
        found += [f"{word} is not there"] if not holders else [f"{word} does not cite {name!r}" for name in cited]
    return found


def _leaked(text: str, expected: Expected) -> list[str]:
    return [f"{word} is there" for word in sorted(expected.hidden) if word.casefold() in text.casefold()]


def _unmarked(hits: Sequence[Mapping[str, Any]], expected: Expected) -> list[str]:
    """Return which words stand in hits that do not say that they no longer hold, or where they come from."""
    stale = [word for word in expected.stale for hit in hits if word in hit["content"] and _is_current(hit)]
    doubtful = [word for word in expected.doubtful for hit in hits if word in hit["content"] and _is_plain(hit)]
    return [f"{word} counts as so" for word in stale] + [f"{word} has no label" for word in doubtful]


def _is_current(hit: Mapping[str, Any]) -> bool:
    return hit["metadata"].get("current") is not False


def _is_plain(hit: Mapping[str, Any]) -> bool:
    return "untrusted" not in json.dumps(hit["metadata"])
