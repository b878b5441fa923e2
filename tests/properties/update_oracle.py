"""Works out by brute force what is so after a list of operations.

It looks at that list alone, with loops and comparisons; it knows nothing of events, stores, marks or slices. World time
is counted in days, knowledge in operations: ``known=3`` asks for what was known after the first three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from update_operations import SINGLE, TODAY, Edit, End, Forget, Operation, Question, RollBack, Say, Topic

TRUST: Final = {"human": 4, "agent": 3, "import": 2, "derived": 1, "tool": 0}


@dataclass
class Expected:
    """What an answer has to hold.

    Attributes:
        shown: Words that have to be in it, each with the operations that it has to cite.
        hidden: Words that may be nowhere in it.
        stale: Words of what was made from something that no longer holds: never a fact, and no hit that counts as so.
        doubtful: Words from untrusted sources: never a fact, and no hit without a label.
        status: Of a goal.
    """

    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    status: str | None = None


class Oracle:
    """Works out what is so after a list of operations.

    Args:
        operations: All that were carried out, in the order in which they were recorded.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._by_name = {operation.name: operation for operation in operations}
        self._place = {operation.name: place for place, operation in enumerate(operations)}
        self._says = [operation for operation in operations if isinstance(operation, Say)]

    def expect(self, question: Question) -> Expected:
        """Return what the answer to a question has to hold.

        The text of what was forgotten is gone whatever knowledge one asks for; that it had replaced something is not.
        """
        known = len(self._operations) if question.known is None else question.known
        day = TODAY if question.as_of is None else question.as_of
        expected = Expected()
        for say in self._says:
            if say.topic != question.topic:
                continue
            if say.topic.form == "goal":
                continue
            version = self._version(say, known)
            words = self._words(say)
            is_there = version is not None and not self._is_forgotten(say, len(self._operations))
            if version is not None and is_there and self._place[say.name] < known and say.day <= day:
                word = self._word(version)
                if self.is_doubtful(say):
                    expected.doubtful.add(word)
                    words.discard(word)
                elif self.holds(version, day, known):
                    expected.shown[word] = (version,) if version == say.name else (version, say.name)
                    words.discard(word)
                elif say.derives and self._stands(say, day, known):
                    expected.stale.add(word)
                    words.discard(word)
            expected.hidden |= words
        if question.topic.form == "goal":
            expected.status = self._status(question.topic, day, known)
        return expected

    def forgotten_words(self) -> set[str]:
        """Return the words that nothing may hold any more."""
        gone = [say for say in self._says if self._is_forgotten(say, len(self._operations))]
        return {word for say in gone for word in self._words(say)}

    def counts(self, name: str) -> bool:
        """Return whether a change counts and may be taken back: it was not, and what it changed is not forgotten."""
        operation = self._by_name[name]
        while not isinstance(operation, Say):
            operation = self._by_name[operation.target]
        return (
            self._in_force(self._place[name], len(self._operations)) and operation.value not in self.forgotten_words()
        )

    def was_ended(self, name: str) -> bool:
        """Return whether a statement was ever ended."""
        return any(isinstance(one, End) and one.target == name for one in self._operations)

    def was_edited(self, name: str) -> bool:
        """Return whether a statement was ever corrected."""
        return any(isinstance(one, Edit) and one.target == name for one in self._operations)

    def is_sealed(self, name: str) -> bool:
        """Return whether a statement can be forgotten."""
        return self._said(name).forgettable

    def holds(self, version: str, day: int, known: int) -> bool:
        """Return whether a statement or a correction is what is so on a day, as known after so many operations."""
        say = self._said(version)
        if self._place[version] >= known or self._version(say, known) != version or self.is_doubtful(say):
            return False
        return self._stands(say, day, known) and all(self.holds(source, day, known) for source in say.derives)

    def is_doubtful(self, say: Say) -> bool:
        """Return whether it comes from an untrusted source, or was made from something that does."""
        return say.untrusted or say.source == "tool" or any(self.is_doubtful(self._said(one)) for one in say.derives)

    def _stands(self, say: Say, day: int, known: int) -> bool:
        """Return whether a statement is the word that counts, whatever it was made from."""
        if say.day > day or self._place[say.name] >= known or self._has_ended(say, day, known):
            return False
        if say.topic.form not in SINGLE:
            return True
        return self._winner(say.topic, day, known) is say and not say.ended

    def _winner(self, topic: Topic, day: int, known: int) -> Say | None:
        there = [
            say
            for say in self._says
            if say.topic == topic and self._place[say.name] < known and say.day <= day and not self.is_doubtful(say)
        ]
        return max(there, key=lambda say: (TRUST[say.source], say.day), default=None)

    def _status(self, topic: Topic, day: int, known: int) -> str:
        """Return the status of a goal, empty when nothing is so."""
        there = [say for say in self._says if say.topic == topic and self._place[say.name] < known and say.day <= day]
        latest = max(there, key=lambda say: say.day, default=None)
        if latest is None or latest.ended or self._has_ended(latest, day, known):
            return ""
        return latest.value

    def _version(self, say: Say, known: int) -> str | None:
        """Return the name of the correction that counts, or of the statement itself; None when it was forgotten."""
        if self._is_forgotten(say, known):
            return None
        version = say.name
        for place, operation in enumerate(self._operations[:known]):
            if isinstance(operation, Edit) and self._said(operation.target) is say and self._in_force(place, known):
                version = operation.name
        return version

    def _in_force(self, place: int, known: int) -> bool:
        """Return whether a change counts: no rollback of it that counts itself came later."""
        name = self._operations[place].name
        return not any(
            isinstance(operation, RollBack) and operation.target == name and self._in_force(later, known)
            for later, operation in enumerate(self._operations[:known])
        )

    def _has_ended(self, say: Say, day: int, known: int) -> bool:
        return any(
            isinstance(operation, End)
            and self._said(operation.target) is say
            and operation.day <= day
            and self._in_force(place, known)
            for place, operation in enumerate(self._operations[:known])
        )

    def _is_forgotten(self, say: Say, known: int) -> bool:
        forgotten = [self._said(one.target) for one in self._operations[:known] if isinstance(one, Forget)]
        return say in forgotten or (say.forgettable and self._is_made_from(say, forgotten))

    def _is_made_from(self, say: Say, sources: Sequence[Say]) -> bool:
        made_from = [self._said(name) for name in say.derives]
        return any(one in sources or self._is_made_from(one, sources) for one in made_from)

    def _said(self, name: str) -> Say:
        """Return the statement that a name leads to: itself, or what it corrects."""
        operation = self._by_name[name]
        while not isinstance(operation, Say):
            operation = self._by_name[operation.target]
        return operation

    def _word(self, version: str) -> str:
        operation = self._by_name[version]
        assert isinstance(operation, Say | Edit)
        return operation.value

    def _words(self, say: Say) -> set[str]:
        edits = {one.value for one in self._operations if isinstance(one, Edit) and self._said(one.target) is say}
        return edits | {say.value}
