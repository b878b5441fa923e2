"""Goals, tasks, decisions, issues, verifications and handoffs: what is to be done, was settled and was found out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import EntityRef, Extraction
from zaxy.vocabulary.payloads import Payload, flag, label, labels, parse, text
from zaxy.vocabulary.statements import Statements, is_ended, joined, verb_of

_MAX_STATUS_CHARACTERS: Final = 40
_MAX_SPOKEN_IDENTIFIER_CHARACTERS: Final = 20
_WORD: Final = re.compile(r"\w+")

_STATUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("open", "opened", "reopened", "created", "added", "updated", "set"), "open"),
    **dict.fromkeys(("in_progress", "started", "resumed"), "in_progress"),
    **dict.fromkeys(("done", "complete", "completed", "achieved", "finished", "closed"), "done"),
    **dict.fromkeys(("cancelled", "canceled", "abandoned", "dropped"), "cancelled"),
    **{verb: verb for verb in ("blocked", "paused", "failed", "proposed", "accepted", "rejected")},
}
_ISSUE_STATUSES: Final[Mapping[str, str]] = {
    **_STATUSES,
    **dict.fromkeys(("diagnosed", "reported", "found"), "open"),
    **dict.fromkeys(("resolved", "fixed", "done", "completed", "closed"), "resolved"),
}
_VERDICTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("passed", "pass", "ok", "success", "succeeded", "green", "true", "verified"), "passed"),
    **dict.fromkeys(("failed", "fail", "failure", "error", "red", "false"), "failed"),
}


@dataclass(frozen=True, slots=True)
class WorkItem(Payload):
    """What all work items may hold.

    Attributes:
        title: ``title``, ``name``: what people call it.
        identifier: ``id``: names it when it has no title.
        summary: ``summary``, ``description``, ``content``, ``text``: names it when it has neither.
        status: ``status``, ``state``: by default what the event's type says.
    """

    title: str = text("title", "name", quiet=True)
    identifier: str = label("id", quiet=True)
    summary: str = text("summary", "description", "content", "text")
    status: str = text("status", "state")

    @property
    def called(self) -> str:
        """What the item is known by."""
        return self.title or self.identifier or self.summary


@dataclass(frozen=True, slots=True)
class Goal(WorkItem):
    """``goal.*``.

    Attributes:
        title: ``title``, ``goal``, ``name``.
        identifier: ``goal_id``, ``id``.
        owner: ``owner``, one or a list; by default the actor who creates or updates the goal.
    """

    title: str = text("title", "goal", "name", quiet=True)
    identifier: str = label("goal_id", "id", quiet=True)
    owner: tuple[str, ...] = labels("owner")


@dataclass(frozen=True, slots=True)
class Task(WorkItem):
    """``task.*``. Each of the further members is one name or a list of names.

    Attributes:
        title: ``title``, ``task``, ``name``.
        identifier: ``task_id``, ``id``.
        goal: ``goal``, ``goal_title``, ``goal_id``: what it is part of.
        assignee: ``assignee``, ``assigned_to``, ``owner``: who is to do it.
        blocked_by: ``blocked_by``, ``depends_on``: tasks to be done before.
    """

    title: str = text("title", "task", "name", quiet=True)
    identifier: str = label("task_id", "id", quiet=True)
    goal: tuple[str, ...] = labels("goal", "goal_title", "goal_id")
    assignee: tuple[str, ...] = labels("assignee", "assigned_to", "owner")
    blocked_by: tuple[str, ...] = labels("blocked_by", "depends_on")


@dataclass(frozen=True, slots=True)
class Decision(WorkItem):
    """``decision.*``.

    Attributes:
        title: ``title``, ``decision``, ``name``.
        identifier: ``decision_id``, ``id``.
        supersedes: ``supersedes``, ``replaces``: earlier decisions that no longer hold, one or a list.
    """

    title: str = text("title", "decision", "name", quiet=True)
    identifier: str = label("decision_id", "id", quiet=True)
    supersedes: tuple[str, ...] = labels("supersedes", "replaces")


@dataclass(frozen=True, slots=True)
class Issue(WorkItem):
    """``issue.*``.

    Attributes:
        title: ``title``, ``issue``, ``problem``, ``name``.
        identifier: ``issue_id``, ``id``.
        cause: ``cause``, ``root_cause``, ``diagnosis``.
        fix: ``fix``, ``resolution``, ``solution``: an issue with one is resolved.
    """

    title: str = text("title", "issue", "problem", "name", quiet=True)
    identifier: str = label("issue_id", "id", quiet=True)
    cause: str = text("cause", "root_cause", "diagnosis")
    fix: str = text("fix", "resolution", "solution")


@dataclass(frozen=True, slots=True)
class Verification(WorkItem):
    """``verification.*``. Without a title it is known by what it verifies.

    Attributes:
        title: ``title``, ``name``, ``check``, ``verification``, ``test``.
        identifier: ``verification_id``, ``id``.
        status: ``status``, ``result``, ``outcome``: best begins with "passed" or "failed".
        passed: ``passed``, ``success``: the result as a boolean, which counts before ``status``.
        target: ``target``, ``subject``, ``verifies``, ``task``: a task, one or a list.
        goal: ``goal``: a goal, one or a list.
        file: ``file``, ``path``: a file, one or a list.
    """

    title: str = text("title", "name", "check", "verification", "test", quiet=True)
    identifier: str = label("verification_id", "id", quiet=True)
    status: str = text("status", "result", "outcome")
    passed: bool | None = flag("passed", "success")
    target: tuple[str, ...] = labels("target", "subject", "verifies", "task")
    goal: tuple[str, ...] = labels("goal")
    file: tuple[str, ...] = labels("file", "path")

    @property
    def called(self) -> str:
        """What the verification is known by."""
        first_target = next(iter((*self.target, *self.goal, *self.file)), "")
        return self.title or first_target or self.identifier or self.summary


@dataclass(frozen=True, slots=True)
class Handoff(WorkItem):
    """``handoff.*``.

    Attributes:
        title: ``title``, ``handoff``, ``task``, ``name``.
        identifier: ``handoff_id``, ``id``.
        recipient: ``to``, ``recipient``, ``to_agent``, ``to_actor``, ``assignee``: who goes on, one or a list.
    """

    title: str = text("title", "handoff", "task", "name", quiet=True)
    identifier: str = label("handoff_id", "id", quiet=True)
    recipient: tuple[str, ...] = labels("to", "recipient", "to_agent", "to_actor", "assignee")


def item_text(word: str, item: WorkItem) -> str:
    """Return a work item's text: what kind of thing it is, its title, and everything else that it says.

    A short id is said too, because people speak of "T12"; a long one is nobody's word.
    """
    spoken = len(item.identifier) <= _MAX_SPOKEN_IDENTIFIER_CHARACTERS or item.identifier == item.called
    lead = [word, item.title, item.identifier if spoken else ""]
    return joined(" ".join(part for part in lead if part), other=item.other)


def item_status(event: Event, told: str, statuses: Mapping[str, str] = _STATUSES) -> str:
    """Return the state that an event says a work item is in, empty when it says none.

    Args:
        event: Its type's last part counts when the payload says nothing.
        told: The payload's own word; one that is not in the table is kept, a sentence is not a state.
        statuses: What words stand for.
    """
    if not told:
        return statuses.get(verb_of(event.event_type), "")
    word = "_".join(told.casefold().replace("-", " ").split())
    return statuses.get(word, word if len(word) <= _MAX_STATUS_CHARACTERS else "")


def goal(event: Event) -> Extraction:
    """Return what a ``goal.*`` event means: the goal's state and who owns it."""
    told, statements = parse(Goal, event.payload), Statements()
    ended = is_ended(event, told)
    subject = statements.fact("goal", told.called, status=item_status(event, told.status), ended=ended)
    actor = statements.actor(event.actor)
    if not told.owner and _STATUSES.get(verb_of(event.event_type)) == "open":
        statements.relate(actor, "OWNS", subject)
    for owner in told.owner:
        statements.relate(statements.actor(owner), "OWNS", subject, ended=ended)
    return statements.extraction(item_text("goal", told))


def task(event: Event) -> Extraction:
    """Return what a ``task.*`` event means: the task's state, its goal, who is to do it and what it waits for."""
    told, statements = parse(Task, event.payload), Statements()
    ended = is_ended(event, told)
    subject = statements.fact("task", told.called, status=item_status(event, told.status), ended=ended)
    statements.actor(event.actor)
    for name in told.goal:
        statements.relate(subject, "PART_OF", statements.mention("goal", name), ended=ended)
    for name in told.assignee:
        statements.relate(subject, "ASSIGNED_TO", statements.actor(name), ended=ended)
    for name in told.blocked_by:
        statements.relate(subject, "BLOCKED_BY", statements.mention("task", name), ended=ended)
    return statements.extraction(item_text("task", told))


def decision(event: Event) -> Extraction:
    """Return what a ``decision.*`` event means: the decision, who made it, and the decisions that it ends."""
    told, statements = parse(Decision, event.payload), Statements()
    ended = is_ended(event, told)
    subject = statements.fact("decision", told.called, status=item_status(event, told.status), ended=ended)
    if ended:
        statements.actor(event.actor)
    else:
        statements.relate(statements.actor(event.actor), "DECIDED", subject)
    for name in told.supersedes:
        earlier = statements.mention("decision", name) if ended else statements.fact("decision", name, ended=True)
        statements.relate(subject, "SUPERSEDES", earlier, ended=ended)
    return statements.extraction(item_text("decision", told))


def issue(event: Event) -> Extraction:
    """Return what an ``issue.*`` event means: the issue, resolved once it has a fix."""
    told, statements = parse(Issue, event.payload), Statements()
    status = item_status(event, told.status or ("resolved" if told.fix else ""), _ISSUE_STATUSES)
    statements.fact("issue", told.called, status=status, ended=is_ended(event, told))
    statements.actor(event.actor)
    return statements.extraction(item_text("issue", told))


def verification(event: Event) -> Extraction:
    """Return what a ``verification.*`` event means: whether it passed, and what was verified."""
    told, statements = parse(Verification, event.payload), Statements()
    ended = is_ended(event, told)
    subject = statements.fact("verification", told.called, status=_verdict(event, told), ended=ended)
    statements.actor(event.actor)
    for target in _verified(told, statements):
        statements.relate(subject, "VERIFIES", target, ended=ended)
    return statements.extraction(item_text("verification", told))


def _verdict(event: Event, told: Verification) -> str:
    if told.passed is not None:
        return "passed" if told.passed else "failed"
    first_word = _WORD.match(told.status)
    if first_word and (verdict := _VERDICTS.get(first_word[0].casefold())):
        return verdict
    return item_status(event, told.status, _VERDICTS)


def _verified(told: Verification, statements: Statements) -> list[EntityRef | None]:
    named = (("task", told.target), ("goal", told.goal), ("file", told.file))
    return [statements.mention(entity_type, name) for entity_type, names in named for name in names]


def handoff(event: Event) -> Extraction:
    """Return what a ``handoff.*`` event means: what was handed over, and to whom."""
    told, statements = parse(Handoff, event.payload), Statements()
    ended = is_ended(event, told)
    subject = statements.fact("handoff", told.called, status=item_status(event, told.status), ended=ended)
    statements.actor(event.actor)
    for name in told.recipient:
        statements.relate(subject, "HANDED_TO", statements.actor(name), ended=ended)
    return statements.extraction(item_text("handoff", told))
